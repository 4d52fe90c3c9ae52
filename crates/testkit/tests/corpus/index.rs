//! What the corpus must hold: a directory for each version that a constant of the code names, every
//! file as it was when it was added.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use keyward_crypto::digest::sha256;

use crate::{corpus, load, may_add};

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The files that are never written again, by their names in the corpus.
fn kept() -> BTreeMap<String, String> {
    let root = corpus("");
    let mut files = Vec::new();
    files_below(&root, &mut files);
    let mut sums = BTreeMap::new();
    for path in files {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        // Readers and pages may be mended; what they read may not.
        if name.contains('/') && !name.contains("__pycache__") {
            let sum = HEXLOWER.encode(&sha256(&std::fs::read(&path).unwrap()));
            sums.insert(name.to_owned(), sum);
        }
    }
    sums
}

/// `SHA256SUMS` is what `sha256sum --check` reads.
#[test]
fn what_is_in_the_corpus_is_as_it_was_added() {
    let listed = corpus("SHA256SUMS");
    let text = std::fs::read_to_string(&listed).unwrap_or_default();
    let mut known: BTreeMap<String, String> = text
        .lines()
        .map(|line| {
            let (sum, name) = line.split_once("  ").unwrap();
            (name.to_owned(), sum.to_owned())
        })
        .collect();
    let found = kept();
    for (name, sum) in &known {
        assert_eq!(found.get(name), Some(sum), "{name} is not what was added");
    }
    if may_add() {
        known.extend(found.clone());
        let lines = known.iter().map(|(name, sum)| format!("{sum}  {name}\n"));
        std::fs::write(&listed, lines.collect::<String>()).unwrap();
    }
    let unlisted: Vec<&String> = found.keys().filter(|it| !known.contains_key(*it)).collect();
    assert!(unlisted.is_empty(), "not in SHA256SUMS: {unlisted:?}");
}

/// A constant that looks like the version of a format.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Constant {
    /// `<file>:<name>`.
    place: String,
    value: String,
}

/// `const …FORMAT…` and `const …VERSION` with a number or a text for a value.
fn constants() -> BTreeSet<Constant> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&crates).unwrap() {
        let sources = entry.unwrap().path().join("src");
        // What is no part of the product writes nothing that is kept.
        let is_product = !["xtask/src", "testkit/src"]
            .iter()
            .any(|it| sources.ends_with(it));
        if sources.is_dir() && is_product {
            files_below(&sources, &mut files);
        }
    }
    let mut found = BTreeSet::new();
    for file in files
        .iter()
        .filter(|it| it.extension().is_some_and(|it| it == "rs"))
    {
        let short = file.strip_prefix(&crates).unwrap().to_str().unwrap();
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let Some((before, rest)) = line.split_once("const ") else {
                continue;
            };
            let is_item = before.is_empty() || before.trim_start().starts_with("pub");
            let Some((name, rest)) = rest.split_once(": ") else {
                continue;
            };
            let Some((kind, value)) = rest.split_once(" = ") else {
                continue;
            };
            let is_number = kind.starts_with(['u', 'i']) || kind == "&str";
            let is_version = name.contains("FORMAT") || name.ends_with("VERSION");
            if is_item && is_number && is_version {
                found.insert(Constant {
                    place: format!("{short}:{name}"),
                    value: value.trim_end_matches(';').trim_matches('"').to_owned(),
                });
            }
        }
    }
    found
}

#[test]
fn every_version_of_every_format_has_its_directory() {
    let index = load("formats.json");
    let constants = constants();
    assert!(constants.len() > 8, "{constants:?}");
    for constant in &constants {
        let format = &index["constants"][&constant.place];
        if format["none_because"].is_string() {
            continue;
        }
        let name = format["directory"]
            .as_str()
            .unwrap_or_else(|| panic!("{} has no row in corpus/formats.json", constant.place));
        // `keyward-backup/1` is version 1.
        let version = constant.value.rsplit('/').next().unwrap();
        let directory = corpus(&format!("{name}/{version}"));
        let is_there = directory.is_dir() && directory.read_dir().unwrap().next().is_some();
        assert!(
            is_there,
            "{} is {version}, and corpus/{name}/{version} is missing: see corpus/README.md",
            constant.place
        );
    }
    let named: BTreeSet<&str> = constants.iter().map(|it| it.place.as_str()).collect();
    for place in index["constants"].as_object().unwrap().keys() {
        assert!(
            named.contains(place.as_str()),
            "{place} is not in the code any more"
        );
    }
    for directory in index["without_a_constant"].as_object().unwrap().keys() {
        assert!(corpus(directory).is_dir(), "corpus/{directory} is missing");
    }
}
