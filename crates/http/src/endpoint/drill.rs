//! `/v1/backups/drills`: backups restored for trial.

use keyward_api::backup::{Drill, Drills, NewDrill};
use keyward_api::page::Changed;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::view::backup as view;

const TAG: &str = "backups";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/backups/drills",
            "drill_backup",
            TAG,
            "Orders a drill: the newest backup is restored for trial",
        )
        .may_take::<NewDrill>()
        .changes()
        .answers::<Changed<Drill>>(
            "The drill; the one that waits or is under way, if there is one.",
        )
        .to(order),
        Endpoint::new(
            Get,
            "/v1/backups/drills",
            "list_drills",
            TAG,
            "Lists drills and what became of them",
        )
        .answers::<Drills>("Newest first, at most 100.")
        .to(list),
    ]
}

async fn order(call: Call, OptionalInput(new): OptionalInput<NewDrill>) -> Answer {
    let done = ops::drill::order(call.node(), call.caller(), new.backup, new.reason).await?;
    answer::ok(&answer::changed(done, view::drill))
}

async fn list(call: Call) -> Answer {
    let drills = ops::drill::list(call.node(), call.caller(), None).await?;
    let items = drills.into_iter().map(view::drill).collect();
    answer::ok(&Drills { items })
}
