//! `keyward audit check`: a receipt, for the entry and by the key that whoever checks it has; or a whole
//! bundle of evidence.

use std::path::PathBuf;

use clap::Args;
use keyward_audit::trees as receipts;
use keyward_ledger::{Receipt, VerifierKey};
use serde::Serialize;

use super::evidence::{self, is_bundle};
use super::succession::Succession;
use super::verify::{AskedWitnesses, Witness, missing_witness, not_witnessed, witnesses};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::{input, output};

/// Which receipt, for which entry, by whose key.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// The receipt, or the directory of a bundle that `keyward audit evidence` made
    #[arg(value_name = "RECEIPT|DIR")]
    receipt: PathBuf,
    /// The file with the receipt's entry, byte for byte as it was logged
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// The log's public key: name+id+base64
    #[arg(long, value_name = "VKEY")]
    key: VerifierKey,
    /// The log's hand-overs, as `audit copy` has them beside the checkpoint: then an earlier key leads to
    /// the one that signed
    #[arg(long, value_name = "FILE")]
    handovers: Option<PathBuf>,
    /// The public key of a witness that must have signed the checkpoint too; may be repeated
    #[arg(long = "witness", value_name = "VKEY")]
    witnesses: Vec<VerifierKey>,
    /// How many of these witnesses must have signed it, if not all of them
    #[arg(long, value_name = "COUNT", requires = "witnesses")]
    require: Option<usize>,
}

/// What a receipt proves.
#[derive(Serialize)]
struct Proved {
    log: String,
    /// Which entry of its tree, counted from 0.
    index: u64,
    /// How many entries its tree had.
    entries: u64,
    /// Which tenant's tree; none: the tree that the checkpoint is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<String>,
    /// How many entries the checkpoint is of.
    checkpoint_entries: u64,
    /// The root that is signed.
    root: String,
    witnesses: Vec<Witness>,
}

impl CheckArguments {
    /// Checks it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        if is_bundle(&self.receipt) {
            if self.entry.is_some() {
                return Err(Failure::usage("a bundle of evidence has its entries in it")
                    .next("leave --entry out, or name a receipt"));
            }
            let keys = self.keys()?;
            let witnesses = AskedWitnesses {
                keys: &self.witnesses,
                required: self.require,
            };
            return evidence::check(&self.receipt, &keys, witnesses, context);
        }
        let Some(entry) = &self.entry else {
            return Err(Failure::usage("which entry the receipt is for is not said")
                .next("name the file that holds it with --entry"));
        };
        let refused = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::NotValid, error).about(self.receipt.display())
        };
        let text = input::bytes_of_file(&self.receipt)?;
        let text = str::from_utf8(&text).map_err(|error| refused(&error))?;
        let receipt: Receipt = text.parse().map_err(|error| refused(&error))?;
        let entry = input::bytes_of_file(entry)?;
        let keys = self.keys()?;
        let note = receipt.checkpoint.to_string();
        let signer = keys.signer_of(note.as_bytes()).unwrap_or(&self.key);
        let found =
            receipts::check(&receipt, &entry, signer, &self.witnesses).map_err(|error| {
                refused(&error).next("compare the entry and the key with what the receipt is for")
            })?;
        let opened = found.opened;
        if let Some(missing) = missing_witness(&opened, &self.witnesses, self.require) {
            return Err(not_witnessed(&missing));
        }
        let head = opened.checkpoint.head();
        let proved = Proved {
            log: opened.checkpoint.origin().to_owned(),
            index: found.index,
            entries: found.size,
            tree: found.tree.map(|tree| tree.to_string()),
            checkpoint_entries: head.size,
            root: head.root.to_string(),
            witnesses: witnesses(&opened),
        };
        context.show(&proved, |proved| {
            let tree = proved.tree.as_deref();
            let tree = tree.map_or_else(String::new, |tree| format!("/{tree}"));
            output::line(&output::printable(&format!(
                "entry {} of {}{tree} is in the log, as its checkpoint of {} entries was signed",
                proved.index, proved.log, proved.checkpoint_entries
            )))
        })
    }

    /// The key, and those that the hand-overs lead to.
    fn keys(&self) -> Result<Succession, Failure> {
        let handovers = self.handovers.as_deref().map(input::bytes_of_file);
        let handovers = handovers.transpose()?;
        let handovers = handovers.as_ref().map_or(&[][..], |bytes| bytes.as_slice());
        Succession::read(handovers, &self.key)
    }
}
