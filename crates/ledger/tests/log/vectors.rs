//! Published and shared vectors: RFC 6962's tree of eight leaves, as the Certificate Transparency
//! implementations test it, and the log in `tests/vectors/log.json`, which Go's `x/mod` made.

use data_encoding::HEXLOWER;
use keyward_ledger::{
    Hash, Head, MemoryTree, OpenedCheckpoint, Receipt, Subtrees, VerifierKey, bytes_of,
    prove_consistency, prove_inclusion, put_entry, root, verify_consistency, verify_inclusion,
};

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Index, size, path.
const PATHS: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        3,
        &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    ),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

/// Old size, new size, proof.
const GROWTHS: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn hash(hex: &str) -> Hash {
    Hash::from_bytes(HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap())
}

fn hashes(hex: &[&str]) -> Vec<Hash> {
    hex.iter().copied().map(hash).collect()
}

#[test]
fn the_tree_of_eight_leaves_is_that_of_rfc_6962() {
    let leaves = LEAVES.map(|leaf| Hash::of_leaf(&HEXLOWER.decode(leaf.as_bytes()).unwrap()));
    let tree = MemoryTree::new(leaves);
    let head = |size: u64| Head {
        size,
        root: hash(ROOTS[size as usize]),
    };
    for size in 0..=8 {
        assert_eq!(root(&tree, size).unwrap(), head(size).root, "{size}");
    }
    for (index, size, path) in PATHS {
        let path = hashes(path);
        assert_eq!(prove_inclusion(&tree, index, size).unwrap(), path);
        assert_eq!(
            verify_inclusion(leaves[index as usize], index, head(size), &path),
            Ok(())
        );
    }
    for (old, new, proof) in GROWTHS {
        let proof = hashes(proof);
        assert_eq!(prove_consistency(&tree, old, new).unwrap(), proof);
        assert_eq!(verify_consistency(head(old), head(new), &proof), Ok(()));
    }
}

#[test]
fn the_log_that_go_made_is_the_one_made_here() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/log.json")).unwrap();
    let text = |name: &str| vectors[name].as_str().unwrap().to_owned();
    let base64 = data_encoding::BASE64;
    let hashes = |value: &serde_json::Value| -> Vec<Hash> {
        let values = value.as_array().unwrap().iter();
        values
            .map(|hash| hash.as_str().unwrap().parse().unwrap())
            .collect()
    };
    let tree = MemoryTree::new(
        (0..300u64).map(|index| Hash::of_leaf(format!("entry {index}").as_bytes())),
    );
    for (size, root) in vectors["roots"].as_object().unwrap() {
        let made = keyward_ledger::root(&tree, size.parse().unwrap()).unwrap();
        assert_eq!(made.to_string(), root.as_str().unwrap());
    }
    for proof in vectors["inclusion"].as_array().unwrap() {
        let (index, size) = (proof["index"].as_u64(), proof["size"].as_u64());
        let made = prove_inclusion(&tree, index.unwrap(), size.unwrap()).unwrap();
        assert_eq!(made, hashes(&proof["path"]));
    }
    for proof in vectors["consistency"].as_array().unwrap() {
        let (old, new) = (proof["old"].as_u64(), proof["new"].as_u64());
        let made = prove_consistency(&tree, old.unwrap(), new.unwrap()).unwrap();
        assert_eq!(made, hashes(&proof["proof"]));
    }
    let small = &vectors["small"];
    let leaves = small["entries"].as_array().unwrap().iter();
    let leaves: Vec<Hash> = leaves
        .map(|entry| Hash::of_leaf(entry.as_str().unwrap().as_bytes()))
        .collect();
    assert_eq!(leaves, hashes(&small["leaves"]));
    let key: VerifierKey = text("vkey").parse().unwrap();
    let checkpoint = small["checkpoint"].as_str().unwrap().as_bytes();
    let opened = OpenedCheckpoint::open(checkpoint, &key, &[]).unwrap();
    let root = MemoryTree::new(leaves).root();
    assert_eq!(opened.checkpoint.head(), Head { size: 3, root });
    let witness: VerifierKey = text("witness_vkey").parse().unwrap();
    let receipt: Receipt = text("receipt").parse().unwrap();
    assert_eq!(receipt.to_string(), text("receipt"));
    assert_eq!(receipt.checkpoint.to_string(), text("checkpoint"));
    let entry = base64.decode(text("receipt_entry").as_bytes()).unwrap();
    let witnesses = [witness];
    let opened = receipt.verify(&entry, &key, &witnesses).unwrap();
    assert_eq!(opened.checkpoint.head().size, 300);
    let (_, time) = opened.witnesses().next().unwrap();
    assert_eq!(time, 1_795_000_000);
}

/// Bytes as the page shows them.
fn dump(bytes: &[u8]) -> String {
    let line = |(at, chunk): (usize, &[u8])| {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        let text: String = chunk.iter().map(shown).collect();
        format!("{:04x}  {:<47}  |{text}|\n", at * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[test]
fn the_worked_example_of_the_page_is_true() {
    let page = include_str!("../../../../docs/formats/transparency-log.md");
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/log.json")).unwrap();
    let small = &vectors["small"];
    let (mut tree, mut bundle) = (MemoryTree::default(), Vec::new());
    for entry in small["entries"].as_array().unwrap() {
        let entry = entry.as_str().unwrap().as_bytes();
        put_entry(&mut bundle, entry).unwrap();
        tree.append(Hash::of_leaf(entry));
    }
    let leaves: Vec<Hash> = (0..3).map(|at| tree.subtree(0, at).unwrap()).collect();
    let node = tree.subtree(1, 0).unwrap();
    let hex = |hash: Hash| HEXLOWER.encode(hash.as_bytes());
    let mut shown = vec![
        dump(&bundle),
        dump(&bytes_of(&leaves)),
        format!("{}\n{}\n", hex(node), hex(tree.root())),
        format!("index 2\n{node}"),
        vectors["vkey"].as_str().unwrap().to_owned(),
    ];
    let checkpoint = small["checkpoint"].as_str().unwrap();
    shown.extend(checkpoint.lines().map(ToOwned::to_owned));
    for text in shown {
        assert!(page.contains(&text), "the page lacks:\n{text}");
    }
}
