//! What holds for ever, whichever second is restored: what was destroyed or compromised, revoked or
//! disabled, shredded; which numbers were given, and which key-encryption keys made. Taken from the
//! changes after that second, and done again in what was restored. Numbers of secrets' versions are not
//! among them: the highest of a secret is its current version.

use std::collections::{BTreeMap, HashSet};

use crate::change::{Change, Row, Write, WriteKind};
use crate::ids::{
    AuditRuleId, ImportKeyId, KeyId, PrincipalId, RecordId, SecretId, TenantId, TokenId, VersionId,
};
use crate::noun::audit_rule::AuditRule;
use crate::noun::import_key::ImportKey;
use crate::noun::job::{Job, JobKind};
use crate::noun::key_version::KeyVersion;
use crate::noun::principal::Principal;
use crate::noun::secret::{Secret, SecretState};
use crate::noun::state::State;
use crate::noun::tenant::{Tenant, TenantKek, TenantState};
use crate::noun::token::Token;
use crate::people::{NOT_BEFORE, Subject};
use crate::port::registry::{KeyRef, Registry, RegistryError};

/// A person's book of which something was erased.
struct ErasedBook {
    row: Secret,
    /// Versions below this one are never restored.
    below: i64,
}

/// The facts, and the records that no restore brings back.
#[derive(Default)]
pub struct Facts {
    pub(crate) versions: BTreeMap<(TenantId, KeyId), BTreeMap<VersionId, KeyVersion>>,
    pub(crate) latest: BTreeMap<(TenantId, KeyId), i64>,
    pub(crate) tokens: BTreeMap<TokenId, Token>,
    pub(crate) principals: BTreeMap<PrincipalId, Principal>,
    pub(crate) tenants: BTreeMap<TenantId, Tenant>,
    pub(crate) keks: BTreeMap<(TenantId, i64), TenantKek>,
    pub(crate) import_keys: BTreeMap<(TenantId, ImportKeyId), ImportKey>,
    /// What keeps entries of the log and was said after that second: what stood then stands again.
    pub(crate) rules: BTreeMap<AuditRuleId, AuditRule>,
    shreddings: BTreeMap<TenantId, Job>,
    /// People's books of which something was erased.
    books: BTreeMap<SecretId, ErasedBook>,
    /// Records of values that were marked to be destroyed after that second, by secret.
    marked: BTreeMap<SecretId, Vec<(i64, RecordId)>>,
    leaves_new_keks: bool,
    /// Records that were destroyed.
    pub gone: HashSet<RecordId>,
    /// Values that were deleted after the second that is restored: they may be in no backup.
    pub deleted_later: HashSet<RecordId>,
}

impl Facts {
    /// Takes note of a change; `is_after` says that it is not restored itself.
    pub fn take(&mut self, change: &Change, is_after: bool) {
        for write in &change.writes {
            self.note_gone(write, is_after);
            if is_after {
                self.note(&write.row);
                self.note_book(&write.row);
            }
        }
    }

    /// Of a person's book that was erased no record is restored, whichever of its versions that second had.
    fn note_book(&mut self, row: &Row) {
        match row {
            Row::Secret(row) => {
                let below = erased_below(row);
                if below > 0 {
                    let row = row.clone();
                    self.books.insert(row.id, ErasedBook { row, below });
                }
            }
            Row::SecretVersion(version) if version.destroying_at.is_some() => {
                let marked = self.marked.entry(version.secret).or_default();
                marked.push((version.version, version.record));
            }
            _ => {}
        }
        let id = match row {
            Row::Secret(row) => row.id,
            Row::SecretVersion(version) => version.secret,
            _ => return,
        };
        if let (Some(book), Some(marked)) = (self.books.get(&id), self.marked.get(&id)) {
            let gone = marked.iter().filter(|(version, _)| *version < book.below);
            self.gone.extend(gone.map(|(_, record)| *record));
        }
    }

    /// Below which number no version of a person's book is ever restored; 0 if none was erased.
    pub(crate) fn erased_below(&self, book: SecretId) -> i64 {
        self.books.get(&book).map_or(0, |book| book.below)
    }

    /// From here on a key-encryption key that was made is nothing to be asserted: its record is not
    /// restored.
    pub const fn leave_new_keks(&mut self) {
        self.leaves_new_keks = true;
    }

