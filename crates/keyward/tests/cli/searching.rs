//! `keyward audit search` and `keyward audit count` against a real server.

use serde_json::{Value, json};

use crate::stage::{Stage, with_dev};

fn sequences(found: &Value) -> Vec<u64> {
    let items = found["items"].as_array().unwrap().iter();
    items.map(|it| it["sequence"].as_u64().unwrap()).collect()
}

fn search(stage: &Stage, wish: &str) -> Value {
    let asked = format!("audit search {wish} --output json");
    stage.keyward(&asked).json()
}

#[test]
fn the_log_is_searched_and_counted() {
    let (stage, _dev) = with_dev();
    for number in 0..4 {
        stage.keyward(&format!("key create ward-{number}")).done();
    }
    stage.keyward("key rotate ward-2").done();
    let of_key = search(&stage, "--key ward-2");
    let items = of_key["items"].as_array().unwrap();
    assert_eq!(
        items[0]["action"], "key.rotate",
        "the newest first: {of_key}"
    );
    assert!(
        items.iter().all(|it| it["resource"]["name"] == "ward-2"),
        "{of_key}"
    );
    let id = items[0]["resource"]["id"].as_str().unwrap();
    assert_eq!(
        search(&stage, &format!("--key {id} -n 1"))["items"],
        json!([items[0]])
    );

    let elsewhere = search(&stage, "--key ward-2 --from 192.0.2.77");
    assert_eq!(elsewhere["items"], json!([]));
    let here = search(&stage, "--key ward-2 --from 127.0.0.1");
    assert_eq!(here["items"], of_key["items"]);

    // As people read it, and gone on with.
    let shown = stage.keyward("audit search --text ward --action key.create -n 3");
    assert_eq!(shown.out.lines().count(), 3, "{}", shown.out);
    assert!(shown.out.contains("ok      key.create"), "{}", shown.out);
    let before = shown
        .err
        .split("--before ")
        .nth(1)
        .unwrap()
        .trim()
        .to_owned();
    let rest = format!("--text ward --action key.create --before {before}");
    assert_eq!(search(&stage, &rest)["items"].as_array().unwrap().len(), 1);

    // The whole deployment's, by who may read it all; a page at a time it is the same.
    let all = search(&stage, "--action key.* -n 1000");
    let mut sorted = sequences(&all);
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(sequences(&all), sorted);

    let counted = "audit count --by action --every day --text ward --output json";
    let counted = stage.keyward(counted).json();
    let created = counted["items"].as_array().unwrap().iter();
    let created = created.filter(|it| it["value"] == "key.create");
    let created: u64 = created.map(|it| it["entries"].as_u64().unwrap()).sum();
    assert_eq!(created, 4);
    let table = stage.keyward("audit count --by outcome").done();
    assert!(table.contains("ok"), "{table}");

    stage
        .keyward("audit search --action key.fly")
        .refused(2, &["action"]);
    stage
        .keyward("audit count --by colour")
        .refused(2, &["colour", "principal"]);
}

#[test]
fn what_happened_to_a_key_is_told_with_receipts() {
    let (stage, _dev) = with_dev();
    stage.keyward("key create chain").done();
    for _ in 0..3 {
        let hidden = stage.keyward_with("key encrypt chain", b"hello");
        assert!(!hidden.done().is_empty());
    }
    stage.keyward("key rotate chain").done();
    stage.keyward("key resume chain").refused(5, &[]);
    let told = stage
        .signed("audit custody chain --receipts proofs --output json")
        .json();
    let entries = told["entries"].as_array().unwrap();
    let actions: Vec<&str> = entries
        .iter()
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["key.create", "key.rotate", "key.resume"],
        "{told}"
    );
    let uses = told["uses"].as_array().unwrap().iter();
    let encrypted = uses.filter(|it| it["value"] == "key.encrypt");
    let encrypted: u64 = encrypted.map(|it| it["entries"].as_u64().unwrap()).sum();
    assert_eq!(encrypted, 3);
    let key = stage.signed("audit key").done();
    for entry in entries {
        let proof = format!("proofs/{}", entry["sequence"]);
        let check = format!(
            "audit check {proof}.tlog-proof --entry {proof}.json --key {}",
            key.trim()
        );
        stage.keyward(&check).done();
    }
    let shown = stage.keyward("audit custody chain").done();
    let order = ["key.create", "key.rotate", "key.resume"].map(|it| shown.find(it).unwrap());
    assert!(order.is_sorted(), "{shown}");
    // On two lines if a day began in between.
    let times = |line: &str| {
        let line = line.strip_suffix(" times")?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    let encrypted = shown.lines().filter(|it| it.contains("key.encrypt"));
    assert_eq!(encrypted.filter_map(times).sum::<u64>(), 3, "{shown}");
    // Into a directory that is there nothing is written.
    stage
        .keyward("audit custody chain --receipts proofs")
        .refused(1, &["proofs"]);
}
