//! Several seals at once, as an operator meets them: added, lost one after another, replaced; and
//! the root key rotated. With a real OpenBao and a token of SoftHSM.

use keyward_testkit::seal_services::{KEY, MODULE, OpenBao, PIN, SoftHsm, TOKEN};
use serde_json::Value;

use crate::sealing::{hold_token, shown_once};
use crate::stage::{KEYWARD, Server, Stage};

const WORDS: &[u8] = b"five words nobody would guess";
const MESSAGE: &[u8] = b"Blood type: 0 negative";

/// Serves with everything that the configuration names.
fn serve(stage: &mut Stage, openbao: &str, token: &str) -> Server {
    let (server, url) = stage.serve(&format!(
        "--data data --listen 127.0.0.1:0 --set log.format=json --set seal.key_file=seal.key \
         --set seal_transit.address={openbao} --set seal_transit.key={KEY} \
         --set seal_transit.token_file=openbao.token --set seal_pkcs11.module={MODULE} \
         --set seal_pkcs11.token={TOKEN} --set seal_pkcs11.key={KEY} \
         --set seal_pkcs11.pin_file=hsm.pin --set seal.previous_root_seconds=1"
    ));
    hold_token(stage, token, &url);
    server
}

fn seals(stage: &Stage) -> Value {
    stage.keyward("--output json seal status").json()
}

fn id_of(stage: &Stage, kind: &str) -> String {
    let seals = seals(stage);
    let mut items = seals["items"].as_array().unwrap().iter();
    let found = items.find(|seal| seal["kind"] == kind).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// What was encrypted in the beginning is decrypted, by an application with a token of its own.
fn opens(stage: &Stage) {
    let line = format!(
        "KEYWARD_TOKEN_FILE=app-token {KEYWARD} --tenant clinic key decrypt notes < ciphertext"
    );
    assert_eq!(stage.shell(&line).done().as_bytes(), MESSAGE);
}

/// Waits until a question has the answer that is hoped for.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_500 {
        if is_so() {
            return;
        }
    }
    panic!("{what} never came");
}

/// A deployment with a key file, a passphrase, shares, another vault and a hardware module, all of
/// which hold the root key.
struct Sealed {
    stage: Stage,
    token: String,
    openbao: OpenBao,
    hsm: SoftHsm,
    shares: Vec<String>,
    server: Server,
}

fn sealed_five_times() -> Sealed {
    let mut stage = Stage::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let openbao = runtime.block_on(OpenBao::start());
    let hsm = SoftHsm::make(&stage.path("hsm"));
    stage.set("SOFTHSM2_CONF", hsm.configuration().to_str().unwrap());
    stage.write("openbao.token", OpenBao::TOKEN);
    stage.write("hsm.pin", PIN);
    stage.shell("chmod 600 openbao.token hsm.pin").done();
    let said = stage.keyward("init --data data --key-file seal.key").done();
    let (_, token) = shown_once(&said);
    let server = serve(&mut stage, &openbao.address, &token);
    stage.keyward("tenant create clinic").done();
    stage.keyward("--tenant clinic key create notes").done();
    stage.keyward("--tenant clinic principal create app").done();
    stage
        .keyward("--tenant clinic role assign crypto-user app")
        .done();
    let issued = stage
        .keyward("--tenant clinic --output json token create app")
        .json();
    stage.write("app-token", issued["text"].as_str().unwrap());
    stage.write("message", std::str::from_utf8(MESSAGE).unwrap());
    stage
        .shell(&format!(
            "chmod 600 app-token; KEYWARD_TOKEN_FILE=app-token {KEYWARD} --tenant clinic \
             key encrypt notes < message > ciphertext"
        ))
        .done();

    let only = id_of(&stage, "key-file");
    stage
        .keyward(&format!("seal remove {only}"))
        .refused(5, &["the last seal", "keyward seal add"]);
    stage
        .keyward("seal add key-file")
        .refused(5, &["seal.second_key_file"]);
    stage
        .keyward_with("seal add passphrase", b"short")
        .refused(2, &["12"]);
    stage.keyward_with("seal add passphrase", WORDS).done();
    let said = stage
        .keyward("seal add shares --threshold 2 --shares 3")
        .done();
    let (shares, _) = shown_once(&format!("{said}\nkw_none"));
    assert_eq!(shares.len(), 3, "{said}");
    assert!(said.contains("pending"), "{said}");
    let by_shares = id_of(&stage, "shares");
    for share in &shares[..2] {
        stage
            .keyward_with(&format!("seal prove {by_shares}"), share.as_bytes())
            .done();
    }
    let told = stage.keyward("seal add transit").done();
    assert!(
        told.contains("proven") && told.contains("transit/keyward"),
        "{told}"
    );
    stage.keyward("seal add pkcs11").done();
    let standing: Vec<Value> = seals(&stage)["items"].as_array().unwrap().clone();
    assert_eq!(standing.len(), 5);
    assert!(
        standing.iter().all(|seal| seal["standing"] == "proven"),
        "{standing:?}"
    );
    Sealed {
        stage,
        token,
        openbao,
        hsm,
        shares,
        server,
    }
}

