//! `keyward login`: stores a token, and where it is for, in a profile.

use clap::Args;
use keyward_client::{Client, ConnectOptions, Token};

use crate::context::Context;
use crate::exit::Failure;
use crate::profile::Profile;
use crate::{input, output, profile};

/// Store a token and the server's address in a profile (mode 0600)
///
/// Asks for the token, or reads it from standard input. --address, --tenant and --ca-file become
/// the profile's.
#[derive(Args, Debug)]
pub struct LoginCommand {
    /// Store it without asking the server whether it is known
    #[arg(long)]
    unchecked: bool,
}

impl LoginCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let globals = &context.globals;
        let path = profile::path(&context.environment, &globals.profile)?;
        let mut stored = profile::read(&path)?.unwrap_or_else(Profile::default);
        if globals.address.is_some() {
            stored.address.clone_from(&globals.address);
        }
        if globals.tenant.is_some() {
            stored.tenant.clone_from(&globals.tenant);
        }
        if let Some(file) = &globals.ca_file {
            let absolute = std::path::absolute(file).map_err(Failure::usage)?;
            stored.ca_file = Some(absolute);
        }
        let token = input::secret("Token")?;
        if token.is_empty() {
            return Err(Failure::usage("no token was given"));
        }
        if !self.unchecked {
            check(&stored, &token).await?;
        }
        stored.token = Some(token);
        profile::write(&path, &stored)?;
        output::say(&format!("stored in {}\n", path.display()));
        Ok(())
    }
}

/// A token that the server does not know is refused with 401 before anything else is decided.
async fn check(profile: &Profile, token: &str) -> Result<(), Failure> {
    let address = profile
        .address
        .clone()
        .unwrap_or_else(|| crate::context::DEFAULT_ADDRESS.to_owned());
    let mut options = ConnectOptions::new(address).with_token(Token::new(token));
    if let Some(file) = &profile.ca_file {
        let pem = std::fs::read(file).map_err(|error| {
            Failure::usage(format!(
                "the CA file {} cannot be read: {error}",
                file.display()
            ))
        })?;
        options.ca_pem = Some(pem);
    }
    let client = Client::new(options)?;
    let tenant = profile.tenant.as_deref().unwrap_or("system");
    match client.tenant(tenant).roles().take(1).await {
        Ok(_) => Ok(()),
        // Known, but it may not list roles: a good token all the same.
        Err(error) if matches!(error.code(), Some("forbidden" | "not_found")) => Ok(()),
        Err(error) => Err(Failure::from(error)),
    }
}
