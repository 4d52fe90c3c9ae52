//! `/v1/tenants/{tenant}/classes`: which key is current for a class of data.

use keyward_api::class::{ClassAssignment, ClassKey, ClassPointer};
use keyward_api::page::{Changed, Page};
use keyward_api::tenant::Reason;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post, Put};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::reference;
use crate::view::{key, rest as view};

const TAG: &str = "classes";
const KEY: &str = "/v1/tenants/{tenant}/classes/{class}/key";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/classes",
            "list_classes",
            TAG,
            "Lists which keys are current",
        )
        .answers::<Page<ClassPointer>>("Every class that has a key.")
        .to(list),
        Endpoint::new(
            Get,
            KEY,
            "read_class",
            TAG,
            "Shows the current key of a class",
        )
        .answers_tagged::<ClassKey>("The class and its key.")
        .to(read),
        Endpoint::new(
            Put,
            KEY,
            "assign_class",
            TAG,
            "Names the current key of a class",
        )
        .takes::<ClassAssignment>()
        .if_match()
        .changes()
        .answers_tagged::<Changed<ClassPointer>>("The class.")
        .to(assign),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/classes/{class}/revert",
            "revert_class",
            TAG,
            "Returns a class to the key it had before",
        )
        .may_take::<Reason>()
        .changes()
        .answers_tagged::<Changed<ClassPointer>>("The class.")
        .to(revert),
    ]
}

async fn list(call: Call) -> Answer {
    let pointers = ops::class::list(call.node(), call.caller(), &call.tenant()?).await?;
    answer::page(
        pointers.into_iter().map(view::class_pointer).collect(),
        None,
    )
}

async fn read(call: Call) -> Answer {
    let (tenant, class) = (call.tenant()?, call.at("class")?);
    let (pointer, found) = ops::class::read(call.node(), call.caller(), &tenant, &class).await?;
    let etag = pointer.etag;
    let shown = ClassKey {
        pointer: view::class_pointer(pointer),
        key: key::key(call.deployment(), found)?,
    };
    answer::tagged(&shown, etag)
}

async fn assign(call: Call, input: Input<ClassAssignment>) -> Answer {
    let (tenant, class, if_match) = (call.tenant()?, call.at("class")?, call.if_match()?);
    let key = reference::key(&input.value.key, call.deployment(), &tenant)?;
    let reason = input.value.reason;
    let (node, caller) = (call.node(), call.caller());
    let done = ops::class::assign(node, caller, &tenant, &class, &key, reason, if_match).await?;
    let etag = done.value.etag;
    answer::tagged(&answer::changed(done, view::class_pointer), etag)
}

async fn revert(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let (tenant, class) = (call.tenant()?, call.at("class")?);
    let done = ops::class::revert(call.node(), call.caller(), &tenant, &class, why.reason).await?;
    let etag = done.value.etag;
    answer::tagged(&answer::changed(done, view::class_pointer), etag)
}
