//! `keyward audit check-entry`: one entry by the signature that it carries itself, without its log.

use std::path::PathBuf;

use clap::Args;
use keyward_audit::{EntryKeys, EntryStanding, logged_bytes};
use keyward_core::noun::action::Action;
use keyward_ledger::{VerifierKey, entry_key};
use serde::Serialize;
use serde_json::Value;

use super::succession::Succession;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::{input, output};

/// What proves an entry that has no signature of its own.
const RECEIPT: &str =
    "get a receipt for it, which proves that it is in the log: keyward audit receipt";

/// Which entry, by whose key.
#[derive(Args, Debug)]
pub struct CheckEntryArguments {
    /// The file with the entry: a line of `audit export --format jsonl` or of a stream, the `data` of a
    /// CloudEvent, or the entry as it was logged
    #[arg(value_name = "FILE")]
    entry: PathBuf,
    /// The log's public key: name+id+base64
    #[arg(long, value_name = "VKEY")]
    key: VerifierKey,
    /// The log's hand-overs, as `audit copy` has them beside the checkpoint: then an earlier or a later key
    /// leads to the one that signed
    #[arg(long, value_name = "FILE")]
    handovers: Option<PathBuf>,
}

/// What the signature says.
#[derive(Serialize)]
struct Signed {
    /// The key that signed, in hexadecimal: its id among entries.
    key_id: String,
    /// Whether the log was handed over to another key since, as the hand-overs say that were given: whoever
    /// has stolen an earlier key signs with it still.
    handed_over_since: bool,
    /// Whether the line shows more than was signed.
    shows_more: bool,
    /// The entry as it was logged and signed.
    entry: Value,
}

impl CheckEntryArguments {
    /// Checks it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let line = input::bytes_of_file(&self.entry)?;
        let about = self.entry.display();
        let bytes = logged_bytes(&line).map_err(|error| {
            Failure::usage(error)
                .about(&about)
                .next("give one entry, whole")
        })?;
        let entry: Value = serde_json::from_slice(&bytes).map_err(Failure::local)?;
        let handovers = self.handovers.as_deref().map(input::bytes_of_file);
        let handovers = handovers.transpose()?;
        let handovers = handovers.as_ref().map_or(&[][..], |bytes| bytes.as_slice());
        let succession = Succession::read(handovers, &self.key)?;
        let keys = EntryKeys::new(succession.vouched_for());
        let standing = keys.standing(&bytes).map_err(|fault| {
            Failure::new(Exit::NotValid, fault).about(&about).next(
                "keep the line as it is, as evidence, and compare it with the log: keyward audit receipt",
            )
        })?;
        let public = signer(standing, &entry).map_err(|failure| failure.about(&about))?;
        let id = entry_key(public).map(|key| u32::from_be_bytes(key.id()));
        let signed = Signed {
            key_id: format!("{:08x}", id.unwrap_or_default()),
            handed_over_since: succession.is_before(public),
            shows_more: shows_more(&line),
            entry,
        };
        context.show(&signed, show)
    }
}

/// Who signed the entry; why nobody is known to have, if nobody is.
fn signer(standing: EntryStanding, entry: &Value) -> Result<[u8; 32], Failure> {
    let (what, next) = match standing {
        EntryStanding::Signed(public) => return Ok(public),
        EntryStanding::OtherKey(id) => (
            format!(
                "it says that the key {:08x} signed it, which is not the one that was given, and none that it \
                 leads to",
                u32::from_be_bytes(id)
            ),
            "give the log's key, and its hand-overs with --handovers if the key was rotated".to_owned(),
        ),
        EntryStanding::Keyless => (
            "it has no signature, and says so: when it was logged the server was sealed, or starting, or had not \
             read its key yet, or the entry had no room for it"
                .to_owned(),
            RECEIPT.to_owned(),
        ),
        EntryStanding::Silent => (silent(&field(entry, "action")), RECEIPT.to_owned()),
    };
    Err(Failure::new(Exit::NotValid, what).next(next))
}

/// Why an entry of this action says nothing of a signature.
fn silent(action: &str) -> String {
    match action.parse().map(Action::is_signed_singly) {
        Ok(true) => "it has no signature: it was logged by an earlier version, or the signature was taken away"
            .to_owned(),
        Ok(false) => format!("entries of {action} have no signature of their own"),
        Err(_) => format!(
            "it has no signature, and this version does not know the action {action}: whether its entries \
             have one cannot be said"
        ),
    }
}

/// Whether an address or a name is shown that the entry does not have.
fn shows_more(line: &[u8]) -> bool {
    let line: Option<Value> = serde_json::from_slice(line).ok();
    line.is_some_and(|line| line.get("as_logged").is_some())
}

fn field(entry: &Value, name: &str) -> String {
    let text = entry.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// For people.
fn show(signed: &Signed) -> Result<(), Failure> {
    let entry = &signed.entry;
    let by = if signed.handed_over_since {
        "an earlier key of the log, handed over since"
    } else {
        "the log's key"
    };
    output::line(&output::printable(&format!(
        "{} of {} on {}, {}: signed by {by}, as this",
        field(entry, "action"),
        field(entry, "time"),
        field(entry, "node"),
        field(entry, "outcome"),
    )))?;
    output::line(&output::printable(&entry.to_string()))?;
    if signed.shows_more {
        output::say(
            "the line shows an address or a name that is not in the entry, and that nobody signed\n",
        );
    }
    Ok(())
}
