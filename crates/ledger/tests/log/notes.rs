//! Keys, notes and checkpoints: the specification's own vectors, and everything that is refused.

use std::convert::Infallible;

use keyward_ledger::{
    Algorithm, Checkpoint, CheckpointError, Hash, Head, KeyError, KeyName, Note, NoteError,
    OpenedCheckpoint, SIGNATURES_MAX, SignError, VerifierKey,
};
use proptest::prelude::*;

use crate::stage::{Log, Signer, log_signer, signed, witness};

/// From the tests of the specification.
const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n— example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn head(size: u64) -> Head {
    let root = if size == 0 {
        Hash::of_empty_tree()
    } else {
        Hash::of_leaf(b"root")
    };
    Head { size, root }
}

#[test]
fn the_specifications_note_verifies_and_no_changed_bit_does() {
    let key: VerifierKey = VKEY.parse().unwrap();
    assert_eq!(key.to_string(), VKEY);
    let note = Note::parse(NOTE.as_bytes()).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), NOTE);
    let verified = note.verify([&key]).unwrap();
    assert_eq!(
        (verified.len(), verified[0].key, verified[0].time),
        (1, &key, None)
    );
    for bit in 0..NOTE.len() * 8 {
        let mut bytes = NOTE.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let refused = Note::parse(&bytes).and_then(|note| note.verify([&key]).map(|_| ()));
        assert!(refused.is_err(), "bit {bit}");
    }
    for cut in 0..NOTE.len() {
        let refused = Note::parse(&NOTE.as_bytes()[..cut]);
        assert!(
            refused
                .and_then(|note| note.verify([&key]).map(|_| ()))
                .is_err(),
            "{cut}"
        );
    }
}

#[test]
fn a_key_has_one_text_and_every_other_is_refused() {
    for (text, error) in [
        ("", KeyError::Form),
        ("example.com/foo", KeyError::Form),
        ("example.com/foo+530d903a", KeyError::Form),
        (&VKEY.replace("530d903a", "530D903A"), KeyError::Id),
        (&VKEY.replace("530d903a", "530d903b"), KeyError::Id),
        (&VKEY.replace("foo", "fooo"), KeyError::Id),
        (
            &VKEY.replace("example.com/foo", "example com"),
            KeyError::Form,
        ),
        (&VKEY.replace("example.com/foo", ""), KeyError::Form),
        (&VKEY[..VKEY.len() - 4], KeyError::Form),
        (&format!("{VKEY}="), KeyError::Form),
        (
            &VKEY.replace("+Aek", "+Auk"),
            KeyError::Type { type_byte: 2 },
        ),
        (&format!("{}{VKEY}", "x".repeat(500)), KeyError::Form),
    ] {
        assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text}");
    }
    for name in [
        "",
        " ",
        "a b",
        "a\u{a0}b",
        "a+b",
        "a\nb",
        "a\u{2003}",
        &"x".repeat(256),
    ] {
        assert_eq!(KeyName::new(name), None, "{name:?}");
    }
}

