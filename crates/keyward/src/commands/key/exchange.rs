//! Keys that come in and go out. What is secret is wrapped on this machine, for the server, before
//! it leaves; what comes from the server is opened on this machine.

mod offline;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use keyward_api::binary::Binary;
use keyward_api::exchange::{
    Export, KeyImport, NewImportKey, PriorUse, PublicMaterial, VersionImport, WrappedMaterial,
};
use keyward_api::names::{KeyFormat, PublicKeyFormat, WrapMethod};
use keyward_api::time::Time;
use keyward_client::Scope;
use keyward_crypto::exchange::{
    ExchangeError, IMPORT_INFO, Recipient, import_binding, private_der,
};
use keyward_crypto::{SecretBytes, SystemRandom};

use super::manage::CreateArgs;
use super::show;
use crate::context::Context;
use crate::exit::Failure;
use crate::{input, output, private_file};

/// Keys that come in and go out.
#[derive(Subcommand, Debug)]
pub enum ExchangeCommand {
    /// Make a short-lived wrapping key, to wrap a key for this server elsewhere
    ImportKey(ImportKeyArgs),
    /// Take in a key that was made elsewhere, wrapped on this machine
    Import(Box<ImportArgs>),
    /// Take in the next version of an imported key, and let it protect
    ImportVersion(VersionArgs),
    /// Give out an exportable key, wrapped to a public key
    Export(ExportArgs),
    /// Print the public keys that you may read as a JWK set
    Jwks {
        /// Of keys whose names begin with this
        #[arg(long)]
        name: Option<String>,
    },
    /// What needs no server.
    #[command(flatten)]
    Offline(offline::OfflineCommand),
}

/// What a wrapping key is to be.
#[derive(Args, Debug)]
pub struct ImportKeyArgs {
    /// How keys will be wrapped to it
    #[arg(long, default_value = "hpke-x-wing", value_parser = PossibleValuesParser::new(WrapMethod::ALL))]
    method: String,
    /// How long it is taken [default: 24 hours; 72 at most]
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<i64>,
    /// Write its public half to this file, as PEM
    #[arg(long = "out", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Where a key comes from.
#[derive(Args, Debug)]
pub struct Given {
    /// The file with the key: PEM or DER for pkcs8 and public keys, else as the format says
    #[arg(long)]
    file: PathBuf,
    /// The container: raw, pkcs8 or jwk; of a public key spki (PEM or DER) or jwk
    #[arg(long, value_parser = PossibleValuesParser::new(["raw", "pkcs8", "jwk", "spki"]))]
    format: String,
    /// The file holds a public key, for a key that only verifies, encrypts or encapsulates
    #[arg(long)]
    public: bool,
    /// The file was wrapped already, to this wrapping key
    #[arg(long, value_name = "ID", conflicts_with_all = ["public", "method"])]
    import_key: Option<uuid::Uuid>,
    /// How it is wrapped on this machine
    #[arg(long, default_value = "hpke-x-wing", value_parser = PossibleValuesParser::new(WrapMethod::ALL))]
    method: String,
    /// How often, and over how many bytes, the key protected before; algorithms with a use limit ask for it
    #[arg(long, value_names = ["USES", "BYTES"], num_args = 2)]
    prior_use: Option<Vec<i64>>,
}

/// A key that comes in.
#[derive(Args, Debug)]
pub struct ImportArgs {
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    create: CreateArgs,
}

/// A version that comes in.
#[derive(Args, Debug)]
pub struct VersionArgs {
    /// The key's name, id or ARN
    key: String,
    #[command(flatten)]
    given: Given,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// When its cryptoperiod ends, such as 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

/// A key that goes out.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The key's name, id or ARN
    key: String,
    /// The receiver's public key, PEM or DER: RSA of at least 3072 bits, or X-Wing
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// How it is wrapped: what the receiver's key is for
    #[arg(long, default_value = "hpke-x-wing", value_parser = PossibleValuesParser::new(WrapMethod::ALL))]
    method: String,
    /// The container
    #[arg(long, default_value = "pkcs8", value_parser = PossibleValuesParser::new(KeyFormat::ALL))]
    format: String,
    /// Which version [default: the primary]
    #[arg(long)]
    version: Option<u32>,
    /// Write it to this file (mode 0600), which must not be there yet; `key unwrap-export` opens it
    #[arg(long = "out", value_name = "FILE")]
    file: PathBuf,
}

impl ExchangeCommand {
    /// Does it.
    pub async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        match self {
            Self::ImportKey(args) => args.run(context, scope).await,
            Self::Import(args) => args.run(context, scope).await,
            Self::ImportVersion(args) => args.run(context, scope).await,
            Self::Export(args) => args.run(context, scope).await,
            Self::Jwks { name } => output::json(&scope.key_set(name.as_deref()).await?),
            Self::Offline(command) => command.run(),
        }
    }
}

