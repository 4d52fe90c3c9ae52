//! What was made with keys, so that a later program can be asked to open it.

use std::collections::BTreeMap;

use keyward_core::caller::{Caller, TenantRef};
use keyward_core::crypto_types::{Algorithm, Kdf, SecretBytes, SignatureEncoding, Usage, UsageSet};
use keyward_core::names::{KeyName, SecretName};
use keyward_core::noun::action::Action;
use keyward_core::ops::key::{self, NewKey, RotateRequest};
use keyward_core::ops::secret::NewValue;
use keyward_core::ops::use_key::{self, DeriveHow, UseItem, UseResult};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::{Tenancy, World};
use serde_json::{Value, json};

use crate::{hex, text};

const MESSAGE: &[u8] = b"a message";
const WRAPPED: [u8; 32] = [7; 32];

/// Each way to use a key, and by which usage it is chosen.
const WAYS: [(&str, Usage); 7] = [
    ("encrypt", Usage::Encrypt),
    ("wrap", Usage::Wrap),
    ("sign", Usage::Sign),
    ("mac", Usage::Mac),
    ("derive", Usage::Derive),
    ("agree", Usage::Agree),
    ("encapsulate", Usage::Encapsulate),
];

fn context(algorithm: Algorithm) -> BTreeMap<String, String> {
    // Key wrap authenticates no context.
    if algorithm.name().contains("-kw") {
        return BTreeMap::new();
    }
    BTreeMap::from([("patient".to_owned(), "4711".to_owned())])
}

fn action_of(way: &str, makes: bool) -> Action {
    match (way, makes) {
        ("encrypt", true) => Action::KeyEncrypt,
        ("encrypt", false) => Action::KeyDecrypt,
        ("wrap", true) => Action::KeyWrap,
        ("wrap", false) => Action::KeyUnwrap,
        ("sign", true) => Action::KeySign,
        ("sign", false) => Action::KeyVerify,
        ("mac", true) => Action::KeyMac,
        ("mac", false) => Action::KeyVerifyMac,
        ("encapsulate", true) => Action::KeyEncapsulate,
        ("encapsulate", false) => Action::KeyDecapsulate,
        ("derive", _) => Action::KeyDerive,
        ("agree", _) => Action::KeyAgree,
        _ => panic!("no such way: {way}"),
    }
}

/// Somebody else's public key of the same curve.
fn peer(algorithm: Algorithm) -> Vec<u8> {
    if algorithm == Algorithm::X25519 {
        let mut peer = vec![0; 32];
        peer[0] = 9;
        return peer;
    }
    let made = keyward_crypto::KeyMaterial::generate(algorithm, &keyward_crypto::SystemRandom);
    made.unwrap().public().unwrap().to_vec()
}

fn making(way: &str, algorithm: Algorithm, peer: &[u8], version: Option<u32>) -> UseItem {
    let context = context(algorithm);
    let message = MESSAGE.to_vec();
    match way {
        "encrypt" => UseItem::Encrypt {
            plaintext: SecretBytes::new(message),
            context,
            oaep: None,
            version,
        },
        "wrap" => UseItem::Wrap {
            key: SecretBytes::new(WRAPPED.to_vec()),
            context,
            oaep: None,
            version,
        },
        "sign" => UseItem::Sign {
            message,
            prehashed: false,
            scheme: None,
            encoding: SignatureEncoding::Der,
            version,
        },
        "mac" => UseItem::Mac { message, version },
        "encapsulate" => UseItem::Encapsulate { version },
        "derive" => UseItem::Derive {
            how: DeriveHow {
                label: b"label".to_vec(),
                ..DeriveHow::default()
            },
            size_bytes: 32,
            version,
        },
        _ => UseItem::Agree {
            peer: peer.to_vec(),
            how: DeriveHow {
                kdf: Kdf::Hkdf,
                info: b"info".to_vec(),
                ..DeriveHow::default()
            },
            size_bytes: 32,
            with_raw: false,
            version,
        },
    }
}

async fn used(
    world: &World,
    by: &Caller,
    place: &TenantRef,
    key: &KeyRef,
    action: Action,
    item: UseItem,
) -> UseResult {
    let done = use_key::perform_one(&world.node, by, place, key, action, item).await;
    done.unwrap_or_else(|error| panic!("{action}: {error}"))
        .result
}

fn to_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Every way.
pub const ALL: [&str; 7] = [
    "encrypt",
    "wrap",
    "sign",
    "mac",
    "derive",
    "agree",
    "encapsulate",
];

