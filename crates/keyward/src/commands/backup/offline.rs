//! What is done with backups where no server is: verifying and restoring.

use std::path::{Path, PathBuf};

use clap::Args;
use keyward_backup::{BackupKey, Chain, Identities, Place, Verified};
use keyward_core::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::commands::backup::part::{self, PartFlags};
use crate::commands::backup::told::{self, Words};
use crate::commands::config::ConfigFlags;
use crate::commands::serve::run_server;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::private_file;
use crate::server::backups;
use crate::server::config::{self, Config};
use crate::server::error::StartError;
use crate::server::restore::{self, Request};

/// Where backups lie
#[derive(Args, Clone, Debug)]
struct Origin {
    /// The directory of backups [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// A file that names an object store, as `backup.destination_file` does
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    from_store: Option<PathBuf>,
    /// Which backup, alone [default: the newest, and the segments that follow on it]
    #[arg(long, value_name = "ID")]
    backup: Option<Uuid>,
    /// The public key that must have signed it, as `keyward backup key` printed it
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl Origin {
    fn place(&self, config: &Config) -> Result<Place, Failure> {
        let place = backups::to_read(config, self.from.as_deref(), self.from_store.as_deref());
        place?.ok_or_else(|| {
            Failure::usage("no place of backups is named")
                .next("add --from DIR, or a configuration that has one")
        })
    }

    fn key(&self) -> Result<Option<BackupKey>, Failure> {
        let parsed = self.key.as_deref().map(BackupKey::parse).transpose();
        parsed.map_err(|error| Failure::usage(error).about("--key"))
    }
}

/// Which backup is verified, and how deeply
#[derive(Args, Debug)]
pub struct VerifyArguments {
    #[command(flatten)]
    origin: Origin,
    /// The file with an identity that the backup is sealed to: opens and compares everything
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
}

impl VerifyArguments {
    /// Does it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let quiet = ["log.level=warn".to_owned()];
        let config = self.config.load(&context.environment, &quiet)?;
        let place = self.origin.place(&config)?;
        let key = self.origin.key()?;
        let identities = self.identity.as_deref().map(identities).transpose()?;
        let wanted = self.origin.backup;
        let (id, verified, segments, strangers) = run_server(&config, |_| async move {
            let (key, identities) = (key.as_ref(), identities.as_ref());
            let chain = match wanted {
                Some(id) => Chain::only(id),
                None => Chain::find(&place, key, None).await?,
            };
            let verified = keyward_backup::verify(&place, chain.full, key, identities).await?;
            let mut segments = Vec::with_capacity(chain.segments.len());
            let by = verified.signed.as_ref().map(|signed| &signed.by);
            for id in chain.segments {
                segments.push(keyward_backup::verify(&place, id, key.or(by), identities).await?);
            }
            Ok((chain.full, verified, segments, chain.strangers.len()))
        })?;
        let is_compared = self.origin.key.is_some();
        report(context, id, &verified, &segments, strangers, is_compared)?;
        let all = [&verified].into_iter().chain(&segments);
        let wrong: usize = all.map(|verified| verified.findings.len()).sum();
        if wrong == 0 {
            return Ok(());
        }
        Err(Failure::new(
            Exit::NotValid,
            format!("backup {id} does not verify: {wrong} finding(s)"),
        ))
    }
}

fn identities(file: &Path) -> Result<Identities, Failure> {
    let text = private_file::read_text(file).map_err(Failure::usage)?;
    Identities::parse(&text).map_err(|error| Failure::usage(error).about(file.display()))
}

