//! `/v1/storage`: how the storage beneath the vault is, and having it checked.

use keyward_api::job::Job;
use keyward_api::page::Changed;
use keyward_api::storage::StorageHealth;
use keyward_api::tenant::Reason;
use keyward_core::ops::storage;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::view::{rest, storage as view};

const TAG: &str = "storage";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/storage",
            "read_storage",
            TAG,
            "Shows how the storage is",
        )
        .answers::<StorageHealth>("As this node sees it.")
        .to(read),
        Endpoint::new(
            Post,
            "/v1/storage/scrub",
            "scrub_storage",
            TAG,
            "Begins a check of everything that is stored",
        )
        .changes()
        .answers::<Changed<Job>>("Its job.")
        .to(scrub),
        Endpoint::new(
            Post,
            "/v1/storage/confirm-sweep",
            "confirm_sweep",
            TAG,
            "Confirms that the registry is the right one, so that what it does not name may be swept up",
        )
        .may_take::<Reason>()
        .changes()
        .answers::<StorageHealth>("The storage as it is now.")
        .to(confirm),
    ]
}

async fn read(call: Call) -> Answer {
    let health = storage::health(call.node(), call.caller()).await?;
    answer::ok(&view::health(health))
}

async fn scrub(call: Call) -> Answer {
    let done = storage::scrub::start(call.node(), call.caller()).await?;
    answer::ok(&answer::changed(done, rest::job))
}

async fn confirm(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    storage::sweep::confirm(call.node(), call.caller(), why.reason).await?;
    read(call).await
}
