//! A secret and its versions. Numbers go on where they were: a value never takes another's number.

use super::Refusal;
use super::merge::{Merge, PAGE};
use super::report::{Fate, Needed};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::facts::erased_below;
use crate::ids::SecretId;
use crate::names::SecretName;
use crate::noun::secret::{Secret, SecretState, SecretVersion};
use crate::people::NOT_BEFORE;

impl Merge<'_> {
    pub(super) async fn secrets(&mut self) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let (then, tenant) = (self.order.then, Some(self.tenant));
            let page = then.secrets(tenant, "", after.as_ref(), PAGE).await?;
            after = page.rows.last().map(|last| last.name.clone());
            for row in page.rows {
                self.secret(row, self.order.replaces_newer).await?;
                self.write_if_much().await?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    pub(super) async fn one_secret(&mut self, name: &SecretName) -> Result<(), OpError> {
        if self.order.new_name.is_some() {
            return Err(Refusal::KeepsItsName { what: "secret" }.into());
        }
        let found = self.order.then.secret(Some(self.tenant), name).await?;
        let found = found.filter(|it| it.state == SecretState::Stored);
        let found = found.ok_or(Refusal::NotThereThen { what: "secret" })?;
        let now = self.now.secret(Some(self.tenant), name).await?;
        if self.erased_below(&found, now.as_ref()) == i64::MAX {
            return Err(Refusal::Erased.into());
        }
        self.secret(found, true).await
    }

    /// Below which number no version comes back: the secret is a person's book, and that was erased, wholly
    /// or of what it had before that version.
    fn erased_below(&self, then: &Secret, now: Option<&Secret>) -> i64 {
        let now = now.filter(|now| now.id == then.id).map_or(0, erased_below);
        now.max(self.later.facts.erased_below(then.id))
    }

    /// `is_meant`: it was deleted by order, and comes back all the same.
    async fn secret(&mut self, then: Secret, is_meant: bool) -> Result<(), OpError> {
        let called = then.name.to_string();
        let now = self.now.secret(then.tenant, &then.name).await?;
        if now.as_ref().is_some_and(|now| now.id != then.id) {
            return Err(Refusal::taken("secret", &called));
        }
        let below = self.erased_below(&then, now.as_ref());
        if below == i64::MAX {
            self.settle(Fate::Forever, Row::Secret(then), None, &called);
            return Ok(());
        }
        self.ensure_token(then.created_by).await?;
        let versions = self.order.then.secret_versions(then.id).await?;
        let highest = versions.iter().map(|it| it.version).max();
        let mut wanted = then;
        if below > 0 {
            // The next restore has to know it too.
            let label = (NOT_BEFORE.to_owned(), below.to_string());
            wanted.labels.extend([label]);
        }
        let was_latest = wanted.latest_version;
        wanted.latest_version = was_latest.max(self.later.latest_of(wanted.id));
        if let Some(now) = &now {
            wanted.latest_version = wanted.latest_version.max(now.latest_version);
        }
        let is_deleted = now
            .as_ref()
            .is_some_and(|it| it.state == SecretState::Deleted);
        let id = wanted.id;
        let (row, now_row) = (Row::Secret(wanted.clone()), now.clone().map(Row::Secret));
        let fate = match self.fate(&row, now_row.as_ref()) {
            Fate::Kept if is_deleted && is_meant => Fate::Replaced,
            fate => fate,
        };
        self.settle(fate, row, now_row, &called);
        if is_deleted && fate == Fate::Kept {
            return Ok(());
        }
        let is_any_back = self
            .versions_of(versions, id, below, is_meant, &called)
            .await?;
        if is_any_back && highest.is_some_and(|highest| highest < wanted.latest_version) {
            self.report.say(format!(
                "secrets: {called} has no current value: the last of that second is version {}",
                highest.unwrap_or_default()
            ));
        }
        // No new version without a new etag of the secret.
        if let (Fate::Same | Fate::Kept, Some(mut row), true) = (fate, now, is_any_back) {
            row.etag += 1;
            self.wait(Write::update(Row::Secret(row)));
        }
        Ok(())
    }

    /// Whether any comes back.
    async fn versions_of(
        &mut self,
        versions: Vec<SecretVersion>,
        secret: SecretId,
        below: i64,
        is_meant: bool,
        called: &str,
    ) -> Result<bool, OpError> {
        let live = self.now.secret_versions(secret).await?;
        let mut is_any_back = false;
        for version in versions {
            if version.destroying_at.is_some() {
                continue;
            }
            if version.version < below {
                self.report.count("secret_versions", Fate::Forever);
                continue;
            }
            self.ensure_token(version.created_by).await?;
            let found = live.iter().find(|it| it.id == version.id).cloned();
            if found.as_ref().is_some_and(|it| it.destroying_at.is_some()) {
                self.report.count("secret_versions", Fate::Kept);
                continue;
            }
            let needed = Needed {
                record: version.record,
                digest: version.record_digest,
                kek: None,
            };
            let called = format!("{called} version {}", version.version);
            let (row, found) = (Row::SecretVersion(version), found.map(Row::SecretVersion));
            let fate = match self.fate(&row, found.as_ref()) {
                Fate::Kept if found.is_none() && is_meant => Fate::Back,
                fate => fate,
            };
            if fate != Fate::Kept {
                self.needed.push(needed);
            }
            is_any_back |= fate == Fate::Back;
            self.settle(fate, row, found, &called);
        }
        Ok(is_any_back)
    }
}
