//! A key service: makes material, uses it, destroys it. The material never crosses this port but
//! wrapped, to a key that somebody else holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_crypto::digest::Hash;
use keyward_crypto::exchange::{ExchangeError, KeyFormat, PublicKeyFormat, WrapMethod};
use keyward_crypto::prepared::{Derivation, SignatureEncoding, SignatureScheme};
use keyward_crypto::secret::SecretBytes;
use keyward_crypto::{Algorithm, UsageSet};

use crate::ids::{ImportKeyId, KeyId, TenantId};
use crate::noun::key::ProviderKind;
use crate::noun::tenant::Digest;
use crate::port::storage::StorageError;

/// What a version's material is for. The provider keeps it with the material and compares it with
/// every later request, so that a reference re-pointed in SQL is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaterialSpec {
    /// Whose.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
    /// Which version.
    pub version: u32,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its usages.
    pub usages: UsageSet,
}

/// Where a version's material is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaterialRef {
    /// What it is for.
    pub spec: MaterialSpec,
    /// The provider's name for it.
    pub provider_key_id: Arc<str>,
    /// The ledger's word for the right record (native only).
    pub record_digest: Option<Digest>,
}

/// Material just made and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMaterial {
    /// The provider's name for it.
    pub provider_key_id: String,
    /// The provider's region.
    pub region: Option<String>,
    /// The provider's endpoint.
    pub endpoint: Option<String>,
    /// The ledger's word for the right record (native only).
    pub record_digest: Option<Digest>,
    /// Tells two materials apart.
    pub fingerprint: Digest,
    /// The public half, DER, if there is one.
    pub public_key: Option<Vec<u8>>,
}

/// A wrapping key just made and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImportKey {
    /// The provider's name for the private half.
    pub provider_key_id: String,
    /// The ledger's word for the right record.
    pub record_digest: Digest,
    /// The public half as `SubjectPublicKeyInfo` DER.
    pub public_key: Vec<u8>,
}

/// Where the private half of a wrapping key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportKeyRef {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which.
    pub id: ImportKeyId,
    /// How keys are wrapped to it.
    pub method: WrapMethod,
    /// The provider's name for it.
    pub provider_key_id: String,
    /// The ledger's word for the right record.
    pub record_digest: Digest,
}

/// What comes in.
pub enum ImportSource<'a> {
    /// A private or symmetric key.
    Wrapped {
        /// Under this wrapping key.
        key: ImportKeyRef,
        /// In this container.
        format: KeyFormat,
        /// So.
        wrapped: &'a [u8],
    },
    /// A public key.
    Public {
        /// In this container.
        format: PublicKeyFormat,
        /// So.
        bytes: &'a [u8],
    },
}

/// How a key goes out.
pub struct ExportTo<'a> {
    /// How it is wrapped.
    pub method: WrapMethod,
    /// To which public key: `SubjectPublicKeyInfo`, DER or PEM.
    pub recipient: &'a [u8],
    /// In which container.
    pub format: KeyFormat,
}

/// One use of a key.
pub enum CryptoCall<'a> {
    /// Encrypt; the answer is [`CryptoAnswer::Bytes`], binary as `keyward_crypto::prepared` makes it.
    Encrypt {
        /// What to protect.
        plaintext: &'a [u8],
        /// Bound to it, sorted.
        context: &'a BTreeMap<String, String>,
        /// For RSA: another OAEP hash than SHA-256.
        oaep: Option<Hash>,
    },
    /// Decrypt; the answer is secret.
    Decrypt {
        /// Binary, without the text envelope.
        ciphertext: &'a [u8],
        /// As it was given to encrypt.
        context: &'a BTreeMap<String, String>,
    },
    /// Wrap a key; the answer is bytes.
    Wrap {
        /// The key to wrap.
        key: &'a SecretBytes,
        /// Bound to it.
        context: &'a BTreeMap<String, String>,
        /// For RSA: another OAEP hash than SHA-256.
        oaep: Option<Hash>,
    },
    /// Unwrap a key; the answer is secret.
    Unwrap {
        /// Binary.
        wrapped: &'a [u8],
        /// As it was given to wrap.
        context: &'a BTreeMap<String, String>,
    },
    /// Make a data key of so many bytes and wrap it; the answer is [`CryptoAnswer::Pair`].
    DataKey {
        /// 16 to 64.
        size_bytes: usize,
        /// Bound to it.
        context: &'a BTreeMap<String, String>,
    },
    /// Sign; the answer is bytes.
    Sign {
        /// How.
        scheme: SignatureScheme,
        /// How the signature is written.
        encoding: SignatureEncoding,
        /// What, or its digest.
        message: &'a [u8],
        /// Whether `message` is the digest already.
        prehashed: bool,
    },
    /// Verify; the answer is [`CryptoAnswer::Valid`].
    Verify {
        /// How.
        scheme: SignatureScheme,
        /// How the signature is written.
        encoding: SignatureEncoding,
        /// What, or its digest.
        message: &'a [u8],
        /// Whether `message` is the digest already.
        prehashed: bool,
        /// Binary.
        signature: &'a [u8],
    },
    /// MAC; the answer is bytes.
    Mac {
        /// What.
        message: &'a [u8],
    },
    /// Verify a MAC; the answer is [`CryptoAnswer::Valid`].
    VerifyMac {
        /// What.
        message: &'a [u8],
        /// Binary.
        mac: &'a [u8],
    },
    /// Derive; the answer is secret.
    Derive {
        /// How, from what beside the key.
        derivation: Derivation<'a>,
        /// 16 to 64.
        size_bytes: usize,
    },
    /// Agree with a peer and derive; the answer is [`CryptoAnswer::Agreed`].
    Agree {
        /// The peer's public key, `SubjectPublicKeyInfo` DER or a point.
        peer: &'a [u8],
        /// How to derive, from what beside the agreed secret.
        derivation: Derivation<'a>,
        /// 16 to 64.
        size_bytes: usize,
    },
    /// Encapsulate; the answer is a pair.
    Encapsulate,
    /// Decapsulate; the answer is secret.
    Decapsulate {
        /// Binary.
        encapsulation: &'a [u8],
    },
}

