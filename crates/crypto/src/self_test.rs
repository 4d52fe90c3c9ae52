//! Known answers, one for each primitive, computed before a server opens: a machine or a build that
//! computes wrongly must not be let near keys. The answers are in `self_test/answers.txt`: those of
//! the standards where they are short, else made once by an implementation that passes all of
//! Wycheproof. The secrets among them are published here and protect nothing.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::digest::{self, Hash};
use crate::error::CryptoError;
use crate::hybrid::HybridSecret;
use crate::prepared::{Derivation, Message, MessageContext, PreparedKey, SignatureScheme};
use crate::random::Random;
use crate::secret::SecretBytes;
use crate::{Algorithm, KeyMaterial};

const ANSWERS: &str = include_str!("self_test/answers.txt");
const TEXT: &[u8] = b"known answer";

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The number of the FIPS module, in a build that uses nothing else.
    pub fips_module: Option<u32>,
}

/// The library beneath this build.
pub fn engine() -> Engine {
    Engine {
        name: if cfg!(feature = "fips") {
            "AWS-LC FIPS module"
        } else {
            "AWS-LC"
        },
        version: aws_lc_rs::awslc_version(),
        fips_module: aws_lc_rs::fips_version(),
    }
}

/// A known answer did not come out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the self-test of {primitive} failed: this build computes wrongly on this machine. Do not use \
     it: install the release again, and if that does not help, look for a fault of the hardware"
)]
pub struct SelfTestFailed {
    primitive: &'static str,
}

impl SelfTestFailed {
    /// What failed.
    pub const fn primitive(&self) -> &'static str {
        self.primitive
    }
}

/// Computes every known answer; how many there were.
///
/// # Errors
/// [`SelfTestFailed`] for the first one that does not come out.
pub fn run() -> Result<usize, SelfTestFailed> {
    run_against(ANSWERS)
}

/// Computes every answer and compares with these: lines of name and hex.
///
/// # Errors
/// [`SelfTestFailed`], also for an answer that is not there.
pub fn run_against(answers: &str) -> Result<usize, SelfTestFailed> {
    let answers = Answers::read(answers);
    let mut ran = 0;
    for (primitive, algorithm, test) in TESTS {
        if algorithm.is_some_and(|it| it.ensure_available().is_err()) {
            continue;
        }
        if !matches!(test(&answers), Ok(true)) {
            return Err(SelfTestFailed { primitive });
        }
        ran += 1;
    }
    Ok(ran)
}

/// The answers as they are published with the source.
pub const fn answers() -> &'static str {
    ANSWERS
}

/// A primitive, the algorithm that a FIPS build may not have, and its test.
type Test = (
    &'static str,
    Option<Algorithm>,
    fn(&Answers) -> Result<bool, CryptoError>,
);

