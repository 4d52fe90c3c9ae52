//! `keyward audit`: who did what, from a server; and a transparency log checked without one.

mod bar;
mod check;
mod check_entry;
mod continuing;
mod copy;
mod custody;
mod detail;
mod directory;
mod evidence;
mod export;
mod keeping;
mod mirror;
mod prove;
mod receipt;
mod remote;
mod rotate_key;
mod search;
mod sink;
mod succession;
mod table;
mod verify;
mod witness;

use std::fmt::Write;

use clap::Subcommand;
use keyward_api::audit::{AuditEntries, AuditEntry, AuditQuery};
use keyward_client::Client;

use crate::context::Context;
use crate::exit::Failure;
use crate::output;

use self::check::CheckArguments;
use self::check_entry::CheckEntryArguments;
use self::continuing::ContinueArguments;
use self::copy::CopyArguments;
use self::custody::CustodyArguments;
use self::evidence::EvidenceArguments;
use self::export::ExportArguments;
use self::keeping::{HoldCommand, RetentionCommand};
use self::mirror::MirrorCommand;
use self::prove::ProveArguments;
use self::receipt::{ReceiptArguments, WhichLog};
use self::rotate_key::RotateKeyArguments;
use self::search::{CountArguments, SearchArguments};
use self::sink::SinkCommand;
use self::verify::VerifyArguments;
use self::witness::WitnessCommand;

/// How long the server waits for something new before it answers with nothing.
const WAIT_SECONDS: u64 = 20;

/// The audit log
#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Show the last entries, of a tenant or (without --tenant) of everything
    Tail {
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_name = "ENTRIES")]
        lines: usize,
        /// Only what comes after this sequence number
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
        /// Go on showing what comes
        #[arg(long, short)]
        follow: bool,
    },
    /// Search the log, of a tenant or (without --tenant) of everything, the newest entries first
    ///
    /// Everything that is said must hold. What the server ends with can be given as --before to go on.
    Search(SearchArguments),
    /// Count entries, of a tenant or (without --tenant) of everything, by a field and over time
    Count(CountArguments),
    /// Show everything that the log of a tenant says of one key, in the order in which it happened
    ///
    /// What changed the key, gave it out or was refused stands singly, each with its sequence number; uses
    /// and readings are summed up by day.
    Custody(CustodyArguments),
    /// Write the log, of a tenant or (without --tenant) of everything, in a form that other tools read
    ///
    /// Page by page, each written before the next is asked for; ends with the last entry that was there
    /// when it began. What it ends with can be given as --after to go on later.
    Export(ExportArguments),
    /// Collect entries, of a tenant or (without --tenant) of everything, with the proof of each, in a
    /// directory or an archive that can be checked without the server, and without Keyward
    ///
    /// Nothing has the name before it is whole; what was interrupted goes on when the same is said again.
    Evidence(EvidenceArguments),
    /// Write the JSON Schema of an entry
    ///
    /// As it is logged; `#exported` in it is an entry of `audit export --format jsonl`.
    Schema,
    /// Show by which public key the server's transparency log is signed
    ///
    /// Keep it where the server cannot reach: whoever has it can verify the log without the server.
    Key(WhichLog),
    /// Make the next key that signs the transparency log, and hand the log over to it
    ///
    /// Both keys sign a note that says so; who has an earlier key goes on verifying. Shows the next key.
    RotateKey(RotateKeyArguments),
    /// Get a receipt for an entry, of a tenant or (without --tenant) of anybody: proof and signed
    /// checkpoint in one small text
    ///
    /// Waits until a signed checkpoint holds the entry, a second or two.
    Receipt(ReceiptArguments),
    /// Copy the server's transparency log, or all logs of a mirror, into a directory, or bring a copy up to
    /// date
    Copy(CopyArguments),
    /// Go on with the log of a node whose journal is lost, from a mirror, under the same name
    ///
    /// On the stopped node, whose audit directory has no journal. Everything in the mirror is verified by the
    /// key before anything is written where it counts; what ends it in between, the same command goes on.
    Continue(ContinueArguments),
    /// For how long the log is kept
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Legal holds: while one stands, nothing of the log goes that it is about
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Copies of the log elsewhere that the server keeps up
    #[command(subcommand)]
    Mirror(MirrorCommand),
    /// The streams of the log to other systems
    #[command(subcommand)]
    Sink(SinkCommand),
    /// Those who sign the log besides the server
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Verify a whole transparency log from its files, or from an address, and its public key
    ///
    /// Checks the signatures of the checkpoint, every entry and every tile, and says which file,
    /// entry or hash is wrong. Exit code 7 if anything is.
    Verify(VerifyArguments),
    /// Write a receipt for an entry of a transparency log: proof and checkpoint in one small text
    Prove(ProveArguments),
    /// Check a receipt, or a bundle of evidence: that entries are in the log whose public key this is
    Check(CheckArguments),
    /// Check one entry that was copied out of the log, by the signature that it carries itself
    ///
    /// Entries of what changes keys, access or the deployment, and of what lets secrets out, have one. It says
    /// that the node logged the entry; that the log still has it, and where, a receipt says. Exit code 7 if the
    /// signature is wrong, or there is none.
    CheckEntry(CheckEntryArguments),
}

