//! JSON Web Keys (RFC 7517, RFC 7518, RFC 8037, RFC 8812, RFC 9864; `AKP` for lattices as the
//! drafts on ML-DSA and ML-KEM for JOSE have it). What a key says of its purpose is held to.

use std::borrow::Cow;

use ::pkcs8::der::asn1::UintRef;
use ::pkcs8::der::{Decode as _, Encode as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pkcs1::RsaPrivateKeyRef;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Intent;
use super::error::{ExchangeError, malformed};
use super::kind::{Curve, Kind, jose_algorithms, kind};
use super::parts::Parts;
use super::public::{NO_JWK, PublicParts, key_bits};
use crate::algorithm::Algorithm;
use crate::secret::SecretBytes;
use crate::usage::{Usage, UsageSet};

/// The members that are looked at; others are ignored (RFC 7517, section 4). Secrets are borrowed
/// from the input, so that no copy of them is left behind.
#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    #[serde(borrow)]
    alg: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "use")]
    purpose: Option<Cow<'a, str>>,
    key_ops: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    crv: Option<Cow<'a, str>>,
    k: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    d: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    dp: Option<&'a str>,
    dq: Option<&'a str>,
    qi: Option<&'a str>,
    oth: Option<serde::de::IgnoredAny>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    #[serde(rename = "pub")]
    public: Option<&'a str>,
    #[serde(rename = "priv")]
    private: Option<&'a str>,
}

/// Which half of a key is read: who holds it decides what it must be allowed to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Private,
    Public,
}

pub(super) fn read_private(intent: Intent, bytes: &[u8]) -> Result<Parts, ExchangeError> {
    let jwk = parse(intent, Half::Private, bytes)?;
    let algorithm = intent.algorithm;
    match kind(algorithm) {
        Kind::Symmetric => Ok(Parts::Symmetric(member(jwk.k, "k")?)),
        Kind::Rsa => read_rsa(&jwk),
        Kind::Curve(curve) => {
            let point = point(curve, &jwk)?;
            Parts::scalar(curve, member(jwk.d, "d")?.expose(), Some(&point))
        }
        Kind::Okp(_) => {
            let public = member(jwk.x, "x")?;
            Parts::seed(32, member(jwk.d, "d")?.expose(), Some(public.expose()))
        }
        Kind::XWing => Err(NO_JWK),
        Kind::MlKem(lattice) | Kind::MlDsa(lattice) => {
            let public = member(jwk.public, "pub")?;
            let seed = member(jwk.private, "priv")?;
            Parts::seed(lattice.seed, seed.expose(), Some(public.expose()))
        }
    }
}

pub(super) fn read_public(intent: Intent, bytes: &[u8]) -> Result<PublicParts, ExchangeError> {
    let jwk = parse(intent, Half::Public, bytes)?;
    let secret = [
        jwk.d,
        jwk.p,
        jwk.q,
        jwk.dp,
        jwk.dq,
        jwk.qi,
        jwk.private,
        jwk.k,
    ];
    if jwk.oth.is_some() || secret.iter().any(Option::is_some) {
        return Err(malformed(
            "the JWK holds a private key, which must not travel in the clear; treat it as leaked, and import its successor wrapped",
        ));
    }
    let bits = |text, name| Ok(member(text, name)?.expose().to_vec());
    match kind(intent.algorithm) {
        Kind::Symmetric => Err(malformed("a symmetric key has no public half")),
        Kind::XWing => Err(NO_JWK),
        Kind::Rsa => Ok(PublicParts::Rsa {
            modulus: number(jwk.n, "n")?,
            exponent: number(jwk.e, "e")?,
        }),
        Kind::Curve(curve) => Ok(PublicParts::Bits(point(curve, &jwk)?)),
        Kind::Okp(_) => Ok(PublicParts::Bits(bits(jwk.x, "x")?)),
        Kind::MlKem(_) | Kind::MlDsa(_) => Ok(PublicParts::Bits(bits(jwk.public, "pub")?)),
    }
}

