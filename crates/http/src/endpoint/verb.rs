//! The verbs by which a key is used: what each takes and answers, and the operation's words for it.

use keyward_api::binary::{Binary, Secret};
use keyward_api::names;
use keyward_api::use_key as wire;
use keyward_core::crypto_types::{Kdf, SecretBytes, SignatureEncoding};
use keyward_core::noun::action::Action;
use keyward_core::ops::use_key::{DeriveHow, UseItem, UseOutcome, UseResult};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::problem::Failure;
use crate::reference::parse;

/// One verb.
pub trait Verb: Send + Sync + 'static {
    /// The action, which is also the permission.
    const ACTION: Action;
    /// Its place in the path.
    const NAME: &'static str;
    /// Its word in operation ids.
    const ID: &'static str;
    /// What it does.
    const SUMMARY: &'static str;
    /// What it takes.
    type Request: DeserializeOwned + ToSchema + Send + 'static;
    /// What it answers.
    type Answer: Serialize + ToSchema + Send + 'static;
    /// As the operation takes it.
    fn item(request: Self::Request) -> Result<UseItem, Failure>;
    /// As the wire shows it; none if the operation answered something else.
    fn answer(outcome: UseOutcome) -> Option<Self::Answer>;
}

macro_rules! verbs {
    ($(
        $verb:ident($action:ident, $name:literal, $id:literal, $summary:literal):
        $request:ident => $answer:ident,
        |$given:ident| $item:expr,
        |$result:pat, $version:ident| $shown:expr;
    )+) => {
        $(
            #[doc = $summary]
            pub struct $verb;

            impl Verb for $verb {
                const ACTION: Action = Action::$action;
                const NAME: &'static str = $name;
                const ID: &'static str = $id;
                const SUMMARY: &'static str = $summary;
                type Request = wire::$request;
                type Answer = wire::$answer;

                fn item($given: wire::$request) -> Result<UseItem, Failure> {
                    Ok($item)
                }

                fn answer(outcome: UseOutcome) -> Option<wire::$answer> {
                    let $version = outcome.version;
                    match outcome.result {
                        $result => Some($shown),
                        _ => None,
                    }
                }
            }
        )+

        /// Hands every verb to a visitor.
        pub fn each(visitor: &mut impl Visitor) {
            $(visitor.visit::<$verb>();)+
        }
    };
}

/// Something to be done for each verb.
pub trait Visitor {
    /// Does it for one.
    fn visit<V: Verb>(&mut self);
}

