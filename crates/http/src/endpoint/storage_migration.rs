//! `/v1/storage/migration`: the vault on its way to another backend, shown and steered.

use keyward_api::storage_migration::{StorageMigration, StorageMigrationRate};
use keyward_api::tenant::Reason;
use keyward_core::ops::storage::migration::{self, Turn};
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::begun::to_its_end;
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::view::storage_migration as view;

const TAG: &str = "storage";
const AFTERWARDS: &str = "Where the migration stands now.";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let turn = |path, id, summary| {
        Endpoint::new(Post, path, id, TAG, summary)
            .may_take::<Reason>()
            .changes()
            .answers::<StorageMigration>(AFTERWARDS)
    };
    vec![
        Endpoint::new(
            Get,
            "/v1/storage/migration",
            "read_storage_migration",
            TAG,
            "Shows where the migration of the storage stands",
        )
        .answers::<StorageMigration>("The migration that is under way, or the last one.")
        .to(read),
        turn(
            "/v1/storage/migration/pause",
            "pause_storage_migration",
            "Lets the passes of the migration stand still; changes go to both sides all the same",
        )
        .to(pause),
        turn(
            "/v1/storage/migration/resume",
            "resume_storage_migration",
            "Lets the passes of the migration go on",
        )
        .to(resume),
        Endpoint::new(
            Post,
            "/v1/storage/migration/rate",
            "set_storage_migration_rate",
            TAG,
            "Sets how many objects the migration looks at in a second",
        )
        .takes::<StorageMigrationRate>()
        .changes()
        .answers::<StorageMigration>(AFTERWARDS)
        .to(set_rate),
        turn(
            "/v1/storage/migration/verify",
            "verify_storage_migration",
            "Has every object of both sides compared once more before anything is switched",
        )
        .to(verify),
        turn(
            "/v1/storage/migration/cut-over",
            "cut_over_storage",
            "Lets the target lead, once a whole pass has found both sides equal; the source follows",
        )
        .to(cut_over),
        turn(
            "/v1/storage/migration/roll-back",
            "roll_back_storage",
            "Goes back to the source, with all that was written since the cut-over",
        )
        .to(roll_back),
        turn(
            "/v1/storage/migration/commit",
            "commit_storage",
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

async fn set_rate(call: Call, input: Input<StorageMigrationRate>) -> Answer {
    let StorageMigrationRate { per_second, reason } = input.value;
    make(call, Turn::Rate { per_second }, reason).await
}

async fn verify(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    make(call, Turn::Verify, why.reason).await
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
