//! Receipts: every one verifies for its entry and for no other; every changed one is refused.

use keyward_ledger::{Note, ProofError, Receipt, ReceiptError, prove_inclusion};

use crate::stage::{Log, Signer, entry, log_signer, signed, witness};

fn receipt(log: &Log, index: u64, signer: &Signer) -> Receipt {
    let head = log.head();
    Receipt {
        extra: None,
        index,
        path: prove_inclusion(&log.tree, index, head.size).unwrap(),
        checkpoint: signed(head, signer),
    }
}

#[test]
fn a_receipt_proves_its_entry_and_no_other() {
    let (signer, witness) = (log_signer(), witness());
    for size in [1, 2, 3, 300] {
        let log = Log::of(size);
        for index in [0, size / 2, size - 1] {
            let mut made = receipt(&log, index, &signer);
            let cosigned = made
                .checkpoint
                .cosign(&witness.key, 9, |message| witness.sign(message));
            cosigned.unwrap();
            made.extra = (index % 2 == 0).then(|| b"heads".to_vec());
            let read: Receipt = made.to_string().parse().unwrap();
            assert_eq!(read, made);
            let witnesses = [witness.key.clone()];
            let opened = read.verify(&entry(index), &signer.key, &witnesses).unwrap();
            assert_eq!(opened.checkpoint.head(), log.head());
            assert_eq!(opened.witnesses().next().map(|(_, time)| time), Some(9));
            let refused = read.verify(b"another", &signer.key, &[]);
            assert_eq!(refused, Err(ReceiptError::Proof(ProofError::Mismatch)));
        }
    }
}

#[test]
fn no_changed_bit_of_a_receipt_passes() {
    let signer = log_signer();
    let log = Log::of(21);
    let text = receipt(&log, 13, &signer).to_string();
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        let passed = changed
            .parse::<Receipt>()
            .and_then(|receipt| receipt.verify(&entry(13), &signer.key, &[]).map(|_| ()));
        assert!(passed.is_err(), "bit {bit}: {changed}");
    }
}

#[test]
fn what_is_no_receipt_is_refused_by_name() {
    let note = signed(Log::of(1).head(), &log_signer());
    let hash = Log::of(1).head().root;
    let of = |lines: &str| format!("c2sp.org/tlog-proof@v1\n{lines}\n\n{note}");
    assert!(of("index 0").parse::<Receipt>().is_ok());
    for (text, error) in [
        (String::new(), ReceiptError::NotAReceipt),
        (
            "c2sp.org/tlog-proof@v2\nindex 0\n\n".into(),
            ReceiptError::NotAReceipt,
        ),
        (
            "c2sp.org/tlog-proof@v1\nindex 0\n".into(),
            ReceiptError::Path,
        ),
        (of("extra x"), ReceiptError::Extra),
        (
            of(&format!("extra {}\nindex 0", "AAAA".repeat(30_000))),
            ReceiptError::Extra,
        ),
        (of("extra AAAA"), ReceiptError::Index),
        (of("index 00"), ReceiptError::Index),
        (of("index -1"), ReceiptError::Index),
        (of("index 0\nextra AAAA"), ReceiptError::Path),
        (
            of(&format!("index 0{}", format!("\n{hash}").repeat(65))),
            ReceiptError::Path,
        ),
        (
            of("index 0") + &" ".repeat(1 << 20),
            ReceiptError::TooLong {
                size: of("index 0").len() + (1 << 20),
            },
        ),
    ] {
        assert_eq!(text.parse::<Receipt>(), Err(error), "{text:.60}");
    }
    let no_note = "c2sp.org/tlog-proof@v1\nindex 0\n\nlog\n".parse::<Receipt>();
    assert!(matches!(no_note, Err(ReceiptError::Note(_))));
    assert!(Note::parse(note.to_string().as_bytes()).is_ok());
}
