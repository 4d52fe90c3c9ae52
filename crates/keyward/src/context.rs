//! What every command may ask for: the server, the tenant, and how results are shown. From flags,
//! then the environment, then the profile.

use std::path::PathBuf;

use clap::Args;
use keyward_client::{Client, ConnectOptions, Scope, Token};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::environment::Environment;
use crate::exit::Failure;
use crate::output::{self, Format};
use crate::private_file;
use crate::profile::{self, Profile};

/// Where `keyward dev` listens unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8210";

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
pub struct Globals {
    /// The server's address [default: the profile's, or http://127.0.0.1:8210]
    #[arg(
        long,
        global = true,
        env = "KEYWARD_ADDRESS",
        value_name = "URL",
        help_heading = "Everywhere"
    )]
    pub address: Option<String>,
    /// The tenant to work in, by name or id; `system` for the deployment's own
    #[arg(
        long,
        global = true,
        env = "KEYWARD_TENANT",
        value_name = "TENANT",
        help_heading = "Everywhere"
    )]
    pub tenant: Option<String>,
    /// How results are shown
    #[arg(
        long,
        global = true,
        env = "KEYWARD_OUTPUT",
        value_enum,
        default_value = "table",
        hide_env = true,
        help_heading = "Everywhere"
    )]
    pub output: Format,
    /// Trust these certificates (PEM) instead of the system's
    #[arg(
        long,
        global = true,
        env = "KEYWARD_CA_FILE",
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub ca_file: Option<PathBuf>,
    /// Which profile to use, from ~/.config/keyward
    #[arg(
        long,
        global = true,
        env = "KEYWARD_PROFILE",
        value_name = "NAME",
        default_value = "default",
        help_heading = "Everywhere"
    )]
    pub profile: String,
}

/// What a command works with.
pub struct Context {
    /// The flags.
    pub globals: Globals,
    /// The environment.
    pub environment: Environment,
    profile: std::cell::OnceCell<Profile>,
}

impl Context {
    /// Puts a context together; reads nothing yet.
    pub const fn new(globals: Globals, environment: Environment) -> Self {
        Self {
            globals,
            environment,
            profile: std::cell::OnceCell::new(),
        }
    }

    /// A client with the caller's token.
    pub fn client(&self) -> Result<Client, Failure> {
        let token = self.token()?.ok_or_else(|| {
            Failure::new(
                crate::exit::Exit::Refused,
                "no token: neither KEYWARD_TOKEN_FILE nor a profile",
            )
            .next("run `keyward login`, or set KEYWARD_TOKEN_FILE to a file that holds one")
        })?;
        self.connect(Some(token))
    }

    /// A client of nobody, for what needs no token.
    pub fn anonymous(&self) -> Result<Client, Failure> {
        self.connect(None)
    }

    /// The tenant to work in.
    pub fn tenant(&self) -> Result<String, Failure> {
        if let Some(tenant) = &self.globals.tenant {
            return Ok(tenant.clone());
        }
        self.profile()?.tenant.clone().ok_or_else(|| {
            Failure::usage("no tenant is named")
                .next("add --tenant NAME, set KEYWARD_TENANT, or put one into the profile with `keyward login`")
        })
    }

    /// The tenant to work in, or the deployment itself when none is named.
    pub fn tenant_or_system(&self) -> Result<String, Failure> {
        let named = self.globals.tenant.clone();
        Ok(match named {
            Some(tenant) => tenant,
            None => self
                .profile()?
                .tenant
                .clone()
                .unwrap_or_else(|| "system".to_owned()),
        })
    }

    /// The server's address.
    pub fn address(&self) -> Result<String, Failure> {
        if let Some(address) = &self.globals.address {
            return Ok(address.clone());
        }
        Ok(self
            .profile()?
            .address
            .clone()
            .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()))
    }

    /// Shows a result: as JSON, or as the given table.
    pub fn show<T: Serialize>(
        &self,
        value: &T,
        table: impl FnOnce(&T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self.globals.output {
            Format::Json => output::json(value),
            Format::Table => table(value),
        }
    }

    /// Whether results are for people.
    pub fn for_people(&self) -> bool {
        self.globals.output == Format::Table
    }

    fn connect(&self, token: Option<Token>) -> Result<Client, Failure> {
        let mut options = ConnectOptions::new(self.address()?);
        options.token = token;
        let ca_file = match &self.globals.ca_file {
            Some(file) => Some(file.clone()),
            None => self.profile()?.ca_file.clone(),
        };
        if let Some(file) = ca_file {
            let pem = std::fs::read(&file).map_err(|error| {
                Failure::usage(format!(
                    "the CA file {} cannot be read: {error}",
                    file.display()
                ))
            })?;
            options.ca_pem = Some(pem);
        }
        Ok(Client::new(options)?)
    }

    fn token(&self) -> Result<Option<Token>, Failure> {
        let text = self.token_text()?;
        Ok(text.map(|text| Token::new(text.as_str())))
    }

    /// The text of the caller's token, if there is one: for what is done without a server.
    pub fn token_text(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(file) = self.environment.text("KEYWARD_TOKEN_FILE") {
            let text = private_file::read_text(file.as_ref())
                .map_err(|error| Failure::usage(error).about("KEYWARD_TOKEN_FILE"))?;
            return Ok(Some(text));
        }
        Ok(self.profile()?.token.clone())
    }

    fn profile(&self) -> Result<&Profile, Failure> {
        if let Some(profile) = self.profile.get() {
            return Ok(profile);
        }
        let name = &self.globals.profile;
        let found = match profile::path(&self.environment, name) {
            Ok(path) => profile::read(&path)?,
            // Without a home there are no profiles: the default one is then simply empty.
            Err(_) if name == "default" => None,
            Err(failure) => return Err(failure),
        };
        if found.is_none() && name != "default" {
            return Err(Failure::usage(format!("there is no profile `{name}`"))
                .next(format!("write it with `keyward login --profile {name}`")));
        }
        Ok(self.profile.get_or_init(|| found.unwrap_or_default()))
    }
}

/// A client and the tenant it works in, together.
pub struct InTenant {
    client: Client,
    tenant: String,
}

impl InTenant {
    /// For what belongs to a tenant.
    pub fn of(context: &Context) -> Result<Self, Failure> {
        Ok(Self {
            client: context.client()?,
            tenant: context.tenant()?,
        })
    }

    /// For what a tenant or the deployment itself can have.
    pub fn or_system(context: &Context) -> Result<Self, Failure> {
        Ok(Self {
            client: context.client()?,
            tenant: context.tenant_or_system()?,
        })
    }

    /// The tenant's nouns.
    pub fn scope(&self) -> Scope<'_> {
        self.client.tenant(&self.tenant)
    }
}
