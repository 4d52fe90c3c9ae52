//! A disaster, by the words of docs/backup.md: a server is backed up while it is busy, its machine is
//! gone, and on an empty one there are the backup, the recipient's identity, and enough shares.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyward_testkit::postgres;

use crate::sealing::{hold_token, shown_once};
use crate::stage::{KEYWARD, Stage};

const SERVE: &str = "--config keyward.toml --listen 127.0.0.1:0 --set log.format=json";

/// What the first machine is configured by.
const CONFIGURATION: &str = "\
[node]\ndata_dir = \"data\"\n\n\
[backup]\ndirectory = \"backups\"\nrecipients_file = \"recipients.txt\"\ninterval_hours = 0\nsegment_seconds = 1\n";

fn run(stage: &Stage, words: &str, input: &[u8]) -> String {
    stage
        .keyward_with(&format!("--tenant clinic {words}"), input)
        .done()
}

/// What is left of the first machine.
struct Left {
    /// The machine, killed.
    stage: Stage,
    shares: Vec<String>,
    token: String,
    /// A member's token, who may use keys.
    user: String,
    /// The key that verifies backups.
    key: String,
    /// Names of keys, and ciphertexts that were acknowledged before the backup was ordered.
    acknowledged: Vec<(String, String)>,
    backup: String,
}

/// A busy server, one backup of it, and the end.
fn disaster() -> Left {
    let mut stage = Stage::new();
    stage.write("keyward.toml", CONFIGURATION);
    stage.shell("age-keygen -o identity.txt").done();
    stage
        .shell("age-keygen -y identity.txt > recipients.txt")
        .done();
    stage.keyward("config check --config keyward.toml").done();
    let said = stage
        .keyward("init --config keyward.toml --shares 3 --threshold 2")
        .done();
    let (shares, token) = shown_once(&said);
    let (server, url) = stage.serve(SERVE);
    hold_token(&mut stage, &token, &url);
    for share in &shares[..2] {
        stage.keyward_with("unseal", share.as_bytes()).done();
    }
    stage.keyward("tenant create clinic").done();
    run(&stage, "principal create app", b"");
    run(&stage, "role assign crypto-user app", b"");
    let issued = run(&stage, "--output json token create app", b"");
    let issued: serde_json::Value = serde_json::from_str(&issued).unwrap();
    let user = issued["text"].as_str().unwrap().to_owned();
    let key = stage.keyward("backup key").done().trim().to_owned();

    let mut acknowledged = Vec::new();
    for number in 0..4 {
        let name = format!("notes-{number}");
        run(&stage, &format!("key create {name}"), b"");
        hold_token(&mut stage, &user, &url);
        let sealed = run(&stage, &format!("key encrypt {name}"), name.as_bytes());
        hold_token(&mut stage, &token, &url);
        acknowledged.push((name, sealed));
    }
    let stopped = AtomicBool::new(false);
    let backup = std::thread::scope(|scope| {
        for worker in 0..2 {
            let (stage, stopped) = (&stage, &stopped);
            scope.spawn(move || {
                let mut number = 0;
                while !stopped.load(Ordering::Acquire) {
                    number += 1;
                    run(stage, &format!("key create busy-{worker}-{number}"), b"");
                    run(stage, &format!("key rotate notes-{worker}"), b"");
                }
            });
        }
        let made = stage.keyward("--output json backup create --reason before-the-flood");
        stopped.store(true, Ordering::Release);
        made.json()
    });
    assert_eq!(backup["lost"], 0, "{backup}");
    assert_eq!(backup["signed_by"], key.as_str());
    // What comes after the backup is in a segment, soon.
    let late = run(&stage, "--output json key create late", b"");
    let late: serde_json::Value = serde_json::from_str(&late).unwrap();
    let revision = late["revision"].as_i64().unwrap();
    while segmented_to(&stage) < revision {
        stage.keyward("status").done();
    }
    let listed = stage.keyward("backup list").done();
    let backup = backup["id"].as_str().unwrap().to_owned();
    assert!(listed.contains(&backup), "{listed}");
    server.kill();
    Left {
        stage,
        shares,
        token,
        user,
        key,
        acknowledged,
        backup,
    }
}