/// Parses, and checks everything that the key says of itself.
fn parse(intent: Intent, half: Half, bytes: &[u8]) -> Result<Jwk<'_>, ExchangeError> {
    let jwk: Jwk<'_> = serde_json::from_slice(bytes)
        .map_err(|_| malformed("this is no JSON Web Key, or a member stands in it twice"))?;
    let wrong = |what| ExchangeError::WrongAlgorithm {
        expected: intent.algorithm,
        what,
    };
    let (kty, crv) = match kind(intent.algorithm) {
        Kind::Symmetric => ("oct", None),
        Kind::Rsa => ("RSA", None),
        Kind::Curve(curve) => ("EC", Some(curve.jwk)),
        Kind::Okp(okp) => ("OKP", Some(okp.jwk)),
        Kind::MlKem(_) | Kind::MlDsa(_) => ("AKP", None),
        Kind::XWing => return Err(NO_JWK),
    };
    if jwk.kty != kty {
        return Err(wrong("kty says another kind of key"));
    }
    if crv.is_some_and(|crv| jwk.crv.as_deref() != Some(crv)) {
        return Err(wrong("crv says another curve"));
    }
    match jwk.alg.as_deref() {
        Some(alg) if !jose_algorithms(intent.algorithm).contains(&alg) => {
            return Err(wrong("alg says another algorithm"));
        }
        None if kty == "AKP" => return Err(malformed("a key of kty AKP must name its alg")),
        Some(alg) if kty == "RSA" && alg.starts_with("RSA-OAEP") == signs(intent.usages) => {
            return Err(ExchangeError::WrongPurpose { field: "alg" });
        }
        _ => {}
    }
    check_use(jwk.purpose.as_deref(), intent.usages)?;
    check_key_ops(jwk.key_ops.as_deref(), intent, half)?;
    Ok(jwk)
}

const SIGNING: UsageSet = UsageSet::of(&[Usage::Sign, Usage::Verify, Usage::Mac, Usage::VerifyMac]);

fn signs(usages: UsageSet) -> bool {
    !usages.intersection(SIGNING).is_empty()
}

fn check_use(purpose: Option<&str>, usages: UsageSet) -> Result<(), ExchangeError> {
    let fits = match purpose {
        None => true,
        Some("sig") => usages.is_subset_of(SIGNING),
        Some("enc") => !signs(usages),
        Some(_) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(ExchangeError::WrongPurpose { field: "use" })
    }
}

/// The operations of RFC 7517 section 4.3 that stand for a usage; one of them is enough.
const fn operations(usage: Usage) -> &'static [&'static str] {
    match usage {
        Usage::Encrypt => &["encrypt"],
        Usage::Decrypt => &["decrypt"],
        Usage::Sign | Usage::Mac => &["sign"],
        Usage::Verify | Usage::VerifyMac => &["verify"],
        Usage::Wrap | Usage::DataKey => &["wrapKey"],
        Usage::Unwrap => &["unwrapKey"],
        Usage::Derive | Usage::Agree => &["deriveKey", "deriveBits"],
        Usage::Encapsulate => &["encapsulateKey", "encapsulateBits", "wrapKey"],
        Usage::Decapsulate => &["decapsulateKey", "decapsulateBits", "unwrapKey"],
    }
}

