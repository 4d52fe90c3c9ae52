//! What the verbs of use share: which key, where bytes come from and go to, how answers are shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use clap::builder::PossibleValuesParser;
use keyward_api::binary::{Binary, Secret};
use keyward_api::names::{Kdf, OaepHash, SignatureEncoding, SignatureScheme};
use keyward_api::use_key::Validity;
use keyward_client::{ClientError, Scope, Verb};

use crate::exit::{Exit, Failure};
use crate::input::{self, Source, Target, pair};
use crate::output;

/// Which key.
#[derive(Args, Debug)]
pub struct Address {
    /// The key's name, id or ARN
    #[arg(required_unless_present = "class")]
    key: Option<String>,
    /// The current key of this class of data instead
    #[arg(long, conflicts_with = "key")]
    class: Option<String>,
}

/// Which key, from where, to where.
#[derive(Args, Debug)]
pub struct With {
    #[command(flatten)]
    pub address: Address,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub target: Target,
}

/// What is bound to what is protected.
#[derive(Args, Debug)]
pub struct Bound {
    /// Bind this to it: the same is needed again to open it; again for more
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
}

impl Bound {
    pub fn map(self) -> BTreeMap<String, String> {
        self.context.into_iter().collect()
    }
}

/// How a signature is made.
#[derive(Args, Debug)]
pub struct Signing {
    /// The input is the digest of the message
    #[arg(long)]
    pub prehashed: bool,
    /// How [default: the algorithm's usual scheme]
    #[arg(long, value_parser = PossibleValuesParser::new(SignatureScheme::ALL))]
    scheme: Option<String>,
    /// For ECDSA: how the signature is written [default: der]
    #[arg(long, value_parser = PossibleValuesParser::new(SignatureEncoding::ALL))]
    encoding: Option<String>,
}

/// How RSA keys encrypt.
#[derive(Args, Debug)]
pub struct Oaep {
    /// For RSA keys: the hash of OAEP [default: sha-256]
    #[arg(long, value_parser = PossibleValuesParser::new(OaepHash::ALL))]
    oaep: Option<String>,
}

impl Oaep {
    pub fn hash(self) -> Option<OaepHash> {
        self.oaep.map(OaepHash::from)
    }
}

/// How a key is derived, and from what beside the secret.
#[derive(Args, Debug)]
pub struct Deriving {
    /// How to derive [default: keyward]
    #[arg(long, value_parser = PossibleValuesParser::new(Kdf::ALL))]
    kdf: Option<String>,
    /// What the derived key is for (not with hkdf)
    #[arg(long, default_value = "")]
    label: String,
    /// For whom (not with hkdf)
    #[arg(long, default_value = "")]
    context: String,
    /// The salt of hkdf
    #[arg(long, default_value = "")]
    salt: String,
    /// The info of hkdf
    #[arg(long, default_value = "")]
    info: String,
    /// How long the key is
    #[arg(long = "size", value_name = "BYTES", default_value_t = 32)]
    pub size: usize,
    /// A version by number keeps giving the same after rotations [default: the primary]
    #[arg(long)]
    pub version: Option<u32>,
}

/// Label, context, salt and info, and the function they are for.
pub struct DeriveInputs {
    pub kdf: Option<Kdf>,
    pub label: Binary,
    pub context: Binary,
    pub salt: Binary,
    pub info: Binary,
}

impl Deriving {
    pub fn inputs(self) -> DeriveInputs {
        DeriveInputs {
            kdf: self.kdf.map(Kdf::from),
            label: Binary(self.label.into_bytes()),
            context: Binary(self.context.into_bytes()),
            salt: Binary(self.salt.into_bytes()),
            info: Binary(self.info.into_bytes()),
        }
    }
}

impl Signing {
    pub fn encoding(&self) -> Option<SignatureEncoding> {
        self.encoding.clone().map(SignatureEncoding::from)
    }

    pub fn scheme(&self) -> Option<SignatureScheme> {
        self.scheme.clone().map(SignatureScheme::from)
    }
}

impl Address {
    pub async fn perform<V: Verb>(
        &self,
        scope: Scope<'_>,
        request: &V,
    ) -> Result<V::Answer, Failure> {
        let (answer, subject) = match (&self.key, &self.class) {
            (Some(key), _) => (scope.key(key).perform(request).await, format!("key {key}")),
            (None, Some(class)) => (
                scope.class(class).perform(request).await,
                format!("class {class}"),
            ),
            (None, None) => return Err(Failure::usage("no key is named")),
        };
        answer.map_err(|error: ClientError| Failure::from(error).about(output::printable(&subject)))
    }
}

pub fn secret_from(source: &Source) -> Result<Secret, Failure> {
    Ok(Secret::new(std::mem::take(&mut *source.read()?)))
}

/// A public key from a file: PEM if it looks like it, else the bytes as they are.
pub fn public_key_of(file: &Path) -> Result<Binary, Failure> {
    let bytes = input::bytes_of_file(file)?;
    let Some(text) = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----"))
    else {
        return Ok(Binary(bytes.to_vec()));
    };
    let body = text.strip_suffix("-----END PUBLIC KEY-----");
    let body: Option<String> = body.map(|body| body.split_whitespace().collect());
    let der = body.and_then(|body| STANDARD.decode(body).ok());
    der.map(Binary)
        .ok_or_else(|| Failure::usage("the file begins like a PEM public key and is none"))
}

/// A signature or code from its flag or its file.
pub fn given(text: Option<String>, file: Option<PathBuf>) -> Result<String, Failure> {
    match (text, file) {
        (Some(text), _) => Ok(text),
        (None, Some(file)) => Ok(input::line_of_file(&file)?.to_string()),
        (None, None) => Err(Failure::usage("nothing to verify was named")),
    }
}

/// How answers are shown: what matters of them, or all of it as JSON.
pub struct Show {
    pub json: bool,
}

impl Show {
    pub fn line<T: serde::Serialize>(
        &self,
        target: &Target,
        answer: &T,
        text: &str,
    ) -> Result<(), Failure> {
        if self.json && !target.is_file() {
            output::json(answer)
        } else {
            target.line(text)
        }
    }

    pub fn bytes<T: serde::Serialize>(
        &self,
        target: &Target,
        answer: &T,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        if self.json && !target.is_file() {
            output::json(answer)
        } else {
            target.write(bytes)
        }
    }

    /// A public part, and a secret that goes to the file if there is one.
    pub fn with_secret<T: serde::Serialize>(
        &self,
        target: &Target,
        answer: &T,
        (name, public): (&str, &str),
        secret: Option<&Secret>,
    ) -> Result<(), Failure> {
        match secret {
            Some(secret) if target.is_file() => {
                target.write(secret.expose())?;
                output::line(public)
            }
            _ if self.json => output::json(answer),
            Some(secret) => {
                let text = serde_json::to_value(secret).map_err(Failure::local)?;
                let text = text.as_str().unwrap_or_default().to_owned();
                output::fields(&[(name, public.to_owned()), ("secret (base64)", text)])
            }
            None => output::line(public),
        }
    }

    pub fn validity(&self, answer: &Validity, what: &str) -> Result<(), Failure> {
        if self.json {
            output::json(answer)?;
        } else if answer.valid {
            output::line(&format!("valid, made by version {}", answer.version))?;
        }
        if answer.valid {
            return Ok(());
        }
        Err(Failure::new(
            Exit::NotValid,
            format!("the {what} is not valid for this message"),
        )
        .next("check that message and key are the ones it was made with, byte for byte"))
    }
}
