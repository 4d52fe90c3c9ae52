//! What can go wrong with a key or a message. Errors here never carry bytes of secrets or messages.

use crate::algorithm::Algorithm;
use crate::usage::Usage;

/// A cryptographic operation that did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The authentication tag does not match: altered bytes, another context, or another key.
    #[error(
        "authentication failed: the message was altered, or belongs to another key, version or context"
    )]
    AuthenticationFailed,
    /// The key commitment inside the message is not that of this key, key id and version.
    #[error(
        "key commitment mismatch: the message was made by another key or version, or was altered"
    )]
    CommitmentMismatch,
    /// The first byte of the message names no suite of this release.
    #[error("unknown ciphertext suite {0}")]
    UnknownSuite(u8),
    /// The suite is known but is not the one this key and operation use.
    #[error(
        "ciphertext suite {found} does not belong to this key and operation, which use suite {expected}"
    )]
    WrongSuite {
        /// The suite byte this key and operation produce.
        expected: u8,
        /// The suite byte found.
        found: u8,
    },
    /// The message is shorter than its suite's shortest message.
    #[error("the message is truncated")]
    Truncated,
    /// The algorithm cannot do this.
    #[error("{algorithm} keys cannot {usage}")]
    UnsupportedUsage {
        /// The key's algorithm.
        algorithm: Algorithm,
        /// What was asked.
        usage: Usage,
    },
    /// The usages may not be held by one key (NIST SP 800-57 part 1, section 5.2).
    #[error("a {algorithm} key may not be used both to {first} and to {second}")]
    ConflictingUsages {
        /// The key's algorithm.
        algorithm: Algorithm,
        /// One of the two.
        first: Usage,
        /// The other.
        second: Usage,
    },
    /// The private half is needed and only the public one was given.
    #[error("this needs the private key, and only the public key is present")]
    PublicOnly,
    /// The signature scheme does not belong to the key's algorithm.
    #[error("signature scheme {scheme} does not belong to {algorithm} keys")]
    WrongScheme {
        /// The key's algorithm.
        algorithm: Algorithm,
        /// Canonical name of the scheme asked for.
        scheme: &'static str,
    },
    /// The scheme signs messages only, not digests (Ed25519, ML-DSA).
    #[error("signature scheme {scheme} signs the message itself, not a digest")]
    DigestNotSupported {
        /// Canonical name of the scheme.
        scheme: &'static str,
    },
    /// The digest given has not the length of the scheme's hash.
    #[error("the digest must have {expected} bytes")]
    WrongDigestLength {
        /// Length wanted, in bytes.
        expected: usize,
    },
    /// Key bytes that are malformed, of another size or algorithm, or inconsistent in themselves.
    #[error("the key is malformed or does not belong to its algorithm")]
    InvalidKey,
    /// The signature or tag does not verify.
    #[error("the signature does not verify")]
    InvalidSignature,
    /// The KEM ciphertext is malformed.
    #[error("the encapsulated key is malformed")]
    InvalidEncapsulation,
    /// The message is longer than this key can take.
    #[error("the message is longer than {max} bytes")]
    MessageTooLong {
        /// Longest message, in bytes.
        max: usize,
    },
    /// Key wrap without padding takes whole blocks only.
    #[error("AES-KW wraps keys of 16 or more bytes, in multiples of 8; AES-KWP wraps any")]
    NotWholeBlocks,
    /// The peer's public key is no key of this algorithm, or one that agrees with everybody.
    #[error("the peer's public key is malformed, of another algorithm, or of small order")]
    InvalidPeer,
    /// The counter mode needs a uniform key, which an agreed secret is not.
    #[error("agreed secrets are derived from by keyward or hkdf, not by the counter mode")]
    KdfNotSupported,
    /// Only RSA keys have a choice of OAEP hash.
    #[error("{algorithm} keys take no OAEP hash")]
    OaepNotSupported {
        /// The key's algorithm.
        algorithm: Algorithm,
    },
    /// Only ECDSA signatures have a choice of encoding.
    #[error("{algorithm} signatures have one encoding only")]
    EncodingNotSupported {
        /// The key's algorithm.
        algorithm: Algorithm,
    },
    /// This build uses the FIPS module only, and the module does not compute this.
    #[error("{algorithm} is not in the FIPS module, and this build uses nothing else")]
    NotInFipsModule {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A key cannot be wrapped when it has no bytes.
    #[error("the message is empty")]
    MessageEmpty,
    /// The context (associated data) is longer than allowed.
    #[error("the context is longer than {max} bytes when encoded")]
    ContextTooLong {
        /// Longest encoded context, in bytes.
        max: usize,
    },
    /// A length outside what derivation allows.
    #[error("the length must be between {min} and {max} bytes")]
    LengthOutOfRange {
        /// Shortest, in bytes.
        min: usize,
        /// Longest, in bytes.
        max: usize,
    },
    /// Stored key material of a layout this release does not know.
    #[error("unknown key material format {0}")]
    UnknownMaterialFormat(u8),
    /// Stored key material of another algorithm than expected.
    #[error("the key material is not of algorithm {expected}")]
    WrongAlgorithm {
        /// The algorithm expected.
        expected: Algorithm,
    },
    /// The passphrase is empty or too long.
    #[error("a passphrase has 1 to {max} bytes")]
    PassphraseLength {
        /// Longest, in bytes.
        max: usize,
    },
    /// What is stored of a passphrase's cost makes guessing cheap or takes too much memory.
    #[error(
        "the cost of the passphrase is out of bounds: it was altered, or is of another release"
    )]
    PassphraseCost,
    /// This build uses the FIPS module only, and the module has no Argon2id.
    #[error("Argon2id is not in the FIPS module, and this build uses nothing else")]
    PassphraseNotInFipsModule,
    /// The source of randomness failed; nothing was produced.
    #[error("the source of randomness failed")]
    RandomFailed,
    /// The cryptographic library refused an operation that should not fail.
    #[error("the cryptographic library failed")]
    EngineFailed,
}