/// The half that comes must be allowed what it is for; what the other half does, it may leave
/// unsaid (a private JWK usually says `sign`, and not `verify`).
fn check_key_ops(
    allowed: Option<&[Cow<'_, str>]>,
    intent: Intent,
    half: Half,
) -> Result<(), ExchangeError> {
    let Some(allowed) = allowed else {
        return Ok(());
    };
    let concerned = |usage: &Usage| {
        let of_public = super::PublicKey::USAGES.contains(*usage);
        !intent.algorithm.info().is_asymmetric() || of_public == (half == Half::Public)
    };
    let permits = |usage: Usage| {
        operations(usage)
            .iter()
            .any(|name| allowed.iter().any(|given| given == name))
    };
    if intent.usages.iter().filter(concerned).all(permits) {
        Ok(())
    } else {
        Err(ExchangeError::WrongPurpose { field: "key_ops" })
    }
}

fn member(text: Option<&str>, name: &'static str) -> Result<SecretBytes, ExchangeError> {
    let missing = match name {
        "k" => "the member k is missing",
        "n" | "e" => "a member of the modulus or exponent is missing",
        "x" | "y" | "pub" => "a member of the public key is missing",
        "d" | "priv" => "the private member is missing",
        _ => "an RSA JWK needs n, e, d, p, q, dp, dq and qi",
    };
    let text = text.ok_or(malformed(missing))?;
    let mut bytes = SecretBytes::zeroed(base64::decoded_len_estimate(text.len()));
    let length = URL_SAFE_NO_PAD
        .decode_slice(text, bytes.expose_mut())
        .map_err(|_| malformed("a member is not base64url without padding"))?;
    bytes.shorten(length);
    Ok(bytes)
}

/// A number without leading zeros.
fn number(text: Option<&str>, name: &'static str) -> Result<Vec<u8>, ExchangeError> {
    let bytes = member(text, name)?;
    let zeros = bytes.expose().iter().take_while(|byte| **byte == 0).count();
    Ok(bytes.expose().get(zeros..).unwrap_or_default().to_vec())
}

fn point(curve: &Curve, jwk: &Jwk<'_>) -> Result<Vec<u8>, ExchangeError> {
    let (x, y) = (member(jwk.x, "x")?, member(jwk.y, "y")?);
    if x.len() != curve.bytes || y.len() != curve.bytes {
        return Err(malformed("a coordinate has not the curve's length"));
    }
    Ok([&[4], x.expose(), y.expose()].concat())
}

fn read_rsa(jwk: &Jwk<'_>) -> Result<Parts, ExchangeError> {
    if jwk.oth.is_some() {
        return Err(ExchangeError::MultiPrime);
    }
    let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let given = [jwk.n, jwk.e, jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi];
    let mut numbers = Vec::with_capacity(8);
    for (text, name) in given.into_iter().zip(names) {
        numbers.push(member(text, name)?);
    }
    let uint = |index: usize| {
        let bytes = numbers.get(index).map(SecretBytes::expose);
        UintRef::new(bytes.unwrap_or_default()).map_err(|_| malformed("a number is too long"))
    };
    let key = RsaPrivateKeyRef {
        modulus: uint(0)?,
        public_exponent: uint(1)?,
        private_exponent: uint(2)?,
        prime1: uint(3)?,
        prime2: uint(4)?,
        exponent1: uint(5)?,
        exponent2: uint(6)?,
        coefficient: uint(7)?,
        other_prime_infos: None,
    };
    let der = key
        .to_der()
        .map_err(|_| malformed("a number is too long"))?;
    Ok(Parts::Rsa(SecretBytes::new(der)))
}

pub(super) fn write_public(
    algorithm: Algorithm,
    parts: &PublicParts,
    usages: UsageSet,
    kid: &str,
) -> Value {
    let encoded = |bytes: &[u8]| Value::String(URL_SAFE_NO_PAD.encode(bytes));
    let mut jwk = Map::new();
    jwk.insert("kid".to_owned(), json!(kid));
    jwk.insert(
        "use".to_owned(),
        json!(if signs(usages) { "sig" } else { "enc" }),
    );
    // RSA keys serve several algorithms of JOSE; which, the holder of the private key decides.
    if let ([only, ..], false) = (
        jose_algorithms(algorithm),
        matches!(kind(algorithm), Kind::Rsa),
    ) {
        jwk.insert("alg".to_owned(), json!(only));
    }
    let mut put = |name: &str, value: Value| jwk.insert(name.to_owned(), value);
    match (kind(algorithm), parts) {
        (_, PublicParts::Rsa { modulus, exponent }) => {
            put("kty", json!("RSA"));
            put("n", encoded(modulus));
            put("e", encoded(exponent));
        }
        (Kind::Curve(curve), PublicParts::Bits(point)) => {
            let (x, y) = coordinates(curve, point);
            put("kty", json!("EC"));
            put("crv", json!(curve.jwk));
            put("x", encoded(x));
            put("y", encoded(y));
        }
        (Kind::Okp(okp), PublicParts::Bits(bits)) => {
            put("kty", json!("OKP"));
            put("crv", json!(okp.jwk));
            put("x", encoded(bits));
        }
        (_, PublicParts::Bits(bits)) => {
            put("kty", json!("AKP"));
            put("pub", encoded(bits));
        }
    }
    Value::Object(jwk)
}

fn coordinates<'a>(curve: &Curve, point: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    point
        .get(1..)
        .and_then(|both| both.split_at_checked(curve.bytes))
        .unwrap_or_default()
}

