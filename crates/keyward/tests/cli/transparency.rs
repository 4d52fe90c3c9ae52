//! A server's transparency log, taken away by an auditor: copied, verified without the server by this
//! program and by other people's, and receipts for single entries; and a server that was given an older
//! journal.

use std::fs;
use std::path::Path;

use crate::stage::{Dev, Stage, move_in, with_dev};
use crate::sumdb;

fn word(stage: &Stage, words: &str) -> String {
    stage.signed(words).done().trim().to_owned()
}

/// Waits until everything that was done is signed: the receipt of the last entry says so.
fn signed_now(stage: &Stage) {
    let last = last(stage, "--tenant system");
    stage
        .signed(&format!("--tenant system audit receipt {last}"))
        .done();
}

/// The sequence number of the last entry of a tenant, or of everything.
fn last(stage: &Stage, scope: &str) -> u64 {
    let tail = format!("{scope} audit tail -n 1 --output json");
    let entries = stage.keyward(&tail).json();
    entries["items"][0]["sequence"].as_u64().unwrap()
}

#[test]
fn i13_an_auditor_takes_a_servers_log_away_and_verifies_it_alone() {
    let (stage, dev) = with_dev();
    let key = word(&stage, "audit key");
    let said = stage.signed("audit copy copy").done();
    assert!(said.contains("new files, 0 were there"), "{said}");
    let verify = format!("audit verify copy --key {key}");
    let report = stage.keyward(&format!("{verify} --output json")).json();
    assert_eq!(report["sound"], true);
    assert!(report["entries"].as_u64().unwrap() > 10, "{report}");
    let origin = report["log"].as_str().unwrap();
    assert!(key.starts_with(&format!("{origin}+")), "{key}");
    fs::copy(stage.path("copy/checkpoint"), stage.path("older")).unwrap();

    // What was done since is in the next copy, which continues the older one.
    stage.keyward("key list").done();
    stage
        .keyward_with("--tenant system secret put token", b"value")
        .done();
    signed_now(&stage);
    let said = stage.signed("audit copy copy").done();
    assert!(!said.contains(": 0 new files"), "{said}");
    let since = stage.keyward(&format!("{verify} --since older --output json"));
    let newer = since.json();
    assert!(newer["entries"].as_u64() > report["entries"].as_u64());

    // The server is not needed for any of it, and may be asked instead of the files.
    let address = format!("{}/v1/audit/log", stage.environment["KEYWARD_ADDRESS"]);
    stage
        .signed(&format!("audit verify {address} --key {key}"))
        .done();
    let changes = word(&stage, "--tenant demo audit key --log changes");
    let address = address.replace("/v1/", "/v1/tenants/demo/");
    stage
        .signed(&format!("audit verify {address}/changes --key {changes}"))
        .done();
    stage
        .keyward(&format!(
            "audit verify {address}/operations --key {changes}"
        ))
        .refused(7, &["no signature of a known key"]);
    stage
        .signed("--tenant demo audit copy operations --log operations")
        .done();
    drop(dev);
    let operations = changes.rsplit_once("/changes+").unwrap().0;
    stage.keyward(&verify).done();

    // Other people's code says the same.
    let copy = stage.path("copy");
    let said = sumdb::run(&["verify", copy.to_str().unwrap(), &key, ""], "{}");
    let entries = newer["entries"].as_u64().unwrap();
    assert_eq!(
        sumdb::done(said),
        format!("{entries} entries, 0 proofs, 0 growths\n")
    );
    let checkpoint = fs::read_to_string(stage.path("operations/checkpoint")).unwrap();
    assert!(checkpoint.starts_with(&format!("{operations}/operations\n")));

    // A byte of it changed.
    let bundle = stage.path(&format!("copy/{}", partial(entries)));
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[40] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let ended = stage.keyward(&verify);
    assert!(
        ended.out.contains("is not the one that was logged"),
        "{ended:?}"
    );
    ended.refused(7, &["not what was signed"]);
}

/// The last bundle of a log of this size.
fn partial(entries: u64) -> String {
    let content = keyward_ledger::Content::Entries;
    let tile = keyward_ledger::Tile::in_tree(content, (entries - 1) / 256, entries);
    tile.unwrap().to_string()
}

