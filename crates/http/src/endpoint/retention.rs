//! `/v1/backups/retention` and `/v1/backups/prune`: which backups are kept, and letting the others go.

use keyward_api::backup::{Pruned, RetentionPlan};
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::view::backup as view;

const TAG: &str = "backups";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/backups/retention",
            "read_retention",
            TAG,
            "Shows which backups the rules of retention keep, and which go next",
        )
        .may_be_forbidden_by_state()
        .answers::<RetentionPlan>("What would be done now; nothing is.")
        .to(retention),
        Endpoint::new(
            Post,
            "/v1/backups/prune",
            "prune_backups",
            TAG,
            "Removes backups that the rules of retention do not keep, some at once",
        )
        .changes()
        .answers::<Pruned>("How many were removed, and how many are left.")
        .to(prune),
    ]
}

async fn retention(call: Call) -> Answer {
    let plan = ops::backup::plan(call.node(), call.caller()).await?;
    answer::ok(&view::plan(plan))
}

async fn prune(call: Call) -> Answer {
    let pruned = ops::backup::prune(call.node(), call.caller()).await?;
    answer::ok(&view::pruned(pruned))
}
