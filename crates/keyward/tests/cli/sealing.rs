//! The real thing: initialised once, served sealed, opened by its holders one after another.

use crate::stage::{Stage, mode_of};

/// The words after a label, as `keyward init` shows shares and token.
pub fn shown_once(said: &str) -> (Vec<String>, String) {
    let shares = said
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("share ")
                .and_then(|rest| rest.split_once(":  "))
        })
        .map(|(_, share)| share.to_owned())
        .collect();
    let token = said
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("kw_"))
        .unwrap();
    (shares, token.to_owned())
}

const LOCAL: &str = "--data data --listen 127.0.0.1:0 --set log.format=json";

pub fn hold_token(stage: &mut Stage, token: &str, url: &str) {
    let file = stage.write("token", token);
    stage.shell(&format!("chmod 600 {file}")).done();
    stage.set("KEYWARD_TOKEN_FILE", &file);
    stage.set("KEYWARD_ADDRESS", url);
}

#[test]
fn holders_of_shares_open_it_together() {
    let mut stage = Stage::new();
    let said = stage
        .keyward("init --data data --shares 3 --threshold 2")
        .done();
    let (shares, token) = shown_once(&said);
    assert_eq!(shares.len(), 3, "{said}");
    assert_eq!(mode_of(&stage.path("data")), 0o700);
    stage
        .keyward("init --data data")
        .refused(5, &["initialised already"]);

    let (server, url) = stage.serve(LOCAL);
    hold_token(&mut stage, &token, &url);
    let status = stage.keyward("status");
    assert!(
        status.out.contains("sealed: 0 of 2 shares given"),
        "{status:?}"
    );
    status.refused(6, &["sealed", "keyward unseal"]);
    stage
        .keyward("tenant create clinic")
        .refused(6, &["sealed"]);

    let unseal = |share: &str| stage.keyward_with("unseal", share.as_bytes());
    assert_eq!(unseal(&shares[1]).done(), "sealed: 1 of 2 shares given\n");
    let twice = unseal(&shares[1]);
    assert_ne!(twice.code, 0);
    assert!(twice.err.contains("given already"), "{twice:?}");
    let forged = unseal("not a share");
    assert!(
        forged.code != 0 && !forged.err.contains("not a share\""),
        "{forged:?}"
    );
    assert_eq!(unseal(&shares[2]).done(), "unsealed\n");

    stage.keyward("tenant create clinic").done();
    stage.keyward("--tenant clinic key create notes").done();
    stage.keyward("status").done();
    assert!(stage.keyward("seal").done().contains("sealed"));
    stage
        .keyward("--tenant clinic key create more")
        .refused(6, &["sealed"]);
    server.stop();
}

#[test]
fn a_key_file_opens_it_by_itself_and_tls_is_served_with_it() {
    let mut stage = Stage::new();
    let said = stage.keyward("init --data data --key-file seal.key").done();
    let (shares, token) = shown_once(&said);
    assert!(shares.is_empty());
    assert_eq!(mode_of(&stage.path("seal.key")), 0o600);
    let (server, url) = stage.serve(&format!(
        "{LOCAL} --set seal.key_file=seal.key --set listen.tls=self-made"
    ));
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    hold_token(&mut stage, &token, &url);
    stage
        .keyward("tenant list")
        .refused(6, &["cannot be reached"]);
    stage
        .keyward("--ca-file data/tls-self-made.pem tenant create clinic")
        .done();
    stage
        .keyward("--ca-file data/tls-self-made.pem status")
        .done();
    server.stop();
}

#[test]
fn what_is_not_initialised_is_not_served() {
    let stage = Stage::new();
    stage
        .keyward("serve --data data --listen 127.0.0.1:0")
        .refused(1, &["keyward init"]);
    stage
        .keyward("serve --data data --listen 0.0.0.0:0")
        .refused(2, &["listen.tls", "other machines"]);
}
