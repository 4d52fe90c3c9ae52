//! The table of all settings for docs/configuration.md, from the rows themselves.

use std::fmt::Write;

use super::{ROWS, SECTIONS};

/// Renders the reference as Markdown.
pub fn config_reference() -> String {
    let mut page = String::new();
    for (section, doc) in SECTIONS {
        let _ = write!(page, "### `[{section}]`\n\n{}\n\n", joined(doc));
        page.push_str(
            "| setting | variable | value | default | meaning |\n|---|---|---|---|---|\n",
        );
        for row in ROWS.iter().filter(|row| row.section == *section) {
            let _ = writeln!(
                page,
                "| `{}` | `{}` | {} | {} | {} |",
                row.key,
                row.variable(),
                (row.form)(),
                row.default,
                joined(row.doc),
            );
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn joined(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_row_and_its_variable() {
        let page = config_reference();
        for row in ROWS {
            assert!(page.contains(&format!("| `{}` | `{}` |", row.key, row.variable())));
            assert!(row.doc.iter().all(|line| !line.trim().is_empty()));
        }
    }
}
