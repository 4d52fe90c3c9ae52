//! Restoring one tenant, one key or one secret: into the deployment that it was lost from, or alone into
//! an empty place.

use clap::Args;
use keyward_backup::Wanted;
use keyward_core::caller::TenantRef;
use keyward_core::ids::KeyId;
use keyward_core::names::{KeyName, SecretName};
use keyward_core::ops::restore::{Part, Report};
use keyward_core::port::registry::KeyRef;
use serde_json::json;

use crate::commands::backup::told::{self, Words};
use crate::commands::serve::run_server;
use crate::context::Context;
use crate::exit::Failure;
use crate::output;
use crate::server::config::Config;
use crate::server::error::StartError;
use crate::server::restore::{self, Request, Restored};
use crate::server::restore_alone;
use crate::server::restore_part::{self, PartRequest, PartRestored};

/// What of a backup is restored: with --tenant a part, where it was lost from or into an empty place
#[derive(Args, Clone, Debug)]
pub struct PartFlags {
    /// With --tenant: only this key, by name or id
    #[arg(long, value_name = "KEY", conflicts_with = "only_secret")]
    only_key: Option<String>,
    /// With --tenant: only this secret
    #[arg(long, value_name = "SECRET")]
    only_secret: Option<String>,
    /// With --tenant: the name under which it comes back, if its own is taken by now
    #[arg(long = "as", value_name = "NAME")]
    new_name: Option<String>,
    /// With --tenant: take back what was changed since
    #[arg(long)]
    replace_newer: bool,
    /// With --tenant: why; the audit log keeps it
    #[arg(long)]
    reason: Option<String>,
}

/// A part that was named on the command line.
pub struct Order {
    tenant: TenantRef,
    part: Part,
    flags: PartFlags,
}

impl PartFlags {
    /// Which part is meant; none for everything. The tenant of a profile does not count, and one of the
    /// environment is refused: everything and one tenant are too different to be mixed up.
    pub fn wanted(&self, context: &Context) -> Result<Option<Order>, Failure> {
        let Some(tenant) = &context.globals.tenant else {
            let asks = self.only_key.is_some() || self.only_secret.is_some();
            if asks || self.new_name.is_some() || self.replace_newer || self.reason.is_some() {
                return Err(Failure::usage("no tenant is named").next("add --tenant NAME"));
            }
            return Ok(None);
        };
        if context.environment.text("KEYWARD_TENANT").is_some() {
            return Err(Failure::usage(
                "KEYWARD_TENANT is set, and whether everything or one tenant is restored depends on it",
            )
            .next("unset it, and give --tenant NAME for one tenant"));
        }
        let tenant = match TenantRef::parse(tenant) {
            None | Some(TenantRef::System) => {
                return Err(Failure::usage("--tenant: not a tenant's name or id"));
            }
            Some(tenant) => tenant,
        };
        let part = match (&self.only_key, &self.only_secret) {
            (Some(key), _) => Part::Key(key_ref(key)?),
            (None, Some(name)) => Part::Secret(
                SecretName::new(name)
                    .map_err(|error| Failure::usage(error).about("--only-secret"))?,
            ),
            (None, None) => Part::Tenant,
        };
        let flags = self.clone();
        Ok(Some(Order {
            tenant,
            part,
            flags,
        }))
    }
}

fn key_ref(text: &str) -> Result<KeyRef, Failure> {
    if let Ok(id) = text.parse::<KeyId>() {
        return Ok(KeyRef::Id(id));
    }
    let name = KeyName::new(text).map_err(|error| Failure::usage(error).about("--only-key"))?;
    Ok(KeyRef::Name(name))
}

impl Order {
    /// The whole order.
    pub fn request(self, from: Request, context: &Context) -> Result<PartRequest, Failure> {
        if from.sets_aside {
            return Err(Failure::usage(
                "--set-aside is for restoring everything; a tenant goes back to where it was",
            ));
        }
        Ok(PartRequest {
            from,
            tenant: self.tenant,
            part: self.part,
            new_name: self.flags.new_name,
            replaces_newer: self.flags.replace_newer,
            reason: self.flags.reason,
            token: context.token_text()?,
        })
    }
}

/// What was done: back into where it was lost, or alone into an empty place.
enum Done {
    Back(Box<PartRestored>),
    Alone(Box<Restored>),
}

