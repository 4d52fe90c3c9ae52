//! `/v1/registry/migration`: the registry on its way to another database, shown and steered.

use keyward_api::registry_migration::{RegistryMigration, RegistryMigrationRate};
use keyward_api::tenant::Reason;
use keyward_core::ops::registry_migration::{self as migration, Turn};
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::begun::to_its_end;
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::view::registry_migration as view;

const TAG: &str = "registry";
const AFTERWARDS: &str = "Where the migration stands now.";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let turn = |path, id, summary| {
        Endpoint::new(Post, path, id, TAG, summary)
            .may_take::<Reason>()
            .changes()
            .answers::<RegistryMigration>(AFTERWARDS)
    };
    vec![
        Endpoint::new(
            Get,
            "/v1/registry/migration",
            "read_registry_migration",
            TAG,
            "Shows where the migration of the registry stands",
        )
        .answers::<RegistryMigration>("The migration that is under way, or the last one.")
        .to(read),
        turn(
            "/v1/registry/migration/pause",
            "pause_registry_migration",
            "Leaves the side that follows alone; it falls behind meanwhile",
        )
        .to(pause),
        turn(
            "/v1/registry/migration/resume",
            "resume_registry_migration",
            "Lets the migration go on",
        )
        .to(resume),
        Endpoint::new(
            Post,
            "/v1/registry/migration/rate",
            "set_registry_migration_rate",
            TAG,
            "Sets how many rows the migration carries over or compares in a second",
        )
        .takes::<RegistryMigrationRate>()
        .changes()
        .answers::<RegistryMigration>(AFTERWARDS)
        .to(set_rate),
        turn(
            "/v1/registry/migration/cut-over",
            "cut_over_registry",
            "Lets the target lead, once both sides were found to hold the same; the source follows",
        )
        .to(cut_over),
        turn(
            "/v1/registry/migration/roll-back",
            "roll_back_registry",
            "Goes back to the source, with all that was written since the cut-over",
        )
        .to(roll_back),
        turn(
            "/v1/registry/migration/commit",
            "commit_registry",
            "Leaves the source for good; there is no way back",
        )
        .to(commit),
    ]
}

async fn read(call: Call) -> Answer {
    let report = migration::show(call.node(), call.caller()).await?;
    answer::ok(&view::migration(report))
}

async fn pause(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    make(call, Turn::Pause, why.reason).await
}

async fn resume(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    make(call, Turn::Resume, why.reason).await
}

async fn set_rate(call: Call, input: Input<RegistryMigrationRate>) -> Answer {
    let RegistryMigrationRate { per_second, reason } = input.value;
    make(call, Turn::Rate { per_second }, reason).await
}

async fn cut_over(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    make(call, Turn::CutOver, why.reason).await
}

async fn roll_back(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    make(call, Turn::RollBack, why.reason).await
}

async fn commit(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    make(call, Turn::Commit, why.reason).await
}

/// What took effect is logged, also when whoever asked hangs up.
async fn make(call: Call, turn: Turn, reason: Option<String>) -> Answer {
    let work = async move {
        let report = migration::turn(call.node(), call.caller(), turn, reason).await?;
        answer::ok(&view::migration(report))
    };
    to_its_end(work).await
}
