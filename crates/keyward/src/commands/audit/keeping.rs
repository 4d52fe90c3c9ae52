//! `keyward audit retention` and `keyward audit hold`: for how long the log is kept, what holds it, and letting
//! go of its beginning.

use clap::{Args, Subcommand};
use keyward_api::audit_keeping::{
    AuditOutlook, AuditPruned, AuditRetention, LegalHold, NewLegalHold, PruneAudit,
    ReleaseLegalHold, SetAuditRetention,
};

use crate::context::{Context, InTenant};
use crate::exit::Failure;
use crate::output::{self, cell, printable};

/// For how long the log is kept
#[derive(Subcommand, Debug)]
pub enum RetentionCommand {
    /// Show for how many days the entries of a tenant are kept, or (with --tenant system) everybody's at least
    Show,
    /// Have the entries of a tenant kept for longer, or (with --tenant system) everybody's
    ///
    /// Nothing can be kept for less than it is: that needs approvals, which this version does not have.
    Set(SetArguments),
    /// Show what of the log's beginning may go now, and what keeps the rest; changes nothing
    ///
    /// This version lets nothing go yet, and says so.
    Plan,
    /// Let go of the log's beginning, through the end of a segment that `plan` names
    ///
    /// This version lets nothing go yet: it refuses this, and everything is kept. Of one that does: what went is gone from this server; what is in mirrors stays there. Proofs of what remains stay valid.
    Prune(PruneArguments),
}

/// For how long.
#[derive(Args, Debug)]
pub struct SetArguments {
    /// Days for what changes keys, access or the deployment
    #[arg(long, value_name = "DAYS")]
    changes: Option<u16>,
    /// Days for uses of keys
    #[arg(long, value_name = "DAYS")]
    uses: Option<u16>,
    /// Days for what was read
    #[arg(long, value_name = "DAYS")]
    reads: Option<u16>,
    /// Days for requests without a valid token
    #[arg(long, value_name = "DAYS")]
    authentication: Option<u16>,
    /// Why; the audit log keeps it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What is to go.
#[derive(Args, Debug)]
pub struct PruneArguments {
    /// The last entry that is to go
    #[arg(long, value_name = "SEQUENCE")]
    through: u64,
    /// Why; the audit log keeps it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The server's clock went ahead by more than a day, and is right
    #[arg(long)]
    clock_is_right: bool,
}

/// Legal holds: while one stands, nothing of the log goes that it is about
#[derive(Subcommand, Debug)]
pub enum HoldCommand {
    /// Place a hold on a tenant's log, or (with --tenant system) on everybody's
    Place {
        /// What it is called: a case, a matter
        name: String,
        /// Why; it stays with the hold, and the audit log keeps it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// List the holds on a tenant's log, or (with --tenant system) on everybody's, released ones among them
    List,
    /// Release a hold
    Release {
        /// Its id
        hold: String,
        /// Why; it stays with the hold, and the audit log keeps it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

impl RetentionCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Show => {
                let of = InTenant::or_system(context)?;
                let found = of.scope().audit_retention().await?;
                context.show(&found, shown)
            }
            Self::Set(arguments) => {
                let of = InTenant::or_system(context)?;
                let longer = SetAuditRetention {
                    changes: arguments.changes,
                    uses: arguments.uses,
                    reads: arguments.reads,
                    authentication: arguments.authentication,
                    reason: arguments.reason,
                };
                if (SetAuditRetention {
                    reason: longer.reason.clone(),
                    ..SetAuditRetention::default()
                }) == longer
                {
                    let what = "say what is to be kept for longer: --changes, --uses, --reads, --authentication";
                    return Err(Failure::usage(what));
                }
                let done = of.scope().set_audit_retention(&longer).await?;
                context.show(&done, |done| shown(&done.value))
            }
            Self::Plan => {
                let found = context.client()?.audit_outlook().await?;
                context.show(&found, planned)
            }
            Self::Prune(arguments) => {
                let order = PruneAudit {
                    through: arguments.through,
                    reason: arguments.reason,
                    clock_is_right: arguments.clock_is_right,
                };
                let gone = context.client()?.prune_audit(&order).await?;
                context.show(&gone, went)
            }
        }
    }
}

impl HoldCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let of = InTenant::or_system(context)?;
        match self {
            Self::Place { name, reason } => {
                let hold = NewLegalHold { name, reason };
                let done = of.scope().place_legal_hold(&hold).await?;
                context.show(&done, |done| held(&done.value))
            }
            Self::List => {
                let found = of.scope().legal_holds().all().await?;
                context.show(&found, |found| listed(found))
            }
            Self::Release { hold, reason } => {
                let why = ReleaseLegalHold { reason };
                let done = of.scope().release_legal_hold(&hold, &why).await?;
                context.show(&done, |done| held(&done.value))
            }
        }
    }
}

fn shown(found: &AuditRetention) -> Result<(), Failure> {
    let days = |of: u16| format!("{of} days");
    output::fields(&[
        ("changes", days(found.days.changes)),
        ("uses", days(found.days.uses)),
        ("reads", days(found.days.reads)),
        ("authentication", days(found.days.authentication)),
        (
            "lets go",
            if found.lets_go {
                "of what is older".to_owned()
            } else {
                "of nothing: everything is kept".to_owned()
            },
        ),
        ("set", cell(found.since.as_ref())),
        ("by", cell(found.by.as_ref())),
        ("reason", cell(found.reason.as_deref().map(printable))),
    ])
}

fn planned(found: &AuditOutlook) -> Result<(), Failure> {
    output::line(&format!("the log begins with entry {}", found.first))?;
    match found.through {
        None => output::line("nothing may go")?,
        Some(through) => {
            output::line(&format!(
                "may go: entries {} to {through}, {} of them, {} bytes on the disk",
                found.first, found.entries, found.bytes
            ))?;
            output::rows(
                &["tenant", "class", "entries"],
                found.going.iter().map(|it| {
                    let whose = it.tenant.map_or("system".to_owned(), |id| id.to_string());
                    [whose, printable(&it.class), it.entries.to_string()]
                }),
            )?;
        }
    }
    if let Some(stays) = &found.stays {
        output::line(&format!("stays, from entry {} on:", stays.first))?;
        for why in &stays.why {
            output::line(&format!("  {}", printable(why)))?;
        }
    }
    if let Some(refused) = &found.refused {
        output::line(&format!("`prune` would be refused: {}", printable(refused)))?;
    }
    Ok(())
}

fn went(gone: &AuditPruned) -> Result<(), Failure> {
    output::line(&format!(
        "everything through entry {} went; the log begins with entry {}",
        gone.through, gone.first
    ))
}

fn held(hold: &LegalHold) -> Result<(), Failure> {
    output::fields(&[
        ("id", hold.id.to_string()),
        ("name", printable(&hold.name)),
        ("since", hold.since.to_string()),
        ("by", cell(hold.by.as_ref())),
        ("reason", printable(&hold.reason)),
        ("released", cell(hold.released_at.as_ref())),
        ("why", cell(hold.release_reason.as_deref().map(printable))),
    ])
}

fn listed(holds: &[LegalHold]) -> Result<(), Failure> {
    output::rows(
        &["id", "name", "since", "released", "reason"],
        holds.iter().map(|hold| {
            [
                hold.id.to_string(),
                printable(&hold.name),
                hold.since.to_string(),
                cell(hold.released_at.as_ref()),
                printable(&hold.reason),
            ]
        }),
    )
}
