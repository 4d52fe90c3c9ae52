//! `/v1/system/root-key`: the key above all others, replaced in steps that may lie days apart.

use keyward_api::seal::Seals;
use keyward_api::tenant::Reason;
use keyward_core::ops::seal_keeping::{self, RootStep};
use utoipa::openapi::HttpMethod::Post;

use super::Route;
use crate::answer::{self, Answer};
use crate::begun::to_its_end;
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::view::seal as view;

const TAG: &str = "seals";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let step = |path, id, summary| {
        Endpoint::new(Post, path, id, TAG, summary)
            .may_take::<Reason>()
            .changes()
            .answers::<Seals>("The seals, and how far the rotation is.")
    };
    vec![
        step(
            "/v1/system/root-key/begin-rotation",
            "begin_root_rotation",
            "Makes the next root key, or goes on with it; seals that need nobody hold it at once",
        )
        .to(begin),
        step(
            "/v1/system/root-key/commit-rotation",
            "commit_root_rotation",
            "Puts the next root key in force, once every seal holds it",
        )
        .to(commit),
        step(
            "/v1/system/root-key/cancel-rotation",
            "cancel_root_rotation",
            "Forgets the next root key",
        )
        .to(cancel),
    ]
}

async fn begin(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    take(call, RootStep::Begin, why).await
}

async fn commit(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    take(call, RootStep::Commit, why).await
}

async fn cancel(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    take(call, RootStep::Cancel, why).await
}

async fn take(call: Call, step: RootStep, why: Reason) -> Answer {
    let work = async move {
        let (node, caller) = (call.node(), call.caller());
        let after = seal_keeping::rotate_root(node, caller, step, why.reason).await?;
        answer::ok(&view::seals(after))
    };
    to_its_end(work).await
}
