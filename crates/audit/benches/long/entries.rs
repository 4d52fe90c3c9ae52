//! Entries of operations as they are: few keys are used much and most little, each with a correlation id
//! that nothing can make smaller.

use std::collections::BTreeMap;

use keyward_core::audit::{Actor, AuditEvent, Authentication, LeafMark, Outcome, Resource, Used};
use keyward_core::ids::{KeyId, PrincipalId, TenantId, TokenId, VersionId};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::time::Timestamp;
use uuid::Uuid;

pub const TENANTS: u64 = 50;
pub const KEYS: u64 = 20_000;
pub const PRINCIPALS: u64 = 500;
pub const ADDRESSES: u64 = 2_000;
/// 50 a second.
pub const MICROS_EACH: i64 = 20_000;
pub const BEGAN: i64 = 1_795_000_000_000_000;

/// Numbers that look random and are the same each time.
pub fn dice(of: u64) -> u64 {
    let mixed = (of ^ (of >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub fn id(kind: u64, number: u64) -> Uuid {
    let (high, low) = (dice(kind << 40 | number), dice(kind << 41 | number));
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
        .into_uuid()
}

pub fn tenant(number: u64) -> TenantId {
    TenantId::from_uuid(id(1, number))
}

pub fn key(number: u64) -> KeyId {
    KeyId::from_uuid(id(2, number))
}

pub fn principal(number: u64) -> PrincipalId {
    PrincipalId::from_uuid(id(3, number))
}

pub fn correlation(number: u64) -> CorrelationId {
    CorrelationId::new(&id(4, number).to_string()).unwrap()
}

pub fn address(number: u64) -> String {
    format!("10.1.{}.{}", number / 256, number % 256)
}

/// The entry with this number.
pub fn event(number: u64) -> AuditEvent {
    let dice = dice(number);
    // Few keys are used much, and most little.
    let of = (dice % KEYS) * (dice / KEYS % KEYS) / KEYS;
    let by = dice >> 20;
    let (action, outcome) = match dice % 1000 {
        0 => (Action::KeyRotate, Outcome::Ok),
        1..=4 => (Action::KeyCreate, Outcome::Ok),
        5..=20 => (Action::KeyRead, Outcome::Ok),
        21..=24 => (Action::KeyDecrypt, Outcome::Refused),
        25..=400 => (Action::KeyDecrypt, Outcome::Ok),
        _ => (Action::KeyEncrypt, Outcome::Ok),
    };
    let version = VersionId::from_uuid(id(5, of));
    let used = Used {
        key: key(of),
        version,
        protects: 1,
        processes: 0,
        bytes: 256,
    };
    AuditEvent {
        time: Timestamp::from_micros(BEGAN + number as i64 * MICROS_EACH),
        node: "node-a".into(),
        tenant: Some(tenant(of % TENANTS)),
        actor: Actor {
            principal: Some(principal(by % PRINCIPALS)),
            token: Some(TokenId::from_uuid(id(6, by % PRINCIPALS))),
            address: Some(address(by % ADDRESSES)),
            authentication: Authentication::Token,
        },
        action,
        resource: Resource {
            kind: "key".into(),
            id: Some(key(of).uuid()),
            name: Some(format!("records-{of}")),
            version: Some(1),
        },
        outcome,
        reason: (outcome != Outcome::Ok).then(|| "forbidden".to_owned()),
        correlation_id: correlation(number),
        details: BTreeMap::new(),
        used: if outcome == Outcome::Ok {
            vec![used]
        } else {
            Vec::new()
        },
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    }
}
