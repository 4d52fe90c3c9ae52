//! The formats, byte for byte, for other implementations: `corpus/*/1/vectors.json`. This release
//! makes every file anew from its inputs and opens it; what a file says is refused is refused, under
//! the name that it gives; and the worked examples of `docs/formats/` must show its bytes.
//!
//! A file that is there is never written again (`corpus/README.md`). `KEYWARD_CORPUS=add` writes those
//! that are missing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keyward_crypto::envelope::Ciphertext;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::record::{self, KekRef, RecordKind, RecordLabel};
use keyward_crypto::sharing::{Share, ShareSet, split};
use keyward_crypto::{Algorithm, MessageContext, SecretBytes};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Scripted, Seeded, hex, pairs, prepared, to_hex};

const KEY_ID: Uuid = Uuid::from_u128(0x0192_f0c1_2345_7abc_8def_0123_4567_89ab);

/// `count` bytes counting up from `start`.
fn counting(start: u8, count: u8) -> Vec<u8> {
    (0..count)
        .map(|offset| start.wrapping_add(offset))
        .collect()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus")
        .join(name)
}

/// Writes a file that is not there, if files may be added.
fn add(name: &str, make: impl FnOnce() -> Value) {
    let may = std::env::var_os("KEYWARD_CORPUS").is_some_and(|what| what == "add");
    let path = file(name);
    if may && !path.exists() {
        let text = serde_json::to_string_pretty(&make()).unwrap() + "\n";
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Compares with the stored file.
fn check(name: &str, found: &Value) {
    let text = serde_json::to_string_pretty(found).unwrap() + "\n";
    add(name, || found.clone());
    assert_eq!(
        fs::read_to_string(file(name)).unwrap(),
        text,
        "{name} changed"
    );
}

/// Asserts that a page shows these bytes, whatever the line breaks and offsets between them.
fn check_page(page: &str, shown: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/formats")
        .join(page);
    let text: String = fs::read_to_string(path)
        .unwrap()
        .split_whitespace()
        .collect();
    for bytes in shown {
        assert!(text.contains(bytes), "{page} does not show {bytes}");
    }
}

fn ciphertext_case(
    algorithm: Algorithm,
    context: &BTreeMap<String, String>,
    plaintext: &[u8],
    wrapped: bool,
) -> Value {
    let secret = counting(0, 32);
    let random = counting(0x80, 32);
    let version = 7;
    let key = prepared(algorithm, &secret);
    let bound = MessageContext {
        key_id: KEY_ID,
        version,
        context,
    };
    let sealed = if wrapped {
        key.wrap_key(&bound, plaintext, &Scripted::new(&random))
            .unwrap()
    } else {
        key.encrypt(&bound, plaintext, &Scripted::new(&random))
            .unwrap()
    };
    let text = Ciphertext {
        key_id: KEY_ID,
        version,
        sealed: sealed.clone(),
    }
    .to_string();
    let drawn = match algorithm {
        Algorithm::Aes256GcmCommit => &random[..],
        Algorithm::Aes256Kwp => &[],
        _ => &random[..12],
    };
    json!({
        "algorithm": algorithm.name(),
        "operation": if wrapped { "wrap" } else { "encrypt" },
        "key": to_hex(&secret),
        "key_id": KEY_ID,
        "version": version,
        "context": context,
        "random": to_hex(drawn),
        "plaintext": to_hex(plaintext),
        "sealed": to_hex(&sealed),
        "text": text,
    })
}

#[test]
fn ciphertexts() {
    let none = pairs(&[]);
    let some = pairs(&[("purpose", "lab"), ("patient", "4711")]);
    let cases: Vec<Value> = [
        (
            Algorithm::Aes256GcmCommit,
            &some,
            &b"blood type 0+"[..],
            false,
        ),
        (Algorithm::Aes256GcmCommit, &none, b"", false),
        (Algorithm::Aes256GcmCommit, &none, &[0x42; 32], true),
        (Algorithm::Aes256Gcm, &some, b"blood type 0+", false),
        (Algorithm::ChaCha20Poly1305, &some, b"blood type 0+", false),
        (Algorithm::Aes256Kwp, &none, &[0x42; 32], true),
    ]
    .into_iter()
    .map(|(algorithm, context, plaintext, wrapped)| {
        ciphertext_case(algorithm, context, plaintext, wrapped)
    })
    .collect();
    check(
        "ciphertext/1/vectors.json",
        &json!({ "format": "kw1", "cases": cases }),
    );
    for case in &cases {
        open_ciphertext(case);
    }
    let shown = |name: &str| cases[0][name].as_str().unwrap();
    check_page(
        "ciphertext.md",
        &[
            shown("key"),
            shown("random"),
            shown("sealed"),
            shown("text"),
        ],
    );
}

/// Opens a case from nothing but its JSON.
fn open_ciphertext(case: &Value) {
    let text = |name: &str| case[name].as_str().unwrap();
    let key = prepared(text("algorithm").parse().unwrap(), &hex(text("key")));
    let parsed: Ciphertext = text("text").parse().unwrap();
    assert_eq!(
        (to_hex(&parsed.sealed), parsed.key_id),
        (text("sealed").to_owned(), KEY_ID)
    );
    let context: BTreeMap<String, String> =
        serde_json::from_value(case["context"].clone()).unwrap();
    let bound = MessageContext {
        key_id: parsed.key_id,
        version: parsed.version,
        context: &context,
    };
    let opened = match text("operation") {
        "wrap" => key.unwrap_key(&bound, &parsed.sealed).unwrap(),
        _ => key.decrypt(&bound, &parsed.sealed).unwrap(),
    };
    assert_eq!(to_hex(opened.expose()), text("plaintext"));
}

#[test]
fn records() {
    let label = RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: Uuid::from_u128(0x1111_1111_1111_7111_8111_1111_1111_1111),
        tenant: Uuid::from_u128(0x2222_2222_2222_7222_8222_2222_2222_2222),
        key_id: KEY_ID,
        version: 7,
        algorithm: "aes-256-gcm-commit".to_owned(),
        usage: 0x0143,
    };
    let kek_bytes = counting(0x20, 32);
    let kek = Kek::from_secret(&SecretBytes::copy_from(&kek_bytes)).unwrap();
    let kek_ref = KekRef {
        id: Uuid::from_u128(0x3333_3333_3333_7333_8333_3333_3333_3333),
        version: 2,
    };
    let random = [counting(0x40, 32), counting(0x60, 32)].concat();
    let (metadata, payload) = (
        &b"made 2030-01-02"[..],
        &b"thirty-two bytes of key material"[..],
    );
    let sealed = record::seal(
        &label,
        metadata,
        payload,
        &kek,
        kek_ref,
        &Scripted::new(&random),
    )
    .unwrap();
    let found = json!({
        "format": "KWR1",
        "record_id": label.record_id,
        "tenant": label.tenant,
        "key_id": label.key_id,
        "version": label.version,
        "algorithm": label.algorithm,
        "usage": label.usage,
        "kek": to_hex(&kek_bytes),
        "kek_id": kek_ref.id,
        "kek_version": kek_ref.version,
        "record_key": to_hex(&random[..32]),
        "wrap_salt": to_hex(&random[32..]),
        "metadata": to_hex(metadata),
        "payload": to_hex(payload),
        "outer": to_hex(&sealed.outer),
        "core": to_hex(&sealed.core),
        "core_digest": to_hex(&sealed.core_digest),
    });
    check("record/1/vectors.json", &found);
    let bytes = |name: &str| hex(found[name].as_str().unwrap());
    let opened = record::open(
        &bytes("outer"),
        &bytes("core"),
        &kek,
        &label,
        Some(&sealed.core_digest),
    )
    .unwrap();
    assert_eq!(
        (opened.payload.expose(), &opened.metadata[..]),
        (payload, metadata)
    );
    let shown = |name: &str| found[name].as_str().unwrap();
    check_page(
        "record.md",
        &["kek", "record_key", "wrap_salt", "core_digest"].map(shown),
    );
    check_page("record.md", &[shown("outer"), shown("core")]);
}

#[test]
fn shares() {
    let (key, set, shares) = split(2, 3, &Seeded::new(1)).unwrap();
    let texts: Vec<String> = shares
        .iter()
        .map(|share| share.to_text().to_string())
        .collect();
    let found = json!({
        "format": "kwshare1",
        "threshold": 2,
        "total": 3,
        "set": to_hex(&set.to_bytes()),
        "set_id": to_hex(&set.set_id()),
        "shares": texts,
        "sealing_key": to_hex(key.expose()),
    });
    check("share/1/vectors.json", &found);
    let read = ShareSet::from_bytes(&hex(found["set"].as_str().unwrap())).unwrap();
    let share = |index: usize| Share::from_text(found["shares"][index].as_str().unwrap()).unwrap();
    let combined = read.combine(&[share(2), share(0)]).unwrap();
    assert_eq!(
        to_hex(combined.expose()),
        found["sealing_key"].as_str().unwrap()
    );
    let shown = |name: &str| found[name].as_str().unwrap();
    check_page("share.md", &["set", "set_id", "sealing_key"].map(shown));
    check_page(
        "share.md",
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}
