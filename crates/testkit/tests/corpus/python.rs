//! The second implementation: readers in Python, made from docs/formats alone.

use std::path::Path;
use std::process::Command;

use crate::{corpus, may_add};

/// Where `make test` puts it.
fn python() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/python")
}

fn reads(script: &str) {
    let found = Command::new(python())
        .args(["-c", "import cryptography"])
        .status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "Python's cryptography is missing: run `make prepare`"
    );
    let done = Command::new(python())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(corpus(script))
        .output()
        .unwrap();
    let wrong = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}: {wrong}");
}

#[test]
fn ciphertexts_records_shares_and_streams_open_in_python() {
    if !may_add() {
        reads("read_parts.py");
    }
}

#[test]
fn the_hierarchy_opens_in_python() {
    reads("read_hierarchy.py");
}

#[test]
fn a_backup_opens_in_python_down_to_a_payload() {
    if !may_add() {
        reads("read_backup.py");
    }
}
