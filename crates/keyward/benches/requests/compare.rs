//! Two kept runs side by side: what became faster or slower.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

/// The table of what both runs measured; ratios are new to old.
pub fn table(old: &Path, new: &Path) -> String {
    let (old, new) = (rows(old), rows(new));
    let mut out = String::from(
        "| server | case | requests/s | new / old | CPU µs | new / old | p99 µs | new / old |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in &new {
        let same =
            |other: &&Value| other["server"] == row["server"] && other["case"] == row["case"];
        let Some(before) = old.iter().find(same) else {
            continue;
        };
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let _ = write!(out, "| {} | {} |", text("server"), text("case"));
        for name in [
            "requests_per_second",
            "cpu_micros_per_request",
            "p99_micros",
        ] {
            let now = row[name].as_f64().unwrap_or(f64::NAN);
            let then = before[name].as_f64().unwrap_or(f64::NAN);
            let _ = write!(out, " {now:.1} | {:.2} |", now / then);
        }
        out.push('\n');
    }
    out
}

fn rows(path: &Path) -> Vec<Value> {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let kept: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    kept["rows"].as_array().cloned().unwrap_or_default()
}
