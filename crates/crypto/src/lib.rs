//! Algorithms, key material, ciphertext envelope, record format, wrapping and secret sharing: bytes in, bytes out.
//!
//! This crate knows no clock, disk, network or database. Randomness for symmetric keys, salts,
//! nonces, ids and sharing is a parameter ([`random::Random`]); generation of asymmetric keys and
//! signing use the generator of AWS-LC itself.
//!
//! | to do this | look here |
//! |---|---|
//! | name an algorithm, ask what it may do | [`algorithm`], [`usage`] |
//! | make, import, store a key | [`material`] |
//! | use a key | [`prepared`] |
//! | ask what standards say of an algorithm | [`status`] |
//! | seal to a public key | [`hybrid`] |
//! | write a ciphertext as text | [`envelope`] |
//! | protect a stored object | [`record`], [`keywrap`] |
//! | take a key in, give one out | [`exchange`] |
//! | know that this machine computes rightly | [`self_test`] |
//! | split a secret among custodians | [`sharing`] |
//! | make a key of a passphrase | [`passphrase`] |
//! | seal a field of a row, find it by digest | [`field`] |
//!
//! The formats are written down for other implementers in `docs/formats/`.

pub mod algorithm;
pub mod digest;
pub mod envelope;
mod error;
pub mod exchange;
pub mod field;
pub mod hybrid;
pub mod keywrap;
pub mod material;
pub mod passphrase;
pub mod prepared;
pub mod random;
pub mod record;
pub mod secret;
pub mod self_test;
pub mod sharing;
pub mod status;
pub mod suite;
pub mod usage;

pub use algorithm::{Algorithm, AlgorithmInfo, Family};
pub use error::CryptoError;
pub use hybrid::{HybridPublic, HybridSecret};
pub use material::KeyMaterial;
pub use prepared::{
    Derivation, Kdf, Message, MessageContext, PreparedKey, SignatureEncoding, SignatureScheme,
};
pub use random::{Random, SystemRandom};
pub use secret::SecretBytes;
pub use usage::{Usage, UsageSet};
