//! What the corpus holds besides the vectors that can be made anew: ciphertexts of every algorithm,
//! material as records hold it, keys wrapped for import, and what must be refused. Made once
//! (`corpus/README.md`), opened by every release.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use keyward_crypto::digest::Hash;
use keyward_crypto::exchange::{
    IMPORT_INFO, Intent, KeyFormat, Recipient, WrapMethod, WrappingKey, import_binding,
    read_private, write_private,
};
use keyward_crypto::keywrap::Kek;
use keyward_crypto::record::{self, KekRef, RecordError, RecordKind, RecordLabel};
use keyward_crypto::sharing::{Share, ShareSet};
use keyward_crypto::{
    Algorithm, CryptoError, KeyMaterial, MessageContext, PreparedKey, SecretBytes, SystemRandom,
    Usage,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{hex, pairs, to_hex};

const KEY_ID: Uuid = Uuid::from_u128(0x0192_f0c1_2345_7abc_8def_0123_4567_89ab);
const MESSAGE: &[u8] = b"blood type 0+";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus")
        .join(name)
}

/// What a file of the corpus says; made first if it is not there and files may be added.
fn corpus(name: &str, make: impl FnOnce() -> Value) -> Value {
    let may = std::env::var_os("KEYWARD_CORPUS").is_some_and(|what| what == "add");
    let path = file(name);
    if may && !path.exists() {
        let text = serde_json::to_string_pretty(&make()).unwrap() + "\n";
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; see corpus/README.md", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} is missing in {case}"))
}

fn bytes(case: &Value, name: &str) -> Vec<u8> {
    hex(text(case, name))
}

fn list(found: &Value) -> &[Value] {
    found.as_array().unwrap()
}

fn version(case: &Value, name: &str) -> u32 {
    u32::try_from(case[name].as_u64().unwrap()).unwrap()
}

/// The name of an error, without what it says besides.
fn name_of(error: &impl std::fmt::Debug) -> String {
    let told = format!("{error:?}");
    let end = told.find(|c: char| !c.is_ascii_alphanumeric());
    told[..end.unwrap_or(told.len())].to_owned()
}

/// The same bytes with one bit of the byte at a place turned over.
fn flipped(from: &[u8], place: usize) -> String {
    let mut bytes = from.to_vec();
    bytes[place] ^= 1;
    to_hex(&bytes)
}

// --- material ------------------------------------------------------------------------------------

#[test]
fn material_of_every_algorithm_is_read() {
    let found = corpus("material/1/vectors.json", || {
        let cases: Vec<Value> = Algorithm::ALL
            .iter()
            .map(|algorithm| {
                let made = KeyMaterial::generate(*algorithm, &SystemRandom).unwrap();
                json!({
                    "algorithm": algorithm.name(),
                    "encoded": to_hex(made.encode().expose()),
                    "secret": to_hex(made.secret().expose()),
                    "public": made.public().map(to_hex),
                    "fingerprint": to_hex(&made.fingerprint()),
                })
            })
            .collect();
        json!({ "format": "material/1", "cases": cases })
    });
    let mut seen = BTreeSet::new();
    for case in list(&found["cases"]) {
        let algorithm: Algorithm = text(case, "algorithm").parse().unwrap();
        let encoded = SecretBytes::new(bytes(case, "encoded"));
        let read = KeyMaterial::decode(algorithm, &encoded).unwrap();
        assert_eq!(to_hex(read.secret().expose()), text(case, "secret"));
        assert_eq!(
            read.public().map(to_hex).as_deref(),
            case["public"].as_str()
        );
        assert_eq!(to_hex(&read.fingerprint()), text(case, "fingerprint"));
        // What is written today is what was written then.
        assert!(read.encode().ct_eq(encoded.expose()), "{algorithm}");
        seen.insert(algorithm.name());
    }
    let all: BTreeSet<&str> = Algorithm::ALL.iter().map(|it| it.name()).collect();
    assert_eq!(seen, all, "a later algorithm needs a file of its own");
}

