//! What a restore did or would do, in words and for programs.

use keyward_backup::{Companions, Manifest, Verified};
use serde_json::json;

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::server::config::Config;
use crate::server::restore::Restored;

/// Where a restore goes, in words.
pub struct Words {
    registry: String,
    vault: String,
    data_dir: String,
}

impl Words {
    /// Of a restore by this configuration.
    pub fn of(config: &Config) -> Self {
        let registry = config.registry.url.as_deref().map_or_else(
            || config.registry_file().display().to_string(),
            |_| "the PostgreSQL database of the configuration".to_owned(),
        );
        let vault = config.vault_path().map_or_else(
            || {
                format!(
                    "the vault on {} of the configuration",
                    config.storage.backend
                )
            },
            |path| path.display().to_string(),
        );
        Self {
            registry,
            vault,
            data_dir: config.node.data_dir.display().to_string(),
        }
    }
}

/// Says what a restore did or would do, as it was asked for.
///
/// # Errors
///
/// If it cannot be printed, or if the backup does not verify and a restore would be refused.
pub fn say(
    context: &Context,
    restored: &Restored,
    place: &Words,
    is_compared: bool,
    nothing_since: bool,
) -> Result<(), Failure> {
    if !context.for_people() {
        return output::json(&as_json(restored));
    }
    tell(restored, place, is_compared, nothing_since)?;
    let mut all = [&restored.verified].into_iter().chain(&restored.segments);
    if restored.outcome.is_none() && !all.all(is_sound) {
        return Err(Failure::new(Exit::NotValid, "it would be refused"));
    }
    Ok(())
}

fn is_sound(verified: &Verified) -> bool {
    let lost = |finding| matches!(finding, &keyward_backup::Finding::RecordLost { .. });
    verified.findings.iter().all(lost)
}

/// A restore, or what one would do, for programs.
fn as_json(restored: &Restored) -> serde_json::Value {
    let outcome = restored.outcome.as_ref();
    let findings: Vec<String> = restored
        .verified
        .findings
        .iter()
        .map(ToString::to_string)
        .collect();
    json!({
        "backup": restored.backup,
        "restored": outcome.is_some(),
        "resumed": restored.resumes,
        "revision": outcome.map(|outcome| outcome.revision),
        "objects": outcome.map(|outcome| outcome.objects),
        "restored_at": outcome.map(|outcome| outcome.restored_at),
        "segments": restored.segments.len(),
        "facts": outcome.map(|outcome| outcome.facts),
        "values_missing": outcome.map(|outcome| outcome.values_missing),
        "keys_moved_on": outcome.map(|outcome| outcome.keys_moved_on),
        "limits_spent": outcome.map(|outcome| outcome.limits_spent),
        "sweep_held": outcome.is_some(),
        "set_aside": restored.set_aside,
        "alone": restored.companions,
        "findings": findings,
    })
}

/// Prints a restore, or what one would do, for people.
fn tell(
    restored: &Restored,
    place: &Words,
    is_compared: bool,
    nothing_since: bool,
) -> Result<(), Failure> {
    let verified = [&restored.verified].into_iter().chain(&restored.segments);
    for finding in verified.flat_map(|verified| &verified.findings) {
        output::line(&format!("WRONG  {finding}"))?;
    }
    let Some(signed) = &restored.verified.signed else {
        return Ok(());
    };
    let manifest = &signed.manifest;
    let will = |done: &str, would: &str| {
        let words = if restored.outcome.is_some() {
            done
        } else {
            would
        };
        words.to_owned()
    };
    let mut lines = vec![format!(
        "backup {} of deployment {}, revision {}, as of {}, signed by {}{}",
        manifest.backup,
        manifest.deployment,
        manifest.revision,
        manifest.committed_at,
        signed.by.text(),
        if is_compared {
            ""
        } else {
            " (NOT COMPARED: no --key was given)"
        },
    )];
    if restored.resumes {
        lines.push("an earlier try was interrupted and is taken up".to_owned());
    }
    if let Some(aside) = &restored.set_aside {
        let verb = will("was moved", "would be moved");
        lines.push(format!(
            "what lay in {} {verb} to {}",
            place.data_dir,
            aside.display()
        ));
    }
    lines.extend(segments(restored));
    lines.extend(amounts(restored, manifest, place));
    lines.extend(versions(restored, nothing_since));
    let verb = will("is held", "would be held");
    lines.push(format!(
        "the sweep of records that no row names {verb}, until somebody confirms: see `keyward storage health`"
    ));
    let last = restored.segments.last().unwrap_or(&restored.verified);
    lines.extend(last.signed.as_ref().map(|signed| after(&signed.manifest)));
    for line in lines {
        output::line(&line)?;
    }
    Ok(())
}

