//! With the `openssl` command, as docs/formats/import.md shows it. Version 3.0 knows no lattices.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::stage::{Stage, decoded};

/// How each algorithm's keys are made.
const MADE: [(&str, &[&str]); 13] = [
    (
        "rsa-2048",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
    (
        "rsa-3072",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    ),
    (
        "rsa-4096",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    ),
    (
        "ecdsa-p256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "ecdsa-p384",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
    (
        "ecdsa-p521",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ),
    (
        "ecdsa-secp256k1",
        &[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:secp256k1",
        ],
    ),
    (
        "ecdh-p256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "ecdh-p384",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
    (
        "ecdh-p521",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ),
    ("ed25519", &["-algorithm", "ED25519"]),
    ("x25519", &["-algorithm", "X25519"]),
    ("aes-256-gcm-commit", &[]),
];
const METHOD: &str = "rsa-oaep-256-aes-kwp";
const OAEP: [&str; 6] = [
    "-pkeyopt",
    "rsa_padding_mode:oaep",
    "-pkeyopt",
    "rsa_oaep_md:sha256",
    "-pkeyopt",
    "rsa_mgf1_md:sha256",
];

fn openssl(arguments: &[&str]) {
    let ended = Command::new("openssl").args(arguments).output();
    let ended = ended.expect("openssl is missing: apt-get install openssl");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "openssl {arguments:?}: {errors}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Wraps a file to a public key, in the layout of `CKM_RSA_AES_KEY_WRAP`.
fn wrap(stage: &Stage, pem: &str, key: &Path) -> Value {
    let [public, ephemeral, head, tail] =
        ["to.pem", "ephemeral", "head", "tail"].map(|name| stage.file(name));
    std::fs::write(&public, pem).unwrap();
    openssl(&["rand", "-out", text(&ephemeral), "32"]);
    let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", text(&public)];
    let files = ["-in", text(&ephemeral), "-out", text(&head)];
    openssl(&[&encrypt[..], &files, &OAEP].concat());
    let kek = hex(&std::fs::read(&ephemeral).unwrap());
    let cipher = ["enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", &kek];
    openssl(&[&cipher[..], &["-in", text(key), "-out", text(&tail)]].concat());
    let whole = [std::fs::read(head).unwrap(), std::fs::read(tail).unwrap()].concat();
    json!(STANDARD.encode(whole))
}

/// Opens what was wrapped to a private key of 3,072 bits.
fn unwrap(stage: &Stage, private: &Path, wrapped: &Value) -> Vec<u8> {
    let [head, tail, ephemeral, key] =
        ["head", "tail", "ephemeral", "opened"].map(|name| stage.file(name));
    let wrapped = decoded(wrapped);
    std::fs::write(&head, &wrapped[..384]).unwrap();
    std::fs::write(&tail, &wrapped[384..]).unwrap();
    let decrypt = ["pkeyutl", "-decrypt", "-inkey", text(private)];
    let files = ["-in", text(&head), "-out", text(&ephemeral)];
    openssl(&[&decrypt[..], &files, &OAEP].concat());
    let kek = hex(&std::fs::read(&ephemeral).unwrap());
    let cipher = [
        "enc",
        "-d",
        "-id-aes256-wrap-pad",
        "-iv",
        "A65959A6",
        "-K",
        &kek,
    ];
    openssl(&[&cipher[..], &["-in", text(&tail), "-out", text(&key)]].concat());
    std::fs::read(key).unwrap()
}

/// The public half of a private key, as DER.
fn public_of(stage: &Stage, private: &Path) -> Vec<u8> {
    let public = stage.file("public.der");
    let what = ["pkey", "-pubout", "-outform", "DER", "-in", text(private)];
    openssl(&[&what[..], &["-out", text(&public)]].concat());
    std::fs::read(public).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_made_and_wrapped_by_openssl_come_in_and_go_back_as_the_same_keys() {
    let stage = Stage::open().await;
    let receiver = stage.file("receiver.pem");
    let rsa = [
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:3072",
    ];
    openssl(&[&rsa[..], &["-out", text(&receiver)]].concat());
    let recipient = json!(STANDARD.encode(public_of(&stage, &receiver)));
    for (algorithm, how) in MADE {
        let key = stage.file("key");
        let format = if how.is_empty() {
            openssl(&["rand", "-out", text(&key), "32"]);
            "raw"
        } else {
            let pem = stage.file("key.pem");
            openssl(&[&["genpkey"][..], how, &["-out", text(&pem)]].concat());
            // `genpkey -outform DER` writes an older container.
            let pkcs8 = ["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"];
            openssl(&[&pkcs8[..], &["-in", text(&pem), "-out", text(&key)]].concat());
            "pkcs8"
        };
        let original = std::fs::read(&key).unwrap();
        let under = stage.import_key(METHOD).await;
        let wrapped = wrap(&stage, under["pem"].as_str().unwrap(), &key);
        let came = stage
            .import(algorithm, algorithm, &under, format, &wrapped)
            .await;
        assert!(came.status.is_success(), "{algorithm}: {}", came.body);

        let gone = stage.export(algorithm, METHOD, &recipient, format).await;
        let opened = unwrap(&stage, &receiver, &gone.ok()["wrapped"]);
        if format == "raw" {
            assert_eq!(opened, original);
            continue;
        }
        let public = public_of(&stage, &key);
        assert_eq!(
            decoded(&stage.public(algorithm).await),
            public,
            "{algorithm}"
        );
        let back = stage.file("back");
        std::fs::write(&back, opened).unwrap();
        assert_eq!(public_of(&stage, &back), public, "{algorithm}");
    }
}

/// The public key that we show as PEM and as an SSH line is read by those who own the formats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_keys_are_read_by_openssl_and_ssh_keygen() {
    let stage = Stage::open().await;
    for (algorithm, how) in MADE {
        if how.is_empty() {
            continue;
        }
        stage.create(algorithm, algorithm).await;
        let path = format!("{}/{algorithm}/public-key", crate::stage::KEYS);
        let shown = stage.api().get(&path).await.ok();
        let pem = stage.file("public.pem");
        std::fs::write(&pem, shown["pem"].as_str().unwrap()).unwrap();
        openssl(&["pkey", "-pubin", "-in", text(&pem), "-noout"]);
        let Some(line) = shown["ssh"].as_str() else {
            assert!(
                algorithm == "x25519" || algorithm == "ecdsa-secp256k1",
                "{algorithm}"
            );
            continue;
        };
        let ssh = stage.file("key.pub");
        std::fs::write(&ssh, line).unwrap();
        // Turned back into PEM by OpenSSH where it can: the same key.
        let fingerprint = Command::new("ssh-keygen")
            .args(["-l", "-f"])
            .arg(&ssh)
            .output();
        let fingerprint =
            fingerprint.expect("ssh-keygen is missing: apt-get install openssh-client");
        assert!(fingerprint.status.success(), "{algorithm}: {line}");
        if algorithm != "ed25519" {
            let back = Command::new("ssh-keygen")
                .args(["-e", "-m", "PKCS8", "-f"])
                .arg(&ssh)
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8(back.stdout).unwrap(),
                shown["pem"].as_str().unwrap(),
                "{algorithm}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsa_keys_of_three_primes_are_refused_by_name() {
    let stage = Stage::open().await;
    let [pem, key] = ["three.pem", "three.der"].map(|name| stage.file(name));
    openssl(&["genrsa", "-primes", "3", "-out", text(&pem), "2048"]);
    let pkcs8 = ["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"];
    openssl(&[&pkcs8[..], &["-in", text(&pem), "-out", text(&key)]].concat());
    let under = stage.import_key(METHOD).await;
    let wrapped = wrap(&stage, under["pem"].as_str().unwrap(), &key);
    let refused = stage
        .import("three", "rsa-2048", &under, "pkcs8", &wrapped)
        .await;
    assert_eq!(refused.status.as_u16(), 400);
    assert_eq!(refused.code(), "invalid_key_material");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("more than two primes"), "{detail}");
    let three = format!("{}/three", crate::stage::KEYS);
    assert_eq!(stage.api().get(&three).await.status.as_u16(), 404);
}