// --- ciphertexts ---------------------------------------------------------------------------------

/// How a message of an algorithm is made: as data, or as a key.
fn is_made(key: &PreparedKey, wrapped: bool, oaep: Option<Hash>) -> Result<Vec<u8>, CryptoError> {
    let context = context_of(key.algorithm());
    let bound = MessageContext {
        key_id: KEY_ID,
        version: 7,
        context: &context,
    };
    match (wrapped, oaep) {
        (true, Some(oaep)) => key.wrap_key_with(Some(oaep), &bound, &[0x42; 32], &SystemRandom),
        (true, None) => key.wrap_key(&bound, &[0x42; 32], &SystemRandom),
        (false, Some(oaep)) => key.encrypt_with(Some(oaep), &bound, MESSAGE, &SystemRandom),
        (false, None) => key.encrypt(&bound, MESSAGE, &SystemRandom),
    }
}

/// AES-KW and AES-KWP authenticate no context.
fn context_of(algorithm: Algorithm) -> BTreeMap<String, String> {
    if algorithm.name().contains("-kw") {
        pairs(&[])
    } else {
        pairs(&[("purpose", "lab"), ("patient", "4711")])
    }
}

fn ciphertexts() -> Value {
    let mut cases = Vec::new();
    for &algorithm in Algorithm::ALL {
        let usages = algorithm.info().usages;
        for (usage, wrapped) in [(Usage::Encrypt, false), (Usage::Wrap, true)] {
            if !usages.contains(usage) {
                continue;
            }
            let material = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
            let key = PreparedKey::new(&material).unwrap();
            let hashes: &[Option<Hash>] = if algorithm.name().starts_with("rsa") {
                &[Some(Hash::Sha256), Some(Hash::Sha384), Some(Hash::Sha512)]
            } else {
                &[None]
            };
            for &oaep in hashes {
                let sealed = is_made(&key, wrapped, oaep).unwrap();
                cases.push(json!({
                    "algorithm": algorithm.name(),
                    "operation": if wrapped { "wrap" } else { "encrypt" },
                    "key": to_hex(material.secret().expose()),
                    "material": to_hex(material.encode().expose()),
                    "key_id": KEY_ID,
                    "version": 7,
                    "context": context_of(algorithm),
                    "plaintext": to_hex(if wrapped { &[0x42; 32] } else { MESSAGE }),
                    "sealed": to_hex(&sealed),
                    "refused": refused_ciphertexts(&key, wrapped, &sealed),
                }));
            }
        }
    }
    json!({ "format": "kw1", "cases": cases })
}

fn refused_ciphertexts(key: &PreparedKey, wrapped: bool, sealed: &[u8]) -> Vec<Value> {
    let last = sealed.len() - 1;
    let other_kind = [&[sealed[0] ^ 0x10][..], &sealed[1..]].concat();
    let wrong = [
        (
            "an unknown suite",
            to_hex(&[&[0xff][..], &sealed[1..]].concat()),
        ),
        ("data as a key, or a key as data", to_hex(&other_kind)),
        ("a bit behind the suite", flipped(sealed, 1)),
        ("a bit of the end", flipped(sealed, last)),
        ("the last byte missing", to_hex(&sealed[..last])),
        ("the suite alone", to_hex(&sealed[..1])),
    ];
    let refused = wrong.into_iter().map(|(what, sealed)| {
        let context = context_of(key.algorithm());
        let error = opened(key, wrapped, 7, &context, &hex(&sealed)).unwrap_err();
        json!({ "what": what, "sealed": sealed, "error": name_of(&error) })
    });
    refused.collect()
}

fn opened(
    key: &PreparedKey,
    wrapped: bool,
    version: u32,
    context: &BTreeMap<String, String>,
    sealed: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let bound = MessageContext {
        key_id: KEY_ID,
        version,
        context,
    };
    if wrapped {
        key.unwrap_key(&bound, sealed)
    } else {
        key.decrypt(&bound, sealed)
    }
}

