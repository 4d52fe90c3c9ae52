//! Checking a bundle by the log's public key alone: every file, every entry, every receipt; and saying which
//! of them is wrong.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use keyward_ledger::{OpenedCheckpoint, VerifierKey};
use serde::Serialize;

use super::manifest::{
    CHECKPOINTS, DIGESTS, ENTRIES, FORMAT, KEY, KIND, MANIFEST, MANIFEST_DIGEST, Manifest, README,
    RECEIPTS, SCHEMA, page, sums,
};
use super::not_valid;
use super::pages::Pages;
use super::working::{digest_of, hex, paths_in};
use crate::commands::audit::bar::Bar;
use crate::commands::audit::succession::Succession;
use crate::commands::audit::verify::{AskedWitnesses, missing_witness};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// The largest manifest.
const MANIFEST_MAX: u64 = 256 * 1024 * 1024;
/// The largest of the other small files.
const SMALL_MAX: u64 = 1024 * 1024;
/// After so many faults no more are named.
const NAMED_MAX: usize = 1000;

/// Whether a bundle, or what was one, is meant: a directory.
pub fn is_bundle(place: &Path) -> bool {
    place.is_dir()
}

/// What is wrong, and where.
#[derive(Debug, Serialize)]
pub struct Fault {
    pub path: String,
    /// Which line of the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub what: String,
}

/// All that is wrong.
#[derive(Debug, Default)]
pub struct Faults {
    named: Vec<Fault>,
    more: u64,
}

impl Faults {
    /// One more.
    pub fn add(&mut self, path: &str, line: Option<u64>, what: impl std::fmt::Display) {
        if self.named.len() == NAMED_MAX {
            self.more += 1;
            return;
        }
        self.named.push(Fault {
            path: path.to_owned(),
            line,
            what: what.to_string(),
        });
    }
}

/// Which entries of a tree the bundle has.
#[derive(Serialize)]
struct OfTree {
    tree: String,
    entries: u64,
    first: u64,
    last: u64,
    /// Whether none between the first and the last is missing.
    complete: bool,
}

/// What a check found.
#[derive(Serialize)]
struct Report {
    log: String,
    sound: bool,
    entries: u64,
    trees: Vec<OfTree>,
    checkpoints: u64,
    manifest_sha256: String,
    faults: Vec<Fault>,
    more_faults: u64,
}

/// Checks a bundle and tells what was found.
pub fn check(
    place: &Path,
    keys: &Succession,
    witnesses: AskedWitnesses<'_>,
    context: &Context,
) -> Result<(), Failure> {
    // A bundle names the key that signed when it was made.
    let named = bounded(place, KEY, SMALL_MAX).unwrap_or_default();
    let named = String::from_utf8_lossy(&named);
    let Some(key) = keys.named(named.trim_end()) else {
        return Err(Failure::usage("no key is given"));
    };
    let bar = Bar::new(context.for_people() && io::stderr().is_terminal());
    let report = checked(place, key, witnesses, &bar);
    bar.end();
    let report = report?;
    context.show(&report, show)?;
    if report.sound {
        return Ok(());
    }
    let count = report.faults.len() as u64 + report.more_faults;
    Err(not_valid(format!(
        "the evidence is not what it says: {count} fault(s)"
    ))
    .next("keep it as it is, and ask whoever made it for another copy"))
}

fn checked(
    place: &Path,
    key: &VerifierKey,
    witnesses: AskedWitnesses<'_>,
    bar: &Bar,
) -> Result<Report, Failure> {
    let mut faults = Faults::default();
    let (manifest, manifest_sha256) = manifest_of(place)?;
    check_small(place, &manifest, &manifest_sha256, key, &mut faults);
    check_files(place, &manifest, &mut faults)?;
    let known = check_checkpoints(place, &manifest, key, witnesses, &mut faults);
    let mut pages = Pages::new(place, key, &manifest, &known);
    // `pages` may say anything; more than there are files there are not.
    for number in 1..=manifest.pages.min(manifest.files.len() as u64) {
        pages.check(number, &mut faults);
        let words = format!("{} entries", pages.entries);
        bar.at(number, manifest.pages, &words);
    }
    pages.compare(&manifest, &mut faults);
    let trees = pages.trees.0.iter().map(|(tree, part)| OfTree {
        tree: tree.clone(),
        entries: part.entries,
        first: part.first,
        last: part.last,
        complete: part.is_complete(),
    });
    Ok(Report {
        log: manifest.log.clone(),
        sound: faults.named.is_empty(),
        entries: pages.entries,
        trees: trees.collect(),
        checkpoints: known.len() as u64,
        manifest_sha256,
        faults: faults.named,
        more_faults: faults.more,
    })
}

/// The manifest, of a form that is known, and its digest.
fn manifest_of(place: &Path) -> Result<(Manifest, String), Failure> {
    let bytes = bounded(place, MANIFEST, MANIFEST_MAX)
        .map_err(|error| missing(&error).about(place.join(MANIFEST).display()))?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
        not_valid(format!("it is not a bundle's manifest: {error}")).about(MANIFEST)
    })?;
    if manifest.kind != KIND || manifest.format != FORMAT {
        let what = format!("it is of a {} in form {}", manifest.kind, manifest.format);
        return Err(not_valid(what)
            .about(MANIFEST)
            .next("take the release of Keyward that made it, or a later one"));
    }
    let digest = hex(&keyward_crypto::digest::sha256(&bytes));
    Ok((manifest, digest))
}

