//! `keyward unseal` and `keyward status`: a running server as a whole.

use clap::Args;
use keyward_api::system::{Passphrase, SealStatus, Share};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::{input, output};

/// Give one holder's share, or the passphrase, to a running server
///
/// Asks for it without showing it, or reads it from standard input. Needs no token.
#[derive(Args, Debug)]
pub struct UnsealCommand {
    /// Give the passphrase instead of a share
    #[arg(long = "by-passphrase")]
    by_passphrase: bool,
}

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
        let status = if self.by_passphrase {
            let passphrase = input::secret("Passphrase")?;
            let brought = Passphrase::new(passphrase);
            client.unseal_with_passphrase(brought).await?
        } else {
            client.unseal(Share::new(input::secret("Share")?)).await?
        };
        context.show(&status, show)
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

pub(super) fn show(status: &SealStatus) -> Result<(), Failure> {
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
