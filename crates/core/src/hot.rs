//! What a node keeps in memory of every key, so that using one needs no SQL: a packed record per
//! key, found by id, by name digest, or by class. Names, tags and free text stay in the registry.
//!
//! Reads are lock-free (`papaya`); a change replaces one record, never a copy of the whole.

use std::sync::Arc;

use keyward_crypto::{Algorithm, UsageSet};
use papaya::HashMap;

use crate::change::{Change, Row, Write, WriteKind};
use crate::ids::{KeyId, PrincipalId, TenantId, VersionId};
use crate::names::{DataClass, KeyName, TenantName};
use crate::noun::class_pointer::ClassPointer;
use crate::noun::key::{Key, ProviderKind, UseLimit};
use crate::noun::key_version::{KeyVersion, effective_state};
use crate::noun::state::State;
use crate::noun::tenant::{AuditDetail, Digest, Tenant, TenantState};
use crate::port::registry::{KeyRef, KeyWithVersions};
use crate::time::Timestamp;

/// One version, packed.
#[derive(Clone, Debug)]
pub struct HotVersion {
    /// Its row's id, under which usage is counted.
    pub id: VersionId,
    /// Its number.
    pub version: u32,
    state: State,
    compromised: bool,
    expires_at: Option<Timestamp>,
    retire_at: Option<Timestamp>,
    /// The provider's name for its material.
    pub provider_key_id: Arc<str>,
    /// The ledger's word for the right record.
    pub record_digest: Option<Digest>,
    /// How much it was used before it came here.
    pub prior_use: Option<Box<UseLimit>>,
}

impl HotVersion {
    fn of(row: &KeyVersion) -> Self {
        Self {
            id: row.id,
            version: u32::try_from(row.version).unwrap_or(u32::MAX),
            state: row.state,
            compromised: is_compromised(row),
            expires_at: row.expires_at,
            retire_at: row.retire_at,
            provider_key_id: row.provider_key_id.as_str().into(),
            record_digest: row.record_digest,
            prior_use: row
                .provenance
                .as_ref()
                .and_then(|provenance| provenance.prior_use)
                .map(Box::new),
        }
    }

    /// The state that holds at `now`.
    pub fn state_at(&self, now: Timestamp) -> State {
        effective_state(self.state, self.expires_at, self.retire_at, now)
    }
}

/// One key, packed.
#[derive(Clone, Debug)]
pub struct HotKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it may be used for.
    pub usages: UsageSet,
    /// Who holds its material.
    pub provider: ProviderKind,
    /// Whether only its public half is here.
    pub public_only: bool,
    /// Whether an expired version may process.
    pub process_after_expiry: bool,
    /// How often each version may protect.
    pub use_limit: Option<UseLimit>,
    /// The version that protects.
    pub primary: u32,
    /// The row version of its key row.
    pub etag: i64,
    name_digest: [u8; 16],
    compromised: bool,
    versions: Box<[HotVersion]>,
}

impl HotKey {
    fn of(current: &KeyWithVersions) -> Self {
        let key = &current.key;
        Self {
            id: key.id,
            tenant: key.tenant,
            algorithm: key.algorithm,
            usages: key.usages,
            provider: key.provider,
            public_only: key.public_only,
            process_after_expiry: key.restrictions.process_after_expiry,
            use_limit: key.restrictions.use_limit,
            primary: u32::try_from(key.primary_version).unwrap_or(u32::MAX),
            etag: key.etag,
            name_digest: name_digest(key.tenant, &key.name),
            compromised: current.versions.iter().any(is_compromised),
            versions: current.versions.iter().map(HotVersion::of).collect(),
        }
    }

    /// Whether a version of it is known to others, or may be.
    pub const fn is_compromised(&self) -> bool {
        self.compromised
    }

    /// One version by number.
    pub fn version(&self, number: u32) -> Option<&HotVersion> {
        // Versions are numbered from 1 without gaps, except after a restore: look there first.
        let guess = number
            .checked_sub(1)
            .and_then(|i| self.versions.get(i as usize));
        guess
            .filter(|version| version.version == number)
            .or_else(|| {
                self.versions
                    .iter()
                    .find(|version| version.version == number)
            })
    }

