//! What a transparency log says in text: keys, signed notes, checkpoints, receipts, paths of tiles.
//! One value has one text, and nobody without the key makes a note that verifies.
#![no_main]

use keyward_ledger::{Checkpoint, Note, Receipt, Tile, VerifierKey};
use libfuzzer_sys::fuzz_target;

/// Keys, and how the one text begins that each has signed: those of the seeds.
const SIGNED: [(&str, &str); 2] = [
    (
        "keys.example/audit+8e19cd60+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
        "keys.example/audit\n300\n",
    ),
    (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n",
    ),
];

fuzz_target!(|text: &str| {
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(tile) = text.parse::<Tile>() {
        assert_eq!(tile.to_string(), text);
    }
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Ok(receipt) = text.parse::<Receipt>() {
        assert_eq!(receipt.to_string(), text);
    }
    if let Ok(note) = Note::parse(text.as_bytes()) {
        assert_eq!(note.to_string(), text);
        for (key, signed) in SIGNED {
            let key = key.parse::<VerifierKey>().unwrap();
            if note.verify([&key]).is_ok() {
                assert!(note.text().starts_with(signed), "{text}");
            }
        }
    }
});
