//! `/v1/system`: sealed or not. Asking how it stands and bringing a share or the passphrase need no
//! token: a sealed deployment must be openable when every token has expired.

use keyward_api::error::ErrorCode;
use keyward_api::system::{SealStatus, Unseal};
use keyward_core::crypto_types::SecretBytes;
use keyward_core::error::OpError;
use keyward_core::ops;
use keyward_core::port::seal::UnsealError;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::{Call, Guest};
use crate::document::Endpoint;
use crate::input::Input;
use crate::problem::Failure;
use crate::view::rest as view;

const TAG: &str = "system";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::open(
            Get,
            "/v1/system/seal-status",
            "read_seal_status",
            TAG,
            "Shows how the seal stands",
        )
        .answers::<SealStatus>("The seal.")
        .to(status),
        Endpoint::open(
            Post,
            "/v1/system/unseal",
            "unseal",
            TAG,
            "Takes one holder's share, or the passphrase; with enough the server is unsealed",
        )
        .takes::<Unseal>()
        .changes()
        .answers::<SealStatus>("The seal.")
        .to(unseal),
        Endpoint::new(
            Post,
            "/v1/system/seal",
            "seal",
            TAG,
            "Drops the root key from memory",
        )
        .answers::<SealStatus>("The seal.")
        .to(seal),
    ]
}

async fn status(guest: Guest) -> Answer {
    answer::ok(&view::seal(ops::seal::status(guest.app.node())))
}

async fn unseal(guest: Guest, input: Input<Unseal>) -> Answer {
    guest.app.rates().share(guest.peer)?;
    let node = guest.app.node();
    let taken = match (input.value.share, input.value.passphrase) {
        (Some(share), None) => ops::seal::submit_share(node, guest.origin(), share.expose()).await,
        (None, Some(passphrase)) => {
            let passphrase = SecretBytes::copy_from(passphrase.expose().as_bytes());
            ops::seal::submit_passphrase(node, guest.origin(), passphrase).await
        }
        _ => {
            return Err(Failure::invalid(
                "share: give a share or a passphrase, and only one",
            ));
        }
    };
    answer::ok(&view::seal(taken.map_err(refusal)?))
}

async fn seal(call: Call) -> Answer {
    ops::seal::seal(call.node(), call.caller()).await?;
    answer::ok(&view::seal(ops::seal::status(call.node())))
}

/// Why it was not taken.
fn refusal(error: UnsealError) -> Failure {
    match error {
        UnsealError::Malformed | UnsealError::WrongSet | UnsealError::Forged { .. } => {
            Failure::invalid(format!("share: {error}"))
        }
        UnsealError::WrongPassphrase => Failure::invalid(format!("passphrase: {error}")),
        UnsealError::Duplicate { .. }
        | UnsealError::NoShares
        | UnsealError::NoPassphrase
        | UnsealError::NotInitialized => Failure::new(ErrorCode::WrongState, error.to_string()),
        UnsealError::Storage(error) => OpError::from(error).into(),
        UnsealError::Audit(error) => OpError::from(error).into(),
    }
}
