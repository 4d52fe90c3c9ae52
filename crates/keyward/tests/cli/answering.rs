//! `X-Audit-Index`: an answer says which entry of the log it left, and that entry has a receipt.

use std::collections::BTreeSet;

use crate::stage::{Stage, move_in, with_dev};

/// What a request is answered with: its status and its headers, in small letters.
fn ask(stage: &Stage, token: &str, words: &str) -> (String, Vec<String>) {
    let line = format!(
        "printf 'header = \"Authorization: Bearer %s\"' \"$(cat {token})\" | \
         curl --silent --config - --dump-header - --output /dev/null {words}"
    );
    let said = stage.shell(&line).done().to_lowercase();
    let mut lines = said.lines().map(|line| line.trim().to_owned());
    let status = lines.next().unwrap();
    (status, lines.collect())
}

fn header<'a>(headers: &'a [String], name: &str) -> Option<&'a str> {
    let of = |line: &'a String| line.strip_prefix(name)?.strip_prefix(": ");
    headers.iter().find_map(of)
}

fn key(stage: &Stage) -> String {
    stage.signed("audit key").done().trim().to_owned()
}

#[test]
fn i02_an_answer_names_its_entry_which_has_a_receipt_also_after_a_crash() {
    let (mut stage, dev) = with_dev();
    let key = key(&stage);
    let server = stage.environment["KEYWARD_ADDRESS"].clone();
    let token = stage.environment["KEYWARD_TOKEN_FILE"].clone();
    stage.keyward("key create asked").done();
    let url = format!("{server}/v1/tenants/demo/keys/asked");
    // As soon as the log is counted, a second after the start.
    let body = "--json '{\"plaintext\":\"aGVsbG8=\"}'";
    let encrypt = format!("{body} {url}/encrypt");
    let waited = (0..2_000).find(|_| {
        let (_, headers) = ask(&stage, &token, &encrypt);
        header(&headers, "x-audit-index").is_some()
    });
    assert!(waited.is_some(), "no answer names its entry");

    let mut seen = BTreeSet::new();
    for (words, log) in [
        (encrypt.clone(), "operations/"),
        (encrypt.clone(), "operations/"),
        (format!("--request POST {url}/rotate"), "changes/"),
        (url.clone(), "operations/"),
        (format!("{server}/v1/tenants"), "system/"),
    ] {
        let (status, headers) = ask(&stage, &token, &words);
        let index = header(&headers, "x-audit-index");
        let index = index.unwrap_or_else(|| panic!("{words}: {status} {headers:?}"));
        assert!(index.starts_with(log), "{words}: {index}");
        assert!(seen.insert(index.to_owned()), "{index} twice");
        let request = header(&headers, "x-correlation-id").unwrap();
        let named = format!("entry-{}", seen.len());
        let asked = format!("--tenant demo audit receipt {index} --entry-out {named}");
        let receipt = stage.signed(&asked).done();
        let entry = std::fs::read_to_string(stage.path(&named)).unwrap();
        assert!(entry.contains(request), "{words}: {entry}");
        stage.write("receipt", &receipt);
        stage
            .keyward(&format!("audit check receipt --entry {named} --key {key}"))
            .done();
    }

    // Killed right behind an answer: the entry stands where it was said.
    let (_, headers) = ask(&stage, &token, &encrypt);
    dev.server.kill();
    let index = header(&headers, "x-audit-index").unwrap();
    let request = header(&headers, "x-correlation-id").unwrap();
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    let asked = format!("--tenant demo audit receipt {index} --entry-out last");
    stage.signed(&asked).done();
    let entry = std::fs::read_to_string(stage.path("last")).unwrap();
    assert!(entry.contains(request), "{entry}");

    stage
        .signed("--tenant demo audit receipt operations/999999")
        .refused(3, &["part of the log"]);
    stage
        .keyward("--tenant demo audit receipt heads/1")
        .refused(2, &["operations/1234"]);
}
