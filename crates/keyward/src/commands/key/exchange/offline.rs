//! What a receiver of keys does on its own machine: make a key to receive with, and open what
//! came. No server is asked.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use keyward_api::exchange::ExportedKey;
use keyward_api::names::WrapMethod;
use keyward_crypto::exchange::{
    EXPORT_INFO, WrapMethod as Method, WrappingKey, export_binding, private_pem,
};
use keyward_crypto::{SecretBytes, SystemRandom};

use super::refused;
use crate::exit::Failure;
use crate::{input, output, private_file};

/// What needs no server.
#[derive(Subcommand, Debug)]
pub enum OfflineCommand {
    /// Make a key to receive exported keys with; needs no server
    Recipient(RecipientArgs),
    /// Open an exported key with the receiver's private key; needs no server
    UnwrapExport(UnwrapArgs),
}

/// A key to receive keys with.
#[derive(Args, Debug)]
pub struct RecipientArgs {
    /// How keys will be wrapped to it
    #[arg(long, default_value = "hpke-x-wing", value_parser = PossibleValuesParser::new(WrapMethod::ALL))]
    method: String,
    /// Write the private half to this file (mode 0600), which must not be there yet
    #[arg(long = "out", value_name = "FILE")]
    file: PathBuf,
    /// Write the public half, which the exporter needs, to this file
    #[arg(long, value_name = "FILE")]
    public_out: PathBuf,
}

/// An exported key to be opened.
#[derive(Args, Debug)]
pub struct UnwrapArgs {
    /// The file that `key export` wrote
    #[arg(long = "in", value_name = "FILE")]
    exported: PathBuf,
    /// The receiver's private key: PKCS#8, PEM or DER
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Write the key to this file (mode 0600), which must not be there yet; pkcs8 as PEM
    #[arg(long = "out", value_name = "FILE")]
    file: PathBuf,
}

impl OfflineCommand {
    /// Does it.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Recipient(args) => args.run(),
            Self::UnwrapExport(args) => args.run(),
        }
    }
}

impl RecipientArgs {
    fn run(self) -> Result<(), Failure> {
        let method: Method = self.method.parse().map_err(Failure::usage)?;
        let key = WrappingKey::generate(method, &SystemRandom).map_err(Failure::local)?;
        let private = key.private_pem().map_err(Failure::local)?;
        let public = key.public_pem().map_err(Failure::local)?;
        private_file::write_new(&self.file, private.expose()).map_err(Failure::local)?;
        private_file::write_new(&self.public_out, public.as_bytes()).map_err(Failure::local)?;
        output::say(&format!(
            "keep {} to yourself; give {} to who exports\n",
            self.file.display(),
            self.public_out.display()
        ));
        Ok(())
    }
}

impl UnwrapArgs {
    fn run(self) -> Result<(), Failure> {
        let text = input::bytes_of_file(&self.exported)?;
        let exported: ExportedKey = serde_json::from_slice(&text).map_err(|error| {
            Failure::usage(format!(
                "{} is not what `key export` writes: {error}",
                self.exported.display()
            ))
        })?;
        let private = input::bytes_of_file(&self.key)?;
        let key = WrappingKey::read_private(&private).map_err(|error| refused(&self.key, error))?;
        if key.method().name() != exported.method.as_str() {
            return Err(Failure::usage(format!(
                "{} is a key for {}, and the export was wrapped by {}",
                self.key.display(),
                key.method(),
                exported.method
            )));
        }
        let binding = export_binding(exported.key_id, exported.version);
        let opened: SecretBytes = key
            .open(EXPORT_INFO, binding.as_bytes(), &exported.wrapped.0)
            .map_err(|error| refused(&self.exported, error))?;
        let written = if exported.format.as_str() == "pkcs8" {
            private_pem(&opened).map_err(Failure::local)?
        } else {
            opened
        };
        private_file::write_new(&self.file, written.expose()).map_err(Failure::local)
    }
}
