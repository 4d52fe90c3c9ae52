//! `/v1/backups`: backups of the whole deployment, ordered and listed, and the key that signs them.

use keyward_api::backup::{Backup, BackupKey, Backups};
use keyward_api::job::Job;
use keyward_api::page::Changed;
use keyward_api::tenant::Reason;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};
use uuid::Uuid;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::view::{backup as view, rest};

const TAG: &str = "backups";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/backups",
            "create_backup",
            TAG,
            "Orders a backup of the whole deployment; the job's subject is its id",
        )
        .may_take::<Reason>()
        .changes()
        .answers::<Changed<Job>>("The job that makes it; the one under way, if there is one.")
        .to(create),
        Endpoint::new(
            Get,
            "/v1/backups",
            "list_backups",
            TAG,
            "Lists complete backups",
        )
        .may_be_forbidden_by_state()
        .answers::<Backups>("Those whose manifest is there, newest first.")
        .to(list),
        Endpoint::new(
            Get,
            "/v1/backups/{backup}",
            "read_backup",
            TAG,
            "Shows a complete backup",
        )
        .may_be_forbidden_by_state()
        .answers::<Backup>("The backup.")
        .to(read),
        Endpoint::new(
            Get,
            "/v1/backups/{backup}/job",
            "read_backup_job",
            TAG,
            "Shows how far the making of a backup is",
        )
        .answers::<Job>("The job.")
        .to(job),
        Endpoint::new(
            Get,
            "/v1/backup-key",
            "read_backup_key",
            TAG,
            "Shows the public half of the key that signs backups",
        )
        .may_be_forbidden_by_state()
        .answers::<BackupKey>("The key; made now, if there was none.")
        .to(key),
    ]
}

async fn create(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let done = ops::backup::create(call.node(), call.caller(), why.reason).await?;
    answer::ok(&answer::changed(done, rest::job))
}

async fn list(call: Call) -> Answer {
    let backups = ops::backup::list(call.node(), call.caller()).await?;
    let items = backups.into_iter().map(view::listed).collect();
    answer::ok(&Backups { items })
}

async fn read(call: Call) -> Answer {
    let id: Uuid = call.at("backup")?;
    let found = ops::backup::show(call.node(), call.caller(), id).await?;
    answer::ok(&view::backup(found))
}

async fn job(call: Call) -> Answer {
    let id: Uuid = call.at("backup")?;
    let found = ops::backup::job(call.node(), call.caller(), id).await?;
    answer::ok(&rest::job(found))
}

async fn key(call: Call) -> Answer {
    let public_key = ops::backup::public_key(call.node(), call.caller()).await?;
    answer::ok(&BackupKey { public_key })
}
