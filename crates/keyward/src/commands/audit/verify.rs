//! `keyward audit verify`: a whole log, from its files or an address, and its public key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use keyward_audit::{EntriesInOrder, EntryFault, EntryKeys};
use keyward_ledger::{
    CheckError, Checked, Content, Files, Head, OpenedCheckpoint, TILE_WIDTH, Tile, VerifierKey,
    check_log, check_log_with,
};
use serde::Serialize;

use super::directory::LogDirectory;
use super::remote::{RemoteLog, is_address};
use super::succession::{OneCheckpoint, Succession};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::{input, output};

/// The most faults that are named of the signatures in entries.
const FAULTS_MAX: usize = 1000;

/// Which log, and whose signatures count.
#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// The directory with the log's `checkpoint` and `tile`, or the address below which they are
    ///
    /// A server's own logs are at `/v1/audit/log` and `/v1/tenants/TENANT/audit/log/changes` and
    /// `…/operations`.
    #[arg(value_name = "DIRECTORY|URL")]
    log: String,
    /// The log's public key: name+id+base64. An earlier one leads to today's, if the log was handed over
    #[arg(long, value_name = "VKEY")]
    key: VerifierKey,
    /// The public key of a witness that must have signed the checkpoint too; may be repeated
    #[arg(long = "witness", value_name = "VKEY")]
    witnesses: Vec<VerifierKey>,
    /// How many of these witnesses must have signed it, if not all of them
    #[arg(long, value_name = "COUNT", requires = "witnesses")]
    require: Option<usize>,
    /// An older signed checkpoint of the same log, which this one must continue
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
}

/// What a check found.
#[derive(Serialize)]
struct Report {
    log: String,
    entries: u64,
    root: String,
    sound: bool,
    /// The key that has to sign from now on, if the log was handed over since the given one.
    #[serde(skip_serializing_if = "Option::is_none")]
    handed_over_to: Option<String>,
    witnesses: Vec<Witness>,
    /// How many entries carry a signature of their own that is right.
    signed_entries: u64,
    /// How many say that the node had no key for it.
    keyless_entries: u64,
    /// How many are signed by keys that no hand-over joins to the given one: they were not checked.
    entries_of_other_keys: u64,
    /// How many have no signature, though their action's entries have one and an earlier entry has: an
    /// earlier version logged them. They are in the log as it was signed, and no fault.
    unsigned_entries: u64,
    faults: Vec<NamedFault>,
    more_faults: u64,
    /// Whether there were so many that the log was not read to its end.
    stopped: bool,
    unchecked: Vec<String>,
}

/// A witness's signature.
#[derive(Serialize)]
pub struct Witness {
    name: String,
    signed_at_seconds: u64,
}

/// What is wrong, and where.
#[derive(Serialize)]
struct NamedFault {
    path: String,
    what: String,
}

impl VerifyArguments {
    /// Whether the log is behind an address.
    pub fn is_remote(&self) -> bool {
        is_address(&self.log)
    }

    /// Checks everything that is in a directory, and says where it is wrong.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let mut directory = LogDirectory::open(Path::new(&self.log))?;
        self.verdict(&mut directory, context)
    }

    /// The same of a log behind an address.
    pub async fn run_remote(self, context: &Context) -> Result<(), Failure> {
        let log = RemoteLog::at(context, &self.log)?;
        let mut waiting = log.waiting(tokio::runtime::Handle::current());
        let checking = tokio::task::spawn_blocking(move || {
            let checked = self.checked(&mut waiting);
            // An answer that never came says nothing of the log.
            if let Some(failure) = waiting.failed() {
                return Err(failure);
            }
            checked
        });
        let found = checking.await.map_err(Failure::local)??;
        found.tell(context)
    }

    fn verdict(&self, files: &mut impl Files, context: &Context) -> Result<(), Failure> {
        self.checked(files)?.tell(context)
    }

    fn checked(&self, files: &mut impl Files) -> Result<Found, Failure> {
        let mut log = OneCheckpoint::of(files)?;
        let keys = Succession::of(&mut log, &self.key)?;
        let older = self.older(&keys)?;
        let signer = log.signer(&keys).unwrap_or(&self.key);
        let entry_keys = EntryKeys::new(keys.vouched_for());
        let mut entries = OwnSignatures::new(&entry_keys);
        let mut look = |index, entry: &[u8]| entries.look(index, entry);
        let checked = check_log_with(&mut log, signer, &self.witnesses, older, &mut look)
            .map_err(|error| unbelievable(&error).about(&self.log))?;
        Ok(Found {
            report: report(&checked, &keys, &entries),
            missing: missing_witness(&checked.checkpoint, &self.witnesses, self.require),
        })
    }

    fn older(&self, keys: &Succession) -> Result<Option<Head>, Failure> {
        let Some(path) = &self.since else {
            return Ok(None);
        };
        let bytes = input::bytes_of_file(path)?;
        let signer = keys.signer_of(&bytes).unwrap_or(&self.key);
        let opened = OpenedCheckpoint::open(&bytes, signer, &[])
            .map_err(|error| Failure::new(Exit::NotValid, error).about(path.display()))?;
        Ok(Some(opened.checkpoint.head()))
    }
}