impl AuditCommand {
    /// Whether it asks no server.
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Verify(arguments) => !arguments.is_remote(),
            Self::Prove(_) | Self::Check(_) | Self::CheckEntry(_) | Self::Schema => true,
            _ => false,
        }
    }

    /// Does what asks none.
    pub fn run_offline(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Verify(arguments) => arguments.run(context),
            Self::Prove(arguments) => arguments.run(),
            Self::Check(arguments) => arguments.run(context),
            Self::CheckEntry(arguments) => arguments.run(context),
            Self::Schema => output::write(keyward_core::audit::schema_text().as_bytes()),
            _ => Ok(()),
        }
    }

    /// Does what asks a server.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (lines, after, follow) = match self {
            Self::Tail {
                lines,
                after,
                follow,
            } => (lines, after, follow),
            Self::Search(arguments) => return arguments.run(context).await,
            Self::Count(arguments) => return arguments.run(context).await,
            Self::Custody(arguments) => return arguments.run(context).await,
            Self::Export(arguments) => return arguments.run(context).await,
            Self::Evidence(arguments) => return arguments.run(context).await,
            Self::Key(which) => return receipt::show_key(&which, context).await,
            Self::RotateKey(arguments) => return arguments.run(context).await,
            Self::Receipt(arguments) => return arguments.run(context).await,
            Self::Copy(arguments) => return arguments.run(context).await,
            Self::Continue(arguments) => return Box::pin(arguments.run(context)).await,
            Self::Verify(arguments) => return arguments.run_remote(context).await,
            Self::Prove(_) | Self::Check(_) | Self::CheckEntry(_) | Self::Schema => return Ok(()),
            Self::Retention(command) => return command.run(context).await,
            Self::Hold(command) => return command.run(context).await,
            Self::Sink(command) => return command.run(context).await,
            Self::Witness(command) => return command.run(context).await,
            Self::Mirror(command) => return command.run(context).await,
        };
        let client = context.client()?;
        let tenant = context.tenant().ok();
        let query = AuditQuery {
            after,
            limit: Some(lines),
            wait: None,
        };
        let first = read(&client, tenant.as_deref(), &query).await?;
        if !follow && !context.for_people() {
            return output::json(&first);
        }
        show(context, &first.items)?;
        detail::say(&first.detail);
        if !follow {
            return Ok(());
        }
        let mut after = first
            .next_after
            .or_else(|| last_of(&first))
            .or(after)
            .unwrap_or(0);
        loop {
            let query = AuditQuery {
                after: Some(after),
                limit: None,
                wait: Some(WAIT_SECONDS),
            };
            let more = read(&client, tenant.as_deref(), &query).await?;
            show(context, &more.items)?;
            after = more.next_after.or_else(|| last_of(&more)).unwrap_or(after);
        }
    }
}

async fn read(
    client: &Client,
    tenant: Option<&str>,
    query: &AuditQuery,
) -> Result<AuditEntries, Failure> {
    Ok(match tenant {
        Some(tenant) => client.tenant(tenant).audit(query).await?,
        None => client.audit(query).await?,
    })
}

fn last_of(entries: &AuditEntries) -> Option<u64> {
    entries.items.last().map(|entry| entry.sequence)
}

fn show(context: &Context, entries: &[AuditEntry]) -> Result<(), Failure> {
    for entry in entries {
        if context.for_people() {
            output::line(&sentence(entry))?;
        } else {
            output::json_line(entry)?;
        }
    }
    Ok(())
}

/// One entry on a line: its number, when, how it ended, what, to what, who, why.
fn sentence(entry: &AuditEntry) -> String {
    let resource = &entry.resource;
    let named = resource
        .name
        .clone()
        .or_else(|| resource.id.map(|id| id.to_string()));
    let mut text = format!(
        "{:>6} {} {:<7} {:<24} {}",
        entry.sequence,
        entry.time,
        entry.outcome.to_string(),
        entry.action.as_str(),
        resource.kind
    );
    if let Some(named) = named {
        _ = write!(text, " {named}");
    }
    if let Some(version) = resource.version {
        _ = write!(text, " v{version}");
    }
    match (entry.actor.principal_id, &entry.actor.address) {
        (Some(principal), Some(address)) => _ = write!(text, " by {principal} from {address}"),
        (Some(principal), None) => _ = write!(text, " by {principal}"),
        (None, Some(address)) => _ = write!(text, " by nobody from {address}"),
        (None, None) => text.push_str(" by the server"),
    }
    if let Some(times) = detail::times(entry) {
        _ = write!(text, " {times}");
    }
    if let Some(reason) = &entry.reason {
        _ = write!(text, ": {reason}");
    }
    output::printable(&text)
}
