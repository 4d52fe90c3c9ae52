//! `/v1/system/seals`: the ways in which the root key is kept wrapped, several at once.

use axum::http::StatusCode;
use keyward_api::seal::{MadeSeal, NewSeal, Seal, SealProof, SealRenewal, Seals};
use keyward_api::system::Passphrase;
use keyward_api::tenant::Reason;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::ops::seal_keeping as ops;
use keyward_core::port::seal::{self, SealKind};
use utoipa::openapi::HttpMethod::{Delete, Get, Post};
use zeroize::Zeroizing;

use super::Route;
use crate::answer::{self, Answer};
use crate::begun::to_its_end;
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::problem::Failure;
use crate::reference::parse;
use crate::view::seal as view;

const TAG: &str = "seals";
/// Room for 32 shares and the words around them.
const SHARES_BYTES: usize = 8 * 1024;

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/system/seals",
            "list_seals",
            TAG,
            "Shows the seals and how each stood when it was last opened",
        )
        .answers::<Seals>("The seals and the root key.")
        .to(list),
        Endpoint::new(
            Post,
            "/v1/system/seals",
            "add_seal",
            TAG,
            "Makes another seal",
        )
        .takes::<NewSeal>()
        .changes()
        .answers::<MadeSeal>("The seal; its shares, shown once, if it is of shares.")
        .to(add),
        Endpoint::new(
            Delete,
            "/v1/system/seals/{seal}",
            "remove_seal",
            TAG,
            "Removes a seal; another one must have been opened just now",
        )
        .may_take::<Reason>()
        .changes()
        .answers::<Seals>("The seals that are left.")
        .to(remove),
        Endpoint::new(
            Post,
            "/v1/system/seals/{seal}/rewrap",
            "rewrap_seal",
            TAG,
            "Wraps the root key anew in one seal",
        )
        .may_take::<SealRenewal>()
        .changes()
        .answers::<MadeSeal>("The seal; its new shares, shown once, if it is of shares.")
        .to(rewrap),
        Endpoint::new(
            Post,
            "/v1/system/seals/{seal}/prove",
            "prove_seal",
            TAG,
            "Really opens one seal with what its people bring, or by itself",
        )
        .may_take::<SealProof>()
        .changes()
        .answers::<Seal>("The seal.")
        .to(prove),
    ]
}

async fn list(call: Call) -> Answer {
    answer::ok(&view::seals(ops::list(call.node(), call.caller()).await?))
}

async fn add(call: Call, input: Input<NewSeal>) -> Answer {
    let NewSeal {
        kind,
        threshold,
        total,
        passphrase,
        reason,
    } = input.value;
    let kind: SealKind = parse("kind", kind.as_str())?;
    if kind != SealKind::Shares && threshold.or(total).is_some() {
        return Err(Failure::invalid("threshold: only seals of shares have one"));
    }
    if kind != SealKind::Passphrase && passphrase.is_some() {
        return Err(Failure::invalid(
            "passphrase: only passphrase seals have one",
        ));
    }
    let new = match kind {
        SealKind::KeyFile => seal::NewSeal::KeyFile,
        SealKind::Shares => seal::NewSeal::Shares {
            threshold: threshold.ok_or_else(|| Failure::invalid("threshold: is needed"))?,
            total: total.ok_or_else(|| Failure::invalid("total: is needed"))?,
        },
        SealKind::Passphrase => {
            let passphrase = passphrase.ok_or_else(|| Failure::invalid("passphrase: is needed"))?;
            seal::NewSeal::Passphrase(hidden(&passphrase))
        }
        kind => seal::NewSeal::Service(kind),
    };
    let work = async move { shown(ops::add(call.node(), call.caller(), new, reason).await?) };
    to_its_end(work).await
}

async fn remove(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let seal = call.at("seal")?;
    let work = async move {
        ops::remove(call.node(), call.caller(), seal, why.reason).await?;
        answer::ok(&view::seals(ops::list(call.node(), call.caller()).await?))
    };
    to_its_end(work).await
}

async fn rewrap(call: Call, OptionalInput(asked): OptionalInput<SealRenewal>) -> Answer {
    let seal = call.at("seal")?;
    let renewal = seal::SealRenewal {
        passphrase: asked.passphrase.as_ref().map(hidden),
        threshold: asked.threshold,
        total: asked.total,
    };
    let work = async move {
        shown(ops::rewrap(call.node(), call.caller(), seal, renewal, asked.reason).await?)
    };
    to_its_end(work).await
}

async fn prove(call: Call, OptionalInput(brought): OptionalInput<SealProof>) -> Answer {
    let seal = call.at("seal")?;
    let proof = match (brought.share, brought.passphrase) {
        (None, None) => seal::SealProof::Nothing,
        (Some(share), None) => seal::SealProof::Share(Zeroizing::new(share.expose().to_owned())),
        (None, Some(passphrase)) => seal::SealProof::Passphrase(hidden(&passphrase)),
        _ => {
            return Err(Failure::invalid(
                "share: give a share or a passphrase, not both",
            ));
        }
    };
    let work = async move {
        let proven = ops::prove(call.node(), call.caller(), seal, proof).await?;
        answer::ok(&view::seal(proven))
    };
    to_its_end(work).await
}

fn shown(made: seal::MadeSeal) -> Answer {
    answer::secret::<MadeSeal>(StatusCode::OK, &view::made(made), SHARES_BYTES)
}

fn hidden(passphrase: &Passphrase) -> SecretBytes {
    SecretBytes::copy_from(passphrase.expose().as_bytes())
}
