//! The use of keys. What is to be protected comes from standard input or `--in`, what comes out goes
//! to standard output or `--out`; nothing secret is ever a flag.

use std::path::PathBuf;

use clap::Subcommand;
use keyward_api::binary::Binary;
use keyward_api::use_key::{
    Agree, Decapsulate, Decrypt, Derive, Encapsulate, Encrypt, Mac, NewDataKey, Rewrap, Sign,
    Unwrap, Verify, VerifyMac, Wrap,
};
use keyward_client::Scope;

use super::arguments::{
    Address, Bound, Deriving, Oaep, Show, Signing, With, given, public_key_of, secret_from,
};

use crate::context::Context;
use crate::exit::Failure;
use crate::input::Target;

/// The use of keys.
#[derive(Subcommand, Debug)]
pub enum UseCommand {
    /// Encrypt standard input
    Encrypt {
        #[command(flatten)]
        with: With,
        #[command(flatten)]
        bound: Bound,
        #[command(flatten)]
        oaep: Oaep,
        /// Another version than the primary, while it may protect
        #[arg(long)]
        version: Option<u32>,
    },
    /// Decrypt a ciphertext from standard input
    Decrypt {
        #[command(flatten)]
        with: With,
        #[command(flatten)]
        bound: Bound,
    },
    /// Encrypt a ciphertext anew with the primary version; the plaintext stays in the server
    Rewrap {
        #[command(flatten)]
        with: With,
        #[command(flatten)]
        bound: Bound,
    },
    /// Sign standard input
    Sign {
        #[command(flatten)]
        with: With,
        #[command(flatten)]
        how: Signing,
        /// Another version than the primary, while it may protect
        #[arg(long)]
        version: Option<u32>,
    },
    /// Verify a signature over standard input; ends with code 7 if it is not valid
    Verify {
        #[command(flatten)]
        with: With,
        #[command(flatten)]
        how: Signing,
        /// The file that holds the signature
        #[arg(long, value_name = "FILE", required_unless_present = "signature")]
        signature_file: Option<PathBuf>,
        /// The signature
        #[arg(long, value_name = "TEXT", conflicts_with = "signature_file")]
        signature: Option<String>,
        /// Which version made a signature that does not say [default: the primary]
        #[arg(long)]
        version: Option<u32>,
    },
    /// Compute a message authentication code of standard input
    Mac {
        #[command(flatten)]
        with: With,
        /// Another version than the primary, while it may protect
        #[arg(long)]
        version: Option<u32>,
    },
    /// Verify a message authentication code; ends with code 7 if it is not valid
    VerifyMac {
        #[command(flatten)]
        with: With,
        /// The file that holds the code
        #[arg(long, value_name = "FILE", required_unless_present = "mac")]
        mac_file: Option<PathBuf>,
        /// The code
        #[arg(long, value_name = "TEXT", conflicts_with = "mac_file")]
        mac: Option<String>,
        /// Which version made a code that does not say [default: the primary]
        #[arg(long)]
        version: Option<u32>,
    },
    /// Wrap a key from standard input
    Wrap {
        #[command(flatten)]
        with: With,
        #[command(flatten)]
        bound: Bound,
        #[command(flatten)]
        oaep: Oaep,
        /// Another version than the primary, while it may protect
        #[arg(long)]
        version: Option<u32>,
    },
    /// Unwrap a wrapped key from standard input
    Unwrap {
        #[command(flatten)]
        with: With,
        #[command(flatten)]
        bound: Bound,
    },
    /// Make a data key: wrapped to standard output, the key itself to --out
    DataKey {
        #[command(flatten)]
        address: Address,
        #[command(flatten)]
        bound: Bound,
        /// How long it is
        #[arg(long, value_name = "BYTES", default_value_t = 32)]
        size: usize,
        /// Only the wrapped key
        #[arg(long, conflicts_with = "target_file")]
        wrapped_only: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Derive a key from a label and a context
    Derive {
        #[command(flatten)]
        address: Address,
        #[command(flatten)]
        how: Deriving,
        #[command(flatten)]
        target: Target,
    },
    /// Agree with a peer's public key, and derive a key from the secret
    Agree {
        #[command(flatten)]
        address: Address,
        /// The peer's public key: DER, PEM or a raw point
        #[arg(long, value_name = "FILE")]
        peer: PathBuf,
        #[command(flatten)]
        how: Deriving,
        #[command(flatten)]
        target: Target,
    },
    /// Make a shared secret: its encapsulation to standard output, the secret to --out
    Encapsulate {
        #[command(flatten)]
        address: Address,
        /// Another version than the primary, while it may protect
        #[arg(long)]
        version: Option<u32>,
        #[command(flatten)]
        target: Target,
    },
    /// Recover a shared secret from its encapsulation on standard input
    Decapsulate {
        #[command(flatten)]
        with: With,
    },
}

impl UseCommand {
    /// Does it.
    pub async fn run(self, context: &Context, scope: Scope<'_>) -> Result<(), Failure> {
        let show = Show {
            json: !context.for_people(),
        };
        match self {
            Self::Encrypt { .. } | Self::Decrypt { .. } | Self::Rewrap { .. } => {
                self.run_encryption(&show, scope).await
            }
            Self::Sign { .. } | Self::Verify { .. } | Self::Mac { .. } | Self::VerifyMac { .. } => {
                self.run_authentication(&show, scope).await
            }
            Self::Derive { .. } | Self::Agree { .. } => self.run_derivation(&show, scope).await,
            _ => self.run_keys(&show, scope).await,
        }
    }

