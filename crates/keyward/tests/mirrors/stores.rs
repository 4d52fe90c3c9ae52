//! A mirror in a bucket of S3 where nothing that was written can be deleted or replaced for a day.

use std::path::Path;
use std::process::Command;

use keyward_testkit::server::Launch;
use keyward_testkit::stores::{Store, s3};

use crate::stage::{
    alerts, keyward, log_key, mirror, said, size, until, verify, with_mirror, work,
};

const LOCKED: &str = "locked";
const RETENTION: &str = "<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode>\
    <Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_works_in_a_bucket_with_versions_that_are_locked() {
    let place = tempfile::tempdir().unwrap();
    let store = s3().address().to_owned();
    let lock = "x-amz-bucket-object-lock-enabled:true";
    let made = asked("PUT", &store, "", "", &[lock]);
    assert_eq!(made.0, 200, "{}", made.1);
    let locked = asked("PUT", &store, "?object-lock=", RETENTION, &[]);
    assert_eq!(locked.0, 200, "{}", locked.1);
    let file = place.path().join("mirror.toml");
    destination(&file, &store, place.path());
    let data = place.path().join("data");
    let launch = Launch::dev(env!("CARGO_BIN_EXE_keyward"), &data);
    let launch = with_mirror(launch, "DESTINATION_FILE", &file);
    let server = launch.start().await;
    let api = server.api.clone();
    let key = log_key(&api).await;
    let mut has = 0;
    // Checkpoints are replaced, and partial tiles go: each a new version, or a mark of deletion.
    for round in 0..3 {
        work(&api, &format!("key-{round}")).await;
        until("the mirror", || async {
            let it = mirror(&api).await;
            it["trouble"].is_null() && it["size"].as_u64() > Some(has)
        })
        .await;
        has = mirror(&api).await["size"].as_u64().unwrap();
    }
    until("no alert", || async {
        alerts(&api, "audit_mirror_behind").await.is_empty()
    })
    .await;
    server.kill().await;
    let server = launch.start().await;
    let api = server.api.clone();
    until("the mirror after a start", || async {
        let it = mirror(&api).await;
        it["state"] == "following" && it["size"].as_u64() > Some(has)
    })
    .await;
    server.stop().await;

    let taken = place.path().join("taken");
    let set = format!("audit_mirror.one.destination_file={}", file.display());
    let words = ["audit", "copy", "--from-mirror", "one", "--set", &set];
    said(&keyward(&[&words[..], &[taken.to_str().unwrap()]].concat()));
    assert!(verify(&taken, &key) >= 3);
    assert!(size(&taken.join("system/checkpoint")) > Some(has));

    goes_on(&launch, &file, &key, has).await;

    // The lock is one: no version of the checkpoint can be taken away.
    let (status, listed) = asked("GET", &store, "?versions=", "", &[]);
    assert_eq!(status, 200, "{listed}");
    let (name, version) = version_of(&listed);
    let version = format!("/{name}?versionId={version}");
    let (status, said) = asked("DELETE", &store, &version, "", &[]);
    assert_eq!(status, 403, "{said}");
}

/// The journal is lost, and the log goes on from the bucket.
async fn goes_on(launch: &Launch, file: &Path, key: &str, has: u64) {
    std::fs::remove_dir_all(launch.data().join("audit")).unwrap();
    let data = format!("node.data_dir={}", launch.data().display());
    let file = format!("audit_mirror.one.destination_file={}", file.display());
    let words = ["audit", "continue", "--from-mirror", "one", "--key", key];
    let sets = ["--may-contradict", "--set", &data, "--set", &file];
    said(&keyward(&[&words[..], &sets].concat()));
    let server = launch.start().await;
    let api = server.api.clone();
    assert_eq!(log_key(&api).await, key);
    work(&api, "after").await;
    until("the mirror that goes on", || async {
        let it = mirror(&api).await;
        it["state"] == "following" && it["size"].as_u64() > Some(has + 3)
    })
    .await;
    server.stop().await;
}

fn destination(file: &Path, store: &str, folder: &Path) {
    let secret = folder.join("secret");
    std::fs::write(&secret, "writer-secret").unwrap();
    let mut mode = std::fs::metadata(&secret).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o600);
    std::fs::set_permissions(&secret, mode).unwrap();
    let text = format!(
        "[storage]\nbackend = \"s3\"\nprefix = \"audit/one\"\n\n[storage_s3]\nbucket = \"{LOCKED}\"\n\
         region = \"us-east-1\"\nendpoint = \"{store}\"\naccess_key_id = \"writer\"\n\
         secret_access_key_file = \"{}\"\nallow_http = true\n",
        secret.display()
    );
    std::fs::write(file, text).unwrap();
}

/// Asks the store itself, signed: the status and what it said.
fn asked(method: &str, store: &str, below: &str, body: &str, more: &[&str]) -> (u16, String) {
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mirrors/s3.py"))
        .args([method, &format!("{store}/{LOCKED}{below}"), body])
        .args(more)
        .output()
        .expect("python3: apt-get install python3");
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let (status, said) = text.split_once('\n').unwrap_or_else(|| panic!("{errors}"));
    (status.parse().unwrap(), said.to_owned())
}

/// A version of some object that is there.
fn version_of(listed: &str) -> (String, String) {
    let within = |text: &str, tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let (_, version) = listed.split_once("<Version>").expect("a version");
    (within(version, "Key"), within(version, "VersionId"))
}