#[test]
fn signatures_of_strangers_are_passed_over_and_wrong_ones_of_known_keys_refuse_the_note() {
    let (log, witness) = (log_signer(), witness());
    let stranger = Signer::new("keys.example/audit", Algorithm::Ed25519, 9);
    let mut note = signed(head(5), &log);
    note.sign(&stranger.key, |message| stranger.sign(message))
        .unwrap();
    note.cosign(&witness.key, 1_795_000_000, |message| witness.sign(message))
        .unwrap();
    let note = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(note.signatures().len(), 3);
    // One name, two keys: the id tells them apart.
    assert_eq!(note.signatures()[1].name(), log.key.name());
    assert_ne!(note.signatures()[1].key_id(), log.key.id());

    assert_eq!(note.verify([&log.key]).unwrap().len(), 1);
    let both = [&log.key, &witness.key];
    let verified = note.verify(both).unwrap();
    assert_eq!(verified[1].time, Some(1_795_000_000));
    let nobody = Signer::new("nobody.example", Algorithm::Ed25519, 3);
    assert_eq!(note.verify([&nobody.key]), Err(NoteError::NoKnownKey));
    assert_eq!(note.verify([]), Err(NoteError::NoKnownKey));

    // The same key under the type of the other signature is another key.
    let as_log = Signer::new("witness.example", Algorithm::Ed25519, 2);
    assert_eq!(note.verify([&as_log.key]), Err(NoteError::NoKnownKey));

    let forged = note
        .to_string()
        .replace("keys.example/audit\n5\n", "keys.example/audit\n6\n");
    let forged = Note::parse(forged.as_bytes()).unwrap();
    let name = log.key.name().clone();
    assert_eq!(forged.verify(both), Err(NoteError::NotValid { name }));
    let name = witness.key.name().clone();
    assert_eq!(
        forged.verify([&witness.key]),
        Err(NoteError::NotValid { name })
    );

    // A time that was changed is a forged cosignature too.
    let mut later = signed(head(5), &log);
    later
        .cosign(&witness.key, 7, |message| witness.sign(message))
        .unwrap();
    let line = later.to_string().lines().last().unwrap().to_owned();
    let encoded = line.rsplit(' ').next().unwrap();
    let mut bytes = data_encoding::BASE64.decode(encoded.as_bytes()).unwrap();
    bytes[11] = 8;
    let changed = later
        .to_string()
        .replace(encoded, &data_encoding::BASE64.encode(&bytes));
    assert!(
        Note::parse(changed.as_bytes())
            .unwrap()
            .verify([&witness.key])
            .is_err()
    );
}

#[test]
fn a_signature_by_another_key_than_named_is_never_added() {
    let (log, other) = (
        log_signer(),
        Signer::new("other.example", Algorithm::Ed25519, 4),
    );
    let mut note = Checkpoint::new("keys.example/audit", head(1))
        .unwrap()
        .note()
        .unwrap();
    let refused = note.sign(&log.key, |message| other.sign(message));
    assert!(matches!(refused, Err(SignError::OtherKey { .. })));
    let failed = note.sign(&log.key, |_| Err("sealed"));
    assert!(matches!(failed, Err(SignError::Signer("sealed"))));
    // A log's signature is no witness's, nor the other way round.
    let refused = note.cosign(&log.key, 1, |message| log.sign(message));
    assert!(matches!(refused, Err(SignError::OtherKey { .. })));
    let witness = witness();
    let refused = note.sign(&witness.key, |message| witness.sign(message));
    assert!(matches!(refused, Err(SignError::OtherKey { .. })));
    let never = note.cosign(&witness.key, u64::MAX, |message| witness.sign(message));
    assert!(matches!(never, Err(SignError::OtherKey { .. })));
    assert_eq!(note.signatures(), []);
    for _ in 0..SIGNATURES_MAX {
        note.sign(&log.key, |message| log.sign(message)).unwrap();
    }
    let full = note.sign::<Infallible>(&log.key, |message| log.sign(message));
    assert!(matches!(full, Err(SignError::TooManySignatures)));
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read.verify([&log.key]).unwrap().len(), 1);
    let too_many = note.to_string() + note.to_string().lines().last().unwrap() + "\n";
    let refused = Note::parse(too_many.as_bytes());
    assert_eq!(refused, Err(NoteError::TooManySignatures));
}