#[test]
fn i13_a_receipt_is_for_its_entry_and_for_whoever_may_read_that() {
    let (stage, _dev) = with_dev();
    let key = word(&stage, "audit key");
    let of_tenant = last(&stage, "--tenant demo");
    let of_system = last(&stage, "--tenant system");
    let receipt = |scope: &str, sequence: u64, name: &str| {
        let line = format!("{scope} audit receipt {sequence} --entry-out {name}.json");
        let ended = stage.signed(&line);
        if ended.code == 0 {
            stage.write(name, &ended.out);
        }
        ended
    };
    let check = |name: &str, entry: &str| {
        let line = format!("audit check {name} --entry {entry}.json --key {key} --output json");
        stage.keyward(&line)
    };
    receipt("--tenant demo", of_tenant, "one").done();
    let proved = check("one", "one").json();
    let tree = proved["tree"].as_str().unwrap();
    assert!(tree.starts_with("tenants/"), "{proved}");
    receipt("--tenant system", of_system, "two").done();
    let proved = check("two", "two").json();
    assert_eq!(proved["tree"], serde_json::Value::Null);
    check("one", "two").refused(7, &["compare the entry"]);
    check("two", "one").refused(7, &["compare the entry"]);
    // Of a tenant's, its own alone; of one that is not there yet, none.
    receipt("--tenant demo", of_system, "three").refused(3, &["no such part of the log"]);
    receipt("--tenant demo", 1_000_000, "three").refused(3, &["no such part of the log"]);
    assert!(!Path::new(&stage.path("three.json")).exists());
    // Nothing is written over.
    receipt("--tenant demo", of_tenant, "one").refused(1, &["one.json"]);
}

fn copy_of(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_of(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

#[test]
fn i08_i13_an_older_disk_put_back_keeps_the_server_from_contradicting_what_it_signed() {
    let (mut stage, dev) = with_dev();
    let key = word(&stage, "audit key");
    dev.server.stop();
    let (data, older) = (stage.path("data"), stage.path("older"));
    copy_of(&data, &older);
    let dev = again(&mut stage);
    assert_eq!(
        word(&stage, "audit key"),
        key,
        "the log goes on under its name"
    );
    stage.keyward("--tenant demo key list").done();
    // Signed, with all that was done.
    signed_now(&stage);
    dev.server.stop();

    // The whole disk as it was before, but for what remembers what others were shown.
    let memory = data.join("audit/log-signed");
    let signed = fs::read(&memory).unwrap();
    fs::remove_dir_all(&data).unwrap();
    copy_of(&older, &data);
    fs::write(&memory, &signed).unwrap();
    let start = "dev --listen 127.0.0.1:0 --data data";
    stage.keyward(start).refused(
        1,
        &[
            "the journal ends at",
            "Put the newer one back",
            "log-signed",
        ],
    );
    // What says it is needed; what cannot be read is not passed over.
    fs::write(&memory, &signed[..signed.len() / 2]).unwrap();
    stage.keyward(start).refused(1, &["log-signed", "evidence"]);
    // As the message says: another log, under another name.
    fs::remove_file(&memory).unwrap();
    let dev = again(&mut stage);
    assert_ne!(word(&stage, "audit key"), key);
    dev.server.stop();
}

fn again(stage: &mut Stage) -> Dev {
    let dev = stage.dev();
    move_in(stage, &dev);
    dev
}

#[test]
fn i03_i13_a_journal_file_that_is_taken_away_stops_operations_within_seconds() {
    let (stage, dev) = with_dev();
    let journal = stage.path("data/audit/journal-00000000000000000001.kwj");
    assert!(journal.is_file());
    stage.keyward("key list").done();
    let kept = fs::read(&journal).unwrap();
    fs::remove_file(&journal).unwrap();
    // A look each second: some hundreds of commands at most.
    let refused = (0..5_000)
        .map(|_| stage.keyward("key list"))
        .find(|ended| ended.code != 0)
        .unwrap();
    assert!(refused.err.contains("audit_unavailable"), "{refused:?}");
    let said = "journal-00000000000000000001.kwj was removed while the server ran";
    assert!(refused.err.contains(said), "{refused:?}");
    // Putting it back is not enough: what was written since is not in it.
    fs::write(&journal, kept).unwrap();
    stage.keyward("key list").refused(refused.code, &[said]);
    let ready = stage.shell(&format!(
        "curl -s {}/health/ready",
        stage.environment["KEYWARD_ADDRESS"]
    ));
    assert!(ready.out.contains("audit_unavailable"), "{ready:?}");
    drop(dev);
}
