//! The keys in memory: the root key (and, after its rotation, the one before for a while), and
//! tenants' key-encryption keys as they are needed. All of them live in one [`OpenHierarchy`], so
//! that sealing drops them together; each is zeroized when its last holder lets go.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::storage::{KeyHierarchy, ObjectName, RewrapSlice, StorageError};
use keyward_core::time::Timestamp;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::record::{self, KekRef, RecordError, RecordKind, RecordLabel};
use parking_lot::RwLock;
use uuid::Uuid;

use super::{Vault, layout, refused};
use crate::object_names;

/// How often a key-encryption key is made again because the root key changed meanwhile.
const ATTEMPTS: usize = 4;

/// A tenant's key-encryption key, open.
#[derive(Clone)]
pub(super) struct OpenKek {
    pub(super) name: KekRef,
    pub(super) key: Arc<Kek>,
}

/// Everything that is in memory only while unsealed.
pub(super) struct OpenHierarchy {
    roots: RwLock<Roots>,
    tenants: RwLock<Tenants>,
}

/// A root key, open.
pub(super) struct Root {
    pub(super) name: KekRef,
    pub(super) key: Kek,
}

impl Root {
    pub(super) fn new(name: KekRef, key: Kek) -> Arc<Self> {
        Arc::new(Self { name, key })
    }
}

struct Roots {
    current: Arc<Root>,
    /// The one before, while key-encryption keys are under it.
    previous: Option<Arc<Root>>,
}

#[derive(Default)]
struct Tenants {
    open: HashMap<TenantId, TenantKeys>,
    /// Counts the times something was forgotten: a key whose loading began before is not kept.
    forgotten: u64,
}

#[derive(Default)]
struct TenantKeys {
    /// The newest, under which new records go.
    current: Option<OpenKek>,
    by_name: HashMap<KekRef, OpenKek>,
}

impl OpenHierarchy {
    pub(super) fn new(current: Arc<Root>, previous: Option<Arc<Root>>) -> Arc<Self> {
        Arc::new(Self {
            roots: RwLock::new(Roots { current, previous }),
            tenants: RwLock::default(),
        })
    }

    /// The root key in force.
    pub(super) fn root(&self) -> Arc<Root> {
        self.roots.read().current.clone()
    }

    /// The one before, while key-encryption keys are under it.
    pub(super) fn previous_root(&self) -> Option<Arc<Root>> {
        self.roots.read().previous.clone()
    }

    /// Both, of one instant.
    pub(super) fn roots(&self) -> (Arc<Root>, Option<Arc<Root>>) {
        let roots = self.roots.read();
        (roots.current.clone(), roots.previous.clone())
    }

    /// The root key that an outer header names.
    fn root_named(&self, name: KekRef) -> Option<Arc<Root>> {
        let roots = self.roots.read();
        let mut both = [Some(&roots.current), roots.previous.as_ref()]
            .into_iter()
            .flatten();
        both.find(|root| root.name == name).cloned()
    }

    /// Puts root keys in force. Tenants' keys stay: they are the same under any root key.
    pub(super) fn set_roots(&self, current: Arc<Root>, previous: Option<Arc<Root>>) {
        *self.roots.write() = Roots { current, previous };
    }

    fn current(&self, tenant: TenantId) -> Option<OpenKek> {
        self.tenants.read().open.get(&tenant)?.current.clone()
    }

    fn named(&self, tenant: TenantId, name: KekRef) -> Option<OpenKek> {
        self.tenants
            .read()
            .open
            .get(&tenant)?
            .by_name
            .get(&name)
            .cloned()
    }

    fn forgotten(&self) -> u64 {
        self.tenants.read().forgotten
    }

    /// Keeps an opened key, unless something was forgotten since its loading began.
    fn keep(&self, tenant: TenantId, kek: &OpenKek, is_current: bool, began_at: u64) {
        let mut tenants = self.tenants.write();
        if tenants.forgotten != began_at {
            return;
        }
        let keys = tenants.open.entry(tenant).or_default();
        keys.by_name.insert(kek.name, kek.clone());
        if is_current {
            keys.current = Some(kek.clone());
        }
    }

    fn forget(&self, tenant: TenantId) {
        let mut tenants = self.tenants.write();
        tenants.forgotten += 1;
        tenants.open.remove(&tenant);
    }
}

