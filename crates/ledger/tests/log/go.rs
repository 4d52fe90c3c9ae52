//! Logs and proofs exchanged, both ways, with code that is not ours: Go's `x/mod/sumdb`, as Debian
//! ships it.

use std::fmt::Write as _;
use std::path::Path;

use keyward_ledger::{
    Files, Hash, Head, OpenedCheckpoint, check_log, prove_consistency, prove_inclusion,
    verify_consistency, verify_inclusion,
};

use crate::stage::{Log, log_signer, signed, witness};
use crate::sumdb::{done, run};

fn quoted(hashes: &[Hash]) -> String {
    let quoted: Vec<String> = hashes.iter().map(|hash| format!("\"{hash}\"")).collect();
    quoted.join(",")
}

/// Some proofs about a log, as JSON.
fn proofs(log: &Log) -> (String, usize, usize) {
    let size = log.tree.size();
    let (mut inclusion, mut consistency) = (Vec::new(), Vec::new());
    for part in [1, 2, 255, 256, 257, size / 2, size - 1, size] {
        if part == 0 || part > size {
            continue;
        }
        for index in [0, part / 3, part - 1] {
            let path = quoted(&prove_inclusion(&log.tree, index, part).unwrap());
            let mut json = String::new();
            write!(
                json,
                "{{\"index\":{index},\"size\":{part},\"path\":[{path}]}}"
            )
            .unwrap();
            inclusion.push(json);
        }
        let proof = quoted(&prove_consistency(&log.tree, part, size).unwrap());
        consistency.push(format!(
            "{{\"old\":{part},\"new\":{size},\"proof\":[{proof}]}}"
        ));
    }
    let (paths, growths) = (inclusion.len(), consistency.len());
    let (inclusion, consistency) = (inclusion.join(","), consistency.join(","));
    let json = format!("{{\"inclusion\":[{inclusion}],\"consistency\":[{consistency}]}}");
    (json, paths, growths)
}

fn cosigned(log: &mut Log) {
    let witness = witness();
    let mut note = signed(log.head(), &log_signer());
    note.cosign(&witness.key, 1_795_000_000, |message| witness.sign(message))
        .unwrap();
    log.files
        .insert("checkpoint".to_owned(), note.to_string().into_bytes());
}

#[test]
fn go_verifies_the_logs_and_proofs_made_here_and_refuses_altered_ones() {
    let (vkey, witness_vkey) = (log_signer().key.to_string(), witness().key.to_string());
    for size in [1, 2, 255, 256, 257, 1000, 66_000] {
        let mut log = Log::of(size);
        cosigned(&mut log);
        let directory = tempfile::tempdir().unwrap();
        log.write(directory.path());
        let path = directory.path().to_str().unwrap();
        let (json, paths, growths) = proofs(&log);
        let said = done(run(&["verify", path, &vkey, &witness_vkey], &json));
        assert_eq!(
            said,
            format!("{size} entries, {paths} proofs, {growths} growths\n")
        );

        let bundle = directory.path().join(match size {
            1 | 2 | 255 => format!("tile/entries/000.p/{size}"),
            _ => "tile/entries/000".to_owned(),
        });
        let mut bytes = std::fs::read(&bundle).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&bundle, bytes).unwrap();
        let refused = run(&["verify", path, &vkey, &witness_vkey], &json);
        assert!(!refused.status.success(), "an altered log of {size} passed");
    }
}

#[test]
fn logs_and_proofs_that_go_made_verify_here() {
    let (key, witnesses) = (log_signer().key, [witness().key]);
    for size in [1u64, 2, 255, 256, 257, 1000, 66_000] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let json = done(run(&["make", path, &size.to_string(), "1"], ""));
        let mut files = read(directory.path());
        let checked = check_log(&mut files, &key, &witnesses, None).unwrap();
        assert!(checked.faults.none(), "{:?}", checked.faults.named());
        assert_eq!(checked.unchecked, Vec::<String>::new());
        let checkpoint = files.read("checkpoint", 1 << 20).unwrap().unwrap();
        let opened = OpenedCheckpoint::open(&checkpoint, &key, &witnesses).unwrap();
        assert_eq!(
            (opened.checkpoint.head().size, opened.signatures.len()),
            (size, 2)
        );
        proofs_hold(&json);
    }
}

/// A directory's files in memory.
fn read(directory: &Path) -> Log {
    let mut log = Log::default();
    let mut waiting = vec![directory.to_owned()];
    while let Some(place) = waiting.pop() {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path
                    .strip_prefix(directory)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                log.files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    log
}

fn proofs_hold(json: &str) {
    let proofs: serde_json::Value = serde_json::from_str(json).unwrap();
    let number = |value: &serde_json::Value, name: &str| value[name].as_u64().unwrap();
    let hashes = |value: &serde_json::Value| -> Vec<Hash> {
        let values = value.as_array().unwrap().iter();
        values
            .map(|hash| hash.as_str().unwrap().parse().unwrap())
            .collect()
    };
    let leaf = |index: u64| Hash::of_leaf(format!("entry {index}").as_bytes());
    let head = |size: u64| {
        let tree = keyward_ledger::MemoryTree::new((0..size).map(leaf));
        Head {
            size,
            root: tree.root(),
        }
    };
    for proof in proofs["inclusion"].as_array().unwrap() {
        let (index, size) = (number(proof, "index"), number(proof, "size"));
        let path = hashes(&proof["path"]);
        assert_eq!(
            verify_inclusion(leaf(index), index, head(size), &path),
            Ok(())
        );
    }
    for proof in proofs["consistency"].as_array().unwrap() {
        let (old, new) = (head(number(proof, "old")), head(number(proof, "new")));
        assert_eq!(
            verify_consistency(old, new, &hashes(&proof["proof"])),
            Ok(())
        );
    }
}
