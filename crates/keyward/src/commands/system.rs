//! `keyward unseal`, `keyward seal` and `keyward status`: a running server as a whole.

use clap::Args;
use keyward_api::system::{SealStatus, Share};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::{input, output};

/// Give one holder's share to a running server
///
/// Asks for the share without showing it, or reads it from standard input. Needs no token.
#[derive(Args, Debug)]
pub struct UnsealCommand {}

impl UnsealCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.anonymous()?;
        let before = client.seal_status().await?;
        if !before.initialized {
            return Err(
                Failure::new(Exit::Conflict, "the server is not initialised")
                    .next("run `keyward init` on its machine"),
            );
        }
        if !before.sealed {
            output::say("the server is unsealed already\n");
            return context.show(&before, show);
        }
        let share = input::secret("Share")?;
        let status = client.unseal(Share::new(share)).await?;
        context.show(&status, show)
    }
}

/// Drop the root key from a running server's memory
#[derive(Args, Debug)]
pub struct SealCommand {}

impl SealCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        context.show(&context.client()?.seal().await?, show)
    }
}

/// Show whether a server lives, is unsealed, and serves
#[derive(Args, Debug)]
pub struct StatusCommand {}

impl StatusCommand {
    /// Does it. A server that does not serve ends it with code 6.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.anonymous()?;
        client.live().await?;
        let seal = client.seal_status().await?;
        context.show(&seal, show)?;
        let ready = client.ready().await?;
        if context.for_people() {
            output::line(&format!("serving, version {}", ready.version))?;
        }
        Ok(())
    }
}

fn show(status: &SealStatus) -> Result<(), Failure> {
    let standing = match (status.initialized, status.sealed) {
        (false, _) => "not initialised".to_owned(),
        (true, false) => "unsealed".to_owned(),
        (true, true) => match status.threshold {
            Some(threshold) => {
                format!("sealed: {} of {threshold} shares given", status.progress)
            }
            None => "sealed".to_owned(),
        },
    };
    output::line(&standing)
}
