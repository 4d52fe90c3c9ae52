//! Shares: any threshold of them recombines, fewer never do, a wrong one is named.

use keyward_crypto::sharing::{Share, ShareError, ShareSet, split};
use keyward_crypto::{CryptoError, SecretBytes};
use proptest::prelude::*;

use crate::support::{Broken, Seeded};

fn three_of_five() -> (SecretBytes, ShareSet, Vec<Share>) {
    split(3, 5, &Seeded::new(11)).unwrap()
}

fn copy(share: &Share) -> Share {
    Share::from_text(&share.to_text()).unwrap()
}

fn pick(shares: &[Share], indices: &[usize]) -> Vec<Share> {
    indices.iter().map(|index| copy(&shares[*index])).collect()
}

#[test]
fn every_ordered_triple_of_three_of_five_recombines() {
    let (key, set, shares) = three_of_five();
    let mut combined = 0;
    for a in 0..5 {
        for b in 0..5 {
            for c in 0..5 {
                if a != b && b != c && a != c {
                    let found = set.combine(&pick(&shares, &[a, b, c])).unwrap();
                    assert_eq!(found.expose(), key.expose());
                    combined += 1;
                }
            }
        }
    }
    assert_eq!(combined, 60);
    let all = set.combine(&pick(&shares, &[4, 3, 2, 1, 0])).unwrap();
    assert_eq!(all.expose(), key.expose());
}

#[test]
fn i11_fewer_than_the_threshold_is_refused() {
    let (_, set, shares) = three_of_five();
    for chosen in [&[][..], &[0], &[0, 4]] {
        let error = set.combine(&pick(&shares, chosen)).unwrap_err();
        assert_eq!(
            error,
            ShareError::TooFew {
                found: chosen.len(),
                threshold: 3
            }
        );
    }
    let error = set.combine(&pick(&shares, &[0, 4, 0])).unwrap_err();
    assert_eq!(
        error,
        ShareError::Duplicate { index: 1 },
        "one share twice is one share"
    );
}

#[test]
fn i11_a_forged_share_is_named_and_not_used() {
    let (_, set, shares) = three_of_five();
    // A value off by one with a right checksum: what a forger would hand in.
    for (position, share) in shares.iter().enumerate() {
        let forged = edit(share, |bytes| bytes[49] ^= 1);
        let index = share.index();
        assert_eq!(set.verify(&forged), Err(ShareError::Forged { index }));
        let mut chosen = pick(&shares, &[(position + 1) % 5, (position + 2) % 5]);
        chosen.push(forged);
        assert_eq!(
            set.combine(&chosen).unwrap_err(),
            ShareError::Forged { index }
        );
    }
    let renumbered = edit(&shares[0], |bytes| bytes[1] = 2);
    assert_eq!(
        set.verify(&renumbered),
        Err(ShareError::Forged { index: 2 })
    );
    let beyond = edit(&shares[0], |bytes| bytes[1] = 6);
    assert_eq!(set.verify(&beyond), Err(ShareError::Forged { index: 6 }));
    let lowered = edit(&shares[0], |bytes| bytes[0] = 2);
    assert_eq!(set.verify(&lowered), Err(ShareError::Forged { index: 1 }));
}

#[test]
fn a_share_of_another_set_is_named() {
    let (_, set, _) = three_of_five();
    let (_, _, others) = split(3, 5, &Seeded::new(12)).unwrap();
    assert_eq!(
        set.verify(&others[3]),
        Err(ShareError::WrongSet { index: 4 })
    );
}

