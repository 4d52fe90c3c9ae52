//! docs/algorithms.md: the table of algorithms and what standards say of them, by date.

use std::fmt::Write as _;

use keyward_core::crypto_types::{Algorithm, status};

const PREFACE: &str = "\
# Algorithms

Every algorithm that a key can have, from the one table in `crates/crypto/src/algorithm/table.rs`;
a running server shows the same at `GET /v1/algorithms`, with what holds on the day it is asked
(`keyward algorithm list`, `keyward algorithm show NAME`). How messages look is in
[formats/ciphertext.md](formats/ciphertext.md).

*Limited*: random nonces of 96 bits; each version protects at most 2^32 messages, and uses are set
aside durably, in blocks of 2^20, before they are spent. *FIPS*: services of the AWS-LC FIPS module
compute all of it; a build with the feature `fips` (`cargo build --release --package keyward
--features fips`; it needs cmake and Go) uses that module alone, refuses the others by name, and says
at start which module it runs. Whether a module has a certificate, and for which uses, is for its
certificate to say ([fips.md](fips.md)). AES-192 is offered for GCM only: AWS-LC's key wrap has no
AES-192, and a second implementation of AES beside it, outside the FIPS module, is not worth a size
that CNSA 2.0 disallows and that nobody needs who has the one above it.

| name | what | usages | size | strength | limited | FIPS |
|---|---|---|---:|---:|---|---|
";

const STATUS: &str = "
## What standards say, and when it changes

Protecting something new / processing what was protected. NIST: SP 800-131A revision 3 and IR 8547,
both drafts (2024). CNSA 2.0: the NSA's suite for national security systems (FAQ 2.1, 2024).
*Unlisted*: the standard does not name it. What a combination of approved parts is, the standards
leave open; `of its parts` marks it. Dates are data in `crates/crypto/src/status.rs`; nothing is
refused because of them.

| name | NIST, protect | NIST, process | CNSA 2.0, protect | CNSA 2.0, process |
|---|---|---|---|---|
";

/// The page.
pub fn markdown() -> String {
    let mut page = String::from(PREFACE);
    let yes = |flag: bool| if flag { "yes" } else { "" };
    // Writing to a String cannot fail.
    for algorithm in Algorithm::ALL {
        let info = algorithm.info();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            info.name,
            info.description,
            info.usages.names().join(", "),
            info.size_bits,
            info.strength_bits,
            yes(info.needs_use_limit),
            yes(info.in_fips_module),
        );
    }
    page.push_str(STATUS);
    for algorithm in Algorithm::ALL {
        let _ = write!(page, "| `{}` |", algorithm.name());
        for regime in status::Regime::ALL {
            for direction in status::Direction::ALL {
                let rows = status::periods(*algorithm, *regime, *direction);
                let _ = write!(page, " {} |", periods(rows));
            }
        }
        page.push('\n');
    }
    page
}

fn periods(rows: &[status::Period]) -> String {
    if rows.is_empty() {
        return "unlisted".to_owned();
    }
    let parts = rows.iter().map(|row| {
        let parts = if row.source.contains("of its parts") {
            " (of its parts)"
        } else {
            ""
        };
        let standing = row.standing.name();
        match (row.from, row.until) {
            (_, Some(until)) => format!("{standing} until {until}{parts}"),
            (Some(from), None) => format!("{standing} from {from}{parts}"),
            (None, None) => format!("{standing}{parts}"),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}