/// Up to which revision there are segments.
pub fn segmented_to(stage: &Stage) -> i64 {
    let folders = std::fs::read_dir(stage.path("backups/objects")).unwrap();
    let manifests = folders.map(|folder| folder.unwrap().path().join("segment="));
    let texts = manifests.filter_map(|path| std::fs::read_to_string(path).ok());
    let revisions = texts.map(|text| {
        let first = text.lines().next().unwrap();
        let manifest: serde_json::Value = serde_json::from_str(first).unwrap();
        manifest["revision"].as_i64().unwrap()
    });
    revisions.max().unwrap_or(0)
}

/// An empty machine, to which somebody brought the backups and the identity.
fn empty_machine(left: &Left) -> Stage {
    let stage = Stage::new();
    let from = left.stage.path("");
    let from = from.to_str().unwrap();
    stage
        .shell(&format!("cp -r {from}backups {from}identity.txt ."))
        .done();
    stage
}

/// It serves, two holders open it, and what was acknowledged is there.
fn is_back(left: &Left, stage: &mut Stage, serve: &str) {
    let (server, url) = stage.serve(serve);
    hold_token(stage, &left.token, &url);
    for share in &left.shares[1..] {
        stage.keyward_with("unseal", share.as_bytes()).done();
    }
    hold_token(stage, &left.user, &url);
    for (name, sealed) in &left.acknowledged {
        let opened = run(stage, &format!("key decrypt {name}"), sealed.as_bytes());
        assert_eq!(&opened, name);
    }
    hold_token(stage, &left.token, &url);
    run(stage, "key show late", b"");
    // It lives on: and no number of a version is given twice.
    let rotated = run(stage, "--output json key rotate notes-0", b"");
    let rotated: serde_json::Value = serde_json::from_str(&rotated).unwrap();
    assert!(
        rotated["latest_version"]
            .as_i64()
            .or(rotated["primary_version"].as_i64())
            .unwrap()
            > 1_000,
        "{rotated}"
    );
    server.stop();
}

#[test]
fn i09_a_busy_server_is_restored_on_an_empty_machine_with_backup_identity_and_shares_only() {
    let left = disaster();
    let mut stage = empty_machine(&left);
    let Left { backup, key, .. } = &left;

    // Whole and as it was signed: nobody needs to open anything for that.
    let said = stage
        .keyward(&format!("backup verify --from backups --key {key}"))
        .done();
    assert!(said.contains("it is whole"), "{said}");
    let said = stage
        .keyward(&format!(
            "backup verify --from backups --key {key} --identity identity.txt"
        ))
        .done();
    assert!(said.contains("it restores"), "{said}");
    // A program of others opens a part.
    let part = format!("backups/objects/{backup}/000001-registry.age=");
    let line = stage
        .shell(&format!("age -d -i identity.txt {part} | head -1"))
        .done();
    assert!(line.starts_with("{\"snapshot\":1,"), "{line}");

    let restore =
        format!("backup restore --from backups --key {key} --identity identity.txt --data data");
    let plan = stage.keyward(&format!("{restore} --plan")).done();
    // Nobody restores what anybody may have signed without saying so.
    stage
        .keyward("backup restore --from backups --identity identity.txt --data data")
        .refused(2, &["--key", "--unverified-signer"]);
    for words in [
        "would be written",
        "would skip 1,000 numbers",
        "any 2 of the 3 shares",
    ] {
        assert!(plan.contains(words), "`{words}` is not in {plan}");
    }
    assert!(!stage.path("data").exists(), "a plan changes nothing");
    let said = stage.keyward(&restore).done();
    for words in [
        "were written",
        "segment(s) follow on it",
        "NOT KNOWN",
        "keyward serve",
        "any 2 of the 3 shares",
    ] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
    // Not over anything; unless what is there is put aside.
    stage
        .keyward(&restore)
        .refused(5, &["holds a deployment already", "--set-aside"]);
    // What says where the vault and the registry went goes with them: it is not of what is restored.
    let place = std::fs::canonicalize(stage.path("data")).unwrap();
    let left_for = |file: &str, from: String, more: &str| {
        let text =
            format!("{{{more}\"from\":\"{from}\",\"to\":\"elsewhere\",\"phase\":\"committed\"}}");
        stage.write(&format!("data/{file}"), &text);
    };
    let vault = format!("embedded {}", place.join("vault.db").display());
    left_for("storage-migration.json", vault, "\"format\":1,");
    let registry = format!("sqlite {}", place.join("registry.db").display());
    left_for("registry-migration.json", registry, "");
    let said = stage.keyward(&format!("{restore} --set-aside")).done();
    assert!(said.contains("before-restore-"), "{said}");
    // Once more: what was put aside before stays where it is.
    let said = stage.keyward(&format!("{restore} --set-aside")).done();
    assert!(
        said.contains(&format!("before-restore-{backup}-2")),
        "{said}"
    );
    let aside = stage.path(&format!("data/before-restore-{backup}"));
    assert!(aside.join("registry.db").exists());
    is_back(
        &left,
        &mut stage,
        "--data data --listen 127.0.0.1:0 --set log.format=json",
    );

    // On another database and another kind of vault, from the same backup.
    let mut stage = empty_machine(&left);
    let database = postgres::server().unwrap().database().unwrap();
    let text = format!(
        "[node]\ndata_dir = \"elsewhere\"\n\n[registry]\nurl = \"{}\"\n\n[storage]\nbackend = \"file\"\n",
        database.url
    );
    stage.write("keyward.toml", &text);
    stage
        .keyward("backup restore --from backups --unverified-signer --identity identity.txt --config keyward.toml")
        .done();
    is_back(&left, &mut stage, SERVE);
}