#[test]
fn ciphertexts_of_every_algorithm_open_and_altered_ones_do_not() {
    let found = corpus("ciphertext/1/algorithms.json", ciphertexts);
    let mut seen = BTreeSet::new();
    for case in list(&found["cases"]) {
        let algorithm: Algorithm = text(case, "algorithm").parse().unwrap();
        let material = SecretBytes::new(bytes(case, "material"));
        let material = KeyMaterial::decode(algorithm, &material).unwrap();
        let key = PreparedKey::new(&material).unwrap();
        let wrapped = text(case, "operation") == "wrap";
        let context: BTreeMap<String, String> =
            serde_json::from_value(case["context"].clone()).unwrap();
        let sealed = bytes(case, "sealed");
        let version = version(case, "version");
        let got = opened(&key, wrapped, version, &context, &sealed).unwrap();
        assert_eq!(to_hex(got.expose()), text(case, "plaintext"), "{algorithm}");
        for refused in list(&case["refused"]) {
            let sealed = bytes(refused, "sealed");
            let error = opened(&key, wrapped, version, &context, &sealed).unwrap_err();
            assert_eq!(
                name_of(&error),
                text(refused, "error"),
                "{algorithm}: {refused}"
            );
        }
        // Key wrap (RFC 3394, RFC 5649) authenticates nothing but the key.
        if !algorithm.name().contains("-kw") {
            let another = pairs(&[("patient", "4712")]);
            assert!(opened(&key, wrapped, version, &another, &sealed).is_err());
            assert!(opened(&key, wrapped, version + 1, &context, &sealed).is_err());
        }
        seen.insert((algorithm.name(), wrapped));
    }
    for &algorithm in Algorithm::ALL {
        for (usage, wrapped) in [(Usage::Encrypt, false), (Usage::Wrap, true)] {
            let is_used = algorithm.info().usages.contains(usage);
            assert_eq!(
                is_used,
                seen.contains(&(algorithm.name(), wrapped)),
                "{algorithm}"
            );
        }
    }
}

// --- records -------------------------------------------------------------------------------------

/// What a reader of a record is given.
struct Given {
    outer: Vec<u8>,
    core: Vec<u8>,
    kek: Vec<u8>,
    label: RecordLabel,
    digest: Vec<u8>,
}

impl Given {
    /// From the vectors, with what a case has in another way.
    fn of(vectors: &Value, case: &Value) -> Self {
        let field = |name: &str| if case[name].is_null() { vectors } else { case };
        let id = |name: &str| text(field(name), name).parse().unwrap();
        Self {
            outer: bytes(field("outer"), "outer"),
            core: bytes(field("core"), "core"),
            kek: bytes(field("kek"), "kek"),
            label: RecordLabel {
                kind: RecordKind::KeyMaterial,
                record_id: id("record_id"),
                tenant: id("tenant"),
                key_id: id("key_id"),
                version: version(field("version"), "version"),
                algorithm: text(field("algorithm"), "algorithm").to_owned(),
                usage: version(field("usage"), "usage"),
            },
            digest: bytes(field("core_digest"), "core_digest"),
        }
    }

    fn open(&self) -> Result<Vec<u8>, RecordError> {
        let kek = Kek::from_secret(&SecretBytes::copy_from(&self.kek)).unwrap();
        let digest: [u8; 32] = self.digest[..].try_into().unwrap();
        record::open(&self.outer, &self.core, &kek, &self.label, Some(&digest))
            .map(|opened| opened.payload.expose().to_vec())
    }
}