    async fn run_encryption(self, show: &Show, scope: Scope<'_>) -> Result<(), Failure> {
        match self {
            Self::Encrypt {
                with,
                bound,
                oaep,
                version,
            } => {
                let plaintext = secret_from(&with.source)?;
                let request = Encrypt {
                    plaintext,
                    context: bound.map(),
                    oaep: oaep.hash(),
                    version,
                };
                let answer = with.address.perform(scope, &request).await?;
                show.line(&with.target, &answer, &answer.ciphertext)
            }
            Self::Decrypt { with, bound } => {
                let ciphertext = with.source.read_line()?.to_string();
                let request = Decrypt {
                    ciphertext,
                    context: bound.map(),
                };
                let answer = with.address.perform(scope, &request).await?;
                show.bytes(&with.target, &answer, answer.plaintext.expose())
            }
            Self::Rewrap { with, bound } => {
                let ciphertext = with.source.read_line()?.to_string();
                let request = Rewrap {
                    ciphertext,
                    context: bound.map(),
                };
                let answer = with.address.perform(scope, &request).await?;
                show.line(&with.target, &answer, &answer.ciphertext)
            }
            _ => Ok(()),
        }
    }

    async fn run_authentication(self, show: &Show, scope: Scope<'_>) -> Result<(), Failure> {
        match self {
            Self::Sign { with, how, version } => {
                let message = Binary(with.source.read()?.to_vec());
                let scheme = how.scheme();
                let request = Sign {
                    message,
                    prehashed: how.prehashed,
                    scheme,
                    encoding: how.encoding(),
                    version,
                };
                let answer = with.address.perform(scope, &request).await?;
                show.line(&with.target, &answer, &answer.signature)
            }
            Self::Verify {
                with,
                how,
                signature_file,
                signature,
                version,
            } => {
                let signature = given(signature, signature_file)?;
                let message = Binary(with.source.read()?.to_vec());
                let scheme = how.scheme();
                let request = Verify {
                    message,
                    prehashed: how.prehashed,
                    scheme,
                    encoding: how.encoding(),
                    signature,
                    version,
                };
                show.validity(&with.address.perform(scope, &request).await?, "signature")
            }
            Self::Mac { with, version } => {
                let message = Binary(with.source.read()?.to_vec());
                let answer = with
                    .address
                    .perform(scope, &Mac { message, version })
                    .await?;
                show.line(&with.target, &answer, &answer.mac)
            }
            Self::VerifyMac {
                with,
                mac_file,
                mac,
                version,
            } => {
                let mac = given(mac, mac_file)?;
                let message = Binary(with.source.read()?.to_vec());
                let request = VerifyMac {
                    message,
                    mac,
                    version,
                };
                show.validity(&with.address.perform(scope, &request).await?, "code")
            }
            _ => Ok(()),
        }
    }

    async fn run_keys(self, show: &Show, scope: Scope<'_>) -> Result<(), Failure> {
        match self {
            Self::Wrap {
                with,
                bound,
                oaep,
                version,
            } => {
                let key = secret_from(&with.source)?;
                let request = Wrap {
                    key,
                    context: bound.map(),
                    oaep: oaep.hash(),
                    version,
                };
                let answer = with.address.perform(scope, &request).await?;
                show.line(&with.target, &answer, &answer.wrapped)
            }
            Self::Unwrap { with, bound } => {
                let wrapped = with.source.read_line()?.to_string();
                let request = Unwrap {
                    wrapped,
                    context: bound.map(),
                };
                let answer = with.address.perform(scope, &request).await?;
                show.bytes(&with.target, &answer, answer.key.expose())
            }
            Self::DataKey {
                address,
                bound,
                size,
                wrapped_only,
                target,
            } => {
                let request = NewDataKey {
                    size_bytes: size,
                    context: bound.map(),
                    with_plaintext: !wrapped_only,
                };
                let answer = address.perform(scope, &request).await?;
                let plaintext = answer.plaintext.as_ref();
                show.with_secret(&target, &answer, ("wrapped", &answer.wrapped), plaintext)
            }
            Self::Encapsulate {
                address,
                version,
                target,
            } => {
                let answer = address.perform(scope, &Encapsulate { version }).await?;
                let secret = Some(&answer.secret);
                show.with_secret(
                    &target,
                    &answer,
                    ("encapsulation", &answer.encapsulation),
                    secret,
                )
            }
            Self::Decapsulate { with } => {
                let encapsulation = with.source.read_line()?.to_string();
                let answer = with
                    .address
                    .perform(scope, &Decapsulate { encapsulation })
                    .await?;
                show.bytes(&with.target, &answer, answer.secret.expose())
            }
            _ => Ok(()),
        }
    }

    async fn run_derivation(self, show: &Show, scope: Scope<'_>) -> Result<(), Failure> {
        match self {
            Self::Derive {
                address,
                how,
                target,
            } => {
                let (size_bytes, version) = (how.size, how.version);
                let inputs = how.inputs();
                let request = Derive {
                    kdf: inputs.kdf,
                    label: inputs.label,
                    context: inputs.context,
                    salt: inputs.salt,
                    info: inputs.info,
                    size_bytes,
                    version,
                };
                let answer = address.perform(scope, &request).await?;
                show.bytes(&target, &answer, answer.key.expose())
            }
            Self::Agree {
                address,
                peer,
                how,
                target,
            } => {
                let (size_bytes, version) = (how.size, how.version);
                let inputs = how.inputs();
                let request = Agree {
                    peer: public_key_of(&peer)?,
                    kdf: inputs.kdf,
                    label: inputs.label,
                    context: inputs.context,
                    salt: inputs.salt,
                    info: inputs.info,
                    size_bytes,
                    with_raw: false,
                    version,
                };
                let answer = address.perform(scope, &request).await?;
                show.bytes(&target, &answer, answer.key.expose())
            }
            _ => Ok(()),
        }
    }
}