#[test]
fn what_is_no_note_is_refused_by_name() {
    let line = NOTE.lines().last().unwrap();
    for (note, error) in [
        (String::new(), NoteError::Form),
        ("text\n".into(), NoteError::Form),
        (format!("text\n{line}\n"), NoteError::Form),
        (format!("text\n\n{line}"), NoteError::Form),
        ("text\n\n".into(), NoteError::Form),
        ("te\txt\n\nx\n".into(), NoteError::NotText),
        ("text\r\n\n\n".into(), NoteError::NotText),
        (
            format!("text\n\n{line}\n{line} \n"),
            NoteError::SignatureLine { line: 2 },
        ),
        (
            "text\n\n- a AAAAAAA=\n".into(),
            NoteError::SignatureLine { line: 1 },
        ),
        (
            "text\n\n— a AAAA\n".into(),
            NoteError::SignatureLine { line: 1 },
        ),
        (
            "text\n\n— a AAAAAA==\n".into(),
            NoteError::SignatureLine { line: 1 },
        ),
        (
            "text\n\n— a+b AAAAAAA=\n".into(),
            NoteError::SignatureLine { line: 1 },
        ),
        (
            "text\n\n—  AAAAAAA=\n".into(),
            NoteError::SignatureLine { line: 1 },
        ),
        ("x".repeat(1 << 20), NoteError::TooLong { size: 1 << 20 }),
    ] {
        assert_eq!(Note::parse(note.as_bytes()), Err(error), "{note:.40}");
    }
    assert_eq!(
        Note::parse(b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n"),
        Err(NoteError::NotText)
    );
    // A text may have empty lines: the last one parts it from its signatures.
    let note = Note::parse(format!("one\n\ntwo\n\n\n{line}\n").as_bytes()).unwrap();
    assert_eq!(note.text(), "one\n\ntwo\n\n");
}

#[test]
fn a_checkpoint_has_one_text_and_every_other_is_refused() {
    let root = head(1).root.to_string();
    let empty = Hash::of_empty_tree().to_string();
    for (text, error) in [
        (String::new(), CheckpointError::Lines),
        ("log\n".into(), CheckpointError::Size),
        (format!("\n1\n{root}\n"), CheckpointError::Origin),
        (format!("log\n01\n{root}\n"), CheckpointError::Size),
        (format!("log\n-1\n{root}\n"), CheckpointError::Size),
        (
            format!("log\n18446744073709551616\n{root}\n"),
            CheckpointError::Size,
        ),
        ("log\n1\n".into(), CheckpointError::Root),
        ("log\n1\nAAAA\n".into(), CheckpointError::Root),
        (
            format!("log\n1\n{}\n", root.trim_end_matches('=')),
            CheckpointError::Root,
        ),
        (format!("log\n0\n{root}\n"), CheckpointError::EmptyRoot),
        (format!("log\n1\n{root}"), CheckpointError::Lines),
        (format!("log\n1\n{root}\n\n"), CheckpointError::Lines),
        (
            format!("{}\n1\n{root}\n", "x".repeat(256)),
            CheckpointError::Origin,
        ),
    ] {
        assert_eq!(text.parse::<Checkpoint>(), Err(error), "{text}");
    }
    for text in [
        format!("log\n0\n{empty}\n"),
        format!("a log + more\n7\n{root}\none\ntwo words\n"),
    ] {
        let checkpoint: Checkpoint = text.parse().unwrap();
        assert_eq!(checkpoint.to_string(), text);
    }
}

#[test]
fn a_checkpoint_counts_only_with_its_own_logs_signature() {
    let (log, witness) = (log_signer(), witness());
    let mut note = Checkpoint::new("keys.example/audit", head(5))
        .unwrap()
        .note()
        .unwrap();
    note.cosign(&witness.key, 1, |message| witness.sign(message))
        .unwrap();
    let witnesses = [witness.key.clone()];
    let open = |note: &Note| {
        let bytes = note.to_string().into_bytes();
        OpenedCheckpoint::open(&bytes, &log.key, &witnesses)
            .map(|opened| opened.witnesses().count())
    };
    assert!(matches!(
        open(&note),
        Err(CheckpointError::NotTheLogs { .. })
    ));
    note.sign(&log.key, |message| log.sign(message)).unwrap();
    assert_eq!(open(&note), Ok(1));
    assert_eq!(open(&signed(head(5), &log)), Ok(0));
    let other = Signer::new("keys.example/other", Algorithm::Ed25519, 1);
    let mut of_other = Checkpoint::new("keys.example/other", head(5))
        .unwrap()
        .note()
        .unwrap();
    of_other
        .sign(&log.key, |message| other.sign(message))
        .unwrap();
    assert!(matches!(
        open(&of_other),
        Err(CheckpointError::OtherLog { .. })
    ));
    assert_eq!(Log::of(0).head(), head(0));
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic_and_what_is_read_is_written_the_same(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "[a-c\n—+ =A1]{0,80}",
    ) {
        for bytes in [bytes, text.into_bytes()] {
            if let Ok(note) = Note::parse(&bytes) {
                prop_assert_eq!(note.to_string().into_bytes(), bytes.clone());
            }
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(checkpoint) = text.parse::<Checkpoint>() {
                prop_assert_eq!(checkpoint.to_string(), text.as_ref());
            }
            if let Ok(key) = text.parse::<VerifierKey>() {
                prop_assert_eq!(key.to_string(), text.as_ref());
            }
        }
    }
}
