//! A key with its versions, its history and its bindings. A version's state goes back only along the
//! state table; what was compromised or destroyed stays so; what was made since stays, and protects no
//! more when an older version does again.

use super::merge::{Merge, PAGE};
use super::report::{Fate, Needed};
use super::row::{etag, says_the_same, with_etag};
use super::{Refusal, VERSIONS_SKIPPED};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::lifecycle::transition_id;
use crate::names::KeyName;
use crate::noun::history::Transition;
use crate::noun::key::{Key, ProviderKind};
use crate::noun::key_version::KeyVersion;
use crate::noun::state::{Event, State};
use crate::port::registry::{KeyRef, KeyWithVersions};

/// How a state goes back. What was put on hold stays on hold, and nothing is destroyed by going back.
const WAYS_BACK: [Event; 6] = [
    Event::RollBack,
    Event::Renew,
    Event::CancelDestruction,
    Event::Retire,
    Event::Expire,
    Event::Activate,
];
/// How long a destruction that was under way waits anew.
const DESTRUCTION_WAITS_SECONDS: i64 = 30 * 24 * 3600;

/// What becomes of a version, and the event by which its state goes back.
struct Back {
    row: KeyVersion,
    now: Option<KeyVersion>,
    fate: Fate,
    event: Option<Event>,
}