    /// A key with some of its rows replaced by newer ones.
    fn with(&self, key: &Key, changed: &[&KeyVersion]) -> Self {
        let mut versions: Vec<HotVersion> = self.versions.to_vec();
        for row in changed {
            let new = HotVersion::of(row);
            match versions
                .iter_mut()
                .find(|version| version.version == new.version)
            {
                Some(slot) => *slot = new,
                None => versions.push(new),
            }
        }
        versions.sort_by_key(|version| version.version);
        let mut next = Self::of(&KeyWithVersions {
            key: key.clone(),
            versions: Vec::new(),
        });
        next.compromised = versions.iter().any(|version| version.compromised);
        next.versions = versions.into_boxed_slice();
        next
    }
}

/// That the material of a version is gone, or waits for its destruction, does not give back what was made
/// with it.
fn is_compromised(row: &KeyVersion) -> bool {
    let is_so = |state| matches!(state, State::Compromised | State::DestroyedCompromised);
    is_so(row.state) || row.state_before.is_some_and(is_so) || row.compromised_at.is_some()
}

/// A name is looked up by 128 bits of SHA-256 over tenant and name: the names themselves stay in
/// the registry.
fn name_digest(tenant: TenantId, name: &KeyName) -> [u8; 16] {
    let mut input = Vec::with_capacity(16 + name.as_str().len());
    input.extend_from_slice(tenant.uuid().as_bytes());
    input.extend_from_slice(name.as_str().as_bytes());
    let full = keyward_crypto::digest::sha256(&input);
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    short
}

/// A tenant, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotTenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: TenantName,
    /// What it may do.
    pub state: TenantState,
    /// How finely the log tells of its uses of keys.
    pub audit_detail: AuditDetail,
    /// Since when; none while that was never changed.
    pub audit_detail_since: Option<Timestamp>,
    /// Who changed it last.
    pub audit_detail_by: Option<PrincipalId>,
    etag: i64,
}

/// The memory of a node.
#[derive(Default)]
pub struct Hot {
    keys: HashMap<KeyId, Arc<HotKey>>,
    names: HashMap<[u8; 16], KeyId>,
    classes: HashMap<(TenantId, DataClass), (KeyId, i64)>,
    tenants: HashMap<TenantId, Arc<HotTenant>>,
    tenant_names: HashMap<TenantName, TenantId>,
}

impl Hot {
    /// A key of a tenant, if it is there.
    pub fn key(&self, tenant: TenantId, key: &KeyRef) -> Option<Arc<HotKey>> {
        let id = match key {
            KeyRef::Id(id) => *id,
            KeyRef::Name(name) => *self.names.pin().get(&name_digest(tenant, name))?,
            KeyRef::Class(class) => self.classes.pin().get(&(tenant, class.clone()))?.0,
        };
        let found = self.keys.pin().get(&id).cloned()?;
        (found.tenant == tenant).then_some(found)
    }

    /// A tenant by id.
    pub fn tenant(&self, id: TenantId) -> Option<Arc<HotTenant>> {
        self.tenants.pin().get(&id).cloned()
    }

    /// A tenant by name.
    pub fn tenant_named(&self, name: &TenantName) -> Option<Arc<HotTenant>> {
        let id = *self.tenant_names.pin().get(name)?;
        self.tenant(id)
    }

    /// Every tenant that something is said of, by id.
    pub fn tenants_where(&self, is_meant: impl Fn(&HotTenant) -> bool) -> Vec<Arc<HotTenant>> {
        let tenants = self.tenants.pin();
        let found = tenants.values().filter(|tenant| is_meant(tenant));
        let mut found: Vec<Arc<HotTenant>> = found.cloned().collect();
        found.sort_by_key(|tenant| tenant.id);
        found
    }

    /// How many keys are held.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Takes over a tenant as it was at start.
    pub fn load_tenant(&self, row: &Tenant) {
        let tenants = self.tenants.pin();
        if tenants
            .get(&row.id)
            .is_some_and(|held| held.etag >= row.etag)
        {
            return;
        }
        tenants.insert(
            row.id,
            Arc::new(HotTenant {
                id: row.id,
                name: row.name.clone(),
                state: row.state,
                audit_detail: row.audit_detail,
                audit_detail_since: row.audit_detail_since,
                audit_detail_by: row.audit_detail_by,
                etag: row.etag,
            }),
        );
        self.tenant_names.pin().insert(row.name.clone(), row.id);
    }