#[test]
fn texts_are_strict_and_find_typing_errors() {
    let (_, _, shares) = three_of_five();
    let text = shares[1].to_text().to_string();
    assert!(text.starts_with("kwshare1-") && text.len() == 96);
    assert_eq!(copy(&shares[1]).to_text().as_str(), text);
    for (position, letter) in text.char_indices().skip(9) {
        let other = if letter == 'a' { 'b' } else { 'a' };
        let mut typo = text.clone();
        typo.replace_range(position..=position, &other.to_string());
        let error = Share::from_text(&typo).unwrap_err();
        assert!(
            matches!(error, ShareError::Checksum | ShareError::Malformed),
            "{position}"
        );
    }
    for length in 0..text.len() {
        assert!(Share::from_text(&text[..length]).is_err());
    }
    let version = text.replace("kwshare1-", "kwshare2-");
    assert_eq!(
        Share::from_text(&version).unwrap_err(),
        ShareError::UnknownShareVersion
    );
    for wrong in [
        text.to_uppercase(),
        format!(" {text}"),
        format!("{text}a"),
        text.replace('-', ""),
    ] {
        assert_eq!(
            Share::from_text(&wrong).unwrap_err(),
            ShareError::Malformed,
            "{wrong}"
        );
    }
    let capital = format!("kwshare1-{}", text[9..].to_uppercase());
    assert_eq!(
        Share::from_text(&capital).unwrap_err(),
        ShareError::Malformed
    );
    assert_eq!(format!("{:?}", shares[1]), "Share(2 of a set, redacted)");
}

#[test]
fn public_sets_are_read_strictly() {
    let (key, set, shares) = three_of_five();
    let bytes = set.to_bytes();
    assert_eq!(bytes.len(), 23 + 3 * 33);
    let read = ShareSet::from_bytes(&bytes).unwrap();
    assert_eq!(read, set);
    assert_eq!(
        read.combine(&pick(&shares, &[0, 2, 4])).unwrap().expose(),
        key.expose()
    );
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(ShareSet::from_bytes(&altered).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(ShareSet::from_bytes(&bytes[..length]).is_err());
    }
    assert!(ShareSet::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn parameters_are_bounded() {
    for (threshold, total) in [(0, 0), (1, 1), (1, 5), (3, 2), (2, 33), (33, 33)] {
        let error = split(threshold, total, &Seeded::new(1)).unwrap_err();
        assert_eq!(error, ShareError::BadParameters { threshold, total });
    }
    let failed = split(2, 3, &Broken).unwrap_err();
    assert_eq!(failed, ShareError::Crypto(CryptoError::RandomFailed));
}

#[test]
fn every_split_is_another() {
    let (first, first_set, _) = split(2, 2, &Seeded::new(1)).unwrap();
    let (second, second_set, _) = split(2, 2, &Seeded::new(2)).unwrap();
    assert!(!first.ct_eq(second.expose()));
    assert_ne!(first_set.set_id(), second_set.set_id());
}

#[test]
fn the_largest_split_works() {
    let (key, set, shares) = split(32, 32, &Seeded::new(1)).unwrap();
    assert_eq!(set.combine(&shares).unwrap().expose(), key.expose());
    assert!(matches!(
        set.combine(&shares[1..]),
        Err(ShareError::TooFew { .. })
    ));
}

/// Changes the bytes behind a share's text and mends the checksum.
fn edit(share: &Share, change: impl FnOnce(&mut [u8])) -> Share {
    let text = share.to_text();
    let encoding = data_encoding::BASE32_NOPAD;
    let mut bytes = encoding
        .decode(text[9..].to_uppercase().as_bytes())
        .unwrap();
    change(&mut bytes[..50]);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"kwshare1-");
    hasher.update(&bytes[..50]);
    bytes[50..].copy_from_slice(&hasher.finalize().to_be_bytes());
    let text = format!("kwshare1-{}", encoding.encode(&bytes).to_lowercase());
    Share::from_text(&text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_enough_shares_recombine(
        (threshold, total) in (2u8..7).prop_flat_map(|t| (Just(t), t..9)),
        seed in any::<u64>(),
        skip in any::<usize>(),
    ) {
        let (key, set, mut shares) = split(threshold, total, &Seeded::new(seed)).unwrap();
        let rotation = skip % shares.len();
        shares.rotate_left(rotation);
        shares.truncate(usize::from(threshold));
        let combined = set.combine(&shares).unwrap();
        prop_assert_eq!(combined.expose(), key.expose());
    }
}
