//! From one signing key of a log to the next: what both have signed leads on, and nothing else does.

use keyward_ledger::{
    Algorithm, Checkpoint, Handover, HandoverError, Hash, Head, KeyName, Note, VerifierKey,
    notes_of, succession,
};

use crate::stage::Signer;

const LOG: &str = "keys.example/audit";

fn key(seed: u8) -> Signer {
    Signer::new(LOG, Algorithm::Ed25519, seed)
}

/// The note of a hand-over, signed by these.
fn note(from: &Signer, to: &Signer, signers: &[&Signer]) -> Note {
    let handover = Handover::new(from.key.clone(), to.key.clone()).unwrap();
    let mut note = handover.note().unwrap();
    for signer in signers {
        let sign = |text: &[u8]| signer.sign(text);
        note.sign(&signer.key, sign).unwrap();
    }
    note
}

fn text(notes: &[Note]) -> String {
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    notes.iter().flat_map(|note| [note, "\n"]).collect()
}

#[test]
fn i13_every_earlier_key_leads_to_the_one_that_signs() {
    let keys = [key(1), key(2), key(3), key(4)];
    let notes: Vec<Note> = keys
        .windows(2)
        .map(|pair| note(&pair[0], &pair[1], &[&pair[0], &pair[1]]))
        .collect();
    let read = Handover::open_all(text(&notes).as_bytes()).unwrap();
    assert_eq!(read.len(), 3);
    for (at, signer) in keys.iter().enumerate() {
        let led: Vec<VerifierKey> = succession(&signer.key, &read);
        let expected: Vec<VerifierKey> = keys[at..].iter().map(|it| it.key.clone()).collect();
        assert_eq!(led, expected);
    }
    // What signs a log below this one's name goes along, under its own name; a log that merely begins
    // with the same letters, and a key of another log, do not.
    for (name, led) in [
        (format!("{LOG}/tenants/x/changes"), 4),
        (format!("{LOG}-other"), 1),
        ("other".to_owned(), 1),
    ] {
        let below = Signer::new(&name, Algorithm::Ed25519, 1);
        let found = succession(&below.key, &read);
        assert_eq!(found.len(), led, "{name}");
        let last = found.last().unwrap();
        assert_eq!(last.name().as_str(), name);
        if led > 1 {
            assert_eq!(last.public(), keys[3].key.public());
        }
    }
    // A witness with the same bytes is another key.
    let witness = Signer::new(LOG, Algorithm::Cosignature, 1);
    assert_eq!(
        succession(&witness.key, &read),
        std::slice::from_ref(&witness.key)
    );
    assert!(Handover::open_all(b"").unwrap().is_empty());
}

#[test]
fn i13_what_not_both_have_signed_leads_nowhere() {
    let (one, two, three) = (key(1), key(2), key(3));
    for signers in [&[][..], &[&one], &[&two], &[&one, &three], &[&three]] {
        let signed = note(&one, &two, signers);
        assert!(
            Handover::open(&signed).is_err(),
            "{}",
            signed.signatures().len()
        );
    }
    let both = note(&one, &two, &[&two, &one]);
    Handover::open(&both).unwrap();
    let whole = text(&[both]);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Handover::open_all(&bytes).is_err(), "bit {bit}");
    }
    for cut in 1..whole.len() {
        assert!(
            Handover::open_all(&whole.as_bytes()[..cut]).is_err(),
            "{cut}"
        );
    }
}

#[test]
fn a_hand_over_is_of_two_keys_of_one_log() {
    let (one, two) = (key(1), key(2));
    let name = KeyName::new("other").unwrap();
    let other = VerifierKey::new(name, Algorithm::Ed25519, two.key.public());
    let witness = Signer::new(LOG, Algorithm::Cosignature, 2).key;
    for to in [one.key.clone(), other, witness] {
        let made = Handover::new(one.key.clone(), to);
        assert_eq!(made, Err(HandoverError::Form));
    }
    // No text is both a hand-over and a checkpoint.
    let text = Handover::new(one.key.clone(), two.key).unwrap().to_string();
    assert!(text.parse::<Checkpoint>().is_err());
    let head = Head {
        size: 1,
        root: Hash::of_leaf(b"leaf"),
    };
    let checkpoint = Checkpoint::new(LOG, head).unwrap().to_string();
    assert_eq!(checkpoint.parse::<Handover>(), Err(HandoverError::Form));
    assert!(notes_of(b"\n\n").is_err());
}

#[test]
fn the_documented_hand_over_is_the_one_that_is_made() {
    let (one, next) = (key(1), key(3));
    let note = note(&one, &next, &[&one, &next]).to_string();
    let page = include_str!("../../../../docs/formats/transparency-log.md");
    assert!(page.contains(&note), "{note}");
}