impl Vault {
    /// The key under which a tenant's new records go: the newest that the registry names. It is
    /// remembered until the tenant is forgotten, so whoever commits a new version forgets the
    /// tenant afterwards.
    pub(super) async fn current_kek(
        &self,
        hierarchy: &OpenHierarchy,
        tenant: TenantId,
    ) -> Result<OpenKek, StorageError> {
        if let Some(kek) = hierarchy.current(tenant) {
            return Ok(kek);
        }
        let began_at = hierarchy.forgotten();
        let live = self.ledger.tenant_keks(tenant).await?;
        let newest = live.first().ok_or(StorageError::NoTenantKek)?;
        let kek = self.open_kek(hierarchy, tenant, newest).await?;
        hierarchy.keep(tenant, &kek, true, began_at);
        Ok(kek)
    }

    /// The key that a record's outer header names, if it is one of the tenant's live ones.
    pub(super) async fn named_kek(
        &self,
        hierarchy: &OpenHierarchy,
        tenant: TenantId,
        named: KekRef,
    ) -> Result<OpenKek, StorageError> {
        if let Some(kek) = hierarchy.named(tenant, named) {
            return Ok(kek);
        }
        let began_at = hierarchy.forgotten();
        let live = self.ledger.tenant_keks(tenant).await?;
        if live.is_empty() {
            return Err(StorageError::NoTenantKek);
        }
        let is_named = |kek: &&TenantKek| kek_name(kek).is_ok_and(|name| name == named);
        let row = live
            .iter()
            .find(is_named)
            .ok_or(refused(RecordError::WrongKek { named }))?;
        let kek = self.open_kek(hierarchy, tenant, row).await?;
        hierarchy.keep(tenant, &kek, false, began_at);
        Ok(kek)
    }

    /// Reads and opens a key-encryption key, which must be the very record that the registry
    /// names.
    pub(super) async fn open_kek(
        &self,
        hierarchy: &OpenHierarchy,
        tenant: TenantId,
        row: &TenantKek,
    ) -> Result<OpenKek, StorageError> {
        if row.tenant != tenant {
            return Err(refused(RecordError::WrongRecord { field: "tenant" }));
        }
        let stored = self.backend.read(&object_names::tenant_kek(row)?).await?;
        let stored = stored.ok_or(StorageError::NoTenantKek)?;
        let (outer, core) = layout::split(&stored)?;
        let label = kek_label(row)?;
        let digest = Some(&row.record_digest.0);
        let root = self.root_of(hierarchy, outer).await?;
        let opened = record::open(outer, core, &root.key, &label, digest).map_err(refused)?;
        let key = Kek::from_secret(&opened.payload).map_err(|_| refused(RecordError::Malformed))?;
        Ok(OpenKek {
            name: kek_name(row)?,
            key: Arc::new(key),
        })
    }
}

impl Vault {
    /// Whether a key-encryption key that the registry names is there and opens with this root key.
    pub(super) async fn ensure_under(
        &self,
        row: &TenantKek,
        root: &Root,
    ) -> Result<(), StorageError> {
        let stored = self.backend.read(&object_names::tenant_kek(row)?).await?;
        let stored = stored.ok_or(StorageError::Missing)?;
        let (outer, core) = layout::split(&stored)?;
        let named = record::peek_outer(outer).map_err(refused)?;
        if named != root.name {
            return Err(refused(RecordError::WrongKek { named }));
        }
        let digest = Some(&row.record_digest.0);
        let opened = record::open(outer, core, &root.key, &kek_label(row)?, digest);
        opened.map(drop).map_err(refused)
    }

    /// The root key that a key-encryption key is under. One that this node does not know may have
    /// come into force on another node.
    pub(super) async fn root_of(
        &self,
        hierarchy: &OpenHierarchy,
        outer: &[u8],
    ) -> Result<Arc<Root>, StorageError> {
        let named = record::peek_outer(outer).map_err(refused)?;
        if let Some(root) = hierarchy.root_named(named) {
            return Ok(root);
        }
        self.follow().await?;
        let unknown = || refused(RecordError::WrongKek { named });
        self.unsealed()?.root_named(named).ok_or_else(unknown)
    }
}