/// A key for each way that an algorithm can be used, used by its first version and rotated since.
pub async fn make(
    world: &World,
    tenancy: &Tenancy,
    algorithms: &[Algorithm],
    ways: &[&str],
) -> Vec<Value> {
    let mut all = Vec::new();
    for &algorithm in algorithms {
        for (way, usage) in WAYS {
            if !ways.contains(&way) || !algorithm.info().usages.contains(usage) {
                continue;
            }
            let name = format!("{}-{way}", algorithm.name());
            let mut new = NewKey::named(KeyName::new(&name).unwrap());
            new.algorithm = algorithm;
            new.activate = true;
            new.usages = Some(usages_of(usage));
            let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
            let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
            let key = KeyRef::Id(made.value.key.id);
            let peer = if way == "agree" {
                peer(algorithm)
            } else {
                Vec::new()
            };
            let item = making(way, algorithm, &peer, None);
            let (user, place) = (&tenancy.user, &tenancy.place);
            let result = used(world, user, place, &key, action_of(way, true), item).await;
            let mut told = json!({
                "key": made.value.key.id.to_string(), "name": name, "algorithm": algorithm.name(),
                "way": way, "peer": to_hex(&peer),
            });
            let (made, gives) = match result {
                UseResult::Ciphertext(text) => (text, to_hex(MESSAGE)),
                UseResult::Wrapped(text) => (text, to_hex(&WRAPPED)),
                UseResult::Signature { text, .. } | UseResult::Mac { text, .. } => {
                    (text, String::new())
                }
                UseResult::Key(key) | UseResult::Agreed { key, .. } => {
                    (String::new(), to_hex(key.expose()))
                }
                UseResult::Encapsulated {
                    encapsulation,
                    secret,
                } => (encapsulation, to_hex(secret.expose())),
                _ => panic!("{name} made something else"),
            };
            told["made"] = made.into();
            told["gives"] = gives.into();
            let rotated = key::rotate(
                &world.node,
                &tenancy.operator,
                place,
                &key,
                RotateRequest::default(),
            );
            rotated.await.unwrap();
            all.push(told);
        }
    }
    all
}

fn usages_of(usage: Usage) -> UsageSet {
    let mut set = UsageSet::default();
    set.insert(usage);
    let process = match usage {
        Usage::Encrypt => Usage::Decrypt,
        Usage::Wrap => Usage::Unwrap,
        Usage::Sign => Usage::Verify,
        Usage::Mac => Usage::VerifyMac,
        Usage::Encapsulate => Usage::Decapsulate,
        other => other,
    };
    set.insert(process);
    set
}

/// Opens what [`make`] made and compares.
pub async fn open(world: &World, by: &Caller, place: &TenantRef, told: &Value) {
    let way = text(told, "way");
    let algorithm: Algorithm = text(told, "algorithm").parse().unwrap();
    let key = KeyRef::Id(text(told, "key").parse().unwrap());
    let made = text(told, "made").to_owned();
    let message = MESSAGE.to_vec();
    let context = context(algorithm);
    let item = match way {
        "encrypt" => UseItem::Decrypt {
            ciphertext: made,
            context,
        },
        "wrap" => UseItem::Unwrap {
            wrapped: made,
            context,
        },
        "sign" => UseItem::Verify {
            message,
            prehashed: false,
            scheme: None,
            encoding: SignatureEncoding::Der,
            signature: made,
            version: None,
        },
        "mac" => UseItem::VerifyMac {
            message,
            mac: made,
            version: None,
        },
        "encapsulate" => UseItem::Decapsulate {
            encapsulation: made,
        },
        _ => making(way, algorithm, &hex(told, "peer"), Some(1)),
    };
    let gives = hex(told, "gives");
    let name = text(told, "name");
    match used(world, by, place, &key, action_of(way, false), item).await {
        UseResult::Valid(valid) => assert!(valid, "{name}"),
        UseResult::Plaintext(opened) => assert!(opened.ct_eq(&gives), "{name}"),
        UseResult::Key(key) | UseResult::Agreed { key, .. } => assert!(key.ct_eq(&gives), "{name}"),
        _ => panic!("{name} gives something else"),
    }
}

/// A secret's value.
pub fn value(name: &str, bytes: &[u8]) -> NewValue {
    NewValue {
        name: SecretName::new(name).unwrap(),
        value: SecretBytes::copy_from(bytes),
        description: None,
        labels: None,
        keep: None,
        expected_version: None,
        if_match: None,
    }
}
