//! Mistakes end with their own code, and say what happened, to what, and what to do next.

use crate::stage::{Stage, with_dev};

#[test]
fn each_mistake_has_its_code_and_its_words() {
    let (stage, _dev) = with_dev();
    let run = |words| stage.keyward(words);

    run("key show no-such-key").refused(3, &["not_found", "next:"]);
    run("--tenant no-such-tenant key list").refused(3, &["not_found"]);
    run("key show Not/A/Name").refused(2, &["invalid_request"]);
    run("key create patient-records").refused(5, &["already_exists"]);
    run("key resume patient-records").refused(5, &["wrong_state", "patient-records"]);
    run("key rollback patient-records").refused(5, &["rollback_unavailable"]);
    run("key sign patient-records").refused(4, &["usage_not_allowed", "encrypt"]);
    run("key update patient-records --owner me --if-match 77").refused(5, &["precondition_failed"]);
    run("key frobnicate").refused(2, &["frobnicate"]);
    run("key create x --algorithm rot13").refused(2, &["rot13", "aes-256-gcm-commit"]);
    run("key destroy patient-records --force").refused(2, &["--reason"]);
    run("tenant shred demo --reason x --confirm other").refused(2, &["nothing was destroyed"]);

    let decrypt = |input: &[u8]| stage.keyward_with("key decrypt patient-records", input);
    decrypt(b"garbage").refused(2, &["invalid_ciphertext", "patient-records"]);
    decrypt(b"").refused(2, &[]);
    decrypt(&[0xff, 0xfe]).refused(2, &["not text"]);
    let sealed = stage
        .keyward_with("key encrypt patient-records --context a=1", b"x")
        .done();
    let with = |words, input: &str| stage.keyward_with(words, input.as_bytes());
    with("key decrypt patient-records --context a=2", &sealed).refused(2, &["not_authentic"]);
    with("key decrypt invoices --context a=1", &sealed).refused(2, &["invalid_ciphertext"]);
    with("key decrypt patient-records", &sealed[..sealed.len() / 2]).refused(2, &[]);
}

#[test]
fn whoever_has_no_good_token_is_refused_and_told_how_to_get_one() {
    let (mut stage, dev) = with_dev();
    let good = stage.environment["KEYWARD_TOKEN_FILE"].clone();

    stage.environment.remove("KEYWARD_TOKEN_FILE");
    stage
        .keyward("key list")
        .refused(4, &["no token", "keyward login"]);

    let exposed = stage.write("exposed", &std::fs::read_to_string(&good).unwrap());
    stage.shell(&format!("chmod 644 {exposed}")).done();
    stage.set("KEYWARD_TOKEN_FILE", &exposed);
    stage
        .keyward("key list")
        .refused(2, &["can be read by others", "chmod 600"]);

    let wrong = stage.write("wrong", "kw_not_a_token");
    stage.shell(&format!("chmod 600 {wrong}")).done();
    stage.set("KEYWARD_TOKEN_FILE", &wrong);
    stage
        .keyward("key list")
        .refused(4, &["unauthenticated", "keyward login"]);

    stage.set("KEYWARD_TOKEN_FILE", &good);
    stage.keyward("key list").done();
    dev.server.stop();
    stage
        .keyward("key list")
        .refused(6, &["cannot be reached", "keyward dev"]);
}

#[test]
fn a_token_is_never_sent_over_an_open_line() {
    let (stage, _dev) = with_dev();
    stage
        .keyward("--address http://192.0.2.1:1 key list")
        .refused(2, &["not protected", "https://"]);
}

#[test]
fn two_processes_never_hold_one_directory() {
    let (stage, dev) = with_dev();
    let data = stage.path("data");
    let holder = format!("process {}", dev.server.pid());
    let second = stage.keyward(&format!(
        "dev --listen 127.0.0.1:0 --data {}",
        data.display()
    ));
    second.refused(5, &["in use", &holder]);
    stage
        .keyward(&format!("init --data {}", data.display()))
        .refused(5, &["in use", &holder]);
}

#[test]
fn dev_keeps_to_this_machine() {
    let stage = Stage::new();
    stage
        .keyward("dev --listen 0.0.0.0:0")
        .refused(2, &["other machines"]);
    assert!(!stage.path("keyward-data").exists());
}

#[test]
fn a_directory_of_a_newer_keyward_is_left_alone() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("data")).unwrap();
    stage.write("data/VERSION", "7\n");
    let started = stage.keyward("dev --listen 127.0.0.1:0 --data data");
    started.refused(1, &["format 7", "newer"]);
    assert!(!stage.path("data/registry.db").exists());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let (_stage, dev) = with_dev();
    let address = dev.said("address").replace("http://", "");
    let stage = Stage::new();
    stage
        .keyward(&format!("dev --listen {address}"))
        .refused(1, &["cannot be listened on", &address, "next:"]);
}
