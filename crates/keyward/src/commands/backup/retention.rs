//! `keyward backup prune`: what retention keeps, and what goes.

use keyward_api::backup::{Backup, Pruned, RetentionPlan};
use keyward_client::Client;

use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// Says what would go, or lets it go.
pub async fn run(context: &Context, client: &Client, is_plan: bool) -> Result<(), Failure> {
    if is_plan {
        return context.show(&client.retention().await?, tell);
    }
    let mut all = Pruned {
        removed: 0,
        left: 0,
    };
    loop {
        let pruned = client.prune_backups().await?;
        all.removed += pruned.removed;
        all.left = pruned.left;
        if pruned.left == 0 || pruned.removed == 0 {
            break;
        }
    }
    context.show(&all, |all| {
        output::line(&format!(
            "{} backups and segments were removed",
            all.removed
        ))
    })
}

/// What a backup in a list is kept for, in words.
pub fn kept_for(backup: &Backup) -> String {
    match backup.kept_for.as_deref() {
        None => "everything is kept".to_owned(),
        Some([]) => "goes next".to_owned(),
        Some(all) => all.join(" "),
    }
}

fn tell(plan: &RetentionPlan) -> Result<(), Failure> {
    match &plan.rules {
        None => output::line("no rules are configured: everything is kept")?,
        Some(rules) => output::line(&format!(
            "kept: {} hourly, {} daily, {} weekly, {} monthly, and any second of the last {} hours",
            rules.hourly,
            rules.daily,
            rules.weekly,
            rules.monthly,
            rules.window_seconds / 3600
        ))?,
    }
    if let Some(why) = &plan.held {
        output::line(&format!("HELD  nothing is removed for now: {why}"))?;
    }
    for refused in &plan.refused {
        let (id, why) = (refused.id, &refused.why);
        output::line(&format!("NOT OURS  {id}, never removed: {why}"))?;
    }
    for id in &plan.half_removed {
        output::line(&format!("HALF REMOVED  {id}"))?;
    }
    output::line(&format!(
        "{} full backups and {} segments stay; these go:",
        plan.fulls_kept, plan.segments_kept
    ))?;
    output::rows(
        &["id", "kind", "state as of", "bytes"],
        plan.goes.iter().map(|backup| {
            [
                backup.id.to_string(),
                backup.kind.clone(),
                backup.committed_at.to_string(),
                backup.bytes.to_string(),
            ]
        }),
    )
}
