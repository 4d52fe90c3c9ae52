//! What of a second is written into the registry as it is now: row by row, in the order in which
//! references let rows be written, a page of keys at a time, so that memory does not grow with a
//! tenant.
//!
//! | the row now | what becomes of it |
//! |---|---|
//! | says the same | nothing |
//! | is not there, and no order took it away | it comes back |
//! | says something else under the same version | it was changed past the registry: it is mended |
//! | was changed or taken away since | it stays, unless newer rows are to be replaced |
//! | says what holds for ever | it stays |

use std::collections::BTreeSet;

use super::later::Later;
use super::report::{Fate, Needed, Report};
use super::row::{etag, kind, says_the_same, with_etag};
use super::{Order, Part, Refusal};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{PrincipalId, TenantId, TokenId};
use crate::noun::action::Action;
use crate::noun::tenant::{Tenant, TenantState};
use crate::ops::gate::{Attempt, Authorized, detail};
use crate::port::registry::Registry;
use crate::texts::has_readable;
use crate::time::Timestamp;

/// Rows asked for at once.
pub(super) const PAGE: usize = 200;
/// Rows written in one transaction, about.
const WRITES_AT_ONCE: usize = 500;

/// How what is to be written is written.
pub(super) struct Committing<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) proof: Authorized,
    pub(super) reason: Option<&'a str>,
}

