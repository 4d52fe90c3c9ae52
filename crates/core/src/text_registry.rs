//! The registry as operations see it: tenants' free texts clear, whatever is stored. Everything that
//! has texts passes through `texts`; everything else passes as it is. The change feed and what a node
//! loads at its start keep texts as they are stored: nothing is decided by them.

mod audit_rules;
mod lease;
mod rotations;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::change::{Change, Commit, IdempotencyKey, IdempotencyRecord};
use crate::free_text::FreeText;
use crate::ids::{
    BindingId, ImportKeyId, KeyId, PolicyId, PrincipalId, RoleId, SecretId, SecretVersionId,
    TenantId, TokenId, TransitionId, VersionId,
};
use crate::names::{DataClass, PolicyName, PrincipalName, RoleName, SecretName, TenantName};
use crate::noun::binding::DataBinding;
use crate::noun::class_pointer::ClassPointer;
use crate::noun::history::Transition;
use crate::noun::import_key::ImportKey;
use crate::noun::job::Job;
use crate::noun::key::UseLimit;
use crate::noun::key_version::UsageTotals;
use crate::noun::policy::Policy;
use crate::noun::principal::Principal;
use crate::noun::role::{Role, RoleAssignment};
use crate::noun::secret::{Secret, SecretVersion};
use crate::noun::tenant::{Tenant, TenantKek};
use crate::noun::token::Token;
use crate::port::registry::{
    ChangeObserver, DueVersion, KeyCursor, KeyFilter, KeyRef, KeySort, KeySummary, KeyWithVersions,
    Page, Registry, RegistryError, Reservation, UsageDelta,
};
use crate::texts::Texts;
use crate::time::Timestamp;

/// A registry whose texts are sealed where tenants want them sealed.
pub(crate) struct TextRegistry {
    texts: Texts,
}

impl TextRegistry {
    pub(crate) const fn new(texts: Texts) -> Self {
        Self { texts }
    }

    fn stored(&self) -> &dyn Registry {
        &**self.texts.stored()
    }

    async fn opened<R: FreeText>(&self, mut row: Option<R>) -> Result<Option<R>, RegistryError> {
        if let Some(row) = &mut row {
            self.texts.open(row).await?;
        }
        Ok(row)
    }

    async fn opened_page<R: FreeText>(&self, mut page: Page<R>) -> Result<Page<R>, RegistryError> {
        for row in &mut page.rows {
            self.texts.open(row).await?;
        }
        Ok(page)
    }
}

/// One page of several, each of which has its first rows: the first of all.
fn merged(mut pages: Vec<Page<KeySummary>>, sort: KeySort, limit: usize) -> Page<KeySummary> {
    if pages.len() == 1 {
        return pages.swap_remove(0);
    }
    let mut more = pages.iter().any(|page| page.more);
    let mut seen = BTreeSet::new();
    let mut rows: Vec<KeySummary> = pages.into_iter().flat_map(|page| page.rows).collect();
    rows.retain(|row| seen.insert(row.key.id));
    match sort {
        KeySort::Name => rows.sort_by(|one, other| one.key.name.cmp(&other.key.name)),
        KeySort::CreatedAt => {
            rows.sort_by_key(|row| (row.key.created_at, row.key.id));
        }
    }
    more |= rows.len() > limit;
    rows.truncate(limit);
    Page { rows, more }
}

#[async_trait]
impl Registry for TextRegistry {
    fn observe(&self, observer: Arc<dyn ChangeObserver>) {
        self.stored().observe(observer);
    }

    async fn commit(&self, commit: Commit) -> Result<Change, RegistryError> {
        let mut commit = commit;
        let _held = self.texts.prepare(&mut commit.writes).await?;
        self.stored().commit(commit).await
    }

