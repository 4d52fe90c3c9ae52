//! With Python's `cryptography`. It has no ML-KEM-512, and knows X-Wing only as a way to seal.

use serde_json::Value;

use crate::peer::Peer;
use crate::stage::{Stage, algorithms, decoded, export_info, import_info, is_symmetric};

const UNKNOWN: [&str; 2] = ["ml-kem-512", "x25519-ml-kem-768"];

/// A method for each case: the costly one (a fresh RSA key of 4,096 bits each time) where there
/// are fewest.
fn method(format: &str) -> &'static str {
    if format == "raw" {
        "rsa-oaep-256-aes-kwp"
    } else {
        "hpke-x-wing"
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_made_and_wrapped_by_python_come_in_as_the_same_keys() {
    let stage = Stage::open().await;
    let mut peer = Peer::start();
    let receiver = peer.receiver("hpke-x-wing");
    let mut taken = 0;
    for algorithm in algorithms(&UNKNOWN) {
        let made = peer.make(algorithm);
        for (format, data) in made["formats"].as_object().unwrap() {
            let what = format!("{algorithm}-{format}");
            let method = method(format);
            let under = stage.import_key(method).await;
            let wrapped = peer.wrap(method, &under["der"], &import_info(&under), data);
            let came = stage
                .import(&what, algorithm, &under, format, &wrapped)
                .await;
            assert!(came.status.is_success(), "{what}: {}", came.body);
            assert_eq!(came.body["origin"], "imported", "{what}");
            assert_eq!(came.body["primary"]["provenance"]["format"], *format);
            if is_symmetric(algorithm) {
                let gone = stage.export(&what, "hpke-x-wing", &receiver, "raw").await;
                let gone = gone.ok();
                let bytes = peer.unwrap("hpke-x-wing", &export_info(&gone), &gone["wrapped"]);
                assert_eq!(bytes, decoded(&made["bytes"]), "{what}");
            } else {
                assert_eq!(stage.public(&what).await, made["public"], "{what}");
            }
            taken += 1;
        }
    }
    println!(
        "{taken} keys in {} algorithms came in",
        algorithms(&UNKNOWN).len()
    );
    assert!(taken > 70, "{taken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_go_out_are_the_same_keys_to_python() {
    let stage = Stage::open().await;
    let mut peer = Peer::start();
    let mut opened = 0;
    for method in ["hpke-x-wing", "rsa-oaep-256-aes-kwp"] {
        let receiver = peer.receiver(method);
        for algorithm in algorithms(&UNKNOWN) {
            let name = format!("{algorithm}-{method}");
            stage.create(&name, algorithm).await;
            let mut seen: Vec<Value> = Vec::new();
            for format in ["raw", "pkcs8", "jwk"] {
                let gone = stage.export(&name, method, &receiver, format).await;
                if !gone.status.is_success() {
                    assert_eq!(gone.code(), "unsupported_algorithm", "{name} {format}");
                    continue;
                }
                let gone = gone.body;
                let key = peer.unwrap(method, &export_info(&gone), &gone["wrapped"]);
                // Python reads ML-KEM keys from their seeds only; ours are kept expanded, with the
                // public half inside (FIPS 203, algorithm 16).
                if algorithm.starts_with("ml-kem") {
                    let public = decoded(&stage.public(&name).await);
                    let public = &public[22..];
                    assert!(
                        key.windows(public.len()).any(|part| part == public),
                        "{name} {format}"
                    );
                } else {
                    seen.push(peer.read(algorithm, format, &key));
                }
                opened += 1;
            }
            if is_symmetric(algorithm) {
                assert_eq!(seen.len(), 2, "{name}");
            } else {
                let public = stage.public(&name).await;
                assert!(seen.iter().all(|seen| seen["public"] == public), "{name}");
            }
            assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
        }
    }
    println!(
        "{opened} keys in {} algorithms went out",
        algorithms(&UNKNOWN).len()
    );
    assert!(opened > 140, "{opened}");
}
