//! The key that signs the log, rotated: who has an earlier one is led to today's, whatever is killed on
//! the way, and nobody else is led anywhere.

use std::fs;

use crate::stage::{Dev, Stage, move_in, with_dev};
use crate::sumdb;

fn word(stage: &Stage, words: &str) -> String {
    let mut said = None;
    until("an answer", || {
        let ended = stage.keyward(words);
        // A log that is not signed yet is unavailable.
        let is_there = ended.code != 6;
        said = Some(ended);
        is_there
    });
    said.unwrap().done().trim().to_owned()
}

/// The sequence number of the last entry of the system's.
fn last(stage: &Stage) -> u64 {
    let entries = stage.keyward("--tenant system audit tail -n 1 --output json");
    entries.json()["items"][0]["sequence"].as_u64().unwrap()
}

/// Writes a receipt for what was done last, and the entry beside it.
fn receipt(stage: &Stage, name: &str) {
    let last = last(stage);
    let line = format!("--tenant system audit receipt {last} --entry-out {name}.json");
    let mut text = String::new();
    // A server that is busy with others may not have signed it in the time that it waits for that.
    until("the receipt", || {
        let ended = stage.keyward(&line);
        text.clone_from(&ended.out);
        ended.code == 0
    });
    stage.write(name, &text);
}

/// Waits until it is so; each look is a command, which takes its time.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    assert!((0..3_000).any(|_| is_so()), "{what} does not come");
}

fn signatures(stage: &Stage) -> usize {
    let note = fs::read_to_string(stage.path("copy/checkpoint")).unwrap();
    note.lines().filter(|line| line.starts_with('—')).count()
}

fn go_verifies(stage: &Stage, key: &str) -> bool {
    let copy = stage.path("copy");
    let said = sumdb::run(&["verify", copy.to_str().unwrap(), key, ""], "{}");
    said.status.success()
}

#[test]
fn i13_who_has_an_earlier_key_is_led_to_the_one_that_signs_today() {
    let (stage, _dev) = with_dev();
    let keys = |tenant: &str| {
        let changes = format!("--tenant {tenant} audit key --log changes");
        (word(&stage, "audit key"), word(&stage, &changes))
    };
    let (one, one_of_tenant) = keys("demo");
    stage.signed("audit copy copy").done();
    fs::copy(stage.path("copy/checkpoint"), stage.path("older")).unwrap();
    assert_eq!(signatures(&stage), 1);
    assert_eq!(fs::read(stage.path("copy/handovers")).unwrap(), b"");
    receipt(&stage, "early");

    // Both sign for a while, so that everybody has time to learn of the next one.
    let rotated = stage.keyward("audit rotate-key --reason planned --output json");
    let rotated = rotated.json();
    let two = word(&stage, "audit key");
    assert_eq!(rotated["key"], two.as_str());
    assert_eq!(rotated["former_key"], one.as_str());
    assert_ne!(one, two);
    receipt(&stage, "between");
    stage.signed("audit copy copy").done();
    assert_eq!(signatures(&stage), 2);
    for key in [&one, &two] {
        stage
            .keyward(&format!("audit verify copy --key {key}"))
            .done();
        assert!(go_verifies(&stage, key));
        let check = format!("audit check between --entry between.json --key {key}");
        stage.keyward(&check).done();
    }
    let report = stage.keyward(&format!("audit verify copy --key {one} --output json"));
    assert_eq!(report.json()["handed_over_to"], two.as_str());

    // From one of which others may know, at once.
    let three = word(&stage, "audit rotate-key --overlap-hours 0");
    stage.keyward("key list").done();
    receipt(&stage, "late");
    stage.signed("audit copy copy").done();
    assert_eq!(signatures(&stage), 1);
    for key in [&one, &two, &three] {
        // An older checkpoint is believed by the key that was signed with then.
        let since = if key == &one { " --since older" } else { "" };
        let verify = format!("audit verify copy --key {key}{since} --output json");
        let report = stage.keyward(&verify).json();
        assert_eq!(report["sound"], true, "{report}");
        let next = report["handed_over_to"].as_str();
        assert_eq!(next, (key != &three).then_some(three.as_str()));
    }
    assert!(go_verifies(&stage, &three));
    assert!(!go_verifies(&stage, &two));
    // A receipt alone does not lead anywhere; with the hand-overs it does.
    let check = |name: &str, key: &str, more: &str| {
        stage.keyward(&format!(
            "audit check {name} --entry {name}.json --key {key}{more}"
        ))
    };
    check("early", &one, "").done();
    check("late", &three, "").done();
    check("late", &one, "").refused(7, &["no signature of a known key"]);
    check("late", &one, " --handovers copy/handovers").done();
    check("early", &three, "").refused(7, &["no signature of a known key"]);
    stage
        .keyward(&format!(
            "audit prove copy 0 --key {one} --entry-out first.json"
        ))
        .done();

    // A tenant's log goes along, under its own name; over the network too.
    let address = format!("{}/v1", stage.environment["KEYWARD_ADDRESS"]);
    stage
        .signed(&format!("audit verify {address}/audit/log --key {one}"))
        .done();
    let changes = format!("{address}/tenants/demo/audit/log/changes");
    stage
        .signed(&format!("audit verify {changes} --key {one_of_tenant}"))
        .done();
    let (_, three_of_tenant) = keys("demo");
    assert_ne!(one_of_tenant, three_of_tenant);

    // Who did it, and what both keys have signed, is in the log.
    let entries = stage
        .keyward("--tenant system audit tail -n 500 --output json")
        .json();
    let entries = entries["items"].as_array().unwrap();
    let of = |action: &str| {
        let of = entries.iter().filter(|entry| entry["action"] == action);
        of.collect::<Vec<_>>()
    };
    let ordered = of("audit.rotate_key");
    assert_eq!(ordered.len(), 2);
    assert_eq!(ordered[0]["reason"], "planned");
    let handovers = fs::read_to_string(stage.path("copy/handovers")).unwrap();
    for entry in of("audit.hand_over_key") {
        let note = entry["details"]["note"].as_str().unwrap();
        assert!(handovers.contains(note), "{entry}");
    }
    assert_eq!(of("audit.hand_over_key").len(), 2);

    // Whatever was changed in the hand-overs leads nobody.
    let half = handovers.split_inclusive("\n\n").last().unwrap();
    for changed in [
        handovers.replace("from ", "form "),
        handovers.chars().take(handovers.len() / 2).collect(),
        half.to_owned(),
        String::new(),
    ] {
        stage.write("copy/handovers", &changed);
        let ended = stage.keyward(&format!("audit verify copy --key {one}"));
        assert_eq!(ended.code, 7, "{ended:?}");
    }
}