#[async_trait]
impl KeyHierarchy for Vault {
    async fn create_tenant_kek(
        &self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<TenantKek, StorageError> {
        self.make_tenant_kek(tenant, 1, now).await
    }

    async fn next_tenant_kek(
        &self,
        current: &TenantKek,
        now: Timestamp,
    ) -> Result<TenantKek, StorageError> {
        self.make_tenant_kek(current.tenant, current.version + 1, now)
            .await
    }

    async fn rewrap_slice(
        &self,
        tenant: TenantId,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<RewrapSlice, StorageError> {
        self.rewrap(tenant, after, limit).await
    }

    async fn verify_tenant_kek(&self, kek: &TenantKek) -> Result<(), StorageError> {
        let hierarchy = self.unsealed()?;
        let name = object_names::tenant_kek(kek)?;
        // Here nothing under the name is what it is: a record that is gone.
        if self.backend.read(&name).await?.is_none() {
            return Err(StorageError::Missing);
        }
        self.open_kek(&hierarchy, kek.tenant, kek).await.map(drop)
    }

    async fn destroy_tenant_kek(&self, kek: &TenantKek) -> Result<(), StorageError> {
        self.unsealed()?;
        let name = object_names::tenant_kek(kek)?;
        let deleted = self.delete_and_look(&[name]).await;
        self.forget_tenant(kek.tenant);
        deleted
    }

    fn forget_tenant(&self, tenant: TenantId) {
        if let Ok(hierarchy) = self.unsealed() {
            hierarchy.forget(tenant);
        }
    }
}

impl Vault {
    async fn make_tenant_kek(
        &self,
        tenant: TenantId,
        version: i64,
        now: Timestamp,
    ) -> Result<TenantKek, StorageError> {
        for _ in 0..ATTEMPTS {
            let root = self.unsealed()?.root();
            let (row, name) = self.write_tenant_kek(&root, tenant, version, now).await?;
            // The root key may have been rotated meanwhile, on this node or another. Whoever is
            // under the one in force after it was written is found by whoever rotates later.
            if self.stored_root().await? == root.name {
                return Ok(row);
            }
            self.backend.delete(&name).await?;
            self.follow().await?;
        }
        Err(StorageError::Conflict)
    }

    async fn write_tenant_kek(
        &self,
        root: &Root,
        tenant: TenantId,
        version: i64,
        now: Timestamp,
    ) -> Result<(TenantKek, ObjectName), StorageError> {
        let mut row = TenantKek {
            tenant,
            version,
            record: self.fresh_record_id(now)?,
            record_digest: Digest([0; 32]),
            created_at: now,
            destroyed_at: None,
            etag: 1,
        };
        let kek = Kek::generate(&*self.random).map_err(|error| refused(error.into()))?;
        let sealed = record::seal(
            &kek_label(&row)?,
            &[],
            kek.to_secret().expose(),
            &root.key,
            root.name,
            &*self.random,
        )
        .map_err(refused)?;
        row.record_digest = Digest(sealed.core_digest);
        let name = object_names::tenant_kek(&row)?;
        let _turn = self.gate.enter(tenant, 1).await?;
        self.backend
            .write_if_absent(&name, layout::join(sealed))
            .await?;
        Ok((row, name))
    }

    /// A time-ordered id, as records have.
    fn fresh_record_id(&self, now: Timestamp) -> Result<RecordId, StorageError> {
        let mut bytes = [0; 10];
        self.random
            .fill(&mut bytes)
            .map_err(|error| refused(error.into()))?;
        let millis = u64::try_from(now.as_micros() / 1000).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        Ok(RecordId::from_uuid(id))
    }
}

/// The name of a tenant's key in outer headers: the id of its own record, and its version.
pub(super) fn kek_name(row: &TenantKek) -> Result<KekRef, StorageError> {
    Ok(KekRef {
        id: row.record.uuid(),
        version: kek_version(row)?,
    })
}

fn kek_version(row: &TenantKek) -> Result<u32, StorageError> {
    u32::try_from(row.version).map_err(|_| refused(RecordError::WrongRecord { field: "version" }))
}

pub(super) fn kek_label(row: &TenantKek) -> Result<RecordLabel, StorageError> {
    Ok(RecordLabel {
        kind: RecordKind::TenantKek,
        record_id: row.record.uuid(),
        tenant: row.tenant.uuid(),
        key_id: Uuid::nil(),
        version: kek_version(row)?,
        algorithm: String::new(),
        usage: 0,
    })
}