/// What is wrong, where: each kind of damage, swap and replay.
fn wrong_records(vectors: &Value) -> Vec<Value> {
    let (outer, core) = (bytes(vectors, "outer"), bytes(vectors, "core"));
    let core_at = |what: &str, place: usize| json!({ "what": what, "core": flipped(&core, place) });
    let outer_at =
        |what: &str, place: usize| json!({ "what": what, "outer": flipped(&outer, place) });
    let other = "99999999-9999-7999-8999-999999999999";
    let longer = |bytes: &[u8]| to_hex(&[bytes, &[0]].concat());
    let another = another_record(vectors);
    vec![
        core_at("the core's magic", 0),
        core_at("a later format", 4),
        core_at("an unknown suite", 5),
        core_at("the reserved byte", 7),
        core_at("the commitment", 64),
        core_at("the sealed metadata", 125),
        core_at("the chunk", core.len() - 20),
        core_at("the chunk's tag", core.len() - 1),
        json!({ "what": "the last byte is missing", "core": to_hex(&core[..core.len() - 1]) }),
        json!({ "what": "the chunk is missing", "core": to_hex(&core[..core.len() - 48]) }),
        json!({ "what": "a byte behind the end", "core": longer(&core) }),
        json!({ "what": "half a header", "core": to_hex(&core[..60]) }),
        outer_at("the outer header's magic", 0),
        outer_at("a later format of the outer header", 4),
        outer_at("an unknown suite of the outer header", 5),
        outer_at("the KEK's id", 6),
        outer_at("the wrap's salt", 26),
        outer_at("the wrap's commitment", 58),
        outer_at("the wrapped record key", 90),
        json!({ "what": "an outer header cut short", "outer": to_hex(&outer[..137]) }),
        json!({ "what": "a byte behind the outer header", "outer": longer(&outer) }),
        json!({ "what": "another KEK", "kek": to_hex(&[7; 32]) }),
        json!({ "what": "in another's place", "record_id": other }),
        json!({ "what": "of another tenant", "tenant": other }),
        json!({ "what": "of another key", "key_id": other }),
        json!({ "what": "of another version", "version": 8 }),
        json!({ "what": "of another algorithm", "algorithm": "aes-256-gcm" }),
        json!({ "what": "for other usages", "usage": 1 }),
        json!({ "what": "another's outer header", "outer": another["outer"] }),
        json!({ "what": "another's core", "core": another["core"] }),
        // Genuine, with the same label: what was there before.
        json!({ "what": "an older one put back", "outer": another["outer"], "core": another["core"] }),
    ]
}

/// Another genuine record with the same label under the same KEK.
fn another_record(vectors: &Value) -> Value {
    let given = Given::of(vectors, &Value::Null);
    let kek = Kek::from_secret(&SecretBytes::copy_from(&given.kek)).unwrap();
    let named = KekRef {
        id: text(vectors, "kek_id").parse().unwrap(),
        version: version(vectors, "kek_version"),
    };
    let sealed = record::seal(
        &given.label,
        b"made before",
        b"old",
        &kek,
        named,
        &SystemRandom,
    );
    let sealed = sealed.unwrap();
    json!({ "outer": to_hex(&sealed.outer), "core": to_hex(&sealed.core) })
}

#[test]
fn i08_records_that_the_corpus_says_are_wrong_are_refused_by_name() {
    let vectors = corpus("record/1/vectors.json", || panic!("made by vectors.rs"));
    let found = corpus("record/1/refused.json", || {
        let mut cases = wrong_records(&vectors);
        for case in &mut cases {
            let error = Given::of(&vectors, case).open().unwrap_err();
            case["error"] = name_of(&error).into();
        }
        json!({ "format": "KWR1", "differs_from": "vectors.json", "refused": cases })
    });
    assert!(Given::of(&vectors, &Value::Null).open().is_ok());
    let refused = list(&found["refused"]);
    for case in refused {
        let error = Given::of(&vectors, case).open().unwrap_err();
        assert_eq!(name_of(&error), text(case, "error"), "{}", case["what"]);
    }
    assert!(refused.len() > 30);
    let named: BTreeSet<&str> = refused.iter().map(|case| text(case, "error")).collect();
    for name in [
        "Altered",
        "Replayed",
        "WrongRecord",
        "WrongKek",
        "Truncated",
        "TrailingData",
    ] {
        assert!(named.contains(name), "nothing shows {name}");
    }
}