/// Does it, or says what would be done.
pub fn run(
    context: &Context,
    config: Config,
    request: PartRequest,
    is_plan: bool,
) -> Result<(), Failure> {
    let is_compared = request.from.key.is_some();
    let nothing_since = request.from.nothing_since;
    let place = Words::of(&config);
    let done = run_server(&config.clone(), |_| async move {
        if restore_alone::is_into_empty(&config).await? {
            let done = Box::pin(alone(config, request, is_plan)).await?;
            return Ok(Done::Alone(Box::new(done)));
        }
        let done = if is_plan {
            Box::pin(restore_part::plan(config, &request)).await?
        } else {
            Box::pin(restore_part::restore(config, &request)).await?
        };
        Ok(Done::Back(Box::new(done)))
    })?;
    let restored = match done {
        Done::Back(restored) => restored,
        Done::Alone(restored) => {
            return told::say(context, &restored, &place, is_compared, nothing_since);
        }
    };
    if !context.for_people() {
        return output::json(&as_json(&restored));
    }
    tell(&restored, is_compared)
}

/// Into a place where nothing is.
async fn alone(
    config: Config,
    request: PartRequest,
    is_plan: bool,
) -> Result<Restored, StartError> {
    if request.new_name.is_some() {
        return Err(StartError::NotIntoEmpty { flag: "--as" });
    }
    if request.replaces_newer {
        let flag = "--replace-newer";
        return Err(StartError::NotIntoEmpty { flag });
    }
    let wanted = Wanted {
        tenant: request.tenant,
        part: request.part,
        reason: request.reason,
    };
    if is_plan {
        restore::plan(&config, &request.from, Some(&wanted)).await
    } else {
        Box::pin(restore::restore(config, request.from, Some(&wanted))).await
    }
}

fn as_json(restored: &PartRestored) -> serde_json::Value {
    let nowhere: Vec<String> = restored
        .records
        .nowhere
        .iter()
        .map(ToString::to_string)
        .collect();
    json!({
        "backup": restored.manifest.backup,
        "signed_by": restored.signed_by,
        "restored": restored.is_done,
        "resumed": restored.resumes,
        "segments": restored.segments,
        "restored_revision": restored.revision,
        "restored_at": restored.committed_at,
        "report": restored.report,
        "records": {
            "sound": restored.records.sound,
            "brought": restored.records.brought,
            "mended": restored.records.mended,
            "nowhere": nowhere,
        },
        "sweep_held": restored.is_done,
    })
}

fn tell(restored: &PartRestored, is_compared: bool) -> Result<(), Failure> {
    let PartRestored {
        manifest,
        report,
        records,
        ..
    } = restored;
    let would = if restored.is_done { "" } else { "would be: " };
    output::line(&format!(
        "backup {} and {} segment(s), as of {} (revision {}), signed by {}{}",
        manifest.backup,
        restored.segments,
        restored.committed_at,
        restored.revision,
        restored.signed_by,
        if is_compared {
            ""
        } else {
            " (NOT COMPARED: no --key was given)"
        },
    ))?;
    if restored.resumes {
        output::line("an earlier try was interrupted and is taken up")?;
    }
    for line in &report.lines {
        output::line(&format!("{would}{line}"))?;
    }
    if report.more_lines > 0 {
        output::line(&format!("and {} more", report.more_lines))?;
    }
    table(report)?;
    output::line(&format!(
        "{would}sealed records: {} sound where they are, {} brought back, {} replaced because they were \
         damaged",
        records.sound, records.brought, records.mended
    ))?;
    for record in &records.nowhere {
        output::line(&format!(
            "LOST  record {record} is neither in the vault nor in the backup: what names it cannot be used"
        ))?;
    }
    if restored.is_done {
        output::line(&format!(
            "{} change(s) in the tenant's log, up to revision {}; {} version(s) of limited keys open but \
             do not protect, until they are rotated",
            report.changes, report.revision, report.limits_spent
        ))?;
        output::line(
            "the sweep of records that no row names is held, until somebody confirms: see `keyward \
             storage health`",
        )?;
        output::line("next: `keyward serve`, and look whether it is as it should be")?;
    } else {
        output::line("nothing was changed: this is what would be done")?;
    }
    Ok(())
}

fn table(report: &Report) -> Result<(), Failure> {
    output::rows(
        &[
            "rows", "same", "back", "mended", "replaced", "kept", "forever",
        ],
        report.rows.iter().map(|(name, tally)| {
            [
                (*name).to_owned(),
                tally.same.to_string(),
                tally.back.to_string(),
                tally.mended.to_string(),
                tally.replaced.to_string(),
                tally.kept.to_string(),
                tally.forever.to_string(),
            ]
        }),
    )
}