    async fn changes_after(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError> {
        self.stored().changes_after(after, limit).await
    }

    async fn revision(&self) -> Result<i64, RegistryError> {
        self.stored().revision().await
    }

    async fn health(&self) -> Result<(), RegistryError> {
        self.stored().health().await
    }

    async fn deployment(&self) -> Result<uuid::Uuid, RegistryError> {
        self.stored().deployment().await
    }

    async fn advance_clock(&self, now: Timestamp) -> Result<Timestamp, RegistryError> {
        self.stored().advance_clock(now).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, RegistryError> {
        self.opened(self.stored().tenant(id).await?).await
    }

    async fn tenant_by_name(&self, name: &TenantName) -> Result<Option<Tenant>, RegistryError> {
        self.opened(self.stored().tenant_by_name(name).await?).await
    }

    async fn tenants(
        &self,
        after: Option<&TenantName>,
        limit: usize,
    ) -> Result<Page<Tenant>, RegistryError> {
        self.opened_page(self.stored().tenants(after, limit).await?)
            .await
    }

    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, RegistryError> {
        self.stored().tenant_keks(tenant).await
    }

    async fn principal(&self, id: PrincipalId) -> Result<Option<Principal>, RegistryError> {
        self.stored().principal(id).await
    }

    async fn principal_by_name(
        &self,
        tenant: Option<TenantId>,
        name: &PrincipalName,
    ) -> Result<Option<Principal>, RegistryError> {
        self.stored().principal_by_name(tenant, name).await
    }

    async fn principals(
        &self,
        tenant: Option<TenantId>,
        after: Option<&PrincipalName>,
        limit: usize,
    ) -> Result<Page<Principal>, RegistryError> {
        self.stored().principals(tenant, after, limit).await
    }

    async fn token(&self, id: TokenId) -> Result<Option<Token>, RegistryError> {
        self.stored().token(id).await
    }

    async fn tokens(
        &self,
        tenant: Option<TenantId>,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Page<Token>, RegistryError> {
        self.stored().tokens(tenant, after, limit).await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Role>, RegistryError> {
        self.stored().role(id).await
    }

    async fn role_by_name(
        &self,
        tenant: Option<TenantId>,
        name: &RoleName,
    ) -> Result<Option<Role>, RegistryError> {
        self.stored().role_by_name(tenant, name).await
    }

    async fn roles(&self, tenant: Option<TenantId>) -> Result<Vec<Role>, RegistryError> {
        self.stored().roles(tenant).await
    }

    async fn assignments(
        &self,
        tenant: Option<TenantId>,
    ) -> Result<Vec<RoleAssignment>, RegistryError> {
        self.stored().assignments(tenant).await
    }

    async fn assignments_of(
        &self,
        principal: PrincipalId,
    ) -> Result<Vec<RoleAssignment>, RegistryError> {
        self.stored().assignments_of(principal).await
    }

    async fn key(
        &self,
        tenant: TenantId,
        key: &KeyRef,
    ) -> Result<Option<KeyWithVersions>, RegistryError> {
        let mut found = self.stored().key(tenant, key).await?;
        if let Some(found) = &mut found {
            self.texts.open(&mut found.key).await?;
        }
        Ok(found)
    }

    async fn search_keys(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
        sort: KeySort,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<Page<KeySummary>, RegistryError> {
        let filters = self.texts.filters(tenant, filter).await?;
        let mut pages = Vec::with_capacity(filters.len());
        for filter in &filters {
            let page = self
                .stored()
                .search_keys(tenant, filter, sort, after, limit);
            pages.push(page.await?);
        }
        let mut page = merged(pages, sort, limit);
        for row in &mut page.rows {
            self.texts.open(&mut row.key).await?;
        }
        Ok(page)
    }

    async fn history(
        &self,
        tenant: TenantId,
        key: KeyId,
        after: Option<TransitionId>,
        limit: usize,
    ) -> Result<Page<Transition>, RegistryError> {
        self.stored().history(tenant, key, after, limit).await
    }

    async fn all_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<KeyWithVersions>, RegistryError> {
        self.stored().all_keys(after, limit).await
    }

    async fn due_versions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueVersion>, RegistryError> {
        self.stored().due_versions(now, limit).await
    }

    async fn usage(
        &self,
        tenant: TenantId,
        key: KeyId,
    ) -> Result<BTreeMap<i64, UsageTotals>, RegistryError> {
        self.stored().usage(tenant, key).await
    }

    async fn add_usage(
        &self,
        node: &str,
        journaled_to: u64,
        deltas: Vec<UsageDelta>,
    ) -> Result<(), RegistryError> {
        self.stored().add_usage(node, journaled_to, deltas).await
    }

    async fn usage_watermark(&self, node: &str) -> Result<u64, RegistryError> {
        self.stored().usage_watermark(node).await
    }

    async fn reserve_uses(
        &self,
        version: VersionId,
        limit: UseLimit,
        wanted: Reservation,
    ) -> Result<Reservation, RegistryError> {
        self.stored().reserve_uses(version, limit, wanted).await
    }

    async fn class_pointer(
        &self,
        tenant: TenantId,
        class: &DataClass,
    ) -> Result<Option<ClassPointer>, RegistryError> {
        self.stored().class_pointer(tenant, class).await
    }

    async fn class_pointers(&self, tenant: TenantId) -> Result<Vec<ClassPointer>, RegistryError> {
        self.stored().class_pointers(tenant).await
    }

    async fn all_class_pointers(&self) -> Result<Vec<ClassPointer>, RegistryError> {
        self.stored().all_class_pointers().await
    }

    async fn binding(
        &self,
        tenant: TenantId,
        id: BindingId,
    ) -> Result<Option<DataBinding>, RegistryError> {
        self.opened(self.stored().binding(tenant, id).await?).await
    }

    async fn bindings(
        &self,
        tenant: TenantId,
        key: KeyId,
        after: Option<BindingId>,
        limit: usize,
    ) -> Result<Page<DataBinding>, RegistryError> {
        self.opened_page(self.stored().bindings(tenant, key, after, limit).await?)
            .await
    }

    async fn live_bindings(&self, tenant: TenantId, key: KeyId) -> Result<i64, RegistryError> {
        self.stored().live_bindings(tenant, key).await
    }

    async fn policy(
        &self,
        tenant: TenantId,
        id: PolicyId,
    ) -> Result<Option<Policy>, RegistryError> {
        self.opened(self.stored().policy(tenant, id).await?).await
    }

    async fn policy_by_name(
        &self,
        tenant: TenantId,
        name: &PolicyName,
    ) -> Result<Option<Policy>, RegistryError> {
        self.opened(self.stored().policy_by_name(tenant, name).await?)
            .await
    }

    async fn policies(
        &self,
        tenant: TenantId,
        after: Option<&PolicyName>,
        limit: usize,
    ) -> Result<Page<Policy>, RegistryError> {
        self.opened_page(self.stored().policies(tenant, after, limit).await?)
            .await
    }

    async fn keys_with_policy(
        &self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<Vec<KeyId>, RegistryError> {
        self.stored().keys_with_policy(tenant, policy).await
    }

    async fn jobs(
        &self,
        tenant: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<Job>, RegistryError> {
        self.stored().jobs(tenant, limit).await
    }

    async fn due_jobs(&self, now: Timestamp, limit: usize) -> Result<Vec<Job>, RegistryError> {
        self.stored().due_jobs(now, limit).await
    }

    async fn import_key(
        &self,
        tenant: TenantId,
        id: ImportKeyId,
    ) -> Result<Option<ImportKey>, RegistryError> {
        self.stored().import_key(tenant, id).await
    }

    async fn due_import_keys(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ImportKey>, RegistryError> {
        self.stored().due_import_keys(now, limit).await
    }

    async fn secret(
        &self,
        tenant: Option<TenantId>,
        name: &SecretName,
    ) -> Result<Option<Secret>, RegistryError> {
        self.opened(self.stored().secret(tenant, name).await?).await
    }

    async fn secrets(
        &self,
        tenant: Option<TenantId>,
        prefix: &str,
        after: Option<&SecretName>,
        limit: usize,
    ) -> Result<Page<Secret>, RegistryError> {
        self.opened_page(self.stored().secrets(tenant, prefix, after, limit).await?)
            .await
    }

    async fn secret_versions(&self, secret: SecretId) -> Result<Vec<SecretVersion>, RegistryError> {
        self.stored().secret_versions(secret).await
    }

    async fn secret_version(
        &self,
        id: SecretVersionId,
    ) -> Result<Option<SecretVersion>, RegistryError> {
        self.stored().secret_version(id).await
    }

    async fn due_secret_versions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SecretVersion>, RegistryError> {
        self.stored().due_secret_versions(now, limit).await
    }

    async fn idempotency(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotencyRecord>, RegistryError> {
        self.stored().idempotency(key).await
    }

    async fn forget_idempotency(&self, before: Timestamp) -> Result<u64, RegistryError> {
        self.stored().forget_idempotency(before).await
    }
}