const TESTS: &[Test] = &[
    ("SHA-256", None, |it| {
        it.is("sha-256", &digest::sha256(b"abc"))
    }),
    ("SHA-384", None, |it| {
        it.is("sha-384", &digest::sha384(b"abc"))
    }),
    ("SHA-512", None, |it| {
        it.is("sha-512", &digest::sha512(b"abc"))
    }),
    ("HMAC", None, |it| {
        it.is(
            "hmac-sha-256",
            &digest::hmac_sha256(&[0x0b; 20], b"Hi There"),
        )
    }),
    ("HKDF", None, hkdf),
    ("SP 800-108", None, counter_mode),
    ("AES-GCM", Some(Algorithm::Aes256Gcm), |it| {
        let key = zeros(Algorithm::Aes256Gcm)?;
        it.is("aes-256-gcm", &key.raw_seal([0; 12], b"", &[0; 16])?)
    }),
    (
        "committing AES-GCM",
        Some(Algorithm::Aes256GcmCommit),
        |it| sealed(it, Algorithm::Aes256GcmCommit),
    ),
    ("XAES-256-GCM", Some(Algorithm::Xaes256Gcm), |it| {
        let key = prepared(Algorithm::Xaes256Gcm, &[1; 32])?;
        let nonce = *b"ABCDEFGHIJKLMNOPQRSTUVWX";
        it.is(
            "xaes-256-gcm",
            &key.raw_xaes_seal(nonce, b"", b"XAES-256-GCM")?,
        )
    }),
    (
        "ChaCha20-Poly1305",
        Some(Algorithm::ChaCha20Poly1305),
        |it| {
            let key = counting(Algorithm::ChaCha20Poly1305)?;
            it.is("chacha20-poly1305", &key.raw_seal([7; 12], b"aad", TEXT)?)
        },
    ),
    ("AES-GCM-SIV", Some(Algorithm::Aes256GcmSiv), gcm_siv),
    (
        "convergent AES-GCM-SIV",
        Some(Algorithm::Aes256GcmSivConvergent),
        |it| sealed(it, Algorithm::Aes256GcmSivConvergent),
    ),
    ("AES-KW", Some(Algorithm::Aes256Kw), key_wrap),
    ("AES-KWP", Some(Algorithm::Aes256Kwp), |it| {
        let key = counting(Algorithm::Aes256Kwp)?;
        it.is("aes-256-kwp", &key.raw_kwp_wrap(TEXT)?)
    }),
    ("CMAC", Some(Algorithm::Aes128Cmac), cmac),
    ("RSA", Some(Algorithm::Rsa2048), rsa),
    ("ECDSA P-256", Some(Algorithm::EcdsaP256), |it| {
        signed(it, Algorithm::EcdsaP256)
    }),
    ("ECDSA P-384", Some(Algorithm::EcdsaP384), |it| {
        signed(it, Algorithm::EcdsaP384)
    }),
    ("ECDSA P-521", Some(Algorithm::EcdsaP521), |it| {
        signed(it, Algorithm::EcdsaP521)
    }),
    ("ECDSA secp256k1", Some(Algorithm::EcdsaSecp256k1), |it| {
        signed(it, Algorithm::EcdsaSecp256k1)
    }),
    ("Ed25519", Some(Algorithm::Ed25519), ed25519),
    ("ML-DSA", Some(Algorithm::MlDsa65), |it| {
        signed(it, Algorithm::MlDsa65)
    }),
    ("X25519", Some(Algorithm::X25519), |it| {
        agreed(it, Algorithm::X25519)
    }),
    ("ECDH", Some(Algorithm::EcdhP256), |it| {
        agreed(it, Algorithm::EcdhP256)
    }),
    ("ML-KEM", Some(Algorithm::MlKem768), ml_kem),
    ("X-Wing", Some(Algorithm::X25519MlKem768), x_wing),
];

/// The answers by name.
struct Answers(BTreeMap<String, Vec<u8>>);

impl Answers {
    /// Lines that are no answers are left out, and missed later.
    fn read(text: &str) -> Self {
        let read = |line: &str| {
            let (name, hex) = line.split_once(' ')?;
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?;
            Some((name.to_owned(), bytes))
        };
        Self(text.lines().filter_map(read).collect())
    }

    fn of(&self, name: &str) -> Result<&[u8], CryptoError> {
        let found = self.0.get(name).map(Vec::as_slice);
        found.ok_or(CryptoError::InvalidKey)
    }

    fn is(&self, name: &str, found: &[u8]) -> Result<bool, CryptoError> {
        Ok(self.of(name)? == found)
    }
}

fn prepared(algorithm: Algorithm, secret: &[u8]) -> Result<PreparedKey, CryptoError> {
    let secret = SecretBytes::copy_from(secret);
    PreparedKey::new(&KeyMaterial::import(algorithm, &secret)?)
}

fn zeros(algorithm: Algorithm) -> Result<PreparedKey, CryptoError> {
    prepared(algorithm, &[0; 32])
}

/// A key of the bytes 0, 1, 2, …
fn counting(algorithm: Algorithm) -> Result<PreparedKey, CryptoError> {
    prepared(
        algorithm,
        &std::array::from_fn::<u8, 32, _>(|index| index as u8),
    )
}

/// Draws the same byte again and again.
struct Fives;

impl Random for Fives {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(5);
        Ok(())
    }
}

fn sealed(answers: &Answers, algorithm: Algorithm) -> Result<bool, CryptoError> {
    let none = BTreeMap::new();
    let context = MessageContext {
        key_id: Uuid::from_u128(0x1234),
        version: 1,
        context: &none,
    };
    let key = counting(algorithm)?;
    let sealed = key.encrypt(&context, TEXT, &Fives)?;
    let opened = key.decrypt(&context, &sealed)?;
    Ok(answers.is(algorithm.name(), &sealed)? && opened.ct_eq(TEXT))
}

fn hkdf(answers: &Answers) -> Result<bool, CryptoError> {
    // RFC 5869, appendix A.1.
    let salt = std::array::from_fn::<u8, 13, _>(|index| index as u8);
    let info = std::array::from_fn::<u8, 10, _>(|index| 0xf0 + index as u8);
    let mut found = [0; 42];
    digest::hkdf(Hash::Sha256, &[0x0b; 22], &salt, &info, &mut found)?;
    answers.is("hkdf-sha-256", &found)
}