/// What is found of the signatures that entries carry themselves.
struct OwnSignatures<'k> {
    entries: EntriesInOrder<'k>,
    /// Which entries, by their indexes.
    faults: Vec<(u64, EntryFault)>,
    more_faults: u64,
}

impl<'k> OwnSignatures<'k> {
    const fn new(keys: &'k EntryKeys) -> Self {
        Self {
            entries: EntriesInOrder::new(keys),
            faults: Vec::new(),
            more_faults: 0,
        }
    }

    fn look(&mut self, index: u64, entry: &[u8]) {
        let Err(fault) = self.entries.look(entry) else {
            return;
        };
        if self.faults.len() >= FAULTS_MAX {
            self.more_faults += 1;
            return;
        }
        self.faults.push((index, fault));
    }

    /// What is wrong, in the files of a log of this size.
    fn named(&self, size: u64) -> impl Iterator<Item = NamedFault> {
        self.faults.iter().map(move |(index, fault)| {
            let bundle = Tile::in_tree(Content::Entries, index / u64::from(TILE_WIDTH), size);
            let path = bundle.map_or_else(String::new, |bundle| bundle.to_string());
            let what = format!("{path}: entry {index}: {fault}");
            NamedFault { path, what }
        })
    }
}

/// How a log that was copied stands by its signed checkpoint, by one of these keys; everything in it is checked,
/// and that it continues an older checkpoint.
pub fn of_copy(place: &Path, keys: &Succession, since: Option<&[u8]>) -> Result<Head, Failure> {
    let mut directory = LogDirectory::open(place)?;
    let mut log = OneCheckpoint::of(&mut directory)?;
    let none = || Failure::new(Exit::NotValid, "no key is given");
    let signer = log.signer(keys).ok_or_else(none)?;
    let older = match since {
        None => None,
        Some(bytes) => {
            let by = keys.signer_of(bytes).ok_or_else(none)?;
            let opened = OpenedCheckpoint::open(bytes, by, &[]);
            let opened = opened.map_err(|error| Failure::new(Exit::NotValid, error))?;
            Some(opened.checkpoint.head())
        }
    };
    let checked = check_log(&mut log, signer, &[], older).map_err(|error| unbelievable(&error))?;
    match checked.faults.named().first() {
        Some(fault) => Err(Failure::new(Exit::NotValid, fault)
            .next("keep these files as they are, as evidence, and try another mirror of this log")),
        None => Ok(checked.checkpoint.checkpoint.head()),
    }
}

/// What is told at the end.
struct Found {
    report: Report,
    /// What is missing of the witnesses that were asked for.
    missing: Option<String>,
}

impl Found {
    fn tell(&self, context: &Context) -> Result<(), Failure> {
        let Self { report, missing } = self;
        context.show(report, show)?;
        if let Some(missing) = missing {
            return Err(not_witnessed(missing));
        }
        if report.sound {
            return Ok(());
        }
        let count = report.faults.len() as u64 + report.more_faults;
        let what = format!("the log is not what was signed: {count} fault(s)");
        Err(Failure::new(Exit::NotValid, what).next(
            "keep these files as they are, as evidence, and compare them with another copy of the log",
        ))
    }
}

fn unbelievable(error: &CheckError) -> Failure {
    match error {
        CheckError::NoCheckpoint => Failure::new(Exit::NotFound, error)
            .next("name the directory that holds the log's `checkpoint` and `tile`"),
        CheckError::Unreadable(cause) => Failure::local(format!("{error}: {cause}")),
        _ => Failure::new(Exit::NotValid, error)
            .next("compare the key with the one that the log's owner publishes"),
    }
}