/// The outcome of one use.
pub enum CryptoAnswer {
    /// Ciphertext, wrapped key, signature or MAC.
    Bytes(Vec<u8>),
    /// Plaintext or key.
    Secret(SecretBytes),
    /// A wrapped data key or an encapsulation, and the secret in it.
    Pair(Vec<u8>, SecretBytes),
    /// What was derived from an agreed secret, and that secret itself.
    Agreed {
        /// Derived.
        key: SecretBytes,
        /// As the curve gives it.
        raw: SecretBytes,
    },
    /// Whether a signature or MAC is right.
    Valid(bool),
}

/// What can go wrong with a provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The input is not what this key made, or was altered, or the context differs.
    #[error("the input does not authenticate: altered, made by another key, or another context")]
    NotAuthentic,
    /// The input cannot be used with this algorithm.
    #[error("the input does not fit the algorithm: {reason}")]
    InvalidInput {
        /// Why, without secrets.
        reason: &'static str,
    },
    /// The algorithm does not do this.
    #[error("{algorithm} cannot {usage}")]
    Unsupported {
        /// The algorithm.
        algorithm: &'static str,
        /// What was asked.
        usage: &'static str,
    },
    /// The material's record is not what the registry says it is.
    #[error("the key material's record was refused: {0}")]
    Record(#[source] StorageError),
    /// A key does not come in, or go out, like this.
    #[error("{0}")]
    Exchange(ExchangeError),
    /// The server is sealed.
    #[error("the server is sealed")]
    Sealed,
    /// The provider or its storage does not answer.
    #[error("the provider is unavailable: {0}")]
    Unavailable(#[source] StorageError),
    /// The library failed for no reason of the input's.
    #[error("the cryptographic library failed")]
    Internal,
}

/// A key service.
#[async_trait]
pub trait KeyProvider: Send + Sync {
    /// Which.
    fn kind(&self) -> ProviderKind;

    /// Makes material for each spec, all durable on return. What is made and then not referenced
    /// is swept up later.
    async fn generate(&self, specs: &[MaterialSpec]) -> Result<Vec<NewMaterial>, ProviderError>;

    /// Makes a wrapping key, durable on return.
    async fn make_import_key(
        &self,
        tenant: TenantId,
        id: ImportKeyId,
        method: WrapMethod,
    ) -> Result<NewImportKey, ProviderError>;

    /// Takes material in: checked for validity and strength first, durable on return.
    async fn import(
        &self,
        spec: &MaterialSpec,
        source: ImportSource<'_>,
    ) -> Result<NewMaterial, ProviderError>;

    /// Gives material out, wrapped.
    async fn export(
        &self,
        material: &MaterialRef,
        export: &ExportTo<'_>,
    ) -> Result<Vec<u8>, ProviderError>;

    /// Deletes the private half of a wrapping key and looks whether it is gone.
    async fn destroy_import_key(&self, key: &ImportKeyRef) -> Result<(), ProviderError>;

    /// Reads material and verifies that it is what it should be, without keeping it.
    async fn verify(&self, material: &MaterialRef) -> Result<(), ProviderError>;

    /// The same for the private half of a wrapping key.
    async fn verify_import_key(&self, key: &ImportKeyRef) -> Result<(), ProviderError>;

    /// Uses material once.
    async fn perform(
        &self,
        material: &MaterialRef,
        call: CryptoCall<'_>,
    ) -> Result<CryptoAnswer, ProviderError>;

    /// Destroys material and looks whether it is gone. Succeeds if it was gone already.
    async fn destroy(&self, material: &MaterialRef) -> Result<(), ProviderError>;

    /// Drops what is cached of a key, zeroized.
    fn forget(&self, key: KeyId);

    /// Drops everything cached, zeroized.
    fn forget_all(&self);
}
