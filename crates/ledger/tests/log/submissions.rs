//! What a log sends to a witness, and what the witness makes of it (C2SP `tlog-witness`).

use keyward_ledger::{
    Hash, Head, NoteSignature, Refusal, Submission, SubmissionError, prove_consistency,
};

use crate::stage::{Log, Signer, log_signer, signed, witness};

fn submission(old: u64, size: u64) -> Submission {
    let log = Log::of(size);
    let grows = old > 0 && old < size;
    Submission {
        old,
        proof: if grows {
            prove_consistency(&log.tree, old, size).unwrap()
        } else {
            Vec::new()
        },
        checkpoint: signed(log.head(), &log_signer()),
    }
}

fn head(size: u64) -> Head {
    Log::of(size).head()
}

#[test]
fn what_is_sent_is_read_and_nothing_else() {
    for (old, size) in [(0, 1), (1, 1), (3, 7), (255, 300)] {
        let sent = submission(old, size);
        let text = sent.to_string();
        assert_eq!(Submission::parse(text.as_bytes()), Ok(sent.clone()));
        assert_eq!(sent.origin(), "keys.example/audit");
        for end in 0..text.len() {
            assert!(Submission::parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
    }
    let good = submission(3, 7).to_string();
    let with = |from: &str, to: &str| Submission::parse(good.replacen(from, to, 1).as_bytes());
    for other in [
        "old 03", "old -3", "Old 3", "old  3", "old 3 ", "new 3", "old",
    ] {
        assert_eq!(with("old 3", other), Err(SubmissionError::Old), "{other}");
    }
    assert_eq!(
        with("old 3\n", "old 3\nAAAA\n"),
        Err(SubmissionError::Proof)
    );
    let hash = format!("{}\n", Hash::of_leaf(b""));
    let many = |count| with("old 3\n", &format!("old 3\n{}", hash.repeat(count)));
    assert!(many(50).is_ok());
    assert_eq!(many(64), Err(SubmissionError::Proof));
    let long = "x".repeat(keyward_ledger::SUBMISSION_MAX + 1);
    assert_eq!(
        Submission::parse(long.as_bytes()),
        Err(SubmissionError::NotText)
    );
}

#[test]
fn only_what_the_log_signed_and_what_has_only_grown_is_cosigned() {
    let log = log_signer().key;
    for (old, size) in [
        (1, 1),
        (1, 2),
        (2, 3),
        (3, 7),
        (7, 7),
        (255, 257),
        (256, 1000),
    ] {
        let sent = submission(old, size);
        assert_eq!(sent.judge(Some(head(old)), &log), Ok(head(size)));
        // From another size than the one that is known.
        let known = head(old + 1);
        let other = Err(Refusal::OtherSize { known: old + 1 });
        assert_eq!(sent.judge(Some(known), &log), other);
        assert_eq!(sent.judge(None, &log), Err(Refusal::OtherSize { known: 0 }));
        // What is known is another history.
        let forked = Head {
            root: Hash::of_leaf(b"another"),
            ..head(old)
        };
        let refused = sent.judge(Some(forked), &log).unwrap_err();
        let by_root = old == size;
        assert_eq!(refused == Refusal::OtherRoot, by_root, "{old} {size}");
        assert_eq!(refused == Refusal::NotConsistent, !by_root, "{old} {size}");
        // One hash too many, or another one.
        let mut longer = sent.clone();
        longer.proof.push(Hash::of_leaf(b""));
        let refused = longer.judge(Some(head(old)), &log);
        assert_eq!(refused, Err(Refusal::NotConsistent));
    }
    let first = submission(0, 9);
    assert_eq!(first.judge(None, &log), Ok(head(9)));
    let too_large = Submission {
        old: 10,
        ..first.clone()
    };
    assert_eq!(too_large.judge(None, &log), Err(Refusal::OldTooLarge));
    let stranger = Signer::new("keys.example/audit", keyward_ledger::Algorithm::Ed25519, 9);
    assert_eq!(first.judge(None, &stranger.key), Err(Refusal::NotSigned));
    let renamed = Signer::new("other.example", keyward_ledger::Algorithm::Ed25519, 1);
    assert_eq!(first.judge(None, &renamed.key), Err(Refusal::NotSigned));
}

#[test]
fn a_witness_signature_is_taken_over_only_if_it_is_its_own_and_for_this_text() {
    let (mut note, other) = (
        signed(head(5), &log_signer()),
        signed(head(6), &log_signer()),
    );
    let (bare, witness) = (note.clone(), witness());
    note.cosign(&witness.key, 7, |message| witness.sign(message))
        .unwrap();
    let lines = format!("{}\n", note.signatures().last().unwrap());
    let lines = NoteSignature::parse_lines(lines.as_bytes()).unwrap();
    let mut taken = bare.clone();
    assert_eq!(taken.attach(&lines[0], &witness.key).unwrap().time, Some(7));
    assert_eq!(taken, note);
    taken.attach(&lines[0], &witness.key).unwrap();
    assert_eq!(taken, note, "twice is once");
    assert!(other.clone().attach(&lines[0], &witness.key).is_err());
    let stranger = Signer::new("witness.example", keyward_ledger::Algorithm::Cosignature, 3);
    assert!(bare.clone().attach(&lines[0], &stranger.key).is_err());
    assert_eq!(note.only_of(&log_signer().key), bare);
    for nonsense in ["", "x", "— a b", "\n"] {
        assert!(
            NoteSignature::parse_lines(nonsense.as_bytes()).is_err(),
            "{nonsense:?}"
        );
    }
}
