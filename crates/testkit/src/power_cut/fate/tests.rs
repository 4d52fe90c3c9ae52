#![allow(clippy::unwrap_used)]

use super::*;

const fn fate(kind: Kind) -> Fate {
    Fate {
        kind,
        sector_bytes: 512,
    }
}

/// All that may be left, over many throws.
fn outcomes(kind: Kind, durable: &[u8], changes: &[Change<'_>]) -> Vec<Vec<u8>> {
    let mut outcomes: Vec<_> = (0..200)
        .map(|seed| fate(kind).contents(durable, changes, &mut Dice::new(seed)))
        .collect();
    outcomes.sort();
    outcomes.dedup();
    outcomes
}

#[test]
fn nothing_unsynced_may_be_left_or_all_of_it() {
    let changes = [Change::Write(2, b"XY"), Change::Resize(3)];
    assert_eq!(outcomes(Kind::AllLost, b"abcd", &changes), [b"abcd"]);
    assert_eq!(outcomes(Kind::AllKept, b"abcd", &changes), [b"abX"]);
}

#[test]
fn a_sector_is_as_it_was_at_some_moment() {
    let changes = [
        Change::Write(0, b"1"),
        Change::Write(1, b"2"),
        Change::Write(0, b"3"),
    ];
    let left = outcomes(Kind::Scattered, b"ab", &changes);
    assert_eq!(
        left,
        [b"12", b"1b", b"32", b"ab"],
        "never the second write without the first"
    );
}

#[test]
fn sectors_are_independent_of_one_another() {
    let page = vec![7_u8; 1024];
    let left = outcomes(Kind::Scattered, &[0; 1024], &[Change::Write(0, &page)]);
    let firsts: Vec<_> = left.iter().map(|bytes| (bytes[0], bytes[512])).collect();
    assert_eq!(firsts, [(0, 0), (0, 7), (7, 0), (7, 7)]);
}

#[test]
fn later_writes_may_be_left_without_earlier_ones() {
    let (early, late) = ([1_u8; 512], [2_u8; 512]);
    let changes = [Change::Write(0, &early), Change::Write(512, &late)];
    let left = outcomes(Kind::LateKept, &[], &changes);
    assert_eq!(left, [[vec![0; 512], vec![2; 512]].concat()]);
}

#[test]
fn a_length_may_be_left_without_its_bytes_and_the_reverse() {
    let changes = [Change::Write(0, b"abc")];
    let left = outcomes(Kind::Scattered, b"", &changes);
    assert_eq!(left, [b"".to_vec(), b"\0\0\0".to_vec(), b"abc".to_vec()]);
}

#[test]
fn what_was_cut_off_does_not_come_back_when_the_file_grows() {
    let changes = [Change::Resize(0), Change::Write(3, b"Z")];
    let left = outcomes(Kind::Scattered, b"abcd", &changes);
    // Cut off or not; then the write, or only its length, or nothing of it.
    for bytes in &left {
        let grown = bytes.len() == 4 && bytes[..3] == [0, 0, 0];
        assert!(
            bytes.is_empty() || bytes.starts_with(b"abc") || grown,
            "{bytes:?}"
        );
    }
    assert!(left.contains(&b"\0\0\0Z".to_vec()) && left.contains(&Vec::new()));
}
