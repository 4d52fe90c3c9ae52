//! Who belongs to a tenant and what they may do; its policies, pointers and wrapping keys. Tokens that
//! were revoked stay so, principals that were disabled too.

use super::Refusal;
use super::merge::{Merge, PAGE};
use super::report::{Fate, Needed};
use crate::change::Row;
use crate::error::OpError;
use crate::ids::PolicyId;
use crate::noun::audit_rule::AuditRule;
use crate::noun::import_key::ImportKey;
use crate::noun::policy::Policy;
use crate::noun::principal::Principal;
use crate::noun::token::Token;
use crate::ops::privacy::is_erased;

impl Merge<'_> {
    pub(super) async fn members(&mut self) -> Result<(), OpError> {
        let (then, tenant) = (self.order.then, Some(self.tenant));
        let mut after = None;
        loop {
            let page = then.principals(tenant, after.as_ref(), PAGE).await?;
            after = page.rows.last().map(|last| last.name.clone());
            for row in page.rows {
                let now = self.now.principal(row.id).await?;
                if self.is_first(row.id.uuid()) {
                    self.principal(row, now).await?;
                }
            }
            self.write_if_much().await?;
            if !page.more {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = then.tokens(tenant, after, PAGE).await?;
            after = page.rows.last().map(|last| last.id);
            for row in page.rows {
                match self.now.token(row.id).await? {
                    None => self.ensure_token(Some(row.id)).await?,
                    now => self.token(row, now),
                }
            }
            self.write_if_much().await?;
            if !page.more {
                break;
            }
        }
        self.roles().await
    }

    async fn roles(&mut self) -> Result<(), OpError> {
        let (then, tenant) = (self.order.then, Some(self.tenant));
        let now = self.now.roles(tenant).await?;
        for row in then.roles(tenant).await? {
            if row.tenant != tenant {
                continue;
            }
            let found = now.iter().find(|it| it.id == row.id).cloned();
            if found.is_none() && now.iter().any(|it| it.name == row.name) {
                return Err(Refusal::taken("role", row.name.as_str()));
            }
            let called = row.name.to_string();
            self.judge(Row::Role(row), found.map(Row::Role), &called);
        }
        let now = self.now.assignments(tenant).await?;
        for row in then.assignments(tenant).await? {
            let found = now.iter().find(|it| it.id == row.id).cloned();
            self.ensure_principal(row.principal).await?;
            let called = format!("of principal {}", row.principal);
            let (row, found) = (Row::RoleAssignment(row), found.map(Row::RoleAssignment));
            self.judge(row, found, &called);
        }
        self.write_if_much().await
    }

    pub(super) async fn principal(
        &mut self,
        mut then: Principal,
        now: Option<Principal>,
    ) -> Result<(), OpError> {
        let fact = self.later.facts.principals.get(&then.id);
        let disabled = now.as_ref().and_then(|it| it.disabled_at);
        let disabled = disabled.or_else(|| fact.and_then(|it| it.disabled_at));
        then.disabled_at = then.disabled_at.or(disabled);
        // Who was erased is not called again as before.
        let known = [now.as_ref(), fact];
        if let Some(erased) = known.into_iter().flatten().find(|it| is_erased(it)) {
            then.name = erased.name.clone();
        }
        if now.is_none() {
            let named = self.now.principal_by_name(then.tenant, &then.name).await?;
            if named.is_some() {
                return Err(Refusal::taken("principal", then.name.as_str()));
            }
        }
        let called = then.name.to_string();
        self.judge(Row::Principal(then), now.map(Row::Principal), &called);
        Ok(())
    }

    pub(super) fn token(&mut self, mut then: Token, now: Option<Token>) {
        let fact = self.later.facts.tokens.get(&then.id);
        let revoked = now.as_ref().and_then(|it| it.revoked_at);
        let revoked = revoked.or_else(|| fact.and_then(|it| it.revoked_at));
        then.revoked_at = then.revoked_at.or(revoked);
        // A label goes only when its person is erased.
        let known = [now.as_ref(), fact];
        let has_none = |it: &Token| it.label.is_empty() && it.revoked_at.is_some();
        let of_it = self.later.facts.principals.get(&then.principal);
        if known.into_iter().flatten().any(has_none) || of_it.is_some_and(is_erased) {
            then.label.clear();
        }
        let called = format!("{} ({})", then.id, then.label);
        self.judge(Row::Token(then), now.map(Row::Token), &called);
    }

    pub(super) async fn policies(&mut self) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let then = self.order.then;
            let page = then.policies(self.tenant, after.as_ref(), PAGE).await?;
            after = page.rows.last().map(|last| last.name.clone());
            for row in page.rows {
                let now = self.now.policy(self.tenant, row.id).await?;
                self.is_first(row.id.uuid());
                self.policy(row, now).await?;
            }
            if !page.more {
                return self.write_if_much().await;
            }
        }
    }

    /// What is kept of the tenant's log. What stands now stays as it is, whatever then was.
    pub(super) async fn audit_rules(&mut self) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let then = self.order.then;
            let page = then.audit_rules_of(Some(self.tenant), after, PAGE).await?;
            after = page.rows.last().map(|last| last.id);
            for row in page.rows {
                self.is_first(row.id.uuid());
                self.audit_rule(row).await?;
            }
            self.write_if_much().await?;
            if !page.more {
                break;
            }
        }
        // What was said after that second holds as well.
        let (later, tenant) = (self.later, Some(self.tenant));
        let rules = later.facts.rules.values();
        for row in rules.filter(|it| it.tenant == tenant) {
            if self.is_first(row.id.uuid()) {
                self.audit_rule(row.clone()).await?;
            }
        }
        self.write_if_much().await
    }

    async fn audit_rule(&mut self, row: AuditRule) -> Result<(), OpError> {
        if self.now.audit_rule(row.id).await?.is_none() {
            let called = format!("{} {}", row.kind, row.id);
            self.judge(Row::AuditRule(row), None, &called);
        }
        Ok(())
    }

    async fn policy(&mut self, then: Policy, now: Option<Policy>) -> Result<(), OpError> {
        if now.is_none() {
            let named = self.now.policy_by_name(self.tenant, &then.name).await?;
            if named.is_some() {
                return Err(Refusal::taken("policy", then.name.as_str()));
            }
        }
        let called = then.name.to_string();
        self.judge(Row::Policy(then), now.map(Row::Policy), &called);
        Ok(())
    }

    /// The policy that a key names, if it is there or comes back.
    pub(super) async fn ensured_policy(
        &mut self,
        id: Option<PolicyId>,
    ) -> Result<Option<PolicyId>, OpError> {
        let Some(id) = id else { return Ok(None) };
        if self.now.policy(self.tenant, id).await?.is_some() {
            return Ok(Some(id));
        }
        let Some(then) = self.order.then.policy(self.tenant, id).await? else {
            return Ok(None);
        };
        let comes_back = self.fate(&Row::Policy(then.clone()), None) == Fate::Back;
        if self.is_first(id.uuid()) {
            self.policy(then, None).await?;
        }
        Ok(comes_back.then_some(id))
    }

    pub(super) async fn class_pointers(&mut self) -> Result<(), OpError> {
        for row in self.order.then.class_pointers(self.tenant).await? {
            let now = self.now.class_pointer(self.tenant, &row.class).await?;
            let called = row.class.to_string();
            self.judge(Row::ClassPointer(row), now.map(Row::ClassPointer), &called);
        }
        self.write_if_much().await
    }

    /// Those whose time is over are left: the clock would delete them at once.
    pub(super) async fn import_keys(&mut self) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let page = self.order.then.all_import_keys(after, PAGE).await?;
            after = page.rows.last().map(|last| last.id);
            for row in page.rows {
                if row.tenant != self.tenant || row.destroy_at <= self.at {
                    continue;
                }
                let now = self.now.import_key(self.tenant, row.id).await?;
                let is_over = |it: &ImportKey| it.used_at.is_some() || it.destroyed_at.is_some();
                let later = &self.later.facts.import_keys;
                if now.as_ref().is_some_and(is_over) || later.contains_key(&(self.tenant, row.id)) {
                    continue;
                }
                self.ensure_token(row.created_by).await?;
                if let Ok(record) = row.provider_key_id.parse() {
                    self.needed.push(Needed {
                        record,
                        digest: row.record_digest,
                        kek: None,
                    });
                }
                let called = row.id.to_string();
                self.judge(Row::ImportKey(row), now.map(Row::ImportKey), &called);
            }
            if !page.more {
                return self.write_if_much().await;
            }
        }
    }
}