/// Who has to have signed a checkpoint too.
#[derive(Clone, Copy, Debug)]
pub struct AskedWitnesses<'a> {
    /// These.
    pub keys: &'a [VerifierKey],
    /// All of them, or so many.
    pub required: Option<usize>,
}

/// What is missing if too few of the witnesses that were asked for have signed: all of them must, or as
/// many as are required. A key that is named twice counts once.
pub fn missing_witness(
    checkpoint: &OpenedCheckpoint<'_>,
    asked: &[VerifierKey],
    required: Option<usize>,
) -> Option<String> {
    let signed = |key: &VerifierKey| checkpoint.witnesses().any(|(other, _)| other == key);
    if let Some(required) = required {
        let distinct: BTreeSet<[u8; 32]> = asked
            .iter()
            .filter(|key| signed(key))
            .map(VerifierKey::public)
            .collect();
        let count = distinct.len();
        let short = count < required;
        return short.then(|| format!("{count} of the {required} witnesses' signatures it needs"));
    }
    let missing = asked.iter().find(|key| !signed(key));
    missing.map(|key| format!("no signature of the witness {}", key.name()))
}

/// The failure of a checkpoint without the signatures of witnesses that were asked for.
pub fn not_witnessed(missing: &str) -> Failure {
    Failure::new(Exit::NotValid, format!("the checkpoint has {missing}"))
        .next("ask the log's owner for a checkpoint that the witness has signed")
}

/// The witnesses that have signed.
pub fn witnesses(checkpoint: &OpenedCheckpoint<'_>) -> Vec<Witness> {
    let signed = checkpoint.witnesses();
    signed
        .map(|(key, signed_at_seconds)| Witness {
            name: key.name().to_string(),
            signed_at_seconds,
        })
        .collect()
}

fn report(checked: &Checked<'_>, keys: &Succession, own: &OwnSignatures<'_>) -> Report {
    let checkpoint = &checked.checkpoint.checkpoint;
    let faults = checked.faults.named().iter();
    let faults = faults.map(|fault| NamedFault {
        path: fault.path.clone(),
        what: fault.to_string(),
    });
    Report {
        log: checkpoint.origin().to_owned(),
        entries: checkpoint.head().size,
        root: checkpoint.head().root.to_string(),
        sound: checked.faults.none() && own.faults.is_empty(),
        handed_over_to: keys.successor().map(ToString::to_string),
        witnesses: witnesses(&checked.checkpoint),
        signed_entries: own.entries.signed,
        keyless_entries: own.entries.keyless,
        entries_of_other_keys: own.entries.of_other_keys,
        unsigned_entries: own.entries.unsigned,
        faults: faults.chain(own.named(checkpoint.head().size)).collect(),
        more_faults: checked.faults.more() + own.more_faults,
        stopped: checked.faults.stopped(),
        unchecked: checked.unchecked.clone(),
    }
}

/// For people.
fn show(report: &Report) -> Result<(), Failure> {
    for fault in &report.faults {
        output::line(&output::printable(&fault.what))?;
    }
    if report.more_faults > 0 {
        output::line(&format!("and {} more", report.more_faults))?;
    }
    if report.stopped {
        output::line("so much is missing or broken that the check ended here")?;
    }
    let names = report.witnesses.iter().map(|witness| witness.name.as_str());
    output::fields(&[
        ("log", report.log.clone()),
        ("entries", report.entries.to_string()),
        ("root", report.root.clone()),
        ("witnesses", names.collect::<Vec<&str>>().join(", ")),
        ("signed entries", report.signed_entries.to_string()),
        (
            "verified",
            if report.sound { "yes" } else { "NO" }.to_owned(),
        ),
    ])?;
    if let Some(key) = &report.handed_over_to {
        output::say(&format!(
            "the log was handed over to another key, which the one that you have has signed; from now \
             on give --key {}\n",
            output::printable(key)
        ));
    }
    if report.entries_of_other_keys > 0 {
        output::say(&format!(
            "{} entries carry a signature by a key that no hand-over joins to yours: it was not checked\n",
            report.entries_of_other_keys
        ));
    }
    if report.unsigned_entries > 0 {
        output::say(&format!(
            "{} entries have no signature of their own though earlier ones have, as where an earlier version \
             was started for a while: the checkpoint holds them all the same\n",
            report.unsigned_entries
        ));
    }
    if let Some(first) = report.unchecked.first() {
        let (first, count) = (output::printable(first), report.unchecked.len());
        output::say(&format!(
            "{count} file(s) of which the checkpoint says nothing, such as {first}\n"
        ));
    }
    Ok(())
}
