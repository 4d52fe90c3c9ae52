//! A transparency log verified, proved and checked by whoever has its files and its public key: no
//! server anywhere. The logs are those that Go's `x/mod` signed for the ledger's vectors.

use std::fs;
use std::path::Path;

use keyward_ledger::{Content, GrowingTree, Hash, TILE_WIDTH, Tile, bytes_of, put_entry};

use crate::stage::Stage;

const VECTORS: &str = include_str!("../../../ledger/tests/vectors/log.json");

/// Writes a log's files, as a mirror would have them.
fn write_log(place: &Path, entries: &[String], checkpoint: &str) {
    let write = |path: &str, bytes: &[u8]| {
        let path = place.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let (mut tree, mut bundle) = (GrowingTree::default(), Vec::new());
    for entry in entries {
        put_entry(&mut bundle, entry.as_bytes()).unwrap();
        for (tile, hashes) in tree.append(Hash::of_leaf(entry.as_bytes())) {
            write(&tile.to_string(), &bytes_of(&hashes));
            let full = Tile::new(Content::Entries, tile.index(), TILE_WIDTH).unwrap();
            write(&full.to_string(), &std::mem::take(&mut bundle));
        }
    }
    for (tile, hashes) in tree.partial() {
        write(&tile.to_string(), &bytes_of(hashes));
    }
    let size = entries.len() as u64;
    let last = Tile::in_tree(Content::Entries, size / 256, size).unwrap();
    write(&last.to_string(), &bundle);
    write("checkpoint", checkpoint.as_bytes());
}

/// A stage with a log of 300 entries in `log`, one of three in `small`, and the keys.
fn stage() -> (Stage, String, String) {
    let stage = Stage::new();
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entries: Vec<String> = (0..300).map(|index| format!("entry {index}")).collect();
    write_log(&stage.path("log"), &entries, &text(&vectors["checkpoint"]));
    let small = &vectors["small"];
    let entries: Vec<String> = small["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    write_log(&stage.path("small"), &entries, &text(&small["checkpoint"]));
    stage.write("receipt.tlog-proof", &text(&vectors["receipt"]));
    (
        stage,
        text(&vectors["vkey"]),
        text(&vectors["witness_vkey"]),
    )
}

#[test]
fn i13_an_auditor_with_the_files_and_the_key_finds_whatever_was_altered() {
    let (stage, key, witness) = stage();
    let verify = format!("audit verify log --key {key} --witness {witness}");
    let said = stage.keyward(&verify).done();
    assert!(said.contains("keys.example/audit"), "{said}");
    assert!(said.contains("300"), "{said}");
    assert!(said.contains("witness.example"), "{said}");
    let report = stage.keyward(&format!("{verify} --output json")).json();
    assert_eq!(report["sound"], true);
    assert_eq!(report["unchecked"].as_array().unwrap().len(), 0);

    let bundle = stage.path("log/tile/entries/001.p/44");
    let sound = fs::read(&bundle).unwrap();
    let mut altered = sound.clone();
    altered[3] ^= 1;
    fs::write(&bundle, altered).unwrap();
    let ended = stage.keyward(&verify);
    let place = "tile/entries/001.p/44: entry 256 is not the one that was logged";
    assert!(ended.out.contains(place), "{ended:?}");
    ended.refused(7, &["not what was signed: 1 fault", "evidence"]);
    fs::write(&bundle, &sound).unwrap();

    fs::remove_file(stage.path("log/tile/0/000")).unwrap();
    let ended = stage.keyward(&format!("{verify} --output json"));
    assert_eq!(ended.code, 7);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["faults"][0]["path"], "tile/0/000");
    assert_eq!(report["faults"].as_array().unwrap().len(), 1);

    // Nobody waits for a pipe that stands where a file was.
    stage
        .shell("rm log/tile/entries/000 && mkfifo log/tile/entries/000")
        .done();
    let ended = stage.keyward(&verify);
    assert!(
        ended
            .out
            .contains("tile/entries/000: the file cannot be read"),
        "{ended:?}"
    );
    ended.refused(7, &[]);
}

#[test]
fn a_log_is_not_believed_without_the_right_key_witness_or_history() {
    let (stage, key, witness) = stage();
    let verify =
        |directory: &str, more: &str| stage.keyward(&format!("audit verify {directory} {more}"));
    verify("small", &format!("--key {key} --since log/checkpoint")).refused(7, &["1 fault"]);
    let ended = verify("log", &format!("--key {key} --since small/checkpoint"));
    assert!(ended.out.contains("older checkpoint"), "{ended:?}");
    ended.refused(7, &[]);
    verify("log", &format!("--key {key} --since log/checkpoint")).done();

    verify(
        "log",
        "--key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    )
    .refused(7, &["no signature of a known key", "publishes"]);
    verify("log", &format!("--key {}", key.replace("audit+", "other+")))
        .refused(2, &["id does not belong"]);
    let unheard = "witness.example+00000000+BA==";
    verify("log", &format!("--key {key} --witness {unheard}")).refused(2, &[]);
    let log_as_witness = fs::read_to_string(stage.path("small/checkpoint")).unwrap();
    let without = log_as_witness
        .lines()
        .filter(|line| !line.contains("— witness"));
    let without: Vec<&str> = without.collect();
    fs::write(stage.path("small/checkpoint"), without.join("\n") + "\n").unwrap();
    verify("small", &format!("--key {key}")).done();
    verify("small", &format!("--key {key} --witness {witness}"))
        .refused(7, &["no signature of the witness witness.example"]);
    verify("nowhere", &format!("--key {key}")).refused(3, &["nowhere is not a directory"]);
    verify("home", &format!("--key {key}")).refused(3, &["no checkpoint", "next:"]);
}

#[test]
fn a_receipt_is_made_from_files_and_checked_without_them() {
    let (stage, key, witness) = stage();
    let prove = format!("audit prove log 257 --key {key} --entry-out entry.txt");
    let receipt = stage.keyward(&prove).done();
    let expected = fs::read_to_string(stage.path("receipt.tlog-proof")).unwrap();
    assert_eq!(receipt, expected, "Go made the same one");
    assert_eq!(
        fs::read_to_string(stage.path("entry.txt")).unwrap(),
        "entry 257"
    );
    stage.keyward(&prove).refused(1, &["entry.txt"]);

    let check = format!("audit check receipt.tlog-proof --key {key} --witness {witness}");
    let said = stage.keyward(&format!("{check} --entry entry.txt")).done();
    assert!(
        said.contains("entry 257 of keys.example/audit is in the log"),
        "{said}"
    );
    stage.write("other.txt", "entry 258");
    let refused = stage.keyward(&format!("{check} --entry other.txt"));
    refused.refused(7, &["another root", "compare the entry"]);
    stage.write(
        "receipt.tlog-proof",
        &expected.replace("index 257", "index 256"),
    );
    stage
        .keyward(&format!("{check} --entry entry.txt"))
        .refused(7, &["another root"]);

    stage
        .keyward(&format!("audit prove log 300 --key {key}"))
        .refused(3, &["no entry 300"]);
    let of_small = |entry: &str| stage.keyward(&format!("audit prove small {entry} --key {key}"));
    assert!(of_small("req-1").done().contains("index 0\n"));
    of_small("req-2").refused(2, &["2 entries", "1, 2"]);
    of_small("req-9").refused(3, &["req-9"]);
    fs::write(stage.path("small/tile/0/000.p/3"), [0; 96]).unwrap();
    of_small("req-1").refused(7, &["another root", "keyward audit verify"]);
}
