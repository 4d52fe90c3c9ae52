//! Nothing that the server writes or sends has an address: neither tiles, nor streams, nor what is standing
//! in its databases; and proofs hold when a person is erased.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use keyward_testkit::server::Api;
use serde_json::{Value, json};

use crate::stage::{Answered, has_all, launch, until, user, work};

const FROM: &str = "127.0.77.23";
const SEARCH: &str = "/v1/tenants/demo/audit/search?action=key.encrypt&limit=1";

fn holds(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // The server goes on: what is gone meanwhile has nothing in it.
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holds(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let is_in = bytes.windows(text.len()).any(|it| it == text.as_bytes());
            found.extend(is_in.then(|| path.display().to_string()));
        }
    }
    found
}

/// What the log says of the requests from there, as somebody sees it.
async fn addresses(api: &Api) -> Vec<String> {
    let path = "/v1/tenants/demo/audit/search?action=key.encrypt&limit=50";
    let found = api.get(path).await.ok();
    let items = found["items"].as_array().unwrap().iter();
    let address = |it: &Value| it["actor"]["address"].as_str().unwrap().to_owned();
    items.map(address).collect()
}

fn check(place: &Path, proof: &Value, key: &str) -> bool {
    let (receipt, entry) = (place.join("receipt"), place.join("entry"));
    std::fs::write(&receipt, proof["receipt"].as_str().unwrap()).unwrap();
    std::fs::write(&entry, proof["entry"].as_str().unwrap()).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(["audit", "check"])
        .arg(&receipt)
        .arg("--entry")
        .arg(&entry)
        .args(["--key", key])
        .status();
    run.unwrap().success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_tiles_and_streams_have_no_address_and_proofs_hold_when_somebody_is_erased() {
    let place = tempfile::tempdir().unwrap();
    let (data, file) = (place.path().join("data"), place.path().join("audit.jsonl"));
    let settings = [("KIND", "file"), ("PATH", file.to_str().unwrap())];
    let server = launch(&data, &settings).start().await;
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 77, 23));
    let api = user(&server).await.coming_from(from);
    let auditor = server.api.member("demo", "auditor", "auditor").await;
    let auditor = server.api.by(&auditor);
    let answered = Answered::default();
    // More than a tile.
    work(&api, 0, 320, &answered).await;
    let sent = || std::fs::read_to_string(&file).unwrap_or_default();
    until("the stream", || async { has_all(&answered, &sent()).await }).await;
    let tile = data.join("audit/log");
    until("a tile", || async { !holds(&tile, "r0-").is_empty() }).await;
    assert!(
        sent().contains(r#""address":"p:"#),
        "the stream has pseudonyms"
    );
    assert_eq!(holds(place.path(), FROM), [""; 0]);

    assert!(addresses(&auditor).await.iter().all(|it| it == FROM));
    until("what is signed", || async {
        let newest = auditor.get(SEARCH).await.ok();
        let sequence = newest["items"][0]["sequence"].as_u64();
        let receipt = format!("/v1/tenants/demo/audit/receipts/{}", sequence.unwrap_or(0));
        sequence.is_some() && auditor.get(&receipt).await.status == 200
    })
    .await;
    let found = server.api.get("/v1/audit/log/key").await.ok();
    let key = found["key"].as_str().unwrap().to_owned();
    let newest = auditor.get(SEARCH).await.ok();
    let sequence = newest["items"][0]["sequence"].as_u64().unwrap();
    let receipt = format!("/v1/tenants/demo/audit/receipts/{sequence}");
    let before = auditor.get(&receipt).await.ok();
    assert!(!before["entry"].as_str().unwrap().contains(FROM));
    assert!(check(place.path(), &before, &key));

    let manager = server.api.member("demo", "keeper", "tenant-admin").await;
    let manager = server.api.by(&manager);
    let subject = json!({"subject": "app"});
    let held = manager
        .post("/v1/tenants/demo/privacy/export", subject)
        .await;
    assert_eq!(held.ok()["addresses"][0]["address"], FROM);
    let path = "/v1/tenants/demo/principals/app/disable";
    manager.post(path, json!({})).await.ok();
    let wanted = json!({"subject": "app", "reason": "asked"});
    let done = manager
        .post("/v1/tenants/demo/privacy/erase", wanted)
        .await
        .ok();
    assert_eq!(
        (&done["addresses"], &done["destroyed"]),
        (&json!(1), &json!(true))
    );

    assert!(
        addresses(&auditor)
            .await
            .iter()
            .all(|it| it.starts_with("p:"))
    );
    let path = format!("/v1/tenants/demo/audit/search?address={FROM}");
    assert_eq!(auditor.get(&path).await.ok()["items"], json!([]));
    // What was proven is proven still, and the entry is what it was.
    assert!(check(place.path(), &before, &key));
    let after = auditor.get(&receipt).await.ok();
    assert_eq!(after["entry"], before["entry"]);
    assert!(check(place.path(), &after, &key));
    assert!(server.stop().await.success());
    assert_eq!(holds(place.path(), FROM), [""; 0]);
}
