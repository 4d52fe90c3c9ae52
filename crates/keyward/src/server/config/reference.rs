//! The table of all settings for docs/configuration.md, from the rows themselves.

use std::fmt::Write;

use super::settings::Row;
use super::{ROWS, SECTIONS, audit_mirror, audit_sink, audit_witness, audit_witness_for};

/// Renders the reference as Markdown.
pub fn config_reference() -> String {
    let mut page = String::new();
    for (section, doc) in SECTIONS {
        let rows = ROWS.iter().filter(|row| row.section == *section);
        table(
            &mut page,
            section,
            doc,
            rows.map(|row| (row.variable(), row)),
        );
    }
    for (sections, rows) in [
        (audit_mirror::SECTIONS, audit_mirror::ROWS),
        (audit_sink::SECTIONS, audit_sink::ROWS),
        (audit_witness::SECTIONS, audit_witness::ROWS),
        (audit_witness_for::SECTIONS, audit_witness_for::ROWS),
    ] {
        for (section, doc) in sections {
            let of_any = |row: &Row| {
                let name = format!("KEYWARD_{section}_NAME_{}", row.key);
                name.to_uppercase()
            };
            let rows = rows.iter().map(|row| (of_any(row), row));
            table(&mut page, &format!("{section}.NAME"), doc, rows);
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn table<'a>(
    page: &mut String,
    section: &str,
    doc: &[&str],
    rows: impl Iterator<Item = (String, &'a Row)>,
) {
    let _ = write!(page, "### `[{section}]`\n\n{}\n\n", joined(doc));
    page.push_str("| setting | variable | value | default | meaning |\n|---|---|---|---|---|\n");
    for (variable, row) in rows {
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {} | {} | {} |",
            row.key,
            variable,
            (row.form)(),
            row.default,
            joined(row.doc),
        );
    }
    page.push('\n');
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