    /// Whether the tenant was shredded after that second.
    pub fn is_shredded(&self, tenant: TenantId) -> bool {
        self.tenants.contains_key(&tenant)
    }

    /// Whether a token was revoked after that second.
    pub fn is_revoked(&self, token: uuid::Uuid) -> bool {
        self.tokens.contains_key(&TokenId::from_uuid(token))
    }

    /// Whether a principal was disabled after that second.
    pub fn is_disabled(&self, principal: uuid::Uuid) -> bool {
        let id = PrincipalId::from_uuid(principal);
        self.principals.contains_key(&id)
    }

    /// Whether a version was destroyed after that second.
    pub fn is_destroyed(&self, version: VersionId) -> bool {
        let mut keys = self.versions.values();
        keys.any(|of_key| {
            of_key
                .get(&version)
                .is_some_and(|it| it.state.is_destroyed())
        })
    }

    /// The records of a tenant's key-encryption keys that were made after that second and are asserted.
    pub fn keks_of(&self, tenant: TenantId) -> impl Iterator<Item = RecordId> {
        let of_tenant = self.keks.values().filter(move |kek| kek.tenant == tenant);
        of_tenant.map(|kek| kek.record)
    }

    /// Forgets what is of the system's own key-encryption keys and of other tenants than this one: in a
    /// place that holds no other, nothing of theirs is asserted.
    pub fn leave_others(&mut self, tenant: TenantId) {
        self.keks.retain(|(of, _), _| *of == tenant);
        self.versions.retain(|(of, _), _| *of == tenant);
        self.latest.retain(|(of, _), _| *of == tenant);
        self.import_keys.retain(|(of, _), _| *of == tenant);
        self.tenants.retain(|of, _| *of == tenant);
        self.shreddings.retain(|of, _| *of == tenant);
        self.rules.retain(|_, it| it.tenant == Some(tenant));
        self.tokens
            .retain(|_, it| it.tenant.is_none_or(|of| of == tenant));
        let is_ours = |it: &Principal| it.tenant.is_none_or(|of| of == tenant);
        self.principals.retain(|_, it| is_ours(it));
        self.books
            .retain(|_, it| it.row.tenant.is_none_or(|of| of == tenant));
    }

    fn note_gone(&mut self, write: &Write, is_after: bool) {
        if let Row::SecretVersion(version) = &write.row
            && write.kind == WriteKind::Delete
            && is_after
        {
            self.deleted_later.insert(version.record);
        }
        let gone = match &write.row {
            Row::KeyVersion(version) if version.destroyed_at.is_some() => {
                version.provider_key_id.parse().ok()
            }
            Row::ImportKey(key) if key.destroyed_at.is_some() => key.provider_key_id.parse().ok(),
            Row::TenantKek(kek) if kek.destroyed_at.is_some() => Some(kek.record),
            // The value of a secret that was deleted later is what that second had.
            Row::SecretVersion(version) if write.kind == WriteKind::Delete && !is_after => {
                Some(version.record)
            }
            _ => None,
        };
        self.gone.extend(gone);
    }

    fn note(&mut self, row: &Row) {
        match row {
            Row::KeyVersion(version) => {
                let place = (version.tenant, version.key);
                let latest = self.latest.entry(place).or_default();
                *latest = (*latest).max(version.version);
                if let Some(fact) = final_of(version) {
                    self.versions
                        .entry(place)
                        .or_default()
                        .insert(version.id, fact);
                }
            }
            Row::Token(token) if token.revoked_at.is_some() => {
                self.tokens.insert(token.id, token.clone());
            }
            Row::Principal(principal) if principal.disabled_at.is_some() => {
                self.principals.insert(principal.id, principal.clone());
            }
            Row::Tenant(tenant) if tenant.state == TenantState::Shredded => {
                self.tenants.insert(tenant.id, tenant.clone());
            }
            Row::TenantKek(kek) if kek.destroyed_at.is_some() || !self.leaves_new_keks => {
                self.keks.insert((kek.tenant, kek.version), kek.clone());
            }
            Row::ImportKey(key) if key.destroyed_at.is_some() => {
                self.import_keys.insert((key.tenant, key.id), key.clone());
            }
            Row::AuditRule(rule) => {
                self.rules.insert(rule.id, rule.clone());
            }
            Row::Job(job) if job.kind == JobKind::ShredTenant => {
                let tenant = TenantId::from_uuid(job.subject);
                self.shreddings.insert(tenant, job.clone());
            }
            _ => {}
        }
    }