fn counter_mode(answers: &Answers) -> Result<bool, CryptoError> {
    let (label, context) = (&b"label"[..], &b"context"[..]);
    let way = Derivation::Sp800108Counter { label, context };
    let found = counting(Algorithm::HmacSha256)?.derive_with(way, 32)?;
    answers.is("sp800-108-counter", found.expose())
}

fn gcm_siv(answers: &Answers) -> Result<bool, CryptoError> {
    // RFC 8452, appendix C.2.
    let (mut secret, mut nonce) = ([0; 32], [0; 12]);
    (secret[0], nonce[0]) = (1, 3);
    let key = prepared(Algorithm::Aes256GcmSiv, &secret)?;
    let found = key.raw_seal(nonce, b"", &[1, 0, 0, 0, 0, 0, 0, 0])?;
    answers.is("aes-256-gcm-siv", &found)
}

fn key_wrap(answers: &Answers) -> Result<bool, CryptoError> {
    // RFC 3394, section 4.6.
    let data = std::array::from_fn::<u8, 32, _>(|index| match index {
        0..16 => 0x11 * index as u8,
        _ => index as u8 - 16,
    });
    let found = counting(Algorithm::Aes256Kw)?.raw_kwp_wrap(&data)?;
    answers.is("aes-256-kw", &found)
}

fn cmac(answers: &Answers) -> Result<bool, CryptoError> {
    // NIST SP 800-38B, example 1.
    let secret = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
    let found = prepared(Algorithm::Aes128Cmac, &secret)?.mac(b"")?;
    answers.is("aes-128-cmac", &found)
}

fn rsa(answers: &Answers) -> Result<bool, CryptoError> {
    let key = prepared(Algorithm::Rsa2048, answers.of("rsa-2048.secret")?)?;
    let message = Message::Raw(TEXT);
    let opened = key.raw_oaep_decrypt(b"label", answers.of("rsa-2048.oaep")?)?;
    let made = key.sign(SignatureScheme::RsaPkcs1Sha256, message)?;
    let pss = answers.of("rsa-2048.pss")?;
    let verified = key.verify(SignatureScheme::RsaPssSha256, message, pss);
    Ok(opened.ct_eq(TEXT) && answers.is("rsa-2048.pkcs1", &made)? && verified.is_ok())
}

fn signed(answers: &Answers, algorithm: Algorithm) -> Result<bool, CryptoError> {
    let name = algorithm.name();
    let public = answers.of(&format!("{name}.public"))?;
    let signature = answers.of(&format!("{name}.signature"))?;
    let scheme = SignatureScheme::default_for(algorithm).ok_or(CryptoError::EngineFailed)?;
    let key = PreparedKey::from_public(algorithm, public)?;
    let right = key.verify(scheme, Message::Raw(TEXT), signature);
    let wrong = key.verify(scheme, Message::Raw(b"another"), signature);
    Ok(right.is_ok() && wrong == Err(CryptoError::InvalidSignature))
}

fn ed25519(answers: &Answers) -> Result<bool, CryptoError> {
    // RFC 8032, section 7.1, test 2.
    let prefix = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let secret = [&prefix[..], answers.of("ed25519.secret")?].concat();
    let key = prepared(Algorithm::Ed25519, &secret)?;
    let found = key.sign(SignatureScheme::Ed25519, Message::Raw(&[0x72]))?;
    let verified = key.verify(SignatureScheme::Ed25519, Message::Raw(&[0x72]), &found);
    Ok(answers.is("ed25519.signature", &found)? && verified.is_ok())
}

fn agreed(answers: &Answers, algorithm: Algorithm) -> Result<bool, CryptoError> {
    let name = algorithm.name();
    let key = prepared(algorithm, answers.of(&format!("{name}.secret"))?)?;
    let found = key.agree(answers.of(&format!("{name}.peer"))?)?.into_raw();
    answers.is(&format!("{name}.shared"), found.expose())
}

fn ml_kem(answers: &Answers) -> Result<bool, CryptoError> {
    let key = prepared(Algorithm::MlKem768, answers.of("ml-kem-768.secret")?)?;
    let found = key.decapsulate(answers.of("ml-kem-768.sent")?)?;
    answers.is("ml-kem-768.shared", found.expose())
}

fn x_wing(answers: &Answers) -> Result<bool, CryptoError> {
    let key = HybridSecret::from_seed(&[7; 32])?;
    let opened = key.open(b"info", b"aad", answers.of("x-wing.sealed")?)?;
    Ok(opened.ct_eq(TEXT))
}