#[test]
fn losing_one_seal_after_another_loses_nothing_until_the_last() {
    let Sealed {
        mut stage,
        token,
        openbao,
        hsm,
        shares,
        server,
    } = sealed_five_times();
    let address = openbao.address.clone();
    server.kill();

    std::fs::remove_file(stage.path("seal.key")).unwrap();
    let server = serve(&mut stage, &address, &token);
    opens(&stage);
    let gone = id_of(&stage, "key-file");
    // The first check after the start has seen it.
    until("the alert", || {
        let alerts = stage.keyward("--output json alert list").done();
        alerts.contains("seal_unavailable") && alerts.contains(&gone)
    });
    let status = stage.keyward("seal status").done();
    assert!(
        status.contains("failed: the key file is not there"),
        "{status}"
    );
    server.kill();

    drop(openbao);
    let server = serve(&mut stage, &address, &token);
    opens(&stage);
    let by_hsm = id_of(&stage, "pkcs11");
    stage.keyward(&format!("seal prove {by_hsm}")).done();
    // What is gone for good is removed, and its alert with it.
    stage.keyward(&format!("seal remove {gone}")).done();
    let alerts = stage.keyward("--output json alert list").done();
    assert!(!alerts.contains(&gone), "{alerts}");
    server.kill();

    hsm.remove();
    let server = serve(&mut stage, &address, &token);
    stage
        .keyward("--tenant clinic key create more")
        .refused(6, &["sealed"]);
    stage
        .keyward_with("unseal --by-passphrase", b"not these words at all")
        .refused(2, &["not the passphrase"]);
    assert_eq!(
        stage.keyward_with("unseal --by-passphrase", WORDS).done(),
        "unsealed\n"
    );
    opens(&stage);
    server.kill();

    let server = serve(&mut stage, &address, &token);
    for share in &shares[1..] {
        stage.keyward_with("unseal", share.as_bytes()).done();
    }
    opens(&stage);
    server.stop();
    let told = stage
        .keyward(&format!(
            "seal status --offline --data data --set seal_transit.address={address} \
             --set seal_transit.key={KEY} --set seal_transit.token_file=openbao.token"
        ))
        .done();
    assert!(
        told.contains("out of reach") && told.contains("[seal_pkcs11]"),
        "{told}"
    );
}

#[test]
fn the_root_key_is_rotated_while_keys_are_used_and_every_seal_follows() {
    let Sealed {
        mut stage,
        token,
        openbao,
        shares,
        server,
        hsm: _hsm,
    } = sealed_five_times();
    let before = seals(&stage)["root_key_id"].clone();
    let begun = stage
        .keyward("seal rotate-root begin --reason yearly")
        .done();
    let (by_words, by_shares) = (id_of(&stage, "passphrase"), id_of(&stage, "shares"));
    assert!(
        begun.contains(&by_words) && begun.contains(&by_shares),
        "{begun}"
    );
    stage
        .keyward("seal rotate-root commit")
        .refused(5, &["2 seal(s) have not taken part"]);
    stage
        .keyward_with("seal add passphrase", WORDS)
        .refused(5, &["a rotation of the root key is under way"]);
    // It goes on after a crash.
    server.kill();
    let server = serve(&mut stage, &openbao.address, &token);
    stage
        .keyward_with(&format!("seal prove {by_words}"), WORDS)
        .done();
    for share in &shares[1..] {
        stage
            .keyward_with(&format!("seal prove {by_shares}"), share.as_bytes())
            .done();
    }
    stage.keyward("seal rotate-root commit").done();
    opens(&stage);
    server.kill();
    let server = serve(&mut stage, &openbao.address, &token);
    until("the end of the rotation", || {
        seals(&stage).get("rotation").is_none()
    });
    let after = seals(&stage);
    assert_ne!(after["root_key_id"], before);
    assert_eq!(after["root_key_version"], 2);
    opens(&stage);
    server.kill();

    std::fs::remove_file(stage.path("seal.key")).unwrap();
    drop(openbao);
    std::fs::remove_file(stage.path("hsm.pin")).unwrap();
    let server = serve(&mut stage, "http://127.0.0.1:1", &token);
    for share in &shares[..2] {
        stage.keyward_with("unseal", share.as_bytes()).done();
    }
    opens(&stage);
    server.stop();
}

#[test]
fn the_key_of_what_belongs_to_no_tenant_is_rotated_like_any_tenants() {
    let mut stage = Stage::new();
    let said = stage.keyward("init --data data --key-file seal.key").done();
    let (_, token) = shown_once(&said);
    let local =
        "--data data --listen 127.0.0.1:0 --set log.format=json --set seal.key_file=seal.key";
    let (server, url) = stage.serve(local);
    hold_token(&mut stage, &token, &url);
    stage
        .keyward_with("--tenant system secret put tls", b"a key of ours")
        .done();
    stage
        .keyward("tenant rotate-kek system --reason yearly")
        .done();
    let keks = stage.keyward("--output json tenant keks system").json();
    assert_eq!(keks["items"].as_array().unwrap().len(), 2, "{keks}");
    until("the end of the job", || {
        let jobs = stage
            .keyward("--tenant system --output json job list")
            .done();
        jobs.contains("rewrap_records") && jobs.contains("done")
    });
    server.kill();
    let (server, _) = stage.serve(local);
    server.stop();
}

#[test]
fn what_is_wrong_with_the_seals_settings_is_said() {
    let stage = Stage::new();
    stage.write("exposed", "x");
    stage
        .keyward(
            "config check --set seal_transit.address=http://vault.example:8200 \
             --set seal_transit.token_file=exposed --set seal_pkcs11.key=k \
             --set seal.check_seconds=1 --set seal.key_file=nowhere",
        )
        .refused(
            2,
            &[
                "seal_transit.address: is plain HTTP",
                "seal_transit.key: is needed",
                "seal_transit.token_file: ",
                "seal_pkcs11.module: is needed",
                "seal.check_seconds: is 1",
                "seal.key_file: ",
            ],
        );
}
