//! `keyward audit receipt` and `keyward audit key`: what a server proves of its log, and by which key.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use keyward_api::audit::AuditLogKey;
use keyward_core::audit::{Leaf, LogKind};

use super::prove::write_new;
use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// Which of a tenant's two logs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TenantLog {
    /// What changed something
    Changes,
    /// Everything else that was done, or refused
    Operations,
}

impl TenantLog {
    /// Its name in addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Operations => "operations",
        }
    }
}

/// Which of a server's logs.
#[derive(Args, Clone, Debug)]
pub struct WhichLog {
    /// One of the tenant's logs instead of the system's
    #[arg(long, value_name = "LOG")]
    pub log: Option<TenantLog>,
}

impl WhichLog {
    /// The tenant and its log; none: the system's.
    pub fn of(&self, context: &Context) -> Result<Option<(String, &'static str)>, Failure> {
        let Some(log) = self.log else { return Ok(None) };
        Ok(Some((context.tenant()?, log.name())))
    }
}

/// How an entry is named.
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// By its number in the node's journal.
    Sequence(u64),
    /// By its place in its log.
    Leaf(Leaf),
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sequence = text.parse().map(Self::Sequence).ok();
        let found = sequence.or_else(|| text.parse().map(Self::Leaf).ok());
        found.ok_or_else(|| {
            "give a sequence number, or a log and an index such as operations/1234".to_owned()
        })
    }
}

/// Which entry.
#[derive(Args, Debug)]
pub struct ReceiptArguments {
    /// The entry's sequence number, as `keyward audit tail` shows it; or its log and its index there, as the
    /// answer to the request has it in `X-Audit-Index`: `operations/1234`
    #[arg(value_name = "ENTRY")]
    entry: Entry,
    /// Write the entry itself into this new file: whoever checks the receipt needs it
    #[arg(long, value_name = "FILE")]
    entry_out: Option<PathBuf>,
}

impl ReceiptArguments {
    /// Asks for it, and writes it to standard output.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let given = match (self.entry, context.tenant().ok()) {
            (Entry::Sequence(sequence), None) => client.audit_receipt(sequence).await?,
            (Entry::Sequence(sequence), Some(tenant)) => {
                client.tenant(&tenant).audit_receipt(sequence).await?
            }
            (Entry::Leaf(leaf), _) if leaf.log == LogKind::System => {
                client.audit_receipt_at(leaf.index).await?
            }
            (Entry::Leaf(Leaf { log, index }), _) => {
                let tenant = context.tenant()?;
                let scope = client.tenant(&tenant);
                scope.audit_receipt_at(log.name(), index).await?
            }
        };
        if let Some(path) = &self.entry_out {
            write_new(path, given.entry.as_bytes())?;
        }
        output::write_whole(given.receipt.as_bytes())
    }
}

/// Shows by which key a log is signed.
pub async fn show_key(which: &WhichLog, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let found: AuditLogKey = match which.of(context)? {
        Some((tenant, log)) => client.tenant(&tenant).audit_log_key(log).await?,
        None => client.audit_log_key().await?,
    };
    context.show(&found, |found| output::line(&found.key))
}