// --- shares --------------------------------------------------------------------------------------

/// The first thing that is wrong with a set and shares of it.
fn combined(set: &[u8], shares: &[Value]) -> Result<SecretBytes, String> {
    let set = ShareSet::from_bytes(set).map_err(|error| name_of(&error))?;
    let mut read = Vec::new();
    for share in shares {
        let share = Share::from_text(share.as_str().unwrap());
        read.push(share.map_err(|error| name_of(&error))?);
    }
    set.combine(&read).map_err(|error| name_of(&error))
}

/// A share's text with bytes changed and a checksum that fits again: what a forger gives.
fn forged(share: &str, change: impl FnOnce(&mut [u8])) -> String {
    let data = share.strip_prefix("kwshare1-").unwrap().to_uppercase();
    let mut data = data_encoding::BASE32_NOPAD.decode(data.as_bytes()).unwrap();
    change(&mut data[..50]);
    let sum = crc32(&[b"kwshare1-", &data[..50]].concat());
    data[50..].copy_from_slice(&sum.to_be_bytes());
    let text = data_encoding::BASE32_NOPAD.encode(&data).to_lowercase();
    format!("kwshare1-{text}")
}

/// IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 {
            (crc >> 1) ^ 0xEDB8_8320
        } else {
            crc >> 1
        }
    };
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn i11_shares_that_the_corpus_says_are_wrong_are_refused_by_name() {
    let vectors = corpus("share/1/vectors.json", || panic!("made by vectors.rs"));
    let set = bytes(&vectors, "set");
    let share = |index: usize| list(&vectors["shares"])[index].as_str().unwrap().to_owned();
    let found = corpus("share/1/refused.json", || {
        let typo = share(0).replace("kwshare1-aia", "kwshare1-aib");
        let with = |first: String| json!([first, share(1)]);
        let mut cases = vec![
            json!({ "what": "one of two", "shares": [share(0)] }),
            json!({ "what": "one of them twice", "shares": [share(0), share(0)] }),
            json!({ "what": "a letter mistyped", "shares": with(typo) }),
            json!({ "what": "capitals", "shares": with(share(0).to_uppercase()) }),
            json!({ "what": "cut short", "shares": with(share(0)[..90].to_owned()) }),
            json!({ "what": "another value", "shares": with(forged(&share(0), |it| it[40] ^= 1)) }),
            json!({ "what": "another index", "shares": with(forged(&share(0), |it| it[1] = 3)) }),
            json!({ "what": "of another set", "shares": with(forged(&share(0), |it| it[2] ^= 1)) }),
            json!({ "what": "the set's magic", "set": flipped(&set, 0) }),
            json!({ "what": "a later format of the set", "set": flipped(&set, 4) }),
            json!({ "what": "another threshold", "set": flipped(&set, 5) }),
            json!({ "what": "another set id", "set": flipped(&set, 7) }),
            json!({ "what": "a commitment that is no point", "set": flipped(&set, 23) }),
            json!({ "what": "the set cut short", "set": to_hex(&set[..set.len() - 1]) }),
        ];
        for case in &mut cases {
            let Err(error) = wrong(&vectors, case) else {
                panic!("{} is not wrong", case["what"]);
            };
            case["error"] = error.into();
        }
        json!({ "format": "kwshare1", "differs_from": "vectors.json", "refused": cases })
    });
    for case in list(&found["refused"]) {
        let error = wrong(&vectors, case).err();
        assert_eq!(error.as_deref(), case["error"].as_str(), "{}", case["what"]);
    }
}

fn wrong(vectors: &Value, case: &Value) -> Result<SecretBytes, String> {
    let from = |name: &str| if case[name].is_null() { vectors } else { case };
    combined(&bytes(from("set"), "set"), list(&from("shares")["shares"]))
}

