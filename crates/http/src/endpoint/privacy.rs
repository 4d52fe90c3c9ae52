//! `/v1/tenants/{tenant}/privacy`: what is held about a person.

use keyward_api::privacy::{
    KnownAddress, PrivacyErase, PrivacyErasure, PrivacyExport, PrivacySubject, Remaining,
};
use keyward_core::ids::PrincipalId;
use keyward_core::ops::privacy;
use utoipa::openapi::HttpMethod::Post;

use super::Route;
use crate::answer::{self, Answer};
use crate::begun::to_its_end;
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::problem::Failure;
use crate::view::access as view;

const TAG: &str = "privacy";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/privacy/export",
            "export_person",
            TAG,
            "Gives out everything that is held about a person",
        )
        .takes::<PrivacySubject>()
        .answers::<PrivacyExport>("What is held.")
        .to(export),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/privacy/erase",
            "erase_person",
            TAG,
            "Erases a person for ever: a principal that is disabled, or what strangers from an address left",
        )
        .takes::<PrivacyErase>()
        .answers::<PrivacyErasure>("What was erased, and what remains.")
        .to(erase),
    ]
}

fn subject(text: &str) -> Result<privacy::PrivacySubject, Failure> {
    let found = privacy::PrivacySubject::parse(text);
    found.ok_or_else(|| {
        Failure::invalid(
            "subject: give a principal's name or id, or address: and a network address",
        )
    })
}

async fn export(call: Call, input: Input<PrivacySubject>) -> Answer {
    let scope = call.tenant()?;
    let of = subject(&input.value.subject)?;
    let held = privacy::export(call.node(), call.caller(), &scope, &of).await?;
    let addresses = held.addresses.into_iter().map(|known| KnownAddress {
        address: known.address,
        pseudonym: known.pseudonym,
        principal_id: known.principal.map(PrincipalId::uuid),
        day: known.day,
    });
    answer::ok(&PrivacyExport {
        principal: held.principal.map(view::principal),
        roles: held.roles,
        tokens: held.tokens.into_iter().map(view::token).collect(),
        addresses: addresses.collect(),
        entries: held.entries,
    })
}

async fn erase(call: Call, input: Input<PrivacyErase>) -> Answer {
    let scope = call.tenant()?;
    let PrivacyErase {
        subject: of,
        reason,
    } = input.value;
    let of = subject(&of)?;
    // What went is logged, also when whoever asked hangs up.
    to_its_end(async move {
        let done = privacy::erase(call.node(), call.caller(), &scope, &of, reason).await?;
        let remains = done.remains.into_iter().map(|it| Remaining {
            what: it.what.to_owned(),
            count: it.count,
            why: it.why.to_owned(),
        });
        answer::ok(&PrivacyErasure {
            addresses: done.addresses,
            destroyed: done.destroyed,
            remains: remains.collect(),
        })
    })
    .await
}
