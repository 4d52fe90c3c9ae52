//! `/v1/storage`: how the storage beneath the vault is, and having it checked.

use keyward_api::job::Job;
use keyward_api::page::Changed;
use keyward_api::storage::{ConfirmSweep, StorageHealth};
use keyward_core::ids::ConditionId;
use keyward_core::ops::storage;
use keyward_core::ops::storage::sweep::{Seen, confirm as confirm_sweep};
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
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
            "Confirms what holds the sweep, as it was seen, so that what no row names may be swept up",
        )
        .takes::<ConfirmSweep>()
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

async fn confirm(call: Call, input: Input<ConfirmSweep>) -> Answer {
    let confirmed = input.value;
    let seen = Seen {
        alert: ConditionId::from_uuid(confirmed.alert_id),
        etag: confirmed.etag,
    };
    confirm_sweep(call.node(), call.caller(), seen, confirmed.reason).await?;
    read(call).await
}