    /// What has to be written so that the facts hold in what was restored: for each scope its rows.
    /// Nothing, where they hold already.
    pub async fn missing_in(
        &self,
        registry: &dyn Registry,
    ) -> Result<Vec<(Option<TenantId>, Vec<Write>)>, RegistryError> {
        let mut all = Vec::new();
        for kek in self.keks.values() {
            all.extend(missing_kek(registry, kek).await?);
        }
        for tenant in self.tenants.values() {
            if let Some(found) = registry.tenant(tenant.id).await?
                && found.state != TenantState::Shredded
            {
                let mut row = tenant.clone();
                row.etag = found.etag + 1;
                let mut writes = vec![Write::update(Row::Tenant(row))];
                // Whatever became of it: its keys are here again, and have to go again.
                let job = self.shreddings.get(&tenant.id);
                writes.extend(job.map(|job| Write::insert(Row::Job(queued_again(job)))));
                all.push((Some(tenant.id), writes));
            }
        }
        for token in self.tokens.values() {
            if let Some(found) = registry.token(token.id).await?
                && (found.revoked_at.is_none() || found.label != token.label)
            {
                let mut row = found;
                row.revoked_at = token.revoked_at;
                // A label changes only when its person is erased.
                row.label.clone_from(&token.label);
                row.etag += 1;
                all.push((row.tenant, vec![Write::update(Row::Token(row))]));
            }
        }
        for principal in self.principals.values() {
            if let Some(found) = registry.principal(principal.id).await?
                // A name changes only when its person is erased.
                && (found.disabled_at.is_none() || found.name != principal.name)
            {
                let mut row = principal.clone();
                row.etag = found.etag + 1;
                all.push((row.tenant, vec![Write::update(Row::Principal(row))]));
            }
        }
        for ((tenant, id), key) in &self.import_keys {
            if let Some(found) = registry.import_key(*tenant, *id).await?
                && found.destroyed_at.is_none()
            {
                // The rest as it was: what came in under it later is not here.
                let mut row = found;
                row.destroyed_at = key.destroyed_at;
                row.etag += 1;
                all.push((Some(*tenant), vec![Write::update(Row::ImportKey(row))]));
            }
        }
        for rule in self.rules.values() {
            all.extend(missing_rule(registry, rule).await?);
        }
        for book in self.books.values() {
            all.extend(missing_of_book(registry, book).await?);
        }
        for (place, latest) in &self.latest {
            all.extend(self.missing_of_key(registry, *place, *latest).await?);
        }
        Ok(all)
    }

    async fn missing_of_key(
        &self,
        registry: &dyn Registry,
        place: (TenantId, KeyId),
        latest: i64,
    ) -> Result<Option<(Option<TenantId>, Vec<Write>)>, RegistryError> {
        let (tenant, key) = place;
        let Some(found) = registry.key(tenant, &KeyRef::Id(key)).await? else {
            // Made after that second.
            return Ok(None);
        };
        let empty = BTreeMap::new();
        let finals = self.versions.get(&place).unwrap_or(&empty);
        let mut writes = Vec::new();
        for version in found.versions {
            let Some(fact) = finals.get(&version.id) else {
                continue;
            };
            if final_of(&version).is_none_or(|found| found.state != fact.state) {
                let mut row = fact.clone();
                row.etag = version.etag + 1;
                row.created_by = version.created_by;
                // Whoever rotated it later may not be here.
                if let Some(by) = row.rotated_by
                    && registry.token(by).await?.is_none()
                {
                    row.rotated_by = version.rotated_by;
                }
                writes.push(Write::update(Row::KeyVersion(Box::new(row))));
            }
        }
        let mut key = found.key;
        if writes.is_empty() && key.latest_version >= latest {
            return Ok(None);
        }
        key.latest_version = key.latest_version.max(latest);
        key.etag += 1;
        writes.insert(0, Write::update(Row::Key(Box::new(key))));
        Ok(Some((Some(tenant), writes)))
    }
}

