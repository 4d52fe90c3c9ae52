//! The same answers from all entries, one by one, as a stranger would read them: from their JSON.

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::audit::Journaled;
use keyward_core::port::audit_search::{
    CountBy, CountEvery, SearchFilter, WantedAction, WantedVersion,
};
use serde_json::Value;

/// The entries that are wanted, the newest first.
pub fn search(all: &[Journaled], filter: &SearchFilter) -> Vec<Journaled> {
    let wanted = all.iter().rev().filter(|entry| is_wanted(entry, filter));
    wanted.cloned().collect()
}

fn is_wanted(entry: &Journaled, filter: &SearchFilter) -> bool {
    let json = serde_json::to_value(&entry.event).unwrap();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let mut is_wanted = true;
    if let Some(tenant) = filter.tenant {
        is_wanted &= text(&json["tenant"]) == tenant.map(|tenant| tenant.to_string());
    }
    let time = entry.event.time;
    is_wanted &= filter.since.is_none_or(|since| since <= time);
    is_wanted &= filter.until.is_none_or(|until| time < until);
    if let Some(key) = filter.key {
        is_wanted &= keys(&json).contains(&key.to_string());
    }
    match filter.version {
        Some(WantedVersion::Number(number)) => {
            is_wanted &= json["resource"]["version"].as_i64() == Some(number);
        }
        Some(WantedVersion::Id(id)) => {
            let mut used = json["used"].as_array().into_iter().flatten();
            is_wanted &= used.any(|used| text(&used["version"]) == Some(id.to_string()));
        }
        None => {}
    }
    if let Some(principal) = filter.principal {
        is_wanted &= text(&json["actor"]["principal"]) == Some(principal.to_string());
    }
    let action = text(&json["action"]).unwrap();
    match &filter.action {
        Some(WantedAction::One(one)) => is_wanted &= action == one.name(),
        Some(WantedAction::Group(kind)) => is_wanted &= action.starts_with(&format!("{kind}.")),
        None => {}
    }
    for (wanted, found) in [
        (
            filter.outcome.map(|it| it.name().to_owned()),
            &json["outcome"],
        ),
        (filter.address.clone(), &json["actor"]["address"]),
        (
            filter
                .correlation_id
                .as_ref()
                .map(|it| it.as_str().to_owned()),
            &json["correlation_id"],
        ),
        (filter.node.clone(), &json["node"]),
    ] {
        is_wanted &= wanted.is_none() || wanted == text(found);
    }
    let texts = [&json["resource"]["name"], &json["reason"]];
    let texts = texts.map(|it| it.as_str().unwrap_or_default().to_lowercase());
    let is_between = |it: char| " -_&".contains(it);
    let words_of = |text| str::split(text, is_between).filter(|word| !word.is_empty());
    let words = texts.iter().flat_map(|text| words_of(text).take(32));
    let words: BTreeSet<&str> = words.collect();
    is_wanted
        && filter
            .words
            .iter()
            .all(|word| words.contains(word.as_str()))
}

fn keys(json: &Value) -> BTreeSet<String> {
    let used = json["used"].as_array().into_iter().flatten();
    let mut keys: BTreeSet<String> = used
        .map(|used| used["key"].as_str().unwrap().to_owned())
        .collect();
    if json["resource"]["kind"] == "key" {
        keys.extend(json["resource"]["id"].as_str().map(ToOwned::to_owned));
    }
    keys
}

/// How many are wanted: by the beginning of their span of time and value.
pub fn counts(
    all: &[Journaled],
    filter: &SearchFilter,
    by: CountBy,
    every: CountEvery,
) -> BTreeMap<(Option<String>, Option<String>), u64> {
    let mut counts = BTreeMap::new();
    for entry in search(all, filter) {
        let time = entry.event.time.to_string();
        let from = match every {
            CountEvery::All => None,
            CountEvery::Hour => Some(format!("{}:00:00.000000Z", &time[..13])),
            CountEvery::Day => Some(format!("{}T00:00:00.000000Z", &time[..10])),
            CountEvery::Month => Some(format!("{}-01T00:00:00.000000Z", &time[..7])),
        };
        let json = serde_json::to_value(&entry.event).unwrap();
        let one = |value: &Value| {
            let text = value.as_str().map(ToOwned::to_owned);
            text.map(Some).into_iter().collect::<Vec<_>>()
        };
        let values: Vec<Option<String>> = match by {
            CountBy::All => vec![None],
            CountBy::Tenant => vec![Some(json["tenant"].as_str().unwrap_or("system").to_owned())],
            CountBy::Key => keys(&json).into_iter().map(Some).collect(),
            CountBy::Version => {
                let number = json["resource"]["version"].as_i64();
                number.map(|it| Some(it.to_string())).into_iter().collect()
            }
            CountBy::Principal => one(&json["actor"]["principal"]),
            CountBy::Action => one(&json["action"]),
            CountBy::Outcome => one(&json["outcome"]),
            CountBy::Address => one(&json["actor"]["address"]),
            CountBy::Node => one(&json["node"]),
        };
        for value in values {
            *counts.entry((from.clone(), value)).or_insert(0) += 1;
        }
    }
    counts
}