// --- keys on their way ---------------------------------------------------------------------------

const TRAVELLERS: [(Algorithm, KeyFormat); 7] = [
    (Algorithm::Aes256GcmCommit, KeyFormat::Raw),
    (Algorithm::Aes256GcmCommit, KeyFormat::Jwk),
    (Algorithm::Ed25519, KeyFormat::Raw),
    (Algorithm::Ed25519, KeyFormat::Pkcs8),
    (Algorithm::EcdsaP256, KeyFormat::Jwk),
    (Algorithm::Rsa2048, KeyFormat::Pkcs8),
    (Algorithm::MlDsa65, KeyFormat::Pkcs8),
];

fn imports() -> Value {
    let mut keys = Vec::new();
    for &method in WrapMethod::ALL {
        let key = WrappingKey::generate(method, &SystemRandom).unwrap();
        let binding = import_binding(KEY_ID);
        let recipient = Recipient::read(method, key.public()).unwrap();
        let mut cases = Vec::new();
        for (algorithm, format) in TRAVELLERS {
            let material = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
            let container = write_private(&material, format).unwrap();
            let wrapped =
                recipient.wrap(IMPORT_INFO, binding.as_bytes(), &container, &SystemRandom);
            let wrapped = wrapped.unwrap();
            cases.push(json!({
                "algorithm": algorithm.name(),
                "container_format": format.name(),
                "container": to_hex(container.expose()),
                "wrapped": to_hex(&wrapped),
                "fingerprint": to_hex(&material.fingerprint()),
                "refused": [
                    { "what": "a bit of the beginning", "wrapped": flipped(&wrapped, 0) },
                    { "what": "a bit of the end", "wrapped": flipped(&wrapped, wrapped.len() - 1) },
                    { "what": "cut short", "wrapped": to_hex(&wrapped[..wrapped.len() - 1]) },
                ],
            }));
        }
        keys.push(json!({
            "method": method.name(),
            "encoded": to_hex(key.encode().expose()),
            "private_pem": String::from_utf8(key.private_pem().unwrap().expose().to_vec()).unwrap(),
            "public": to_hex(key.public()),
            "info": String::from_utf8(IMPORT_INFO.to_vec()).unwrap(),
            "binding": binding,
            "cases": cases,
        }));
    }
    json!({ "format": "import/1", "keys": keys })
}

#[test]
fn keys_that_were_wrapped_for_import_come_in() {
    let found = corpus("import/1/vectors.json", imports);
    let keys = list(&found["keys"]);
    assert_eq!(keys.len(), WrapMethod::ALL.len());
    for key in keys {
        let decoded = WrappingKey::decode(&SecretBytes::new(bytes(key, "encoded"))).unwrap();
        let read = WrappingKey::read_private(text(key, "private_pem").as_bytes()).unwrap();
        assert_eq!(to_hex(decoded.public()), text(key, "public"));
        assert_eq!(decoded.public(), read.public());
        let (info, binding) = (text(key, "info"), text(key, "binding"));
        let open = |wrapped: &[u8]| decoded.open(info.as_bytes(), binding.as_bytes(), wrapped);
        for case in list(&key["cases"]) {
            let container = open(&bytes(case, "wrapped")).unwrap();
            assert_eq!(to_hex(container.expose()), text(case, "container"));
            let algorithm: Algorithm = text(case, "algorithm").parse().unwrap();
            let format: KeyFormat = text(case, "container_format").parse().unwrap();
            let intent = Intent {
                algorithm,
                usages: keyward_crypto::algorithm::default_usages(algorithm),
            };
            let material = read_private(intent, format, &container).unwrap();
            assert_eq!(to_hex(&material.fingerprint()), text(case, "fingerprint"));
            for refused in list(&case["refused"]) {
                assert!(
                    open(&bytes(refused, "wrapped")).is_err(),
                    "{}",
                    refused["what"]
                );
            }
        }
    }
}