/// Below which number no version of a secret is ever restored, by what its row says: it is a person's book,
/// and something was erased from it. 0 otherwise.
pub(crate) fn erased_below(row: &Secret) -> i64 {
    // What somebody put under such a name, before it was the server's, is no book.
    if row.created_by.is_some() || Subject::of_name(row.name.as_str()).is_none() {
        return 0;
    }
    match row.state {
        SecretState::Deleted => i64::MAX,
        SecretState::Stored => {
            let label = row.labels.get(NOT_BEFORE);
            label.and_then(|it| it.parse().ok()).unwrap_or_default()
        }
    }
}

/// A retention or a hold that is not there. One that is there stays as that second had it: if it was released since,
/// it stands again, and is released again by whoever may.
async fn missing_rule(
    registry: &dyn Registry,
    rule: &AuditRule,
) -> Result<Option<(Option<TenantId>, Vec<Write>)>, RegistryError> {
    if registry.audit_rule(rule.id).await?.is_some() {
        return Ok(None);
    }
    if let Some(tenant) = rule.tenant
        && registry.tenant(tenant).await?.is_none()
    {
        // Made after that second: the rule would hang on nothing. Its entries in the log stay all the same,
        // since they are of a tenant that this registry does not know (`audit::retention::decide`).
        return Ok(None);
    }
    let mut row = rule.clone();
    row.etag = 1;
    Ok(Some((row.tenant, vec![Write::insert(Row::AuditRule(row))])))
}

/// The rows with which a book goes whose records are not restored.
async fn missing_of_book(
    registry: &dyn Registry,
    book: &ErasedBook,
) -> Result<Option<(Option<TenantId>, Vec<Write>)>, RegistryError> {
    let found = registry.secret(book.row.tenant, &book.row.name).await?;
    let is_meant = |it: &Secret| it.id == book.row.id && it.state == SecretState::Stored;
    let Some(mut row) = found.filter(is_meant) else {
        return Ok(None);
    };
    let versions = registry.secret_versions(row.id).await?;
    let gone: Vec<_> = versions
        .into_iter()
        .filter(|it| it.version < book.below)
        .collect();
    if gone.is_empty() {
        return Ok(None);
    }
    let tenant = row.tenant;
    let mut writes = Vec::new();
    if row.latest_version < book.below {
        row.state = SecretState::Deleted;
        row.description = String::new();
        row.labels.clear();
        row.latest_version = row.latest_version.max(book.row.latest_version);
        row.etag += 1;
        writes.push(Write::update(Row::Secret(row)));
    }
    let gone = gone.into_iter().map(Row::SecretVersion);
    writes.extend(gone.map(Write::delete));
    Ok(Some((tenant, writes)))
}

/// What holds of a version for ever. One that was compromised while its destruction was pending is
/// compromised, whatever becomes of the destruction: it has to be scheduled again.
fn final_of(version: &KeyVersion) -> Option<KeyVersion> {
    let mut fact = version.clone();
    let is_compromised = version.state == State::PendingDestruction
        && version.state_before == Some(State::Compromised);
    if is_compromised {
        fact.state = State::Compromised;
        fact.state_before = None;
        fact.destroy_at = None;
        fact.destroying = false;
    }
    fact.state.is_final().then_some(fact)
}

fn queued_again(job: &Job) -> Job {
    let (id, kind, subject, made) = (job.id, job.kind, job.subject, job.created_at);
    Job::queued(id, job.tenant, kind, subject, made)
}

/// The row of a key-encryption key that is not there, or not destroyed there.
async fn missing_kek(
    registry: &dyn Registry,
    kek: &TenantKek,
) -> Result<Option<(Option<TenantId>, Vec<Write>)>, RegistryError> {
    let is_system = kek.tenant == TenantId::SYSTEM;
    if !is_system && registry.tenant(kek.tenant).await?.is_none() {
        return Ok(None);
    }
    let scope = (!is_system).then_some(kek.tenant);
    let live = registry.tenant_keks(kek.tenant).await?;
    let found = live.iter().find(|it| it.version == kek.version);
    let write = match (found, kek.destroyed_at) {
        (None, None) => {
            let mut row = kek.clone();
            row.etag = 1;
            Write::insert(Row::TenantKek(row))
        }
        (Some(found), Some(_)) => {
            let mut row = kek.clone();
            row.etag = found.etag + 1;
            Write::update(Row::TenantKek(row))
        }
        // Made and destroyed after that second, or as it should be.
        (None, Some(_)) | (Some(_), None) => return Ok(None),
    };
    Ok(Some((scope, vec![write])))
}
