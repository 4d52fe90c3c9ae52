//! The entries of a bundle, each held against its receipt and against what the manifest says was asked for.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use keyward_audit::trees as receipts;
use keyward_core::audit::{AuditEvent, ENTRY_BYTES_MAX};
use keyward_core::time::Timestamp;
use keyward_ledger::{Receipt, VerifierKey};

use super::checking::Faults;
use super::collecting::tree_name;
use super::manifest::{Asked, ENTRIES, MANIFEST, Manifest, Parts, RECEIPTS, ReceiptLine, page};

/// The longest line with a receipt.
const RECEIPT_LINE_MAX: usize = 4 * 1024 * 1024;

/// The check of the pages, one after the other.
pub struct Pages<'a> {
    place: &'a Path,
    key: &'a VerifierKey,
    asked: &'a Asked,
    /// The bytes of the bundle's checkpoints.
    checkpoints: &'a BTreeSet<Vec<u8>>,
    /// How many entries there were.
    pub entries: u64,
    /// Of which trees.
    pub trees: Parts,
    /// The last entry's sequence number.
    last: u64,
}

/// A line of a page: which file, which line.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a str,
    line: u64,
}

impl<'a> Pages<'a> {
    /// Before the first.
    pub fn new(
        place: &'a Path,
        key: &'a VerifierKey,
        manifest: &'a Manifest,
        checkpoints: &'a BTreeSet<Vec<u8>>,
    ) -> Self {
        Self {
            place,
            key,
            asked: &manifest.asked,
            checkpoints,
            entries: 0,
            trees: Parts::default(),
            last: manifest.asked.after,
        }
    }

    /// Checks a page, line by line.
    pub fn check(&mut self, number: u64, faults: &mut Faults) {
        let name = page(number);
        let paths = [ENTRIES, RECEIPTS].map(|folder| format!("{folder}/{name}"));
        let [entries, receipts] = &paths;
        let mut open = |path: &str, most: usize| match Lines::open(&self.place.join(path), most) {
            Ok(lines) => Some(lines),
            Err(error) => {
                // That it is missing is said of the file already.
                if error.kind() != io::ErrorKind::NotFound {
                    faults.add(path, None, format!("it cannot be read: {error}"));
                }
                None
            }
        };
        let (of_entries, of_receipts) = (
            open(entries, ENTRY_BYTES_MAX),
            open(receipts, RECEIPT_LINE_MAX),
        );
        let (Some(mut of_entries), Some(mut of_receipts)) = (of_entries, of_receipts) else {
            return;
        };
        for line in 1.. {
            let entry = of_entries.next(entries, line, faults);
            let receipt = of_receipts.next(receipts, line, faults);
            match (entry, receipt) {
                (Some(entry), Some(receipt)) => {
                    self.entries += 1;
                    let at = At {
                        path: entries,
                        line,
                    };
                    let of_receipt = At {
                        path: receipts,
                        line,
                    };
                    self.entry(&entry, &receipt, at, of_receipt, faults);
                }
                (Some(_), None) => faults.add(entries, Some(line), "there is no receipt for it"),
                (None, Some(_)) => {
                    faults.add(receipts, Some(line), "there is no entry that it is for");
                }
                (None, None) => return,
            }
        }
    }

