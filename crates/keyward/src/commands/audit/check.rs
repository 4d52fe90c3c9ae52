//! `keyward audit check`: a receipt, for the entry and by the key that whoever checks it has.

use std::path::PathBuf;

use clap::Args;
use keyward_audit::trees as receipts;
use keyward_ledger::{Receipt, VerifierKey};
use serde::Serialize;

use super::verify::{Witness, missing_witness, not_witnessed, witnesses};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::{input, output};

/// Which receipt, for which entry, by whose key.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// The receipt
    receipt: PathBuf,
    /// The file with the entry, byte for byte as it was logged
    #[arg(long, value_name = "FILE")]
    entry: PathBuf,
    /// The log's public key: name+id+base64
    #[arg(long, value_name = "VKEY")]
    key: VerifierKey,
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
        let refused = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::NotValid, error).about(self.receipt.display())
        };
        let text = input::bytes_of_file(&self.receipt)?;
        let text = str::from_utf8(&text).map_err(|error| refused(&error))?;
        let receipt: Receipt = text.parse().map_err(|error| refused(&error))?;
        let entry = input::bytes_of_file(&self.entry)?;
        let found =
            receipts::check(&receipt, &entry, &self.key, &self.witnesses).map_err(|error| {
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
}
