use keyward_crypto::random::SystemRandom;

use super::*;
use crate::ids::PrincipalId;

const NAME: &str = "AAECAwQFBgcICQoLDA0ODw";
/// Sealed once, under the key of the seed [7; 32], in base64: what this version has sealed is opened by each
/// that comes.
const VECTOR: &str = include_str!("vector.txt");

fn key() -> HybridSecret {
    HybridSecret::from_seed(&[7; 32]).unwrap()
}

fn stranger(address: &str) -> Waiting {
    Waiting {
        whose: Whose::strangers("2026-11-23".to_owned()),
        address: address.to_owned(),
    }
}

fn member() -> Waiting {
    let id = PrincipalId::from_uuid(uuid::Uuid::from_u128(7));
    let home = TenantId::from_uuid(uuid::Uuid::from_u128(9));
    Waiting {
        whose: Whose::person(id, Some(home)),
        address: "2001:db8:1111:2222:3333:4444:5555:6666".to_owned(),
    }
}

#[test]
fn what_waits_opens_under_its_name_and_by_its_key_alone() {
    let key = key();
    for it in [stranger("192.0.2.7"), member()] {
        let sealed = it.sealed(&key.public(), NAME, &SystemRandom).unwrap();
        // Its length says nothing.
        assert_eq!(sealed.len(), 4 + 1120 + 160 + 16);
        assert_eq!(Waiting::open(&key, NAME, &sealed), Some(it.clone()));
        let other = new_name(&SystemRandom).unwrap();
        assert_eq!(Waiting::open(&key, &other, &sealed), None);
        let another = HybridSecret::from_seed(&[8; 32]).unwrap();
        assert_eq!(Waiting::open(&another, NAME, &sealed), None);
        assert_eq!(Waiting::open(&key, NAME, &sealed[..sealed.len() - 1]), None);
        assert_eq!(Waiting::open(&key, NAME, b""), None);
        // No two are alike, though they say the same.
        assert_ne!(it.sealed(&key.public(), NAME, &SystemRandom), Some(sealed));
    }
}

#[test]
fn no_byte_of_what_waits_can_be_another() {
    let key = key();
    let sealed = stranger("192.0.2.7").sealed(&key.public(), NAME, &SystemRandom);
    let mut sealed = sealed.unwrap();
    for place in 0..sealed.len() {
        sealed[place] ^= 1;
        assert_eq!(Waiting::open(&key, NAME, &sealed), None, "byte {place}");
        sealed[place] ^= 1;
    }
    assert!(Waiting::open(&key, NAME, &sealed).is_some());
}

#[test]
fn what_an_earlier_version_sealed_is_opened() {
    let sealed =
        base64::engine::general_purpose::STANDARD.decode(VECTOR.replace(char::is_whitespace, ""));
    let opened = Waiting::open(&key(), NAME, &sealed.unwrap());
    assert_eq!(opened, Some(stranger("192.0.2.7")));
}

/// Whoever has the public key can seal: what no server writes is nothing.
#[test]
fn what_no_server_writes_is_not_taken() {
    let key = key();
    let forged = |text: &str| {
        let mut plain = [0; PLAIN_BYTES];
        plain[..text.len()].copy_from_slice(text.as_bytes());
        let aad = reference(NAME);
        let sealed = key
            .public()
            .seal(PURPOSE, aad.as_bytes(), &plain, &SystemRandom);
        Waiting::open(&key, NAME, &[FORMAT, &sealed.unwrap()].concat())
    };
    assert!(forged("keyward.strangers.2026-11-23 - 192.0.2.7").is_some());
    for text in [
        "",
        "keyward.strangers.2026-11-23 -",
        "keyward.strangers.2026-11-23 - 192.0.2.7 more",
        "keyward.strangers.2026-11-23 - somewhere",
        "keyward.strangers.someday - 192.0.2.7",
        "keyward.strangers.2026-11-23 00000000-0000-0000-0000-000000000009 192.0.2.7",
        "keyward.person.nobody - 192.0.2.7",
        "keyward.checkpoint-signing - 192.0.2.7",
        "keyward.strangers.2026-11-23 elsewhere 192.0.2.7",
    ] {
        assert_eq!(forged(text), None, "{text}");
    }
    let long = stranger(&"1".repeat(PLAIN_BYTES));
    assert_eq!(long.sealed(&key.public(), NAME, &SystemRandom), None);
}

#[test]
fn an_address_has_one_name_in_a_sealed_life_and_another_in_the_next() {
    let desk = WaitingDesk::default();
    let (one, other) = (stranger("192.0.2.7"), stranger("192.0.2.8"));
    let digest = desk.digest(&SystemRandom, &one).unwrap();
    assert_eq!(desk.digest(&SystemRandom, &one), Some(digest));
    assert_ne!(desk.digest(&SystemRandom, &other), Some(digest));
    assert_eq!(desk.known(&digest), None);
    desk.know(digest, NAME);
    assert!(!desk.is_settled());
    let seen = desk.unsettled();
    // What comes while it is looked what waits is not settled with the rest.
    desk.unsettle();
    desk.settle(seen);
    assert!(!desk.is_settled());
    desk.settle(desk.unsettled());
    assert!(desk.is_settled());
    assert_eq!(desk.known(&digest).as_deref(), Some(NAME));
    desk.forget_life();
    assert_ne!(desk.digest(&SystemRandom, &one), Some(digest));
    assert!(desk.known(&digest).is_none() && !desk.is_settled());
}

#[test]
fn so_many_write_at_a_time_and_no_more() {
    let desk = WaitingDesk::default();
    let writers: Vec<_> = (0..AT_A_TIME + 3).map_while(|_| desk.writer()).collect();
    assert_eq!(writers.len(), AT_A_TIME);
    drop(writers);
    assert!(desk.writer().is_some());
}
