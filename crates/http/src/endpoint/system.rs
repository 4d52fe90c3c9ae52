//! `/v1/system`: the seal. Asking how it stands and handing in a share need no token: a sealed
//! deployment must be openable when every token has expired.

use keyward_api::error::ErrorCode;
use keyward_api::system::{SealStatus, Unseal};
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
            "Takes one holder's share; with enough of them the server is unsealed",
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
    let share = input.value.share;
    let taken = ops::seal::submit_share(guest.app.node(), guest.origin(), share.expose()).await;
    answer::ok(&view::seal(taken.map_err(refusal)?))
}

async fn seal(call: Call) -> Answer {
    ops::seal::seal(call.node(), call.caller()).await?;
    answer::ok(&view::seal(ops::seal::status(call.node())))
}

/// Why a share was not taken.
fn refusal(error: UnsealError) -> Failure {
    match error {
        UnsealError::Malformed | UnsealError::WrongSet | UnsealError::Forged { .. } => {
            Failure::invalid(format!("share: {error}"))
        }
        UnsealError::Duplicate { .. } | UnsealError::NoShares | UnsealError::NotInitialized => {
            Failure::new(ErrorCode::WrongState, error.to_string())
        }
        UnsealError::Storage(error) => OpError::from(error).into(),
        UnsealError::Audit(error) => OpError::from(error).into(),
    }
}
