//! What a bundle of evidence says of itself, and the names of what is in it.

use std::collections::BTreeMap;

use keyward_api::audit::AuditDetailNote;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of the bundle's form.
pub const FORMAT: u32 = 1;
/// What it calls itself.
pub const KIND: &str = "keyward-evidence";

/// Where what lies.
pub const MANIFEST: &str = "manifest.json";
/// The digest of the manifest, as `sha256sum` writes it.
pub const MANIFEST_DIGEST: &str = "manifest.json.sha256";
/// What every other file's digest is, as `sha256sum --check` reads it.
pub const DIGESTS: &str = "SHA256SUMS";
/// How to check it.
pub const README: &str = "README.txt";
/// The log's public key.
pub const KEY: &str = "key.txt";
/// The JSON Schema of an entry.
pub const SCHEMA: &str = "audit-entry.schema.json";
/// Signed checkpoints, by how many entries they are of.
pub const CHECKPOINTS: &str = "checkpoints";
/// Entries as they were logged, a line each.
pub const ENTRIES: &str = "entries";
/// Their receipts, a line of JSON each.
pub const RECEIPTS: &str = "receipts";

/// The file of a page below [`ENTRIES`] or [`RECEIPTS`].
pub fn page(number: u64) -> String {
    format!("{number:06}.jsonl")
}

/// What the bundle is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `keyward-evidence`.
    pub kind: String,
    /// In which form.
    pub format: u32,
    /// By which program.
    pub made_by: String,
    /// The log's name.
    pub log: String,
    /// What was asked for.
    pub asked: Asked,
    /// How many entries there are.
    pub entries: u64,
    /// How many files of them, and of receipts.
    pub pages: u64,
    /// Which entries of which trees, by the trees' names.
    pub trees: BTreeMap<String, Part>,
    /// Of which tenants the log does not tell each use of a key, or did not always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<AuditDetailNote>,
    /// The files but this one, its digest and `SHA256SUMS`, by their paths.
    pub files: BTreeMap<String, NamedFile>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Of which tenant, as it was named; none: of everybody.
    pub tenant: Option<String>,
    /// Entries after this one.
    pub after: u64,
    /// None after this one.
    pub to: u64,
    /// At or after this instant.
    pub since: Option<String>,
    /// Before this instant.
    pub until: Option<String>,
    /// Of this key.
    pub key: Option<Uuid>,
}

/// The entries of one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// How many.
    pub entries: u64,
    /// The index of the first, counted from 0.
    pub first: u64,
    /// The index of the last.
    pub last: u64,
}

impl Part {
    /// Whether no entry is missing between the first and the last: provably so.
    pub const fn is_complete(self) -> bool {
        self.last.saturating_sub(self.first).saturating_add(1) == self.entries
    }
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedFile {
    /// Its length.
    pub size_bytes: u64,
    /// Its digest, in hex.
    pub sha256: String,
}

/// What `SHA256SUMS` says of files.
pub fn sums(files: &BTreeMap<String, NamedFile>) -> String {
    let mut text = String::new();
    for (path, file) in files {
        for part in [&file.sha256, "  ", path, "\n"] {
            text.push_str(part);
        }
    }
    text
}

/// A receipt in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptLine {
    /// The entry's sequence number in the journal.
    pub sequence: u64,
    /// The receipt (C2SP `tlog-proof`).
    pub receipt: String,
}

/// The entries of each tree, as they come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(pub BTreeMap<String, Part>);

impl Parts {
    /// One more; whether it is behind the last one of its tree.
    pub fn add(&mut self, tree: &str, index: u64) -> bool {
        let Some(part) = self.0.get_mut(tree) else {
            let first = Part {
                entries: 1,
                first: index,
                last: index,
            };
            self.0.insert(tree.to_owned(), first);
            return true;
        };
        let is_behind = index > part.last;
        part.entries += 1;
        part.last = part.last.max(index);
        part.first = part.first.min(index);
        is_behind
    }
}