/// The manifest's digest, the list of digests and the key are those that they should be.
fn check_small(
    place: &Path,
    manifest: &Manifest,
    digest: &str,
    key: &VerifierKey,
    faults: &mut Faults,
) {
    let said = format!("{digest}  {MANIFEST}\n");
    let otherwise = "it is not the manifest's digest";
    compare(place, MANIFEST_DIGEST, &said, otherwise, faults);
    let otherwise = "it is not what the manifest says";
    compare(place, DIGESTS, &sums(&manifest.files), otherwise, faults);
    let otherwise = "it is another key than the one given";
    compare(place, KEY, &format!("{key}\n"), otherwise, faults);
    if manifest.log != key.name().as_str() {
        let what = format!("it names another log than the key: {}", manifest.log);
        faults.add(MANIFEST, None, what);
    }
}

/// A small file is exactly this.
fn compare(place: &Path, path: &str, said: &str, otherwise: &str, faults: &mut Faults) {
    match bounded(place, path, SMALL_MAX.max(said.len() as u64)) {
        Ok(found) if found == said.as_bytes() => {}
        Ok(_) => faults.add(path, None, otherwise),
        Err(error) => faults.add(path, None, missing_or(&error)),
    }
}

/// Every file that is named is there, whole; and no other.
fn check_files(place: &Path, manifest: &Manifest, faults: &mut Faults) -> Result<(), Failure> {
    let own = [MANIFEST, MANIFEST_DIGEST, DIGESTS];
    let found = paths_in(place).map_err(|error| Failure::local(error).about(place.display()))?;
    let found: BTreeSet<String> = found.into_iter().collect();
    for path in &found {
        if !own.contains(&path.as_str()) && !manifest.files.contains_key(path) {
            faults.add(path, None, "the manifest does not name it: it was added");
        }
    }
    let pages = 1..=manifest.pages;
    let pages =
        pages.flat_map(|number| [ENTRIES, RECEIPTS].map(|it| format!("{it}/{}", page(number))));
    let needed = [README, KEY, SCHEMA]
        .map(str::to_owned)
        .into_iter()
        .chain(pages);
    // No more than one manifest can name: `pages` may say anything.
    for path in needed.take(manifest.files.len() + NAMED_MAX) {
        if !manifest.files.contains_key(&path) {
            faults.add(MANIFEST, None, format!("it does not name {path}"));
        }
    }
    for (path, named) in &manifest.files {
        if !found.contains(path) {
            faults.add(path, None, "it is missing");
            continue;
        }
        match digest_of(&place.join(path)) {
            Ok(found) if found == *named => {}
            Ok(_) => faults.add(
                path,
                None,
                "it is not the file that the manifest names: its SHA-256 is another",
            ),
            Err(error) => faults.add(path, None, missing_or(&error)),
        }
    }
    Ok(())
}

/// The checkpoints, each signed by the log and by every witness that was asked for.
fn check_checkpoints(
    place: &Path,
    manifest: &Manifest,
    key: &VerifierKey,
    witnesses: AskedWitnesses<'_>,
    faults: &mut Faults,
) -> BTreeSet<Vec<u8>> {
    let mut known = BTreeSet::new();
    let prefix = format!("{CHECKPOINTS}/");
    // Right below it, and nowhere else: whoever wrote the manifest may have named anything.
    let below = |path: &&String| {
        let name = path.strip_prefix(&prefix);
        name.is_some_and(|name| name.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-'))
    };
    for path in manifest.files.keys().filter(below) {
        let bytes = match bounded(place, path, SMALL_MAX) {
            Ok(bytes) => bytes,
            Err(error) => {
                faults.add(path, None, missing_or(&error));
                continue;
            }
        };
        match OpenedCheckpoint::open(&bytes, key, witnesses.keys) {
            Ok(opened) => {
                if let Some(missing) = missing_witness(&opened, witnesses.keys, witnesses.required)
                {
                    faults.add(path, None, format!("it has {missing}"));
                }
            }
            Err(error) => faults.add(path, None, error),
        }
        known.insert(bytes);
    }
    known
}

/// A file that is not too long.
fn bounded(place: &Path, path: &str, most: u64) -> io::Result<Vec<u8>> {
    let place = place.join(path);
    // Whatever else stands there is not opened: a pipe would be waited for.
    if !fs::symlink_metadata(&place)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(place)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is too long",
        ));
    }
    Ok(bytes)
}

fn missing_or(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is missing".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

fn missing(error: &io::Error) -> Failure {
    Failure::new(Exit::NotFound, missing_or(error))
        .next("name the directory of a bundle that `keyward audit evidence` made, unpacked")
}

/// For people.
fn show(report: &Report) -> Result<(), Failure> {
    for Fault { path, line, what } in &report.faults {
        let line = line.map_or_else(String::new, |line| format!(", line {line}"));
        output::line(&output::printable(&format!("{path}{line}: {what}")))?;
    }
    if report.more_faults > 0 {
        output::line(&format!("and {} more", report.more_faults))?;
    }
    for tree in &report.trees {
        let OfTree {
            tree,
            first,
            last,
            entries,
            complete,
        } = tree;
        let complete = if *complete {
            "complete: none between them is missing"
        } else {
            "a selection: others lie between them"
        };
        output::line(&output::printable(&format!(
            "{tree}: {entries} entries, {first} to {last}, {complete}"
        )))?;
    }
    output::fields(&[
        ("log", report.log.clone()),
        ("entries", report.entries.to_string()),
        ("checkpoints", report.checkpoints.to_string()),
        ("manifest", format!("sha256:{}", report.manifest_sha256)),
        (
            "verified",
            if report.sound { "yes" } else { "NO" }.to_owned(),
        ),
    ])
}