impl ImportKeyArgs {
    async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        let new = NewImportKey {
            method: Some(WrapMethod::from(self.method)),
            lifetime_seconds: self.lifetime,
        };
        if let Some(file) = &self.file {
            private_file::ensure_absent(file).map_err(Failure::local)?;
        }
        let made = scope.create_import_key(&new).await?;
        if let Some(file) = &self.file {
            private_file::write_new(file, made.value.pem.as_bytes()).map_err(Failure::local)?;
        }
        context.show(&made, |made| {
            let key = &made.value.import_key;
            output::fields(&[
                ("id", key.id.to_string()),
                ("method", key.method.to_string()),
                ("expires", key.expires_at.to_string()),
                ("public key SHA-256", key.public_key_digest.clone()),
            ])?;
            if self.file.is_none() {
                output::line(made.value.pem.trim_end())?;
            }
            Ok(())
        })
    }
}

impl ImportArgs {
    async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        let repeatable = self.create.repeatable();
        let given = self.given.take(scope).await?;
        let import = KeyImport {
            key: self.create.into_request(),
            material: given.material,
            public_key: given.public_key,
            prior_use: given.prior_use,
        };
        let done = scope.import(&import, repeatable.as_deref()).await?;
        context.show(&done, |done| show::key(&done.value))
    }
}

impl VersionArgs {
    async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        let given = self.given.take(scope).await?;
        let import = VersionImport {
            material: given.material,
            public_key: given.public_key,
            prior_use: given.prior_use,
            reason: self.reason,
            expires_at: self.expires_at.map(Time),
        };
        let done = scope.key(&self.key).import_version(&import, None).await?;
        context.show(&done, |done| show::key(&done.value))
    }
}

/// What a file gave, ready to be sent.
struct Taken {
    material: Option<WrappedMaterial>,
    public_key: Option<PublicMaterial>,
    prior_use: Option<PriorUse>,
}

impl Given {
    async fn take(self, scope: Scope<'_>) -> Result<Taken, Failure> {
        let prior_use = self.prior_use.as_deref().and_then(|prior| {
            Some(PriorUse {
                uses: *prior.first()?,
                bytes: *prior.get(1)?,
            })
        });
        let bytes = input::bytes_of_file(&self.file)?;
        let mut taken = Taken {
            material: None,
            public_key: None,
            prior_use,
        };
        if self.public {
            taken.public_key = Some(PublicMaterial {
                format: PublicKeyFormat::from(self.format),
                data: Binary(bytes.to_vec()),
            });
            return Ok(taken);
        }
        let (import_key_id, wrapped) = match self.import_key {
            Some(id) => (id, bytes.to_vec()),
            None => self.wrap(scope, &bytes).await?,
        };
        taken.material = Some(WrappedMaterial {
            import_key_id,
            format: KeyFormat::from(self.format),
            wrapped: Binary(wrapped),
        });
        Ok(taken)
    }

    /// Wraps the key on this machine: it never leaves it in the clear.
    async fn wrap(&self, scope: Scope<'_>, bytes: &[u8]) -> Result<(uuid::Uuid, Vec<u8>), Failure> {
        let bytes = if self.format == "pkcs8" {
            private_der(bytes).map_err(|error| refused(&self.file, error))?
        } else {
            SecretBytes::copy_from(bytes)
        };
        let method = self.method.parse().map_err(Failure::usage)?;
        let new = NewImportKey {
            method: Some(WrapMethod::from(self.method.clone())),
            lifetime_seconds: Some(600),
        };
        let made = scope.create_import_key(&new).await?.value;
        let id = made.import_key.id;
        let recipient = Recipient::read(method, &made.der.0).map_err(Failure::local)?;
        let binding = import_binding(id);
        let wrapped = recipient
            .wrap(IMPORT_INFO, binding.as_bytes(), &bytes, &SystemRandom)
            .map_err(|error| refused(&self.file, error))?;
        Ok((id, wrapped))
    }
}

fn refused(file: &std::path::Path, error: ExchangeError) -> Failure {
    Failure::usage(format!("{}: {error}", file.display()))
}

impl ExportArgs {
    async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        let export = Export {
            method: WrapMethod::from(self.method),
            recipient: Binary(input::bytes_of_file(&self.to)?.to_vec()),
            format: KeyFormat::from(self.format),
            version: self.version,
        };
        // Before a key leaves the server for nothing.
        private_file::ensure_absent(&self.file).map_err(Failure::local)?;
        let exported = scope.key(&self.key).export(&export).await?;
        let text = serde_json::to_string_pretty(&exported).map_err(Failure::local)?;
        let text = format!("{text}\n");
        private_file::write_new(&self.file, text.as_bytes()).map_err(Failure::local)?;
        context.show(&exported, |exported| {
            output::fields(&[
                ("key", exported.key_id.to_string()),
                ("version", exported.version.to_string()),
                ("algorithm", exported.algorithm.to_string()),
                ("method", exported.method.to_string()),
                ("format", exported.format.to_string()),
                ("written to", self.file.display().to_string()),
            ])
        })
    }
}