/// A restore under way, or the plan of one.
pub(super) struct Merge<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) later: &'a Later,
    pub(super) now: &'a dyn Registry,
    /// Whose rows.
    pub(super) tenant: TenantId,
    pub(super) at: Timestamp,
    pub(super) entropy: Box<dyn FnMut() -> [u8; 8] + Send + 'a>,
    /// None: it is only said what would be done.
    pub(super) committing: Option<Committing<'a>>,
    pub(super) report: Report,
    pub(super) needed: Vec<Needed>,
    waiting: Vec<Write>,
    /// Whether the tenant's texts are to be sealed: rows are compared and written as they are stored.
    seals: bool,
    /// Tokens, principals and policies that rows name, and that are there or come back.
    ensured: BTreeSet<uuid::Uuid>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        order: &'a Order<'a>,
        later: &'a Later,
        now: &'a dyn Registry,
        tenant: TenantId,
        at: Timestamp,
    ) -> Self {
        Self {
            order,
            later,
            now,
            tenant,
            at,
            entropy: Box::new(|| [0; 8]),
            committing: None,
            report: Report::default(),
            needed: Vec::new(),
            waiting: Vec::new(),
            seals: false,
            ensured: BTreeSet::new(),
        }
    }

    /// Goes through everything that was ordered.
    pub(super) async fn run(&mut self, then: Tenant) -> Result<(), OpError> {
        self.tenant_itself(then).await?;
        match &self.order.part {
            Part::Tenant => {
                self.members().await?;
                self.policies().await?;
                self.audit_rules().await?;
                self.keys().await?;
                self.class_pointers().await?;
                self.import_keys().await?;
                self.secrets().await?;
            }
            Part::Key(key) => self.one_key(key).await?,
            Part::Secret(name) => self.one_secret(name).await?,
        }
        self.write_what_waits().await
    }

    const fn then(&self) -> &'a dyn Registry {
        self.order.then
    }

    /// The tenant's own row and its key-encryption keys.
    async fn tenant_itself(&mut self, then: Tenant) -> Result<(), OpError> {
        let now = self.now.tenant(then.id).await?;
        let mut wanted = then.clone();
        match &now {
            Some(now) if now.state == TenantState::Shredded => {
                return Err(Refusal::Shredded.into());
            }
            Some(now) => {
                // What was put on hold stays on hold: an operator resumes it. Names do not change.
                // Nor is a text readable again because it once was.
                wanted.name = now.name.clone();
                wanted.text_state = now.text_state;
                // How finely the log tells is said by those who are there: a backup has no say in it.
                wanted.audit_detail = now.audit_detail;
                wanted.audit_detail_since = now.audit_detail_since;
                wanted.audit_detail_by = now.audit_detail_by;
                if now.state == TenantState::Suspended {
                    wanted.state = now.state;
                }
            }
            None if self.order.part != Part::Tenant => return Err(Refusal::TenantMissing.into()),
            None if self.later.is_suspended() => wanted.state = TenantState::Suspended,
            None => {}
        }
        if self.later.is_shredded() {
            return Err(Refusal::Shredded.into());
        }
        self.seals = wanted.text_state.seals();
        if self.order.part == Part::Tenant {
            match (&self.order.new_name, &now) {
                (Some(_), Some(_)) => return Err(Refusal::KeepsItsName { what: "tenant" }.into()),
                (Some(name), None) => {
                    wanted.name = crate::names::TenantName::new(name)
                        .map_err(|_| OpError::invalid("as", "is not a tenant's name"))?;
                }
                (None, _) => {}
            }
            if now.is_none() && self.now.tenant_by_name(&wanted.name).await?.is_some() {
                return Err(Refusal::taken("tenant", wanted.name.as_str()));
            }
            let called = wanted.name.to_string();
            self.judge(Row::Tenant(wanted), now.map(Row::Tenant), &called);
        }
        let live = self.now.tenant_keks(self.tenant).await?;
        let mut keks = self.then().tenant_keks(self.tenant).await?;
        let later = self.later.facts.keks.values();
        for kek in later.filter(|kek| kek.tenant == self.tenant && kek.destroyed_at.is_none()) {
            if !keks.iter().any(|known| known.version == kek.version) {
                keks.push(kek.clone());
            }
        }
        keks.sort_by_key(|kek| kek.version);
        for kek in keks {
            self.needed.push(Needed {
                record: kek.record,
                digest: kek.record_digest,
                kek: Some((kek.tenant, kek.version)),
            });
            let now = live.iter().find(|it| it.version == kek.version).cloned();
            let called = format!("version {}", kek.version);
            self.judge(Row::TenantKek(kek), now.map(Row::TenantKek), &called);
        }
        Ok(())
    }

    /// What becomes of a row. If it is to be written, it waits for that.
    pub(super) fn judge(&mut self, then: Row, now: Option<Row>, called: &str) -> Fate {
        let fate = self.fate(&then, now.as_ref());
        self.settle(fate, then, now, called);
        fate
    }

    /// The same where a deletion by order does not matter: it was asked for by name.
    pub(super) fn fate_of_named(&self, then: &Row, now: Option<&Row>) -> Fate {
        match now {
            None => Fate::Back,
            Some(_) => self.fate(then, now),
        }
    }

    pub(super) fn fate(&self, then: &Row, now: Option<&Row>) -> Fate {
        let replaces = self.order.replaces_newer;
        match now {
            None if self.later.of(then).is_deleted && !replaces => Fate::Kept,
            None => Fate::Back,
            Some(now) if says_the_same(then, now) => Fate::Same,
            Some(now) if etag(now) <= etag(then) => Fate::Mended,
            Some(_) if replaces => Fate::Replaced,
            Some(_) => Fate::Kept,
        }
    }

    /// Counts a row's fate, says it, and has the row written if that is its fate.
    pub(super) fn settle(&mut self, fate: Fate, then: Row, now: Option<Row>, called: &str) {
        let Some(table) = kind(&then) else { return };
        self.report.count(table, fate);
        let words = match fate {
            Fate::Same => None,
            Fate::Back => Some("comes back"),
            Fate::Mended => Some("was changed past the registry and is mended"),
            Fate::Replaced => Some("was changed since and is what it was again"),
            Fate::Kept => Some("was changed since and stays as it is"),
            Fate::Forever => Some("stays as it is: what happened since holds for ever"),
        };
        if let Some(words) = words
            && table != "transitions"
        {
            self.report.say(format!("{table}: {called} {words}"));
        }
        match (fate, now) {
            (Fate::Back, _) => {
                let version = etag(&then).max(self.later.of(&then).etag) + 1;
                self.waiting.push(Write::insert(with_etag(then, version)));
            }
            (Fate::Mended | Fate::Replaced, Some(now)) => {
                let version = etag(&now) + 1;
                self.waiting.push(Write::update(with_etag(then, version)));
            }
            _ => {}
        }
    }

    /// Whether this is the first time that it is asked for.
    pub(super) fn is_first(&mut self, id: uuid::Uuid) -> bool {
        self.ensured.insert(id)
    }

    pub(super) fn wait(&mut self, write: Write) {
        self.waiting.push(write);
    }

    /// Writes what waits, if it is much.
    pub(super) async fn write_if_much(&mut self) -> Result<(), OpError> {
        if self.waiting.len() < WRITES_AT_ONCE {
            return Ok(());
        }
        self.write_what_waits().await
    }

    async fn write_what_waits(&mut self) -> Result<(), OpError> {
        let mut writes = std::mem::take(&mut self.waiting);
        if self.seals && has_readable(&mut writes)? {
            return Err(Refusal::TextsReadable.into());
        }
        let Some(committing) = &self.committing else {
            return Ok(());
        };
        if writes.is_empty() {
            return Ok(());
        }
        let moment = &self.order;
        let done = committing
            .attempt
            .commit(committing.proof, writes, |event| {
                event.reason = committing.reason.map(ToOwned::to_owned);
                detail(event, "restored_revision", moment.revision);
                detail(event, "restored_at", moment.committed_at.to_string());
                detail(event, "part", moment.part.name());
            });
        let done = done.await?;
        self.report.changes += 1;
        self.report.revision = done.revision;
        Ok(())
    }

    /// A token that a row names, with its principal: rows that name what is not there are refused.
    pub(super) async fn ensure_token(&mut self, token: Option<TokenId>) -> Result<(), OpError> {
        let mut missing = Vec::new();
        let mut next = token;
        while let Some(id) = next {
            if !self.ensured.insert(id.uuid()) || self.now.token(id).await?.is_some() {
                break;
            }
            let Some(then) = self.then().token(id).await? else {
                break;
            };
            next = then.created_by;
            missing.push(then);
        }
        while let Some(then) = missing.pop() {
            self.ensure_principal(then.principal).await?;
            self.token(then, None);
        }
        Ok(())
    }

    pub(super) async fn ensure_principal(&mut self, id: PrincipalId) -> Result<(), OpError> {
        if !self.ensured.insert(id.uuid()) || self.now.principal(id).await?.is_some() {
            return Ok(());
        }
        match self.then().principal(id).await? {
            Some(then) => self.principal(then, None).await,
            None => Ok(()),
        }
    }

    /// The action that the log names.
    pub(super) const ACTION: Action = Action::BackupRestorePart;
}
