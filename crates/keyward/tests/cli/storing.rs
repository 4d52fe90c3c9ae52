//! The vault where it does not lie on this machine: initialised, served, killed and served again
//! on a real S3 store, configured by a file.

use keyward_testkit::stores::{Store, fresh_prefix, s3};

use crate::sealing::{hold_token, shown_once};
use crate::stage::Stage;

const SERVE: &str = "--config keyward.toml --listen 127.0.0.1:0 --set log.format=json";

fn configuration(stage: &Stage, prefix: &str) -> String {
    let secret = stage.write("s3-secret", "writer-secret\n");
    stage.shell(&format!("chmod 600 {secret}")).done();
    format!(
        "[node]\ndata_dir = \"data\"\n\n\
         [storage]\nbackend = \"s3\"\nprefix = \"{prefix}\"\n\n\
         [storage_s3]\nbucket = \"vault\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\n\
         access_key_id = \"writer\"\nsecret_access_key_file = \"s3-secret\"\nallow_http = true\n\n\
         [seal]\nkey_file = \"seal.key\"\n",
        s3().address()
    )
}

#[test]
fn i04_a_server_whose_vault_is_in_a_bucket_is_killed_and_finds_everything_again() {
    let mut stage = Stage::new();
    let prefix = fresh_prefix();
    let text = configuration(&stage, &prefix);
    stage.write("keyward.toml", &text);
    let said = stage
        .keyward("init --config keyward.toml --key-file seal.key")
        .done();
    let (_, token) = shown_once(&said);
    stage.keyward("config check --config keyward.toml").done();
    assert!(!stage.path("data/vault.db").exists());

    let (server, url) = stage.serve(SERVE);
    hold_token(&mut stage, &token, &url);
    stage.keyward("tenant create clinic").done();
    let run = |stage: &Stage, words: &str, input: &[u8]| {
        stage
            .keyward_with(&format!("--tenant clinic {words}"), input)
            .done()
    };
    run(&stage, "key create notes", b"");
    run(&stage, "principal create app", b"");
    run(&stage, "role assign crypto-user app", b"");
    let issued = run(&stage, "--output json token create app", b"");
    let issued: serde_json::Value = serde_json::from_str(&issued).unwrap();
    hold_token(&mut stage, issued["text"].as_str().unwrap(), &url);
    let sealed = run(&stage, "key encrypt notes", b"0 negative");
    server.kill();

    // Another bucket's settings find another, empty vault.
    let elsewhere = text.replace(&prefix, &format!("{prefix}/elsewhere"));
    stage.write("elsewhere.toml", &elsewhere);
    stage
        .keyward("serve --config elsewhere.toml --listen 127.0.0.1:0")
        .refused(1, &["keyward init"]);
    // A wrong secret is named, and the secret is not.
    let wrong = stage.write("s3-secret", "a-guess");
    stage.shell(&format!("chmod 600 {wrong}")).done();
    let refused = stage.keyward("serve --config keyward.toml --listen 127.0.0.1:0");
    assert!(!refused.err.contains("a-guess"), "{refused:?}");
    refused.refused(1, &["denies access", "credentials"]);

    let text = configuration(&stage, &prefix);
    stage.write("keyward.toml", &text);
    let (server, url) = stage.serve(SERVE);
    stage.set("KEYWARD_ADDRESS", &url);
    let opened = run(&stage, "key decrypt notes", sealed.as_bytes());
    assert_eq!(opened, "0 negative");
    hold_token(&mut stage, &token, &url);
    run(&stage, "key rotate notes", b"");
    server.stop();
}

#[test]
fn a_configuration_of_a_service_is_checked_whole_before_anything_is_asked() {
    let stage = Stage::new();
    stage.write(
        "keyward.toml",
        "[storage]\nbackend = \"s3\"\nprefix = \"/x\"\n\n\
         [storage_s3]\nendpoint = \"http://s3.example.org\"\nallow_http = true\n\
         access_key_id = \"id\"\nsecret_access_key_file = \"missing\"\n\n\
         [storage_gcs]\nbucket = \"b\"\n",
    );
    stage.keyward("config check --config keyward.toml").refused(
        2,
        &[
            "storage.prefix",
            "storage_s3.bucket: is needed",
            "storage_s3.allow_http",
            "storage_s3.secret_access_key_file",
            "storage_gcs: is filled in",
        ],
    );
}