/// Room for the largest private JWK, so that the text is never moved while it holds secrets.
const TEXT_LENGTH_MAX: usize = 16 * 1024;

/// A JSON object of constant names and base64url, written in one piece.
struct Text(String);

impl Text {
    fn begin(kty: &str) -> Self {
        let mut text = String::with_capacity(TEXT_LENGTH_MAX);
        text.push_str("{\"kty\":\"");
        text.push_str(kty);
        text.push('"');
        Self(text)
    }

    fn name(&mut self, name: &str, value: &str) {
        for piece in [",\"", name, "\":\"", value, "\""] {
            self.0.push_str(piece);
        }
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        for piece in [",\"", name, "\":\""] {
            self.0.push_str(piece);
        }
        URL_SAFE_NO_PAD.encode_string(value, &mut self.0);
        self.0.push('"');
    }

    fn end(mut self) -> SecretBytes {
        self.0.push('}');
        debug_assert!(self.0.capacity() == TEXT_LENGTH_MAX, "the text was moved");
        SecretBytes::new(self.0.into_bytes())
    }
}

pub(super) fn write_private(
    algorithm: Algorithm,
    parts: &Parts,
    public: Option<&[u8]>,
) -> Result<SecretBytes, ExchangeError> {
    let public = public.map(key_bits).transpose()?.unwrap_or_default();
    let alg = jose_algorithms(algorithm).first();
    match (kind(algorithm), parts) {
        (_, Parts::Symmetric(bytes)) => {
            let mut text = Text::begin("oct");
            if let Some(alg) = alg {
                text.name("alg", alg);
            }
            text.bytes("k", bytes.expose());
            Ok(text.end())
        }
        (_, Parts::Rsa(der)) => write_rsa(der),
        (Kind::Curve(curve), Parts::Scalar { scalar, .. }) => {
            let (x, y) = coordinates(curve, public);
            let mut text = Text::begin("EC");
            text.name("crv", curve.jwk);
            text.bytes("x", x);
            text.bytes("y", y);
            text.bytes("d", scalar.expose());
            Ok(text.end())
        }
        (Kind::Okp(okp), Parts::Seed { seed, .. }) => {
            let mut text = Text::begin("OKP");
            text.name("crv", okp.jwk);
            text.bytes("x", public);
            text.bytes("d", seed.expose());
            Ok(text.end())
        }
        (Kind::MlKem(lattice) | Kind::MlDsa(lattice), Parts::Seed { seed, .. }) => {
            let mut text = Text::begin("AKP");
            text.name("alg", lattice.jwk);
            text.bytes("pub", public);
            text.bytes("priv", seed.expose());
            Ok(text.end())
        }
        (Kind::XWing, _) => Err(NO_JWK),
        _ => Err(ExchangeError::FormatUnsupported {
            algorithm,
            hint: "a JWK holds the seed, which is not kept; take pkcs8 or raw",
        }),
    }
}

fn write_rsa(der: &SecretBytes) -> Result<SecretBytes, ExchangeError> {
    let key = RsaPrivateKeyRef::from_der(der.expose())
        .map_err(|_| malformed("this is no RSAPrivateKey"))?;
    let mut text = Text::begin("RSA");
    for (name, number) in [
        ("n", key.modulus),
        ("e", key.public_exponent),
        ("d", key.private_exponent),
        ("p", key.prime1),
        ("q", key.prime2),
        ("dp", key.exponent1),
        ("dq", key.exponent2),
        ("qi", key.coefficient),
    ] {
        text.bytes(name, number.as_bytes());
    }
    Ok(text.end())
}
