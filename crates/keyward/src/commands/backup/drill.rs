//! `keyward backup drill`: a backup restored for trial.

use keyward_api::backup::{Drill, NewDrill};
use keyward_client::Client;

use super::LOOK_EVERY;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// Orders a drill, and waits for what becomes of it.
pub async fn run(
    context: &Context,
    client: &Client,
    new: NewDrill,
    no_wait: bool,
) -> Result<(), Failure> {
    let ordered = client.drill_backup(&new).await?;
    let id = ordered.value.id;
    if no_wait {
        return context.show(&ordered, |_| output::line(&id.to_string()));
    }
    loop {
        let drills = client.drills().await?;
        let ended = drills.into_iter().find(|drill| drill.id == id);
        if let Some(drill) = ended.filter(|drill| drill.state.as_str() != "queued") {
            context.show(&drill, show)?;
            return match drill.problem {
                None => Ok(()),
                Some(why) => Err(Failure::new(
                    Exit::NotValid,
                    format!("the backup does not restore: {why}"),
                )
                .next("the report beside the backups, `drills/<id>`, names everything")),
            };
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Lists drills.
pub fn list(drills: &[Drill]) -> Result<(), Failure> {
    output::rows(
        &["id", "state", "ordered", "backup", "state as of", "problem"],
        drills.iter().map(|drill| {
            [
                drill.id.to_string(),
                drill.state.to_string(),
                drill.ordered_at.to_string(),
                drill.backup.map_or_else(String::new, |id| id.to_string()),
                drill
                    .committed_at
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
                drill.problem.clone().unwrap_or_default(),
            ]
        }),
    )
}

fn show(drill: &Drill) -> Result<(), Failure> {
    let text = |at: &Option<keyward_api::time::Time>| {
        at.as_ref().map_or_else(String::new, ToString::to_string)
    };
    output::fields(&[
        ("id", drill.id.to_string()),
        ("state", drill.state.to_string()),
        (
            "backup",
            drill.backup.map_or_else(String::new, |id| id.to_string()),
        ),
        ("segments", drill.segments.to_string()),
        ("state as of", text(&drill.committed_at)),
        ("ended", text(&drill.ended_at)),
        ("rows", drill.rows.to_string()),
        ("records", drill.records.to_string()),
        ("keys opened", drill.keks_opened.to_string()),
        ("records opened", drill.records_opened.to_string()),
    ])
}
