//! What each algorithm is called outside: object identifiers, JOSE and SSH names, lengths.
//! Reads and writes nothing.

use ::pkcs8::ObjectIdentifier;

use crate::algorithm::Algorithm;

/// `id-ecPublicKey` (RFC 5480).
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `rsaEncryption` (RFC 8017).
pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The shape of an algorithm's keys.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Bytes.
    Symmetric,
    /// RSA.
    Rsa,
    /// A scalar on a curve of NIST or SECG.
    Curve(&'static Curve),
    /// 32 bytes of RFC 8032 or RFC 7748.
    Okp(&'static Okp),
    /// ML-KEM.
    MlKem(&'static Lattice),
    /// ML-DSA.
    MlDsa(&'static Lattice),
}

/// A curve with named parameters.
pub(super) struct Curve {
    pub(super) oid: ObjectIdentifier,
    /// Length of a scalar or a coordinate, in bytes.
    pub(super) bytes: usize,
    /// RFC 7518 section 6.2.1.1, RFC 8812.
    pub(super) jwk: &'static str,
    /// RFC 5656 section 3.1; not every curve has one.
    pub(super) ssh: Option<&'static str>,
}

/// A curve whose keys are octet strings.
pub(super) struct Okp {
    pub(super) oid: ObjectIdentifier,
    pub(super) jwk: &'static str,
    pub(super) ssh: Option<&'static str>,
}

/// A parameter set on lattices.
pub(super) struct Lattice {
    pub(super) oid: ObjectIdentifier,
    pub(super) jwk: &'static str,
    /// Length of the public key, in bytes.
    pub(super) public: usize,
    /// Length of the expanded private key, in bytes.
    pub(super) expanded: usize,
    /// Length of the seed, in bytes.
    pub(super) seed: usize,
}

static P256: Curve = Curve {
    oid: ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    bytes: 32,
    jwk: "P-256",
    ssh: Some("nistp256"),
};
static P384: Curve = Curve {
    oid: ObjectIdentifier::new_unwrap("1.3.132.0.34"),
    bytes: 48,
    jwk: "P-384",
    ssh: Some("nistp384"),
};
static ED25519: Okp = Okp {
    oid: ObjectIdentifier::new_unwrap("1.3.101.112"),
    jwk: "Ed25519",
    ssh: Some("ssh-ed25519"),
};
static ML_KEM_768: Lattice = Lattice {
    oid: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.2"),
    jwk: "ML-KEM-768",
    public: 1184,
    expanded: 2400,
    seed: 64,
};
static ML_DSA_65: Lattice = Lattice {
    oid: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"),
    jwk: "ML-DSA-65",
    public: 1952,
    expanded: 4032,
    seed: 32,
};

/// The shape of an algorithm's keys.
pub(super) fn kind(algorithm: Algorithm) -> Kind {
    match algorithm {
        Algorithm::Aes256GcmCommit
        | Algorithm::Aes256Gcm
        | Algorithm::ChaCha20Poly1305
        | Algorithm::HmacSha256
        | Algorithm::HmacSha512
        | Algorithm::Aes256Kwp => Kind::Symmetric,
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => Kind::Rsa,
        Algorithm::EcdsaP256 => Kind::Curve(&P256),
        Algorithm::EcdsaP384 => Kind::Curve(&P384),
        Algorithm::Ed25519 => Kind::Okp(&ED25519),
        Algorithm::MlKem768 => Kind::MlKem(&ML_KEM_768),
        Algorithm::MlDsa65 => Kind::MlDsa(&ML_DSA_65),
    }
}

/// The values of `alg` that a JSON Web Key of this algorithm may have, the usual one first; none
/// where JOSE has no name for it.
pub(super) fn jose_algorithms(algorithm: Algorithm) -> &'static [&'static str] {
    match algorithm {
        Algorithm::Aes256Gcm => &["A256GCM"],
        Algorithm::HmacSha256 => &["HS256"],
        Algorithm::HmacSha512 => &["HS512"],
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => &[
            "RS256",
            "RS384",
            "RS512",
            "PS256",
            "PS384",
            "PS512",
            "RSA-OAEP-256",
            "RSA-OAEP-384",
            "RSA-OAEP-512",
        ],
        Algorithm::EcdsaP256 => &["ES256"],
        Algorithm::EcdsaP384 => &["ES384"],
        Algorithm::Ed25519 => &["EdDSA", "Ed25519"],
        Algorithm::MlKem768 => &["ML-KEM-768"],
        Algorithm::MlDsa65 => &["ML-DSA-65"],
        Algorithm::Aes256GcmCommit | Algorithm::ChaCha20Poly1305 | Algorithm::Aes256Kwp => &[],
    }
}