/// How much is written, and where to.
fn amounts(restored: &Restored, manifest: &Manifest, place: &Words) -> Vec<String> {
    let verb = match &restored.outcome {
        Some(_) => "were written",
        None => "would be written, if it is empty",
    };
    let mut lines = Vec::new();
    let (rows, records): (u64, u64) = match &restored.companions {
        Some(companions) => {
            lines.extend(alone(companions));
            (companions.rows.values().sum(), companions.records)
        }
        None => (
            manifest.tables.values().sum(),
            manifest.records.values().sum(),
        ),
    };
    lines.push(format!("{rows} rows: {verb}, into {}", place.registry));
    lines.push(format!(
        "{records} sealed records: {verb}, into {}",
        place.vault
    ));
    lines
}

/// What comes into an empty place, and what does not.
fn alone(companions: &Companions) -> Vec<String> {
    let what = match companions.part {
        "tenant" => String::new(),
        part => format!("one {part} of "),
    };
    let rows = companions.rows.iter().filter(|(_, rows)| **rows > 0);
    let rows: Vec<String> = rows.map(|(kind, rows)| format!("{rows} {kind}")).collect();
    let mut lines = vec![
        format!(
            "{what}tenant {} ({}) alone, of revision {}, as of {}: a deployment of its own",
            companions.tenant_name, companions.tenant, companions.revision, companions.committed_at
        ),
        format!("with it: {}", rows.join(", ")),
        format!(
            "of the system's people: {}; {} token(s) of theirs can be used",
            companions.people.join(", "),
            companions.usable_tokens
        ),
        "not with it: other tenants, the system's secrets, alerts, and the key that signs backups: it \
         makes one of its own"
            .to_owned(),
        "NOTE: its seals and its root key are those of the deployment that it came from; rotate them \
         there or here if the two are to be apart"
            .to_owned(),
    ];
    if companions.usable_tokens == 0 {
        lines.push(
            "NOTE: no token of the system's people is valid at this time: nobody could administer it"
                .to_owned(),
        );
    }
    lines
}

fn versions(restored: &Restored, nothing_since: bool) -> Vec<String> {
    let is_alone = restored.companions.is_some();
    if nothing_since && restored.segments.is_empty() && !is_alone {
        let words = "numbers of new key versions and uses of limited keys go on without a gap";
        return vec![words.to_owned()];
    }
    if nothing_since {
        return vec![
            "numbers of new key versions go on without a gap".to_owned(),
            format!(
                "{}, until they are rotated: how often they were used {}",
                limits(restored),
                if is_alone {
                    "does not come along"
                } else {
                    "is not in segments"
                }
            ),
        ];
    }
    let skipped = match &restored.outcome {
        Some(outcome) => format!(
            "the next version of {} key(s) skips 1,000 numbers",
            outcome.keys_moved_on
        ),
        None => "the next version of every key would skip 1,000 numbers".to_owned(),
    };
    let spent = limits(restored);
    vec![
        format!("{skipped}: what was made after the backup may have used the next ones"),
        format!("{spent}, until they are rotated: how often they were used since is not known"),
        "NOT KNOWN: what was destroyed, compromised, revoked or locked after the last backup or \
         segment. Do it again, before anybody uses what is restored"
            .to_owned(),
    ]
}

fn limits(restored: &Restored) -> String {
    match &restored.outcome {
        Some(outcome) => format!(
            "{} version(s) of limited keys open but do not protect",
            outcome.limits_spent
        ),
        None => "limited keys would open but not protect".to_owned(),
    }
}

/// What the segments add, in words.
fn segments(restored: &Restored) -> Vec<String> {
    let last = restored
        .segments
        .iter()
        .rev()
        .find_map(|it| it.signed.as_ref());
    let Some(last) = last else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "{} segment(s) follow on it, up to revision {}, as of {}",
        restored.segments.len(),
        last.manifest.revision,
        last.manifest.committed_at
    )];
    if let Some(outcome) = &restored.outcome {
        lines.push(format!(
            "the state is the one of revision {}, as of {}",
            outcome.restored_revision, outcome.restored_at
        ));
        lines.push(format!(
            "{} row(s) say what was destroyed, compromised, revoked or numbered after that: it holds",
            outcome.facts
        ));
        if outcome.values_missing > 0 {
            lines.push(format!(
                "{} value(s) of secrets are not there: they were deleted later, before any backup held them",
                outcome.values_missing
            ));
        }
    }
    lines
}

fn after(manifest: &Manifest) -> String {
    let seals = manifest
        .seals
        .iter()
        .map(|seal| match (seal.threshold, seal.total) {
            (Some(threshold), Some(total)) => format!("any {threshold} of the {total} shares"),
            _ => format!("the {} of that time", seal.kind.replace('-', " ")),
        });
    let seals: Vec<String> = seals.collect();
    format!(
        "next: `keyward serve`, then unseal with {}",
        seals.join(", or ")
    )
}
