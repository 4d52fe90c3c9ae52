//! The real binary in hard times: a full disk, enormous bodies, a second process, a newer data
//! directory, a clock that jumps. Refused by name, nothing changed, and well again by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keyward_testkit::server::{Api, Launch};
use reqwest::Method;
use serde_json::{Value, json};

const ENCRYPT: &str = "/v1/tenants/demo/keys/patient-records/encrypt";

/// A small file system of its own, gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(place: &Path, size: &str) -> Self {
        std::fs::create_dir_all(place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(place)
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "this test mounts a small tmpfs: run the tests as root, or in `unshare --map-root-user --mount`"
        );
        Self(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is just being killed may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn encrypt(api: &Api) -> (u16, Value) {
    let body = json!({"plaintext": "dGV4dA=="});
    let answer = api.post(ENCRYPT, body).await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_full_disk_refuses_operations_by_name_and_recovers_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let disk = SmallDisk::new(&place.path().join("disk"), "24m");
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &disk.0.join("data"))
        .with("KEYWARD_LOG_LEVEL", "error");
    let server = launch.start().await;
    let before = encrypt(&server.api).await;
    assert_eq!(before.0, 200, "{}", before.1);

    // Somebody else fills the disk to the last byte.
    let ballast = disk.0.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    let chunk = vec![1_u8; 1 << 16];
    while file.write_all(&chunk).is_ok() {}
    while file.write_all(&[1]).is_ok() {}
    drop(file);

    // What the journal had set aside is used up first; then nothing more is promised.
    let mut refused = None;
    for _ in 0..20_000 {
        let (status, body) = encrypt(&server.api).await;
        if status != 200 {
            refused = Some((status, body));
            break;
        }
    }
    let (status, body) = refused.expect("a full disk is noticed");
    assert_eq!(
        (status, body["code"].as_str()),
        (503, Some("audit_unavailable")),
        "{body}"
    );
    let new = json!({"name": "made-on-a-full-disk"});
    let made = server.api.post("/v1/tenants/demo/keys", new.clone()).await;
    assert_eq!(made.status.as_u16(), 503, "{}", made.body);
    assert_eq!(server.api.get("/health/ready").await.status.as_u16(), 503);
    assert!(server.api.get("/health/live").await.status.is_success());

    // Space returns: so does the service, without anybody's help.
    std::fs::remove_file(&ballast).unwrap();
    let mut well = false;
    for _ in 0..2_000 {
        if encrypt(&server.api).await.0 == 200 {
            well = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // Asks again, as a client does.
    }
    assert!(well, "it recovers when space returns");
    let made = server.api.post("/v1/tenants/demo/keys", new).await;
    assert!(
        made.status.is_success(),
        "nothing was half-made: {}",
        made.body
    );
    server.kill().await;
    let server = launch.start().await;
    let key = server
        .api
        .get("/v1/tenants/demo/keys/made-on-a-full-disk")
        .await
        .ok();
    assert_eq!(key["state"], "pending");
    let entries = server.api.entries(0).await;
    for (entry, expected) in entries.iter().zip(1_u64..) {
        assert_eq!(entry["sequence"].as_u64(), Some(expected), "no gap");
    }
    server.kill().await;
}

fn raw(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_mins(2)))
        .unwrap();
    stream
}

fn head(api: &Api, more: &str) -> String {
    format!(
        "POST {ENCRYPT} HTTP/1.1\r\nHost: keyward\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\n{more}\r\n\r\n",
        api.token()
    )
}

fn status_line(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_of_json_is_refused_without_being_kept() {
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"));
    let server = launch.start().await;
    assert_eq!(encrypt(&server.api).await.0, 200);
    let resident = |process: u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap()
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let before = resident(server.process());

    // Announced: refused before a byte of it is sent.
    let mut stream = raw(server.api.address());
    stream
        .write_all(head(&server.api, "Content-Length: 1073741824").as_bytes())
        .unwrap();
    assert_eq!(status_line(&mut stream), "HTTP/1.1 413");

    // Not announced: refused as soon as it is too much.
    let mut stream = raw(server.api.address());
    stream
        .write_all(head(&server.api, "Transfer-Encoding: chunked").as_bytes())
        .unwrap();
    let chunk = format!("100000\r\n{}\r\n", "[".repeat(0x10_0000));
    let mut sent = 0;
    while sent < 1024 && stream.write_all(chunk.as_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent < 1024, "the door is closed long before a gigabyte");
    let grown = resident(server.process()).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more than before");
    assert_eq!(encrypt(&server.api).await.0, 200);

    // Deep nesting, wrong types, wrong content: a clear problem each.
    for (body, status, code) in [
        ("[".repeat(200_000), 400, "invalid_request"),
        ("{\"plaintext\":7}".to_owned(), 400, "invalid_request"),
        ("{\"plaintext\":\"%%%\"}".to_owned(), 400, "invalid_request"),
        (String::new(), 400, "invalid_request"),
    ] {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client
            .post(format!("{}{ENCRYPT}", server.api.address()))
            .bearer_auth(server.api.token())
            .header("Content-Type", "application/json")
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let problem: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("urn:keyward:problem:{code}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_states_are_named_with_what_would_be_allowed() {
    let place = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &place.path().join("data"));
    let server = launch.start().await;
    let api = &server.api;
    let key = "/v1/tenants/demo/keys/invoices";
    let refused = api.post(&format!("{key}/resume"), json!({})).await;
    assert_eq!(refused.code(), "wrong_state");
    assert_eq!(refused.body["state"], "active");
    let allowed = refused.body["allowed"].as_array().unwrap();
    assert!(allowed.contains(&json!("suspend")), "{}", refused.body);
    let refused = api.post(&format!("{key}/destroy"), json!({})).await;
    assert_eq!(refused.code(), "wrong_state");
    let refused = api
        .post("/v1/tenants/demo/keys", json!({"name": "invoices"}))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "already_exists")
    );
    let refused = api
        .post(&format!("{key}/sign"), json!({"message": "dGV4dA=="}))
        .await;
    assert_eq!(refused.code(), "usage_not_allowed");
    for id in ["UPPER", "0190b3a0-0000-4000-8000-00000000000X", "%00"] {
        let refused = api.get(&format!("/v1/tenants/demo/keys/{id}")).await;
        assert!(refused.status.is_client_error(), "{id}: {}", refused.body);
    }
    let wrong_method = api.ask(Method::DELETE, key, None, None).await.unwrap();
    assert_eq!(wrong_method.code(), "method_not_allowed");
    // The same request twice makes one key; another body under the same mark is refused.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let create = |body: Value| {
        client
            .post(format!("{}/v1/tenants/demo/keys", api.address()))
            .bearer_auth(api.token())
            .header("Idempotency-Key", "once")
            .json(&body)
            .send()
    };
    let first = create(json!({"name": "once"})).await.unwrap();
    assert!(first.status().is_success());
    let again = create(json!({"name": "once"})).await.unwrap();
    assert!(again.status().is_success(), "{:?}", again.text().await);
    let other = create(json!({"name": "twice"})).await.unwrap();
    assert_eq!(other.status().as_u16(), 422);
}
