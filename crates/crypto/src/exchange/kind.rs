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

/// `id-XWing` (draft-connolly-cfrg-xwing-kem, section 5.8).
pub(super) const X_WING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.62253.25722");

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
    /// X-Wing: a seed of 32 bytes.
    XWing,
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
static P521: Curve = Curve {
    oid: ObjectIdentifier::new_unwrap("1.3.132.0.35"),
    bytes: 66,
    jwk: "P-521",
    ssh: Some("nistp521"),
};
static SECP256K1: Curve = Curve {
    oid: ObjectIdentifier::new_unwrap("1.3.132.0.10"),
    bytes: 32,
    jwk: "secp256k1",
    ssh: None,
};
static X25519: Okp = Okp {
    oid: ObjectIdentifier::new_unwrap("1.3.101.110"),
    jwk: "X25519",
    ssh: None,
};
static ED25519: Okp = Okp {
    oid: ObjectIdentifier::new_unwrap("1.3.101.112"),
    jwk: "Ed25519",
    ssh: Some("ssh-ed25519"),
};
static ML_KEM_512: Lattice = Lattice {
    oid: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.1"),
    jwk: "ML-KEM-512",
    public: 800,
    expanded: 1632,
    seed: 64,
};
static ML_KEM_1024: Lattice = Lattice {
    oid: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.3"),
    jwk: "ML-KEM-1024",
    public: 1568,
    expanded: 3168,
    seed: 64,
};
static ML_DSA_44: Lattice = Lattice {
    oid: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17"),
    jwk: "ML-DSA-44",
    public: 1312,
    expanded: 2560,
    seed: 32,
};
static ML_DSA_87: Lattice = Lattice {
    oid: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19"),
    jwk: "ML-DSA-87",
    public: 2592,
    expanded: 4896,
    seed: 32,
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
    use Algorithm as A;
    match algorithm {
        A::Aes256GcmCommit
        | A::Aes128Gcm
        | A::Aes192Gcm
        | A::Aes256Gcm
        | A::Xaes256Gcm
        | A::Aes128GcmSiv
        | A::Aes256GcmSiv
        | A::Aes256GcmSivConvergent
        | A::ChaCha20Poly1305
        | A::HmacSha256
        | A::HmacSha384
        | A::HmacSha512
        | A::Aes128Cmac
        | A::Aes256Cmac
        | A::Aes128Kw
        | A::Aes256Kw
        | A::Aes128Kwp
        | A::Aes256Kwp => Kind::Symmetric,
        A::Rsa2048 | A::Rsa3072 | A::Rsa4096 => Kind::Rsa,
        A::EcdsaP256 | A::EcdhP256 => Kind::Curve(&P256),
        A::EcdsaP384 | A::EcdhP384 => Kind::Curve(&P384),
        A::EcdsaP521 | A::EcdhP521 => Kind::Curve(&P521),
        A::EcdsaSecp256k1 => Kind::Curve(&SECP256K1),
        A::Ed25519 => Kind::Okp(&ED25519),
        A::X25519 => Kind::Okp(&X25519),
        A::MlKem512 => Kind::MlKem(&ML_KEM_512),
        A::MlKem768 => Kind::MlKem(&ML_KEM_768),
        A::MlKem1024 => Kind::MlKem(&ML_KEM_1024),
        A::MlDsa44 => Kind::MlDsa(&ML_DSA_44),
        A::MlDsa65 => Kind::MlDsa(&ML_DSA_65),
        A::MlDsa87 => Kind::MlDsa(&ML_DSA_87),
        A::X25519MlKem768 => Kind::XWing,
    }
}

/// The values of `alg` that a JSON Web Key of this algorithm may have, the usual one first; none
/// where JOSE has no name for it.
pub(super) fn jose_algorithms(algorithm: Algorithm) -> &'static [&'static str] {
    use Algorithm as A;
    match algorithm {
        A::Aes128Gcm => &["A128GCM"],
        A::Aes192Gcm => &["A192GCM"],
        A::Aes256Gcm => &["A256GCM"],
        A::Aes128Kw => &["A128KW"],
        A::Aes256Kw => &["A256KW"],
        A::HmacSha256 => &["HS256"],
        A::HmacSha384 => &["HS384"],
        A::HmacSha512 => &["HS512"],
        A::Rsa2048 | A::Rsa3072 | A::Rsa4096 => &[
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
        A::EcdsaP256 => &["ES256"],
        A::EcdsaP384 => &["ES384"],
        A::EcdsaP521 => &["ES512"],
        A::EcdsaSecp256k1 => &["ES256K"],
        A::Ed25519 => &["EdDSA", "Ed25519"],
        A::X25519 | A::EcdhP256 | A::EcdhP384 | A::EcdhP521 => &[
            "ECDH-ES",
            "ECDH-ES+A128KW",
            "ECDH-ES+A192KW",
            "ECDH-ES+A256KW",
        ],
        A::MlKem512 => &["ML-KEM-512"],
        A::MlKem768 => &["ML-KEM-768"],
        A::MlKem1024 => &["ML-KEM-1024"],
        A::MlDsa44 => &["ML-DSA-44"],
        A::MlDsa65 => &["ML-DSA-65"],
        A::MlDsa87 => &["ML-DSA-87"],
        A::Aes256GcmCommit
        | A::Xaes256Gcm
        | A::Aes128GcmSiv
        | A::Aes256GcmSiv
        | A::Aes256GcmSivConvergent
        | A::ChaCha20Poly1305
        | A::Aes128Cmac
        | A::Aes256Cmac
        | A::Aes128Kwp
        | A::Aes256Kwp
        | A::X25519MlKem768 => &[],
    }
}