    /// Takes over a key as it was at start.
    pub fn load_key(&self, current: &KeyWithVersions) {
        self.put_key(Arc::new(HotKey::of(current)));
    }

    /// Takes over a class pointer as it was at start.
    pub fn load_class(&self, row: &ClassPointer) {
        let classes = self.classes.pin();
        let place = (row.tenant, row.class.clone());
        if classes.get(&place).is_none_or(|(_, etag)| *etag < row.etag) {
            classes.insert(place, (row.key, row.etag));
        }
    }

    fn put_key(&self, key: Arc<HotKey>) {
        let keys = self.keys.pin();
        // Two changes of one key may be applied out of order: the later row version stays.
        keys.compute(key.id, |held| match held {
            Some((_, held)) if held.etag >= key.etag => papaya::Operation::Abort(()),
            _ => papaya::Operation::Insert(key.clone()),
        });
        self.names.pin().insert(key.name_digest, key.id);
    }

    /// Applies what a commit changed: all of it, before the commit is answered.
    ///
    /// Returns what others must forget.
    pub fn apply(&self, change: &Change) -> Applied {
        let mut applied = Applied::default();
        for Write { kind, row } in &change.writes {
            match row {
                Row::Tenant(row) => self.load_tenant(row),
                Row::ClassPointer(row) if *kind == WriteKind::Delete => {
                    self.classes.pin().remove(&(row.tenant, row.class.clone()));
                }
                Row::ClassPointer(row) => self.load_class(row),
                Row::Key(row) => {
                    self.apply_key(row, change);
                }
                // Material that may not be used any more does not stay in memory either.
                Row::KeyVersion(row)
                    if !matches!(
                        row.state,
                        State::Pending | State::Active | State::Rotated | State::Expired
                    ) =>
                {
                    applied.retired.push(row.key);
                }
                Row::Principal(_) | Row::Token(_) | Row::Role(_) | Row::RoleAssignment(_) => {
                    applied.access = true;
                }
                // Another version may be the newest now.
                Row::TenantKek(row) => applied.keks.push(row.tenant),
                Row::KeyVersion(_)
                | Row::Transition(_)
                | Row::Policy(_)
                | Row::DataBinding(_)
                | Row::Job(_)
                | Row::ImportKey(_)
                | Row::Secret(_)
                | Row::SecretVersion(_)
                | Row::Condition(_)
                | Row::StrayRecord(_)
                | Row::Drill(_)
                | Row::AuditRule(_)
                | Row::Rotation(_) => {}
            }
        }
        applied
    }

    fn apply_key(&self, key: &Key, change: &Change) {
        let changed: Vec<&KeyVersion> = change
            .writes
            .iter()
            .filter_map(|write| match &write.row {
                Row::KeyVersion(row) if row.key == key.id => Some(&**row),
                _ => None,
            })
            .collect();
        let keys = self.keys.pin();
        keys.compute(key.id, |held| match held {
            Some((_, held)) if held.etag >= key.etag => papaya::Operation::Abort(()),
            Some((_, held)) => papaya::Operation::Insert(Arc::new(held.with(key, &changed))),
            None => {
                let versions = changed.iter().map(|row| (*row).clone()).collect();
                let current = KeyWithVersions {
                    key: key.clone(),
                    versions,
                };
                papaya::Operation::Insert(Arc::new(HotKey::of(&current)))
            }
        });
        self.names
            .pin()
            .insert(name_digest(key.tenant, &key.name), key.id);
    }
}

/// What applying a change touched.
#[derive(Debug, Default)]
pub struct Applied {
    /// Keys of which a version went on hold, was compromised or is to be destroyed.
    pub retired: Vec<KeyId>,
    /// Whether a principal, token, role or assignment changed.
    pub access: bool,
    /// Tenants whose key-encryption keys changed.
    pub keks: Vec<TenantId>,
}
