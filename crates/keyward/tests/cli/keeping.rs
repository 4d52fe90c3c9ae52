//! Secrets at the command line: in from a pipe or a file, out to a pipe or a private file; and the
//! server's own, which its configuration names.

use crate::stage::{KEYWARD, Stage, mode_of, with_dev};

#[test]
fn a_secret_goes_in_by_a_pipe_and_comes_out_byte_for_byte() {
    let (stage, _dev) = with_dev();
    let with = |words: &str, input: &[u8]| stage.keyward_with(words, input);
    let put = "secret put db/password --if-absent --keep 2 --label team=ward --description ledger";
    let shown = with(put, b"hunter2").done();
    assert!(shown.contains("db/password") && !shown.contains("hunter2"));
    assert_eq!(stage.keyward("secret get db/password").done(), "hunter2");
    with(put, b"other").refused(5, &["exists already"]);
    with("secret put db/password --expect-version 1", b"second\n").done();
    with("secret put db/password --expect-version 1", b"late").refused(5, &["at version 2"]);
    let second = stage.keyward("secret get db/password").done();
    assert_eq!(second, "second\n", "its line end is its own");
    let first = stage.keyward("secret get db/password --version 1").done();
    assert_eq!(first, "hunter2");

    let bytes: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    std::fs::write(stage.path("keystore"), &bytes).unwrap();
    stage
        .keyward("secret put keystore --from-file keystore")
        .done();
    stage.keyward("secret get keystore --out copy").done();
    assert_eq!(std::fs::read(stage.path("copy")).unwrap(), bytes);
    assert_eq!(mode_of(&stage.path("copy")), 0o600);
    stage
        .keyward("secret get keystore --out copy")
        .refused(1, &["exists"]);
    with("secret put empty", b"").refused(2, &["at least 1 byte"]);

    let listed = stage.keyward("secret list db/").done();
    assert!(listed.contains("db/password") && !listed.contains("keystore"));
    let shown = stage.keyward("secret show db/password").done();
    assert!(
        shown.contains("team=ward") && shown.contains("ledger"),
        "{shown}"
    );
    let versions = stage.keyward("--output json secret versions db/password");
    assert_eq!(versions.json().as_array().unwrap().len(), 2);
    for words in ["secret list", "secret show db/password", "audit tail"] {
        let said = stage.keyward(words).done();
        assert!(
            !said.contains("hunter2") && !said.contains("second"),
            "{said}"
        );
    }

    let delete = "secret delete db/password --version 2";
    stage.keyward(delete).refused(2, &["--yes"]);
    stage.keyward(&format!("{delete} --yes")).done();
    stage
        .keyward("secret get db/password")
        .refused(3, &["no such version"]);
    stage.keyward("secret delete db/password --yes").done();
    stage
        .keyward("secret show db/password")
        .refused(3, &["no such secret"]);
}

/// Bytes that are not text could make a terminal do anything.
#[test]
fn a_terminal_is_shown_text_only() {
    let (stage, _dev) = with_dev();
    let at_a_terminal = |words: &str| {
        let line = format!("script --quiet --return --command '{KEYWARD} {words}' /dev/null");
        stage.shell(&line)
    };
    let put = |name: &str, value: &[u8]| {
        let words = format!("secret put {name}");
        stage.keyward_with(&words, value).done();
    };
    put("text", "grüße".as_bytes());
    put("colours", b"\x1b[31mred");
    put("bytes", &[0xff, 0xfe]);
    assert_eq!(at_a_terminal("secret get text").done(), "grüße\r\n");
    for name in ["colours", "bytes"] {
        let shown = at_a_terminal(&format!("secret get {name}"));
        assert_eq!(shown.code, 2, "{shown:?}");
        assert!(shown.out.contains("--out FILE"), "{shown:?}");
        assert!(!shown.out.contains("[31m"), "{shown:?}");
    }
}

#[test]
fn the_listeners_key_is_read_from_the_vault() {
    let mut stage = Stage::new();
    let said = stage.keyward("init --data data --key-file seal.key").done();
    let lines = said.lines().map(str::trim);
    let token = lines.clone().find(|line| line.starts_with("kw_")).unwrap();
    let file = stage.write("token", token);
    stage.shell(&format!("chmod 600 {file}")).done();
    stage.set("KEYWARD_TOKEN_FILE", &file);
    stage.set("KEYWARD_CA_FILE", "data/tls-self-made.pem");

    let local = "--data data --listen 127.0.0.1:0 --set log.format=json";
    let start = format!("{local} --set seal.key_file=seal.key");
    let (server, url) = stage.serve(&format!("{start} --set listen.tls=self-made"));
    stage.set("KEYWARD_ADDRESS", &url);
    let put = "secret put tls/key --from-file data/tls-self-made-key.pem --tenant system";
    stage.keyward(put).done();
    // Who administers the system puts it and does not read it.
    stage
        .keyward("secret get tls/key --tenant system")
        .refused(4, &["secret.get"]);
    server.stop();
    std::fs::remove_file(stage.path("data/tls-self-made-key.pem")).unwrap();

    let tls = "--set listen.tls=files --set listen.tls_cert_file=data/tls-self-made.pem";
    let named = |name: &str| format!("{start} {tls} --set listen.tls_key_file=vault:{name}");
    let (server, url) = stage.serve(&named("tls/key"));
    assert!(url.starts_with("https://"));
    stage.set("KEYWARD_ADDRESS", &url);
    stage.keyward("status").done();
    server.stop();

    stage
        .keyward(&format!("serve {}", named("tls/other")))
        .refused(1, &["vault:tls/other", "no such secret"]);
    let check = "config check --set listen.tls=files --set listen.tls_cert_file=seal.key";
    stage
        .keyward(&format!("{check} --set listen.tls_key_file=vault:tls/key"))
        .refused(2, &["through this very listener"]);
}