fn report(
    context: &Context,
    id: Uuid,
    verified: &Verified,
    segments: &[Verified],
    strangers: usize,
    is_compared: bool,
) -> Result<(), Failure> {
    let all = [verified].into_iter().chain(segments);
    let findings: Vec<String> = all
        .flat_map(|verified| &verified.findings)
        .map(ToString::to_string)
        .collect();
    if !context.for_people() {
        let told = verified_as_json(id, verified, segments, strangers, &findings);
        return output::json(&told);
    }
    for finding in &findings {
        output::line(&format!("WRONG  {finding}"))?;
    }
    if strangers > 0 {
        output::line(&format!(
            "{strangers} backup(s) of another signer lie there too and were passed over"
        ))?;
    }
    let Some(signed) = &verified.signed else {
        return Ok(());
    };
    let manifest = &signed.manifest;
    output::line(&format!(
        "backup {id} of deployment {}, revision {}, as of {}",
        manifest.deployment, manifest.revision, manifest.committed_at
    ))?;
    output::line(&format!("signed by {}", signed.by.text()))?;
    if !is_compared {
        output::say(
            "NOTE: anybody can sign with a key of their own: compare the key above with the one that \
             `keyward backup key` printed, or give that one with --key.\n",
        );
    }
    if let Some(last) = segments.iter().rev().find_map(|it| it.signed.as_ref()) {
        output::line(&format!(
            "{} segment(s) follow on it, up to revision {}, as of {}",
            segments.len(),
            last.manifest.revision,
            last.manifest.committed_at
        ))?;
    }
    if !findings.is_empty() {
        return Ok(());
    }
    output::line(&if verified.opened {
        format!(
            "it restores: {} parts opened, {} rows, {} records, each the one that its row names",
            verified.parts, verified.rows, verified.records
        )
    } else {
        format!(
            "it is whole: {} parts, each as it was signed (give --identity to open them as well)",
            verified.parts
        )
    })
}

fn verified_as_json(
    id: Uuid,
    verified: &Verified,
    segments: &[Verified],
    strangers: usize,
    findings: &[String],
) -> serde_json::Value {
    json!({
        "backup": id,
        "sound": findings.is_empty(),
        "opened": verified.opened,
        "segments": segments.len(),
        "parts": verified.parts,
        "rows": verified.rows,
        "records": verified.records,
        "passed_over": strangers,
        "signed_by": verified.signed.as_ref().map(|signed| signed.by.text()),
        "findings": findings,
    })
}

/// Which backup is restored, and where to
#[derive(Args, Debug)]
#[command(group(
    clap::ArgGroup::new("signer").args(["key", "unverified_signer"]).required(true)
))]
pub struct RestoreArguments {
    #[command(flatten)]
    origin: Origin,
    /// The file with an identity that the backup is sealed to
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Restore whatever key signed it: the command says which, and nothing else proves who made it
    #[arg(long)]
    unverified_signer: bool,
    /// The second to restore, RFC 3339 [default: the last that is covered]
    #[arg(long, value_name = "TIME", conflicts_with = "backup")]
    to: Option<Timestamp>,
    /// Restore although a segment is missing: the state before the gap, without what was revoked,
    /// compromised or destroyed in it
    #[arg(long)]
    accept_gap: bool,
    /// Only say what would be done
    #[arg(long)]
    plan: bool,
    /// The data directory [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Move what lies in the data directory into a directory `before-restore-ID` inside it
    #[arg(long)]
    set_aside: bool,
    /// Nothing was changed or used after the last backup or segment: numbers of new key versions go on
    /// without a gap, and if a full backup alone is restored, uses of limited keys as well
    #[arg(long, conflicts_with = "to")]
    nothing_since: bool,
    #[command(flatten)]
    part: PartFlags,
    #[command(flatten)]
    config: ConfigFlags,
}

impl RestoreArguments {
    /// Does it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let data = self.data.as_deref();
        let data = data.map(|dir| format!("node.data_dir={}", dir.display()));
        let quiet = "log.level=warn".to_owned();
        let set: Vec<String> = [quiet].into_iter().chain(data).collect();
        let config = self.config.load(&context.environment, &set)?;
        config::check(&config).map_err(StartError::from)?;
        let wanted = self.part.wanted(context)?;
        let request = Request {
            place: self.origin.place(&config)?,
            backup: self.origin.backup,
            to: self.to,
            key: self.origin.key()?,
            identities: identities(&self.identity)?,
            sets_aside: self.set_aside,
            nothing_since: self.nothing_since,
            accepts_gap: self.accept_gap,
        };
        let is_compared = request.key.is_some();
        if let Some(wanted) = wanted {
            return part::run(
                context,
                config,
                wanted.request(request, context)?,
                self.plan,
            );
        }
        let nothing_since = self.nothing_since;
        let is_plan = self.plan;
        let place = Words::of(&config);
        let restored = run_server(&config.clone(), |_| async move {
            if is_plan {
                restore::plan(&config, &request, None).await
            } else {
                Box::pin(restore::restore(config, request, None)).await
            }
        })?;
        told::say(context, &restored, &place, is_compared, nothing_since)
    }
}
