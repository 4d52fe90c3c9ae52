//! An entry that was copied out of the log alone: checked by the signature that it carries itself, here and by
//! other people's code, before and after the key was rotated.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::sealing::{hold_token, shown_once};
use crate::stage::{Stage, with_dev};
use crate::sumdb;

/// Waits until it is so; each look is a command, which takes its time.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    assert!((0..3_000).any(|_| is_so()), "{what} does not come");
}

fn key(stage: &Stage) -> String {
    let mut key = String::new();
    // A log that is not signed yet is unavailable.
    until("the key", || {
        let ended = stage.keyward("audit key");
        ended.out.trim().clone_into(&mut key);
        ended.code == 0
    });
    key
}

/// The last line of an export that is of this action and has this text.
fn line(stage: &Stage, scope: &str, action: &str, with: &str) -> String {
    let all = stage.keyward(&format!("{scope} audit export --format jsonl"));
    let all = all.done();
    let action = format!(r#""action":"{action}""#);
    let mut of_it = all.lines().filter(|line| line.contains(&action));
    let found = of_it.rfind(|line| line.contains(with));
    found
        .unwrap_or_else(|| panic!("{action} {with}: {all}"))
        .to_owned()
}

fn check(stage: &Stage, line: &str, more: &str) -> crate::stage::Ended {
    stage.write("line.json", line);
    stage.keyward(&format!("audit check-entry line.json {more}"))
}

/// The entry as it was logged, in a file.
fn logged(stage: &Stage, scope: &str, line: &str, name: &str) {
    let line: Value = serde_json::from_str(line).unwrap();
    let sequence = &line["sequence"];
    let words = format!("{scope} audit receipt {sequence} --entry-out {name}");
    until("the receipt", || stage.keyward(&words).code == 0);
}

#[test]
fn i13_an_entry_that_was_copied_alone_is_checked_by_the_logs_key() {
    let (stage, dev) = with_dev();
    let key = key(&stage);
    stage.keyward("key create ward-1").done();
    stage.keyward_with("key encrypt ward-1", b"text").done();
    let made = line(&stage, "--tenant demo", "key.create", "ward-1");
    let used = line(&stage, "--tenant demo", "key.encrypt", "ward-1");
    logged(&stage, "--tenant demo", &made, "made.json");
    let event = stage.keyward("--tenant demo audit export --format cloudevents");
    let event = event.done();
    let mut events = event.lines().filter(|line| line.contains("key.create"));
    let event: Value = serde_json::from_str(events.next_back().unwrap()).unwrap();
    let of_tenant = stage.signed("--tenant demo audit key --log changes");
    let of_tenant = of_tenant.done().trim().to_owned();
    stage
        .keyward("--tenant demo principal create dr.grey --kind service")
        .done();
    let somebody = line(&stage, "--tenant demo", "principal.create", "dr.grey");
    let begun = line(&stage, "--tenant system", "system.init", "");
    let put = "--tenant system secret put token";
    stage.keyward_with(put, b"value").done();
    let put = line(&stage, "--tenant system", "secret.put", "token");
    logged(&stage, "--tenant system", &put, "put.json");
    stage.signed("audit copy copy").done();
    drop(dev);

    // From here on there is no server.
    let with = format!("--key {key}");
    let signed = check(&stage, &made, &format!("{with} --output json")).json();
    assert_eq!(signed["entry"]["resource"]["name"], "ward-1");
    assert_eq!(signed["shows_more"], false);
    let said = check(&stage, &made, &with).done();
    assert!(said.starts_with("key.create of "), "{said}");
    check(&stage, &made, &format!("--key {of_tenant}")).done();
    check(&stage, &put, &with).done();
    check(&stage, &event["data"].to_string(), &with).done();
    let bytes = fs::read_to_string(stage.path("made.json")).unwrap();
    check(&stage, &bytes, &with).done();

    // What the line shows and the entry does not have is told apart.
    let shown = check(&stage, &somebody, &format!("{with} --output json")).json();
    assert_eq!(shown["shows_more"], true, "{shown}");
    assert_eq!(shown["entry"]["resource"]["name"], Value::Null);
    let other = somebody.replace("dr.grey", "dr.black");
    check(&stage, &other, &with).done();
    let other = somebody.replace(r#""unnamed":true"#, r#""unnamed":false"#);
    check(&stage, &other, &with).refused(7, &["was altered"]);

    // Other people's code says the same.
    let file = stage.path("made.json");
    let go = |key: &str| sumdb::run(&["entry", file.to_str().unwrap(), key], "");
    assert_eq!(sumdb::done(go(&key)), "key.create\n");
    fs::write(&file, bytes.replace("ward-1", "ward-2")).unwrap();
    assert!(!go(&key).status.success());

    // What is altered, what is no entry, and what has no signature of its own.
    let altered = made.replace("ward-1", "ward-2");
    check(&stage, &altered, &with).refused(7, &["was altered"]);
    let both = format!("{made}\n{made}");
    check(&stage, &both, &with).refused(2, &["one entry"]);
    check(&stage, &used, &with).refused(7, &["key.encrypt have no signature", "audit receipt"]);
    check(&stage, &begun, &with).refused(7, &["says so", "audit receipt"]);
    let mut bare: Value = serde_json::from_str(&made).unwrap();
    bare.as_object_mut().unwrap().remove("signature").unwrap();
    check(&stage, &bare.to_string(), &with).refused(7, &["taken away"]);
    bare["action"] = "key.of_a_later_version".into();
    check(&stage, &bare.to_string(), &with).refused(7, &["does not know the action"]);

    let report = stage.keyward(&format!("audit verify copy {with} --output json"));
    let report = report.json();
    assert_eq!(report["sound"], true, "{report}");
    assert!(report["signed_entries"].as_u64() > Some(0), "{report}");
    assert!(report["keyless_entries"].as_u64() > Some(0), "{report}");
    assert_eq!(report["entries_of_other_keys"], 0);
}

#[test]
fn i13_entries_signed_before_and_after_a_rotation_are_checked_by_either_key() {
    let (stage, dev) = with_dev();
    let one = key(&stage);
    stage.keyward("key create before").done();
    stage.signed("audit rotate-key --overlap-hours 0").done();
    // At once: by whichever of the two signs then.
    stage.keyward("key create during").done();
    let mut two = String::new();
    until("the next key", || {
        two = key(&stage);
        two != one
    });
    stage.keyward("key create after").done();
    let before = line(&stage, "--tenant demo", "key.create", r#""before""#);
    let during = line(&stage, "--tenant demo", "key.create", r#""during""#);
    let after = line(&stage, "--tenant demo", "key.create", r#""after""#);
    logged(&stage, "--tenant demo", &after, "after.json");
    stage.signed("audit copy copy").done();
    stage
        .signed("--tenant demo audit copy changes --log changes")
        .done();
    let changes = stage.signed("--tenant demo audit key --log changes").done();
    drop(dev);

    for (line, its, other) in [(&before, &one, &two), (&after, &two, &one)] {
        check(&stage, line, &format!("--key {its}")).done();
        let alone = check(&stage, line, &format!("--key {other}"));
        alone.refused(7, &["which is not the one that was given"]);
        let led = format!("--key {other} --handovers copy/handovers");
        check(&stage, line, &led).done();
    }
    let led = format!("--key {one} --handovers copy/handovers");
    check(&stage, &during, &led).done();
    for (line, by) in [
        (&before, "an earlier key of the log, handed over since"),
        (&after, "signed by the log's key"),
    ] {
        let said = check(&stage, line, &led).done();
        assert!(said.contains(by), "{said}");
        let signed = check(&stage, line, &format!("{led} --output json")).json();
        let is_before = *line == before;
        assert_eq!(signed["handed_over_since"], is_before, "{signed}");
    }
    for key in [&one, &two] {
        let report = stage.keyward(&format!("audit verify copy --key {key} --output json"));
        let report = report.json();
        assert_eq!(report["sound"], true, "{report}");
        assert_eq!(report["entries_of_other_keys"], 0, "{report}");
    }
    // Of a tenant's tree too, whose name is another one.
    let verify = format!(
        "audit verify changes --key {} --output json",
        changes.trim()
    );
    let report = stage.keyward(&verify).json();
    assert_eq!(report["sound"], true, "{report}");
    assert!(report["signed_entries"].as_u64() > Some(1), "{report}");
    assert_eq!(report["entries_of_other_keys"], 0, "{report}");
}

#[test]
fn i13_entries_are_signed_after_an_unseal_by_people_though_the_log_cannot_be_opened() {
    let mut stage = Stage::new();
    let said = stage
        .keyward("init --data data --shares 2 --threshold 2")
        .done();
    let (shares, token) = shown_once(&said);
    stage
        .shell("rm -rf data/audit/log && touch data/audit/log")
        .done();
    let (server, url) = stage.serve("--data data --listen 127.0.0.1:0 --set log.format=json");
    hold_token(&mut stage, &token, &url);
    for share in shares {
        stage.keyward_with("unseal", share.as_bytes()).done();
    }
    let mut made = 0;
    until("a signed entry", || {
        made += 1;
        let create = format!("tenant create tenant-{made}");
        stage.keyward(&create).done();
        last_signature(&stage.path("data/audit"), "tenant.create") != "none"
    });
    // No tree was opened, and no checkpoint was made.
    assert!(stage.path("data/audit/log").is_file());
    assert!(!stage.path("data/audit/log-signed").exists());
    server.stop();
}

/// What the last entry of an action has in the last segment of a journal.
fn last_signature(journal: &Path, action: &str) -> String {
    let files = fs::read_dir(journal).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let segments = files.filter(|file| file.extension().is_some_and(|it| it == "kwj"));
    let segment = segments.max();
    let bytes = fs::read(segment.unwrap()).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let action = format!(r#""action":"{action}""#);
    let (_, behind) = text.rsplit_once(&action).unwrap();
    let (_, behind) = behind.split_once(r#""signature":""#).unwrap();
    behind.split('"').next().unwrap().to_owned()
}