#[test]
fn i09_a_restore_that_is_killed_again_and_again_ends_well() {
    let left = disaster();
    let mut stage = empty_machine(&left);
    let words =
        "backup restore --from backups --unverified-signer --identity identity.txt --data data";
    let mut unfinished = 0;
    for instant in 1..200 {
        let mut child = Command::new(KEYWARD)
            .args(words.split_whitespace())
            .current_dir(stage.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The instant is the point: each try lives a little longer than the one before.
        let (_never, told) = std::sync::mpsc::channel::<()>();
        let _ = told.recv_timeout(Duration::from_millis(8 * instant));
        let mark = stage.path("data/restore.json");
        // Some are waited for until they are half-way: a busy machine may miss it each time.
        while instant > 20
            && unfinished == 0
            && !mark.exists()
            && child.try_wait().unwrap().is_none()
        {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        if ended.success() {
            if unfinished > 0 {
                break;
            }
            // It was quicker: once more from nothing.
            std::fs::remove_dir_all(stage.path("data")).unwrap();
        }
        if stage.path("data/restore.json").exists() {
            unfinished += 1;
            stage
                .keyward("serve --data data --listen 127.0.0.1:0")
                .refused(5, &["being restored", "keyward backup restore"]);
            // Nor is something else restored over what was begun.
            stage
                .keyward(&format!("{words} --nothing-since"))
                .refused(5, &["being restored", "keyward backup restore"]);
        }
    }
    assert!(unfinished > 0, "it was never killed half-way");
    if stage.path("data/restore.json").exists() || !stage.path("data/registry.db").exists() {
        stage.keyward(words).done();
    }
    is_back(
        &left,
        &mut stage,
        "--data data --listen 127.0.0.1:0 --set log.format=json",
    );
}

#[test]
fn a_wrong_identity_an_altered_part_and_a_strangers_key_are_told_apart() {
    let left = disaster();
    let stage = empty_machine(&left);
    stage.shell("age-keygen -o other.txt").done();
    stage
        .keyward(
            "backup restore --from backups --unverified-signer --identity other.txt --data data",
        )
        .refused(7, &["does not verify", "none of the identities"]);
    assert!(
        !stage.path("data/registry.db").exists(),
        "nothing was begun"
    );
    stage
        .keyward("backup verify --from nowhere")
        .refused(3, &["no backups in nowhere"]);
    let path = stage.path(&format!(
        "backups/objects/{}/000001-registry.age=",
        left.backup
    ));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::File::create(&path)
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    let verified = stage.keyward("backup verify --from backups");
    assert!(
        verified
            .out
            .contains("WRONG  part 000001-registry.age: it was altered"),
        "{verified:?}"
    );
    verified.refused(7, &["does not verify"]);
}
