//! A page of 50 by each field, with values of which there are many and few, and counts by each field.

use std::time::Instant;

use keyward_audit::index::AuditIndex;
use keyward_core::audit::Outcome;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_search::{
    CountBy, CountEvery, CountQuery, SearchFilter, SearchQuery, WantedAction, WantedVersion,
};
use keyward_core::time::Timestamp;

use crate::entries::{
    ADDRESSES, BEGAN, KEYS, MICROS_EACH, PRINCIPALS, TENANTS, address, correlation, dice, key,
    principal, tenant,
};
use crate::millis;

const ROUNDS: u64 = 21;

/// Median and most of some rounds.
fn measured(mut one: impl FnMut(u64) -> usize) -> (f64, f64, usize) {
    let (mut took, mut found) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        found += one(dice(round));
        took.push(millis(begun.elapsed()));
    }
    took.sort_unstable_by(f64::total_cmp);
    (
        took[took.len() / 2],
        took[took.len() - 1],
        found / ROUNDS as usize,
    )
}

pub fn pages(index: &AuditIndex, entries: u64) {
    type Make = Box<dyn Fn(u64) -> SearchFilter>;
    let everything = SearchFilter::default;
    let half = Timestamp::from_micros(BEGAN + entries as i64 / 2 * MICROS_EACH);
    let cases: Vec<(&str, Make)> = vec![
        ("nothing said", Box::new(move |_| everything())),
        (
            "until (half of the time)",
            Box::new(move |_| SearchFilter {
                until: Some(half),
                ..everything()
            }),
        ),
        (
            "tenant",
            Box::new(move |dice| SearchFilter {
                tenant: Some(Some(tenant(dice % TENANTS))),
                ..everything()
            }),
        ),
        (
            "key, used much",
            Box::new(move |dice| SearchFilter {
                key: Some(key(dice % 10)),
                ..everything()
            }),
        ),
        (
            "key, used little",
            Box::new(move |dice| SearchFilter {
                key: Some(key(KEYS - 200 + dice % 100)),
                ..everything()
            }),
        ),
        (
            "key that is nowhere",
            Box::new(move |dice| SearchFilter {
                key: Some(key(KEYS + dice)),
                ..everything()
            }),
        ),
        (
            "version 2 (nowhere)",
            Box::new(move |_| SearchFilter {
                version: Some(WantedVersion::Number(2)),
                ..everything()
            }),
        ),
        (
            "principal",
            Box::new(move |dice| SearchFilter {
                principal: Some(principal(dice % PRINCIPALS)),
                ..everything()
            }),
        ),
        (
            "action key.rotate",
            Box::new(move |_| SearchFilter {
                action: Some(WantedAction::One(Action::KeyRotate)),
                ..everything()
            }),
        ),
        (
            "outcome refused, tenant",
            Box::new(move |dice| SearchFilter {
                outcome: Some(Outcome::Refused),
                tenant: Some(Some(tenant(dice % TENANTS))),
                ..everything()
            }),
        ),
        (
            "address",
            Box::new(move |dice| SearchFilter {
                address: Some(address(dice % ADDRESSES)),
                ..everything()
            }),
        ),
        (
            "correlation id",
            Box::new(move |dice| SearchFilter {
                correlation_id: Some(correlation(dice % entries)),
                ..everything()
            }),
        ),
        (
            "node that is nowhere",
            Box::new(move |_| SearchFilter {
                node: Some("node-z".to_owned()),
                ..everything()
            }),
        ),
        (
            "text: forbidden",
            Box::new(move |_| SearchFilter {
                words: vec!["forbidden".to_owned()],
                ..everything()
            }),
        ),
        (
            "text: a key's number",
            Box::new(move |dice| SearchFilter {
                words: vec!["records".to_owned(), (KEYS - 1 - dice % 200).to_string()],
                ..everything()
            }),
        ),
    ];
    println!("\n| a page of 50 by | found | median ms | most ms |\n|---|---:|---:|---:|");
    for (name, make) in cases {
        let (median, most, found) = measured(|dice| {
            let query = SearchQuery {
                filter: make(dice),
                before: None,
                limit: 50,
            };
            let page = index.search(&query).unwrap();
            assert!(page.entries.len() == 50 || page.next_before.is_none());
            page.entries.len()
        });
        println!("| {name} | {found} | {median:.1} | {most:.1} |");
    }
}

pub fn counts(index: &AuditIndex) {
    println!(
        "\n| counts of each day by | of | counts | median ms | most ms |\n|---|---|---:|---:|---:|"
    );
    for by in CountBy::ALL {
        for whose in ["all", "a tenant", "a key"] {
            let (median, most, found) = measured(|dice| {
                let mut filter = SearchFilter::default();
                match whose {
                    "a tenant" => filter.tenant = Some(Some(tenant(dice % TENANTS))),
                    "a key" => filter.key = Some(key(dice % 10)),
                    _ => {}
                }
                let mut query = CountQuery {
                    filter,
                    by: *by,
                    every: CountEvery::Day,
                    before: None,
                };
                let mut found = 0;
                loop {
                    let part = index.counts(&query).unwrap();
                    found += part.counts.len();
                    query.before = part.next_before;
                    if query.before.is_none() {
                        return found;
                    }
                }
            });
            println!("| {by} | {whose} | {found} | {median:.1} | {most:.1} |");
        }
    }
}
