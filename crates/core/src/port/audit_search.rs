//! Searching the audit log of this node: which entries are wanted, a page of them, and how many there
//! are. What an adapter finds is the same as whoever read the whole journal would find.

use async_trait::async_trait;

use crate::audit::{AuditEvent, Journaled, Outcome};
use crate::ids::{KeyId, PrincipalId, TenantId, VersionId};
use crate::names::CorrelationId;
use crate::noun::action::Action;
use crate::port::audit_log::AuditError;
use crate::text_enum;
use crate::time::Timestamp;

/// A word is found by so many characters at most.
const WORD_MAX: usize = 48;
/// Only so many words of a name or a reason are found: whoever may choose these could otherwise have the
/// index keep thousands of terms for each entry.
const WORDS_MAX: usize = 32;

/// Which version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedVersion {
    /// By its number, as the resource of an entry names it.
    Number(i64),
    /// By its id, as what was used names it.
    Id(VersionId),
}

/// Which actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedAction {
    /// One.
    One(Action),
    /// All that begin with this word and a dot.
    Group(String),
}

/// Which entries are wanted: those for which everything holds that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchFilter {
    /// Of this tenant; `Some(None)` means the system's own; none means all.
    pub tenant: Option<Option<TenantId>>,
    /// At or after this instant.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// About this key, or using it.
    pub key: Option<KeyId>,
    /// About this version of a key, or using it.
    pub version: Option<WantedVersion>,
    /// By this principal.
    pub principal: Option<PrincipalId>,
    /// What was done.
    pub action: Option<WantedAction>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// From this address.
    pub address: Option<String>,
    /// Of this request.
    pub correlation_id: Option<CorrelationId>,
    /// On this node.
    pub node: Option<String>,
    /// With all of these words, as [`words`] has them, in the name of the resource or the reason.
    pub words: Vec<String>,
}

impl SearchFilter {
    /// Whether an entry is wanted.
    pub fn wants(&self, event: &AuditEvent) -> bool {
        fn is<T>(wanted: Option<&T>, holds: impl FnOnce(&T) -> bool) -> bool {
            wanted.is_none_or(holds)
        }
        is(self.tenant.as_ref(), |it| event.tenant == *it)
            && is(self.since.as_ref(), |it| event.time >= *it)
            && is(self.until.as_ref(), |it| event.time < *it)
            && is(self.key.as_ref(), |it| keys(event).any(|key| key == *it))
            && is(self.version.as_ref(), |it| has_version(event, *it))
            && is(self.principal.as_ref(), |it| {
                event.actor.principal == Some(*it)
            })
            && is(self.action.as_ref(), |it| is_action(event.action, it))
            && is(self.outcome.as_ref(), |it| event.outcome == *it)
            && is(self.address.as_ref(), |it| {
                event.actor.address.as_ref() == Some(it)
            })
            && is(self.correlation_id.as_ref(), |it| {
                event.correlation_id == *it
            })
            && is(self.node.as_ref(), |it| *event.node == **it)
            && has_words(event, &self.words)
    }
}

/// The keys that an entry is about, or that were used; one may come twice.
pub fn keys(event: &AuditEvent) -> impl Iterator<Item = KeyId> {
    let is_key = event.resource.kind == "key";
    let about = event.resource.id.filter(|_| is_key);
    let used = event.used.iter().map(|used| used.key);
    about.map(KeyId::from_uuid).into_iter().chain(used)
}

/// The word before the dot of an action's name.
pub fn group(action: Action) -> &'static str {
    action.name().split('.').next().unwrap_or_default()
}

/// The words by which an entry is found: the first 32 of the resource's name, and of the reason. One may
/// come twice.
pub fn words_of(event: &AuditEvent) -> impl Iterator<Item = String> {
    let name = event.resource.name.as_deref();
    let texts = name.into_iter().chain(event.reason.as_deref());
    texts.flat_map(|text| words(text).take(WORDS_MAX))
}

/// The words of a text: letters and digits between anything else, in lower case, 48 characters of each.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|it: char| !it.is_alphanumeric());
    parts.filter(|part| !part.is_empty()).map(|part| {
        let lower = part.chars().flat_map(char::to_lowercase);
        lower.take(WORD_MAX).collect()
    })
}

fn has_version(event: &AuditEvent, wanted: WantedVersion) -> bool {
    match wanted {
        WantedVersion::Number(number) => event.resource.version == Some(number),
        WantedVersion::Id(id) => event.used.iter().any(|used| used.version == id),
    }
}

fn is_action(action: Action, wanted: &WantedAction) -> bool {
    match wanted {
        WantedAction::One(one) => action == *one,
        WantedAction::Group(name) => group(action) == name,
    }
}

fn has_words(event: &AuditEvent, wanted: &[String]) -> bool {
    wanted
        .iter()
        .all(|word| words_of(event).any(|it| it == *word))
}

/// Which page of the entries that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// Which.
    pub filter: SearchFilter,
    /// Only entries before this sequence number: what the page before said.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A page of entries, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchPage {
    /// The entries. There may be fewer than the limit, or none, and still be more behind them.
    pub entries: Vec<Journaled>,
    /// What to pass as `before` for the next page; none if this was the last.
    pub next_before: Option<u64>,
}

text_enum! {
    /// By what entries are counted. Those that have nothing of the kind are not counted.
    pub enum CountBy {
        /// By nothing: all together.
        All => "all",
        /// By tenant.
        Tenant => "tenant",
        /// By each key that an entry is about or that was used.
        Key => "key",
        /// By the number of a key's version.
        Version => "version",
        /// By who acted.
        Principal => "principal",
        /// By what was done.
        Action => "action",
        /// By how it ended.
        Outcome => "outcome",
        /// By where it came from.
        Address => "address",
        /// By node.
        Node => "node",
    }
}

text_enum! {
    /// For which spans of time entries are counted, in UTC.
    pub enum CountEvery {
        /// For all of it.
        All => "all",
        /// For each hour.
        Hour => "hour",
        /// For each day.
        Day => "day",
        /// For each month.
        Month => "month",
    }
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountQuery {
    /// Which entries.
    pub filter: SearchFilter,
    /// By what.
    pub by: CountBy,
    /// For which spans of time.
    pub every: CountEvery,
    /// Only entries before this sequence number: what the counts before said.
    pub before: Option<u64>,
}

/// How many entries of a span of time have a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// When the span begins; none if it is all of the time.
    pub from: Option<Timestamp>,
    /// The value; none if all are counted together. Of tenants, `system` is the system's own.
    pub value: Option<String>,
    /// How many.
    pub entries: u64,
}

/// Counts, by time and then by value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The counts.
    pub counts: Vec<Count>,
    /// If not all of the log was counted: what to pass as `before` to have the rest, which is to be added.
    pub next_before: Option<u64>,
}

/// The search.
#[async_trait]
pub trait AuditSearch: Send + Sync {
    /// A page of the entries that are wanted; everything that was durable when it was asked is looked at.
    async fn search(&self, query: SearchQuery) -> Result<SearchPage, AuditError>;

    /// How many there are.
    async fn counts(&self, query: CountQuery) -> Result<Counts, AuditError>;
}