    fn entry(
        &mut self,
        entry: &[u8],
        receipt: &[u8],
        at: At<'_>,
        of_receipt: At<'_>,
        faults: &mut Faults,
    ) {
        let mut unread = |what: &dyn std::fmt::Display| {
            let what = format!("it is no line of a receipt: {what}");
            faults.add(of_receipt.path, Some(of_receipt.line), what);
        };
        let line: ReceiptLine = match serde_json::from_slice(receipt) {
            Ok(line) => line,
            Err(error) => return unread(&error),
        };
        let receipt: Receipt = match line.receipt.parse() {
            Ok(receipt) => receipt,
            Err(error) => return unread(&error),
        };
        let sequence = line.sequence;
        let mut wrong = |at: At<'_>, what: &dyn std::fmt::Display| {
            faults.add(at.path, Some(at.line), format!("entry {sequence}: {what}"));
        };
        if !self
            .checkpoints
            .contains(receipt.checkpoint.to_string().as_bytes())
        {
            wrong(of_receipt, &"its checkpoint is none of the bundle's");
        }
        if sequence <= self.last || sequence > self.asked.to {
            wrong(
                of_receipt,
                &"it is out of order, or outside of what was asked for",
            );
        }
        self.last = self.last.max(sequence);
        let proved = match receipts::check(&receipt, entry, self.key, &[]) {
            Ok(proved) => proved,
            Err(error) => return wrong(at, &format!("its receipt does not prove it: {error}")),
        };
        if !self.trees.add(&tree_name(proved.tree), proved.index) {
            wrong(at, &"it is there twice, or out of order");
        }
        match serde_json::from_slice(entry) {
            Ok(event) if is_asked(self.asked, &event) => {}
            Ok(_) => wrong(at, &"it is none of those that were asked for"),
            Err(error) => wrong(at, &format!("it cannot be understood: {error}")),
        }
    }

    /// What was found is what the manifest says.
    pub fn compare(&self, manifest: &Manifest, faults: &mut Faults) {
        if self.entries != manifest.entries {
            let what = format!(
                "it names {} entries, and there are {}",
                manifest.entries, self.entries
            );
            faults.add(MANIFEST, None, what);
        }
        if self.trees.0 != manifest.trees {
            faults.add(
                MANIFEST,
                None,
                "it names other entries of the trees than there are",
            );
        }
        for instant in [&self.asked.since, &self.asked.until] {
            if instant
                .as_ref()
                .is_some_and(|it| it.parse::<Timestamp>().is_err())
            {
                faults.add(
                    MANIFEST,
                    None,
                    "what it says was asked for has a time that is none",
                );
            }
        }
        if let Some(tenant) = &self.asked.tenant
            && !self.is_of_one(tenant)
        {
            let what = "there are entries of others than it says were asked for";
            faults.add(MANIFEST, None, what);
        }
    }

    /// Whether all trees are those of the tenant, or of the one that has this name.
    fn is_of_one(&self, tenant: &str) -> bool {
        let of = |tree: &String| {
            let below = tree.strip_prefix("tenants/")?;
            below.split_once('/').map(|(id, _)| id.to_owned())
        };
        let found: BTreeSet<Option<String>> = self.trees.0.keys().map(of).collect();
        match tenant.parse::<uuid::Uuid>() {
            Ok(id) => found.iter().all(|it| *it == Some(id.to_string())),
            Err(_) if tenant == "system" => found.iter().all(Option::is_none),
            Err(_) => found.len() <= 1 && !found.contains(&None),
        }
    }
}

/// Whether an entry is as the manifest says was asked for.
fn is_asked(asked: &Asked, event: &AuditEvent) -> bool {
    let instant = |text: &Option<String>| {
        text.as_ref()
            .and_then(|text| text.parse::<Timestamp>().ok())
    };
    let key = asked.key;
    instant(&asked.since).is_none_or(|since| event.time >= since)
        && instant(&asked.until).is_none_or(|until| event.time < until)
        && key.is_none_or(|key| {
            event.resource.id == Some(key) || event.used.iter().any(|used| used.key.uuid() == key)
        })
}

/// The lines of a file, none longer than a bound.
struct Lines {
    file: BufReader<File>,
    most: usize,
    ended: bool,
}

impl Lines {
    fn open(place: &Path, most: usize) -> io::Result<Self> {
        if !fs::symlink_metadata(place)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        Ok(Self {
            file: BufReader::new(File::open(place)?),
            most,
            ended: false,
        })
    }

    /// The next line without its end; none behind the last. After a fault nothing more is read.
    fn next(&mut self, path: &str, line: u64, faults: &mut Faults) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut bytes = Vec::new();
        let most = self.most as u64 + 1;
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut bytes);
        let what = match read {
            Ok(0) => None,
            Ok(_) if bytes.pop_if(|last| *last == b'\n').is_some() => return Some(bytes),
            Ok(_) => Some("the line is too long, or has no end".to_owned()),
            Err(error) => Some(format!("it cannot be read: {error}")),
        };
        self.ended = true;
        if let Some(what) = what {
            faults.add(path, Some(line), what);
        }
        None
    }
}
