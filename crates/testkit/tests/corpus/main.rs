//! Everything that any release wrote stays readable: the checked-in `corpus/`, opened by today's code
//! and by readers in Python that know the documents only. What may be added to it, and how, is in its
//! README; what is in it is never written again.
#![allow(clippy::disallowed_methods)] // KEYWARD_CORPUS=add adds what is missing
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backups;
mod deployments;
mod index;
mod layouts;
mod python;
mod signed_journal;
mod streams;
mod uses;

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde_json::Value;

/// A place in the corpus.
fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus")
        .join(name)
}

/// Whether what is missing is made.
fn may_add() -> bool {
    std::env::var_os("KEYWARD_CORPUS").is_some_and(|what| what == "add")
}

/// A JSON file of the corpus.
fn load(name: &str) -> Value {
    let path = corpus(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; see corpus/README.md", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Adds a JSON file.
fn save(name: &str, value: &Value) {
    let path = corpus(name);
    assert!(!path.exists(), "what is in the corpus stays as it is");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} is missing"))
}

fn hex(value: &Value, name: &str) -> Vec<u8> {
    HEXLOWER.decode(text(value, name).as_bytes()).unwrap()
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