verbs! {
    Encrypt(KeyEncrypt, "encrypt", "encrypt", "Encrypts with the primary version"):
        Encrypt => Ciphertext,
        |given| UseItem::Encrypt {
            plaintext: hidden(given.plaintext),
            context: given.context,
            oaep: given.oaep.map(|name| parse("oaep", name.as_str())).transpose()?,
            version: given.version,
        },
        |UseResult::Ciphertext(ciphertext), version| wire::Ciphertext { ciphertext, version };
    Decrypt(KeyDecrypt, "decrypt", "decrypt", "Decrypts with the version that the ciphertext names"):
        Decrypt => Plaintext,
        |given| UseItem::Decrypt { ciphertext: given.ciphertext, context: given.context },
        |UseResult::Plaintext(plaintext), version| wire::Plaintext {
            plaintext: shown(&plaintext),
            version,
        };
    Rewrap(KeyRewrap, "rewrap", "rewrap", "Decrypts with the old version and encrypts with the primary; the plaintext stays inside"):
        Rewrap => Ciphertext,
        |given| UseItem::Rewrap { ciphertext: given.ciphertext, context: given.context },
        |UseResult::Ciphertext(ciphertext), version| wire::Ciphertext { ciphertext, version };
    Sign(KeySign, "sign", "sign", "Signs with the primary version"):
        Sign => Signature,
        |given| UseItem::Sign {
            message: given.message.0,
            prehashed: given.prehashed,
            scheme: given.scheme.map(|name| parse("scheme", name.as_str())).transpose()?,
            encoding: encoding(given.encoding)?,
            version: given.version,
        },
        |UseResult::Signature { text, raw, scheme }, version| wire::Signature {
            signature: text,
            raw: Binary(raw),
            scheme: names::SignatureScheme::from(scheme.name()),
            version,
        };
    Verify(KeyVerify, "verify", "verify", "Verifies a signature"):
        Verify => Validity,
        |given| UseItem::Verify {
            message: given.message.0,
            prehashed: given.prehashed,
            scheme: given.scheme.map(|name| parse("scheme", name.as_str())).transpose()?,
            encoding: encoding(given.encoding)?,
            signature: given.signature,
            version: given.version,
        },
        |UseResult::Valid(valid), version| wire::Validity { valid, version };
    Mac(KeyMac, "mac", "mac", "Computes a message authentication code"):
        Mac => MacTag,
        |given| UseItem::Mac { message: given.message.0, version: given.version },
        |UseResult::Mac { text, raw }, version| wire::MacTag { mac: text, raw: Binary(raw), version };
    VerifyMac(KeyVerifyMac, "verify-mac", "verify_mac", "Verifies a message authentication code"):
        VerifyMac => Validity,
        |given| UseItem::VerifyMac {
            message: given.message.0,
            mac: given.mac,
            version: given.version,
        },
        |UseResult::Valid(valid), version| wire::Validity { valid, version };
    Wrap(KeyWrap, "wrap", "wrap", "Wraps another key"):
        Wrap => Wrapped,
        |given| UseItem::Wrap {
            key: hidden(given.key),
            context: given.context,
            oaep: given.oaep.map(|name| parse("oaep", name.as_str())).transpose()?,
            version: given.version,
        },
        |UseResult::Wrapped(wrapped), version| wire::Wrapped { wrapped, version };
    Unwrap(KeyUnwrap, "unwrap", "unwrap", "Unwraps another key"):
        Unwrap => PlainKey,
        |given| UseItem::Unwrap { wrapped: given.wrapped, context: given.context },
        |UseResult::Key(key), version| wire::PlainKey { key: shown(&key), version };
    DataKey(KeyDataKey, "data-key", "data_key", "Makes a data key, wrapped, with or without its plaintext"):
        NewDataKey => DataKey,
        |given| UseItem::DataKey {
            size_bytes: given.size_bytes,
            context: given.context,
            with_plaintext: given.with_plaintext,
        },
        |UseResult::DataKey { wrapped, plaintext }, version| wire::DataKey {
            wrapped,
            plaintext: plaintext.as_ref().map(shown),
            version,
        };
    Derive(KeyDerive, "derive", "derive", "Derives a key from a label and a context"):
        Derive => PlainKey,
        |given| UseItem::Derive {
            how: DeriveHow {
                kdf: kdf(given.kdf)?,
                label: given.label.0,
                context: given.context.0,
                salt: given.salt.0,
                info: given.info.0,
            },
            size_bytes: given.size_bytes,
            version: given.version,
        },
        |UseResult::Key(key), version| wire::PlainKey { key: shown(&key), version };
    Agree(KeyAgree, "agree", "agree", "Agrees with a peer's public key and derives a key from the secret"):
        Agree => AgreedKey,
        |given| UseItem::Agree {
            peer: given.peer.0,
            how: DeriveHow {
                kdf: kdf(given.kdf)?,
                label: given.label.0,
                context: given.context.0,
                salt: given.salt.0,
                info: given.info.0,
            },
            size_bytes: given.size_bytes,
            with_raw: given.with_raw,
            version: given.version,
        },
        |UseResult::Agreed { key, raw }, version| wire::AgreedKey {
            key: shown(&key),
            raw: raw.as_ref().map(shown),
            version,
        };
    Encapsulate(KeyEncapsulate, "encapsulate", "encapsulate", "Makes a shared secret and its encapsulation"):
        Encapsulate => Encapsulated,
        |given| UseItem::Encapsulate { version: given.version },
        |UseResult::Encapsulated { encapsulation, secret }, version| wire::Encapsulated {
            encapsulation,
            secret: shown(&secret),
            version,
        };
    Decapsulate(KeyDecapsulate, "decapsulate", "decapsulate", "Recovers a shared secret"):
        Decapsulate => SharedSecret,
        |given| UseItem::Decapsulate { encapsulation: given.encapsulation },
        |UseResult::Key(secret), version| wire::SharedSecret { secret: shown(&secret), version };
}

/// DER unless another encoding is named.
fn encoding(given: Option<names::SignatureEncoding>) -> Result<SignatureEncoding, Failure> {
    match given {
        Some(name) => parse("encoding", name.as_str()),
        None => Ok(SignatureEncoding::Der),
    }
}

/// The usual function unless another is named.
fn kdf(given: Option<names::Kdf>) -> Result<Kdf, Failure> {
    match given {
        Some(name) => parse("kdf", name.as_str()),
        None => Ok(Kdf::Keyward),
    }
}

fn hidden(secret: Secret) -> SecretBytes {
    SecretBytes::new(secret.into_vec())
}

/// A copy for the answer; both are wiped.
fn shown(secret: &SecretBytes) -> Secret {
    Secret::new(secret.expose().to_vec())
}
