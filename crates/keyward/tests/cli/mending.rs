//! Records that are lost under a running server and put back, by the settings of the guide.

use crate::sealing::{hold_token, shown_once};
use crate::stage::{Ended, Stage};

const SERVE: &str = "--config keyward.toml --listen 127.0.0.1:0 --set log.format=json";
const CONFIGURATION: &str = "[node]\ndata_dir = \"data\"\n\n[storage]\nbackend = \"file\"\n\
                             replica_file = \"replica.toml\"\n\n[seal]\nkey_file = \"seal.key\"\n";

fn clinic(stage: &Stage, words: &str, input: &[u8]) -> Ended {
    stage.keyward_with(&format!("--tenant clinic {words}"), input)
}

/// The last check, once the one that is ordered now is over.
fn checked(stage: &Stage) -> serde_json::Value {
    let ordered = stage.keyward("storage scrub --output json").json();
    for _ in 0..1_000 {
        let shown = stage.keyward("storage health --output json").json();
        if shown["check"]["last"]["job_id"] == ordered["id"] {
            return shown["check"]["last"].clone();
        }
    }
    panic!("the check does not end");
}

#[test]
fn i08_a_vault_that_lost_every_record_is_mended_from_its_replica_while_it_serves() {
    let mut stage = Stage::new();
    stage.write("keyward.toml", CONFIGURATION);
    stage.write(
        "replica.toml",
        "[storage]\nbackend = \"file\"\npath = \"data/vault\"\n",
    );
    let check = "config check --config keyward.toml";
    stage.keyward(check).refused(2, &["the vault itself"]);
    stage.write(
        "replica.toml",
        "[storage]\nbackend = \"file\"\npath = \"replica\"\n",
    );
    stage.keyward(check).refused(2, &["there is no replica"]);
    stage.shell("mkdir -m 700 replica").done();

    let said = stage
        .keyward("init --config keyward.toml --key-file seal.key")
        .done();
    stage.keyward(check).done();
    let (_, token) = shown_once(&said);
    let (server, url) = stage.serve(SERVE);
    hold_token(&mut stage, &token, &url);
    stage.keyward("tenant create clinic").done();
    clinic(&stage, "key create notes", b"").done();
    clinic(&stage, "principal create app", b"").done();
    clinic(&stage, "role assign crypto-user app", b"").done();
    let issued = clinic(&stage, "--output json token create app", b"").json();
    let app = issued["text"].as_str().unwrap().to_owned();
    hold_token(&mut stage, &app, &url);
    let sealed = clinic(&stage, "key encrypt notes", b"0 negative").done();
    hold_token(&mut stage, &token, &url);

    // Nothing is in the replica yet, which the check says.
    assert_eq!(checked(&stage)["findings"], 0);
    let alerts = stage.keyward("alert list").done();
    assert!(alerts.contains("repair_source_unusable"), "{alerts}");
    stage.shell("cp -a data/vault/. replica/").done();
    let empty = "find data/vault/objects/rec data/vault/objects/kek -type f";
    stage
        .shell(&format!("{empty} -exec truncate -s 0 {{}} +"))
        .done();
    let last = checked(&stage);
    assert_eq!(last["findings"], 0, "{last}");
    // The tenant's key-encryption key and the key's material; the system's, the key that signs the audit log,
    // and the one for addresses that come while the server is sealed: all that there is.
    assert_eq!(
        (&last["records"], &last["repaired"]),
        (&5.into(), &5.into())
    );
    assert_eq!(stage.shell(&format!("{empty} -size 0")).done(), "");
    let health = stage.keyward("storage health").done();
    assert!(health.contains("put back"), "{health}");
    let alerts = stage.keyward("alert list").done();
    assert!(alerts.contains("storage_repaired"), "{alerts}");
    assert!(!alerts.contains("repair_source_unusable"), "{alerts}");
    server.kill();

    let (server, url) = stage.serve(SERVE);
    hold_token(&mut stage, &app, &url);
    let opened = clinic(&stage, "key decrypt notes", sealed.as_bytes()).done();
    assert_eq!(opened, "0 negative");
    server.stop();
}
