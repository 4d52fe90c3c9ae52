//! The stages of a check, in order, and what one record's look tells.

use crate::error::OpError;
use crate::ids::{ImportKeyId, KeyId, SecretVersionId, TenantId};
use crate::names::TenantName;
use crate::node::Node;
use crate::noun::condition::Subject;
use crate::noun::import_key::ImportKey;
use crate::noun::key::ProviderKind;
use crate::noun::secret::SecretVersion;
use crate::noun::tenant::{TenantKek, TenantState};
use crate::ops::import_key;
use crate::ops::secret;
use crate::port::key_provider::{MaterialRef, MaterialSpec};
use crate::port::registry::{KeyRef, KeyWithVersions};
use crate::port::storage::{ObjectName, StorageError};
use crate::port::storage_care::StoredObject;
use crate::text_enum;

text_enum! {
    /// What is looked at.
    pub enum Stage {
        /// Key-encryption keys, tenant by tenant.
        Keks => "keks",
        /// Key material, key by key.
        Keys => "keys",
        /// Values of secrets.
        Secrets => "secrets",
        /// Private halves of wrapping keys.
        ImportKeys => "import_keys",
        /// Names in the storage.
        Names => "names",
    }
}

impl Stage {
    /// Where a job stands: a stage, and after what in it.
    pub(super) fn parse(place: Option<&str>) -> (Self, Option<&str>) {
        let Some((stage, after)) = place.and_then(|place| place.split_once(' ')) else {
            return (Self::Keks, None);
        };
        let stage = stage.parse().unwrap_or(Self::Keks);
        (stage, (!after.is_empty()).then_some(after))
    }

    fn at(self, after: impl std::fmt::Display) -> String {
        format!("{self} {after}")
    }

    fn following(self) -> Option<String> {
        let place = Self::ALL.iter().position(|it| *it == self)?;
        Self::ALL.get(place + 1).map(|next| next.at(""))
    }
}

/// A record that the ledger names.
pub(super) enum Record {
    Kek(TenantKek),
    Material(MaterialRef),
    Secret(SecretVersion),
    ImportKey(ImportKey),
}

impl Record {
    /// Whose it is.
    pub(super) fn tenant(&self) -> TenantId {
        match self {
            Self::Kek(kek) => kek.tenant,
            Self::Material(material) => material.spec.tenant,
            Self::Secret(row) => row.tenant.unwrap_or(TenantId::SYSTEM),
            Self::ImportKey(row) => row.tenant,
        }
    }

    /// What a condition about it is about.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Kek(kek) => of(kek.tenant, &format!("kek/{}", kek.version)),
            Self::Material(material) => {
                let spec = &material.spec;
                of(spec.tenant, &format!("key/{}/{}", spec.key, spec.version))
            }
            Self::Secret(row) => {
                let name = format!("secret/{}/{}", row.secret, row.version);
                Subject::new(row.tenant, &name)
            }
            Self::ImportKey(row) => of(row.tenant, &format!("import-key/{}", row.id)),
        }
    }
}

fn of(tenant: TenantId, name: &str) -> Subject {
    Subject::new((tenant != TenantId::SYSTEM).then_some(tenant), name)
}

/// What is wrong with a record.
pub(super) enum Finding {
    Missing,
    Damaged(String),
}

/// What became of a look.
pub(super) enum Looked {
    Sound,
    Wrong(Finding),
    /// The ledger does not name it any more.
    Gone,
}

/// Some of what is to be looked at, and where to go on after it.
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) objects: Option<Vec<StoredObject>>,
    pub(super) next: Option<String>,
}

impl Batch {
    fn of(stage: Stage, records: Vec<Record>, last: Option<String>, more: bool) -> Self {
        let next = match last {
            Some(last) if more => Some(stage.at(last)),
            _ => stage.following(),
        };
        Self {
            records,
            objects: None,
            next,
        }
    }
}

/// The next of a stage.
pub(super) async fn next(
    node: &Node,
    stage: Stage,
    after: Option<&str>,
    limit: usize,
) -> Result<Batch, OpError> {
    let registry = &node.ports.registry;
    Ok(match stage {
        Stage::Keks => keks(node, after, limit).await?,
        Stage::Keys => {
            let after: Option<KeyId> = after.and_then(|text| text.parse().ok());
            let page = registry.all_keys(after, limit).await?;
            let last = page.rows.last().map(|last| last.key.id.to_string());
            let rows = page.rows.iter().filter(|it| is_kept(node, it.key.tenant));
            let records = rows.flat_map(materials).map(Record::Material);
            Batch::of(stage, records.collect(), last, page.more)
        }
        Stage::Secrets => {
            let after: Option<SecretVersionId> = after.and_then(|text| text.parse().ok());
            let page = registry.all_secret_versions(after, limit).await?;
            let last = page.rows.last().map(|last| last.id.to_string());
            let kept = |it: &SecretVersion| it.tenant.is_none_or(|id| is_kept(node, id));
            let records = page.rows.into_iter().filter(kept).map(Record::Secret);
            Batch::of(stage, records.collect(), last, page.more)
        }
        Stage::ImportKeys => {
            let after: Option<ImportKeyId> = after.and_then(|text| text.parse().ok());
            let page = registry.all_import_keys(after, limit).await?;
            let last = page.rows.last().map(|last| last.id.to_string());
            let kept = |it: &ImportKey| is_kept(node, it.tenant);
            let records = page.rows.into_iter().filter(kept).map(Record::ImportKey);
            Batch::of(stage, records.collect(), last, page.more)
        }
        Stage::Names => {
            let after = after.and_then(ObjectName::new);
            let objects = node.ports.storage.records(after.as_ref(), limit).await?;
            let more = objects.len() == limit;
            let last = objects.last().map(|last| last.name.as_str().to_owned());
            Batch {
                objects: Some(objects),
                ..Batch::of(stage, Vec::new(), last, more)
            }
        }
    })
}

