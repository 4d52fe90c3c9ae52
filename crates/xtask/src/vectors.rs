//! The table of published vectors: what the last run of `cargo test -p keyward-crypto` wrote, one
//! row for each file.

use std::fmt::Write as _;

use crate::metadata::Metadata;

const HEAD: &str = "\
| source | file | run | passed | not applicable, and why |
|---|---|---:|---:|---|
";

/// The table and its sums.
pub fn table(metadata: &Metadata) -> Result<String, String> {
    let directory = metadata.target_directory.join("tmp/vectors");
    let entries = std::fs::read_dir(&directory).map_err(|_| {
        format!(
            "{} is not there: run `cargo test -p keyward-crypto` first",
            directory.display()
        )
    })?;
    let mut rows = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        rows.push(std::fs::read_to_string(&path).map_err(|error| error.to_string())?);
    }
    rows.sort();
    let (mut run, mut passed) = (0, 0);
    let mut page = String::from(HEAD);
    for row in &rows {
        let mut numbers = row
            .split('|')
            .filter_map(|cell| cell.trim().parse::<u64>().ok());
        run += numbers.next().unwrap_or(0);
        passed += numbers.next().unwrap_or(0);
        page.push_str(row);
    }
    // Writing to a String cannot fail.
    let _ = write!(page, "| all | {} rows | {run} | {passed} | |", rows.len());
    if run == 0 || run != passed {
        return Err(format!("{page}\n\nnot every vector passed"));
    }
    Ok(page)
}