impl Merge<'_> {
    pub(super) async fn keys(&mut self) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let page = self.order.then.all_keys(after, PAGE).await?;
            after = page.rows.last().map(|last| last.key.id);
            for found in page.rows {
                if found.key.tenant == self.tenant {
                    self.key(found, None).await?;
                    self.write_if_much().await?;
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    pub(super) async fn one_key(&mut self, key: &KeyRef) -> Result<(), OpError> {
        let found = self.order.then.key(self.tenant, key).await?;
        let found = found.ok_or(Refusal::NotThereThen { what: "key" })?;
        let id = found.key.id;
        let all_gone = found.versions.iter().all(|version| {
            self.final_state(version, None)
                .is_some_and(State::is_destroyed)
        });
        let now = self.now.key(self.tenant, &KeyRef::Id(id)).await?;
        let is_gone_now = now.as_ref().is_some_and(|now| {
            let mut versions = now.versions.iter();
            versions.all(|version| version.state.is_destroyed())
        });
        if all_gone || is_gone_now {
            return Err(Refusal::Destroyed.into());
        }
        let name = self.order.new_name.as_deref();
        let name = match (name, now.is_some()) {
            (Some(_), true) => return Err(Refusal::KeepsItsName { what: "key" }.into()),
            (Some(name), false) => Some(
                KeyName::new(name).map_err(|_| OpError::invalid("as", "is not a key's name"))?,
            ),
            (None, _) => None,
        };
        self.key(found, name).await?;
        for row in self.order.then.class_pointers(self.tenant).await? {
            let now = self.now.class_pointer(self.tenant, &row.class).await?;
            if row.key == id && now.is_none() && row.previous_key.is_none() {
                let called = row.class.to_string();
                self.judge(Row::ClassPointer(row), None, &called);
            }
        }
        Ok(())
    }

    async fn key(&mut self, then: KeyWithVersions, name: Option<KeyName>) -> Result<(), OpError> {
        let KeyWithVersions { key, versions } = then;
        let id = key.id;
        let now = self.now.key(self.tenant, &KeyRef::Id(id)).await?;
        let (now_key, now_versions) = match now {
            Some(now) => (Some(now.key), now.versions),
            None => (None, Vec::new()),
        };
        self.ensure_token(key.created_by).await?;
        for version in &versions {
            self.ensure_token(version.created_by).await?;
            self.ensure_token(version.rotated_by).await?;
        }
        let history = self.history(&key).await?;
        let mut backs = Vec::with_capacity(versions.len());
        for version in versions {
            let now = now_versions.iter().find(|it| it.id == version.id).cloned();
            backs.push(self.version(version, now));
        }
        let wanted = self.wanted_key(key, name, now_key.as_ref(), &backs).await?;
        let now_row = now_key.clone().map(Box::new).map(Row::Key);
        let fate = self.fate_of_named(&Row::Key(Box::new(wanted.clone())), now_row.as_ref());
        let mut writes = Vec::new();
        let primary = if matches!(fate, Fate::Back | Fate::Mended | Fate::Replaced) {
            wanted.primary_version
        } else {
            now_key
                .as_ref()
                .map_or(wanted.primary_version, |it| it.primary_version)
        };
        let key_etag = if let Some(now) = &now_key {
            now.etag + 1
        } else {
            let row = Row::Key(Box::new(wanted.clone()));
            etag(&row).max(self.later.of(&row).etag) + 1
        };
        let made_since: Vec<KeyVersion> = now_versions
            .iter()
            .filter(|version| !backs.iter().any(|back| back.row.id == version.id))
            .cloned()
            .collect();
        let called = wanted.name.to_string();
        for back in backs {
            self.take_version(back, &called, primary, key_etag, &mut writes);
        }
        let is_moved = now_key
            .as_ref()
            .is_some_and(|now| now.primary_version != primary);
        if is_moved {
            for version in made_since {
                self.retire(version, primary, key_etag, &mut writes);
            }
        }
        self.take_key(wanted, now_key, fate, writes, key_etag);
        for transition in history {
            self.report.count("transitions", Fate::Back);
            self.wait(Write::insert(Row::Transition(transition)));
        }
        self.bindings(id, &called).await
    }

    /// The key's row first, then its versions in order: a version's parent comes before it.
    fn take_key(
        &mut self,
        wanted: Key,
        now: Option<Key>,
        fate: Fate,
        writes: Vec<Write>,
        key_etag: i64,
    ) {
        let called = wanted.name.to_string();
        match (fate, now) {
            (Fate::Same | Fate::Kept, Some(now)) => {
                self.report.count("keys", fate);
                if fate == Fate::Kept {
                    self.report.say(format!(
                        "keys: {called} was changed since and stays as it is"
                    ));
                }
                // No change without an update of its key's row, and no number is given twice.
                if !writes.is_empty() || now.latest_version < wanted.latest_version {
                    let mut row = now;
                    row.latest_version = row.latest_version.max(wanted.latest_version);
                    row.etag = key_etag;
                    self.wait(Write::update(Row::Key(Box::new(row))));
                }
            }
            (_, now) => {
                let now = now.map(Box::new).map(Row::Key);
                self.settle(fate, Row::Key(Box::new(wanted)), now, &called);
            }
        }
        for write in writes {
            self.wait(write);
        }
    }

    /// The key's row as it is to be.
    async fn wanted_key(
        &mut self,
        then: Key,
        name: Option<KeyName>,
        now: Option<&Key>,
        versions: &[Back],
    ) -> Result<Key, OpError> {
        let mut wanted = then;
        let latest = self.later.facts.latest.get(&(wanted.tenant, wanted.id));
        let latest = latest.copied().unwrap_or_default();
        wanted.latest_version = wanted.latest_version.max(latest);
        wanted.rotation_policy = self.ensured_policy(wanted.rotation_policy).await?;
        let Some(now) = now else {
            wanted.name = name.unwrap_or(wanted.name);
            let by_name = KeyRef::Name(wanted.name.clone());
            if self.now.key(wanted.tenant, &by_name).await?.is_some() {
                return Err(Refusal::taken("key", wanted.name.as_str()));
            }
            if !self.order.nothing_since {
                wanted.latest_version += VERSIONS_SKIPPED;
            }
            return Ok(wanted);
        };
        wanted.latest_version = wanted.latest_version.max(now.latest_version);
        wanted.name = now.name.clone();
        // A version that cannot protect is not made the one that does.
        let mut of_then = versions.iter();
        let is_sound = of_then.any(|back| {
            back.row.version == wanted.primary_version
                && back.row.state == State::Active
                && !matches!(back.fate, Fate::Kept | Fate::Forever)
        });
        if !is_sound {
            wanted.primary_version = now.primary_version;
        }
        Ok(wanted)
    }

    /// What is known of a version that holds for ever.
    fn final_state(&self, version: &KeyVersion, now: Option<&KeyVersion>) -> Option<State> {
        let of_key = self
            .later
            .facts
            .versions
            .get(&(version.tenant, version.key));
        let fact = of_key.and_then(|of_key| of_key.get(&version.id));
        let known = [now, fact, Some(version)];
        let states = known.into_iter().flatten().map(|it| it.state);
        states.filter(|state| state.is_final()).max()
    }

    fn version(&self, then: KeyVersion, now: Option<KeyVersion>) -> Back {
        let facts = self.later.facts.versions.get(&(then.tenant, then.key));
        let fact = facts.and_then(|of_key| of_key.get(&then.id)).cloned();
        let mut back = Back {
            row: then,
            now,
            fate: Fate::Same,
            event: None,
        };
        let Some(now) = back.now.clone() else {
            // What was put on hold since is on hold.
            if let Some(since) = fact.or_else(|| self.later.on_hold(back.row.id)) {
                back.row = since;
            }
            if back.row.state == State::PendingDestruction {
                let at_least = self.at.plus_seconds(DESTRUCTION_WAITS_SECONDS);
                back.row.destroy_at = back.row.destroy_at.map(|due| due.max(at_least));
                back.row.destroying = false;
            }
            back.fate = Fate::Back;
            return back;
        };
        let (then_row, now_row) = (version_row(&back.row), version_row(&now));
        if says_the_same(&then_row, &now_row) {
            return back;
        }
        if now.state.is_final() || now.destroying {
            back.fate = Fate::Forever;
            back.row = now;
            return back;
        }
        back.fate = self.fate(&then_row, Some(&now_row));
        let waits = |it: &KeyVersion| it.state == State::PendingDestruction;
        let is_on_hold = now.state == State::Inactive && back.row.state != State::Inactive;
        // A destruction that was scheduled anew is not one of an earlier day again.
        let waits_anew = waits(&now) && waits(&back.row);
        if back.fate == Fate::Replaced && (is_on_hold || waits_anew) {
            back.fate = Fate::Kept;
        }
        if back.fate == Fate::Kept || now.state == back.row.state {
            return back;
        }
        let way = |event: &Event| {
            let after = now.standing().after(*event).ok();
            after.is_some_and(|after| after == back.row.standing())
        };
        back.event = WAYS_BACK.iter().copied().find(way);
        if back.event.is_none() && back.fate == Fate::Replaced {
            back.fate = Fate::Kept;
        }
        back
    }

    fn take_version(
        &mut self,
        back: Back,
        key: &str,
        primary: i64,
        key_etag: i64,
        writes: &mut Vec<Write>,
    ) {
        let Back {
            row,
            now,
            fate,
            event,
        } = back;
        self.need(now.as_ref().filter(|_| fate == Fate::Kept).unwrap_or(&row));
        let called = format!("{key} version {}", row.version);
        self.report.count("key_versions", fate);
        let words = match fate {
            Fate::Same => None,
            Fate::Back if row.state.is_final() => Some("comes back as what it is for ever"),
            Fate::Back => Some("comes back"),
            Fate::Mended | Fate::Replaced => Some("is what it was again"),
            Fate::Kept => Some("was changed since and stays as it is"),
            Fate::Forever => Some("stays as it is: what happened since holds for ever"),
        };
        if let Some(words) = words {
            self.report.say(format!(
                "key_versions: {called} {words} ({})",
                row.state.name()
            ));
        }
        match (fate, now) {
            (Fate::Back, _) => {
                let then = version_row(&row);
                let version = row.etag.max(self.later.of(&then).etag) + 1;
                writes.push(Write::insert(with_etag(then, version)));
            }
            (Fate::Mended | Fate::Replaced, Some(now)) => {
                let mut next = row;
                next.etag = now.etag + 1;
                // A version that is promoted again gets another name outside.
                let again = i64::from(next.version == primary && event == Some(Event::RollBack));
                next.promotion_count = next.promotion_count.max(now.promotion_count + again);
                if let Some(event) = event {
                    let transition = self.transition(&now, event, next.state, primary, key_etag);
                    writes.push(Write::update(version_row(&next)));
                    writes.push(Write::insert(Row::Transition(transition)));
                } else {
                    writes.push(Write::update(version_row(&next)));
                }
            }
            _ => {}
        }
    }

    /// A version that was made since, and is not the one that protects any more.
    fn retire(&mut self, now: KeyVersion, primary: i64, key_etag: i64, writes: &mut Vec<Write>) {
        self.need(&now);
        if now.state != State::Active {
            return;
        }
        let transition = self.transition(&now, Event::Retire, State::Rotated, primary, key_etag);
        let mut next = now;
        next.state = State::Rotated;
        next.rotated_at = Some(self.at);
        next.updated_at = self.at;
        next.can_roll_back = false;
        next.retire_at = None;
        next.etag += 1;
        self.report.count("key_versions", Fate::Replaced);
        self.report.say(format!(
            "key_versions: version {} was made since; it opens what it protected and protects no more",
            next.version
        ));
        writes.push(Write::update(version_row(&next)));
        writes.push(Write::insert(Row::Transition(transition)));
    }

    fn transition(
        &mut self,
        now: &KeyVersion,
        event: Event,
        to_state: State,
        primary_version: i64,
        key_etag: i64,
    ) -> Transition {
        let caller = self.committing.as_ref().map(|it| it.attempt.caller);
        let place = usize::try_from(now.version).unwrap_or_default();
        Transition {
            id: transition_id(key_etag, place, (self.entropy)()),
            tenant: now.tenant,
            key: now.key,
            version: now.version,
            event: event.name().to_owned(),
            from_state: Some(now.state),
            to_state,
            primary_version,
            at: self.at,
            principal: caller.and_then(|it| it.principal),
            token: caller.and_then(|it| it.token),
            reason: Some("restored from a backup".to_owned()),
            correlation_id: caller.map_or_else(
                || now.correlation_id.clone(),
                |it| it.origin.correlation_id.clone(),
            ),
        }
    }

    fn need(&mut self, version: &KeyVersion) {
        if version.provider != ProviderKind::Native || version.destroyed_at.is_some() {
            return;
        }
        if let (Ok(record), Some(digest)) = (version.provider_key_id.parse(), version.record_digest)
        {
            self.needed.push(Needed {
                record,
                digest,
                kek: None,
            });
        }
    }

    /// What of a key's history is not there.
    async fn history(&mut self, key: &Key) -> Result<Vec<Transition>, OpError> {
        let mut known = std::collections::BTreeSet::new();
        let mut after = None;
        loop {
            let page = self.now.history(key.tenant, key.id, after, PAGE).await?;
            after = page.rows.last().map(|last| last.id);
            known.extend(page.rows.into_iter().map(|row| row.id));
            if !page.more {
                break;
            }
        }
        let (mut missing, mut after) = (Vec::new(), None);
        loop {
            let then = self.order.then;
            let page = then.history(key.tenant, key.id, after, PAGE).await?;
            after = page.rows.last().map(|last| last.id);
            for row in page.rows {
                if known.contains(&row.id) {
                    self.report.count("transitions", Fate::Same);
                    continue;
                }
                self.ensure_token(row.token).await?;
                if let Some(principal) = row.principal {
                    self.ensure_principal(principal).await?;
                }
                missing.push(row);
            }
            if !page.more {
                return Ok(missing);
            }
        }
    }

    async fn bindings(&mut self, key: crate::ids::KeyId, called: &str) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let then = self.order.then;
            let page = then.bindings(self.tenant, key, after, PAGE).await?;
            after = page.rows.last().map(|last| last.id);
            for row in page.rows {
                let now = self.now.binding(self.tenant, row.id).await?;
                let called = format!("{} of {called}", row.id);
                self.judge(Row::DataBinding(row), now.map(Row::DataBinding), &called);
            }
            if !page.more {
                return Ok(());
            }
        }
    }
}

fn version_row(version: &KeyVersion) -> Row {
    Row::KeyVersion(Box::new(version.clone()))
}