fn again(stage: &mut Stage) -> Dev {
    let dev = stage.dev();
    move_in(stage, &dev);
    dev
}

#[test]
fn i13_a_rotation_that_is_killed_at_any_point_leads_on_and_is_finished_by_the_next_start() {
    let (mut stage, mut dev) = with_dev();
    let first = word(&stage, "audit key");
    for round in 0..6 {
        let before = word(&stage, "audit key");
        // The order is taken, and its execution may have come to any point.
        let token = fs::read_to_string(&stage.environment["KEYWARD_TOKEN_FILE"]).unwrap();
        let address = format!(
            "{}/v1/audit/log/rotate-key",
            stage.environment["KEYWARD_ADDRESS"]
        );
        let said = stage.shell(&format!(
            "curl -s -X POST -H 'authorization: Bearer {}' -H 'content-type: application/json' \
             -d '{{\"overlap_hours\":0}}' {address}",
            token.trim()
        ));
        assert!(said.out.contains("public_key"), "{said:?}");
        if round % 3 == 1 {
            // Until the hand-over is in the journal.
            let tail = "--tenant system audit tail -n 500 --output json";
            let from = format!("from {before}");
            until("the hand-over", || stage.keyward(tail).out.contains(&from));
        }
        dev.server.kill();
        dev = again(&mut stage);
        receipt(&stage, &format!("receipt-{round}"));
        assert_ne!(word(&stage, "audit key"), before, "round {round}");
        stage.signed("audit copy copy").done();
        let report = stage.keyward(&format!("audit verify copy --key {first} --output json"));
        let report = report.json();
        assert_eq!(report["sound"], true, "{report}");
        assert_eq!(report["handed_over_to"], word(&stage, "audit key"));
    }
    // A key that signed and is not there any more hands nothing over: nothing is signed by the next.
    dev.server.stop();
    let kept = stage.path("data/audit/log-handovers");
    fs::write(&kept, "not what was written").unwrap();
    let dev = again(&mut stage);
    let alert = "--tenant system alert list --output json";
    until("the alert", || {
        stage.keyward(alert).out.contains("log-handovers")
    });
    dev.server.stop();
}