/// The system's first, then tenants' in order of name.
async fn keks(node: &Node, after: Option<&str>, limit: usize) -> Result<Batch, OpError> {
    let registry = &node.ports.registry;
    let mut keks = Vec::new();
    if after.is_none() {
        keks.extend(registry.tenant_keks(TenantId::SYSTEM).await?);
    }
    let after: Option<TenantName> = after.and_then(|text| text.parse().ok());
    let page = registry.tenants(after.as_ref(), limit).await?;
    for tenant in &page.rows {
        if tenant.state != TenantState::Shredded {
            keks.extend(registry.tenant_keks(tenant.id).await?);
        }
    }
    let last = page.rows.last().map(|last| last.name.to_string());
    let records = keks.into_iter().map(Record::Kek).collect();
    Ok(Batch::of(Stage::Keks, records, last, page.more))
}

/// A shredded tenant's records cannot be opened: that is what shredding is.
fn is_kept(node: &Node, tenant: TenantId) -> bool {
    let found = node.memory.hot.tenant(tenant);
    found.is_none_or(|tenant| tenant.state != TenantState::Shredded)
}

/// The material of a key that this deployment keeps itself.
fn materials(current: &KeyWithVersions) -> Vec<MaterialRef> {
    let versions = current.versions.iter();
    let kept = versions.filter(|version| {
        version.provider == ProviderKind::Native
            && !version.destroying
            && version.destroyed_at.is_none()
    });
    kept.filter_map(|version| {
        Some(MaterialRef {
            spec: MaterialSpec {
                tenant: version.tenant,
                key: version.key,
                version: u32::try_from(version.version).ok()?,
                algorithm: version.algorithm,
                usages: current.key.usages,
            },
            provider_key_id: version.provider_key_id.as_str().into(),
            record_digest: version.record_digest,
        })
    })
    .collect()
}

/// Reads and verifies a record. One that is wrong is looked at again with what the ledger says by
/// then: it may have been destroyed, or replaced, in between.
pub(super) async fn verify(node: &Node, record: &Record) -> Result<Looked, OpError> {
    if look(node, record).await?.is_none() {
        return Ok(Looked::Sound);
    }
    let Some(again) = reread(node, record).await? else {
        return Ok(Looked::Gone);
    };
    Ok(match look(node, &again).await? {
        None => Looked::Sound,
        Some(finding) => Looked::Wrong(finding),
    })
}

async fn look(node: &Node, record: &Record) -> Result<Option<Finding>, OpError> {
    let verified: Result<(), OpError> = match record {
        Record::Kek(kek) => {
            let verified = node.ports.hierarchy.verify_tenant_kek(kek).await;
            verified.map_err(Into::into)
        }
        Record::Material(material) => {
            let provider = node.provider(ProviderKind::Native)?;
            provider.verify(material).await.map_err(Into::into)
        }
        Record::Secret(row) => {
            let secrets = &node.ports.secrets;
            let verified = secrets.verify(secret::spec(row)?, &row.record_digest);
            verified.await.map_err(Into::into)
        }
        Record::ImportKey(row) => {
            let provider = node.provider(ProviderKind::Native)?;
            let reference = import_key::reference(row)?;
            provider
                .verify_import_key(&reference)
                .await
                .map_err(Into::into)
        }
    };
    match verified {
        Ok(()) => Ok(None),
        Err(OpError::Record(StorageError::Missing)) => Ok(Some(Finding::Missing)),
        Err(OpError::Record(error)) => Ok(Some(Finding::Damaged(error.to_string()))),
        Err(error) => Err(error),
    }
}

/// The same record as the ledger has it now.
pub(super) async fn reread(node: &Node, record: &Record) -> Result<Option<Record>, OpError> {
    let registry = &node.ports.registry;
    Ok(match record {
        Record::Kek(kek) => {
            let live = registry.tenant_keks(kek.tenant).await?;
            let same = live.into_iter().find(|it| it.version == kek.version);
            same.map(Record::Kek)
        }
        Record::Material(material) => {
            let spec = &material.spec;
            let current = registry.key(spec.tenant, &KeyRef::Id(spec.key)).await?;
            let now = current
                .map(|current| materials(&current))
                .unwrap_or_default();
            let same = now.into_iter().find(|it| it.spec.version == spec.version);
            same.map(Record::Material)
        }
        Record::Secret(row) => {
            let now = registry.secret_version(row.id).await?;
            now.filter(|it| it.destroying_at.is_none())
                .map(Record::Secret)
        }
        Record::ImportKey(row) => {
            let now = registry.import_key(row.tenant, row.id).await?;
            now.filter(|it| it.destroyed_at.is_none())
                .map(Record::ImportKey)
        }
    })
}
