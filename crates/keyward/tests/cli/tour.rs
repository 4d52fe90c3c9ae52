//! The first minutes of a stranger: start, encrypt, rotate, undo, revoke, pull the plug, go on.

use crate::stage::{mode_of, move_in, with_dev};

#[test]
fn the_lines_that_dev_prints_work_as_printed() {
    let (stage, dev) = with_dev();
    let lines = dev.to_paste();
    assert_eq!(lines.len(), 4, "{}", dev.greeting);
    let paste = |line: &str| stage.shell(&format!("{}\n{line}", lines[0])).done();
    let keys = paste(&lines[1]);
    for key in [
        "patient-records",
        "invoices",
        "release-signing",
        "session-mac",
    ] {
        assert!(keys.contains(key), "{keys}");
    }
    assert_eq!(paste(&lines[2]), "Blood type: 0 negative\n");
    let log = paste(&lines[3]);
    assert!(
        log.contains("key.encrypt") && log.contains("key.decrypt"),
        "{log}"
    );
}

#[test]
fn everything_is_there_after_the_plug_is_pulled() {
    let (mut stage, dev) = with_dev();
    let token = dev.said("token");
    let encrypt = || {
        stage
            .keyward_with("key encrypt patient-records", b"0 negative")
            .done()
    };
    let first = encrypt();
    stage
        .keyward("key rotate patient-records --reason spring")
        .done();
    let second = encrypt();
    assert_eq!(
        stage
            .keyward_with("key decrypt patient-records", first.as_bytes())
            .done(),
        "0 negative"
    );
    stage.keyward("key rollback patient-records").done();
    for ciphertext in [&first, &second] {
        let opened = stage.keyward_with("key decrypt patient-records", ciphertext.as_bytes());
        assert_eq!(opened.done(), "0 negative");
    }
    stage
        .keyward("key revoke invoices --because superseded --reason moved")
        .done();
    let before = stage
        .keyward("key history patient-records --output json")
        .json();
    let logged = stage.keyward("audit tail -n 1000 --output json").json();

    dev.server.kill();
    let dev = stage.dev();
    move_in(&mut stage, &dev);

    assert_eq!(dev.said("token"), token);
    assert!(dev.greeting.contains("as you left it"));
    for ciphertext in [&first, &second] {
        let opened = stage.keyward_with("key decrypt patient-records", ciphertext.as_bytes());
        assert_eq!(opened.done(), "0 negative");
    }
    assert_eq!(
        stage
            .keyward("key history patient-records --output json")
            .json(),
        before
    );
    assert!(
        stage
            .keyward("key show patient-records")
            .done()
            .contains("versions         1 active, 2 rotated")
    );
    let invoices = stage.keyward("key show invoices --output json").json();
    assert_eq!(invoices["state"], "rotated");
    let after = stage.keyward("audit tail -n 1000 --output json").json();
    let entries = |log: &serde_json::Value| log["items"].as_array().unwrap().clone();
    let kept = entries(&logged);
    assert_eq!(entries(&after)[..kept.len()], kept[..]);
    let actions: Vec<_> = kept
        .iter()
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect();
    for action in [
        "key.encrypt",
        "key.rotate",
        "key.decrypt",
        "key.roll_back",
        "key.revoke",
    ] {
        assert!(
            actions.iter().any(|logged| logged == action),
            "{action} is not in {actions:?}"
        );
    }
}

#[test]
fn a_second_start_in_order_keeps_everything_and_a_lost_token_is_replaced() {
    let (mut stage, dev) = with_dev();
    let ciphertext = stage
        .keyward_with("key encrypt --class PHI_DATA", b"secret")
        .done();
    let token = dev.said("token");
    dev.server.stop();
    std::fs::remove_file(stage.path("data/dev-token")).unwrap();

    let dev = stage.dev();
    move_in(&mut stage, &dev);

    assert_ne!(dev.said("token"), token);
    let opened = stage.keyward_with("key decrypt --class PHI_DATA", ciphertext.as_bytes());
    assert_eq!(opened.done(), "secret");
}

#[test]
fn what_it_writes_is_the_owners_only_and_holds_no_plaintext() {
    let (stage, dev) = with_dev();
    let plaintext = "a very recognisable plaintext";
    stage
        .keyward_with("key encrypt patient-records", plaintext.as_bytes())
        .done();
    let token = dev.said("token");
    dev.server.stop();
    let mut pending = vec![stage.path("data")];
    while let Some(path) = pending.pop() {
        assert_eq!(mode_of(&path) & 0o077, 0, "{}", path.display());
        if path.is_dir() {
            pending.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let holds = |needle: &str| {
            bytes
                .windows(needle.len())
                .any(|part| part == needle.as_bytes())
        };
        assert!(!holds(plaintext), "{}", path.display());
        let is_token_file = path.ends_with("dev-token");
        assert_eq!(holds(&token), is_token_file, "{}", path.display());
    }
}
