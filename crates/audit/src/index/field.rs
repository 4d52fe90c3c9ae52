//! By what entries are found: the fields of an entry, and the terms that it has in each.

use keyward_core::audit::AuditEvent;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_search::{
    CountBy, SearchFilter, WantedAction, WantedVersion, group, keys, words_of,
};
use keyward_ledger::Hash;
use uuid::Uuid;

/// No term is longer; of a longer text the beginning is one. What is found is compared anyway.
const TERM_MAX: usize = 255;

/// A field, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Field {
    Tenant,
    Key,
    Version,
    VersionId,
    Principal,
    Action,
    Group,
    Outcome,
    Address,
    Node,
    Word,
    /// Not the text but four bytes of its digest: nobody counts by it, and it is never the same.
    Correlation,
}

impl Field {
    pub(super) const COUNT: usize = 12;

    /// Those by which entries are counted, in the order of the file.
    pub(super) const COUNTED: [Self; 8] = [
        Self::Tenant,
        Self::Key,
        Self::Version,
        Self::Principal,
        Self::Action,
        Self::Outcome,
        Self::Address,
        Self::Node,
    ];

    /// The field whose terms are counted. Every entry has one outcome: all together are counted by it.
    pub(super) fn of(by: CountBy) -> Self {
        match by {
            CountBy::Tenant => Self::Tenant,
            CountBy::Key => Self::Key,
            CountBy::Version => Self::Version,
            CountBy::Principal => Self::Principal,
            CountBy::Action => Self::Action,
            CountBy::All | CountBy::Outcome => Self::Outcome,
            CountBy::Address => Self::Address,
            CountBy::Node => Self::Node,
        }
    }

    /// A term as people read it.
    pub(super) fn shown(self, term: &[u8]) -> String {
        match self {
            Self::Tenant if term.is_empty() => "system".to_owned(),
            Self::Tenant | Self::Key | Self::VersionId | Self::Principal => {
                Uuid::from_slice(term).unwrap_or_default().to_string()
            }
            Self::Version => {
                let number = term.first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
                number.unwrap_or_default().to_string()
            }
            _ => String::from_utf8_lossy(term).into_owned(),
        }
    }
}

/// Says every term of an entry; one may come twice.
pub(super) fn terms(event: &AuditEvent, mut say: impl FnMut(Field, &[u8])) {
    match event.tenant {
        Some(tenant) => say(Field::Tenant, tenant.uuid().as_bytes()),
        None => say(Field::Tenant, b""),
    }
    for key in keys(event) {
        say(Field::Key, key.uuid().as_bytes());
    }
    if let Some(version) = event.resource.version {
        say(Field::Version, &version.to_be_bytes());
    }
    for used in &event.used {
        say(Field::VersionId, used.version.uuid().as_bytes());
    }
    if let Some(principal) = event.actor.principal {
        say(Field::Principal, principal.uuid().as_bytes());
    }
    let action: Action = event.action;
    say(Field::Action, action.name().as_bytes());
    say(Field::Group, group(action).as_bytes());
    say(Field::Outcome, event.outcome.name().as_bytes());
    if let Some(address) = &event.actor.address {
        say(Field::Address, cut(address));
    }
    say(Field::Node, cut(&event.node));
    for word in words_of(event) {
        say(Field::Word, cut(&word));
    }
    say(
        Field::Correlation,
        &fingerprint(event.correlation_id.as_str()),
    );
}

/// The terms that an entry has if it is wanted; times are not among them.
pub(super) fn wanted(filter: &SearchFilter) -> Vec<(Field, Vec<u8>)> {
    let mut terms = Vec::new();
    let mut want = |field, term: &[u8]| terms.push((field, term.to_vec()));
    if let Some(correlation) = &filter.correlation_id {
        want(Field::Correlation, &fingerprint(correlation.as_str()));
    }
    if let Some(key) = filter.key {
        want(Field::Key, key.uuid().as_bytes());
    }
    match filter.version {
        Some(WantedVersion::Number(number)) => want(Field::Version, &number.to_be_bytes()),
        Some(WantedVersion::Id(id)) => want(Field::VersionId, id.uuid().as_bytes()),
        None => {}
    }
    if let Some(principal) = filter.principal {
        want(Field::Principal, principal.uuid().as_bytes());
    }
    for word in &filter.words {
        want(Field::Word, cut(word));
    }
    if let Some(address) = &filter.address {
        want(Field::Address, cut(address));
    }
    match &filter.action {
        Some(WantedAction::One(action)) => want(Field::Action, action.name().as_bytes()),
        Some(WantedAction::Group(name)) => want(Field::Group, cut(name)),
        None => {}
    }
    if let Some(outcome) = filter.outcome {
        want(Field::Outcome, outcome.name().as_bytes());
    }
    if let Some(node) = &filter.node {
        want(Field::Node, cut(node));
    }
    match filter.tenant {
        Some(Some(tenant)) => want(Field::Tenant, tenant.uuid().as_bytes()),
        Some(None) => want(Field::Tenant, b""),
        None => {}
    }
    terms
}

/// Whether a term says less than the text of which it is: what has the term must be compared itself.
pub(super) fn is_rough(field: Field, term: &[u8]) -> bool {
    field == Field::Correlation || term.len() == TERM_MAX
}

fn cut(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    bytes.get(..TERM_MAX).unwrap_or(bytes)
}

fn fingerprint(text: &str) -> [u8; 4] {
    let digest = Hash::of_leaf(text.as_bytes());
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}
