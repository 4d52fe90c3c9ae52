//! Wrapping records under their tenant's newest key-encryption key. The backend is gone through in
//! the order of its names; what is read says by its outer header whether there is something to do.
//! Cores are not touched, so that a crash between any two writes leaves every record readable:
//! under the old key or under the new one, both of which are there.

use futures_util::StreamExt;
use futures_util::stream;
use keyward_core::ids::TenantId;
use keyward_core::port::storage::{ObjectName, RewrapSlice, StorageError};
use keyward_crypto::record::{self, KekRef};

use super::hierarchy::{OpenHierarchy, OpenKek, kek_name};
use super::{Vault, layout, refused};
use crate::object_names;

/// Objects under way at once: what hides the distance of a backend that is far.
const AT_ONCE: usize = 64;
/// How often an object that changes meanwhile is looked at again.
const ATTEMPTS: usize = 4;

/// A tenant's keys: where records are to go, and where they may come from.
struct Keys<'a> {
    hierarchy: &'a OpenHierarchy,
    tenant: TenantId,
    newest: OpenKek,
    older: Vec<KekRef>,
}

/// What became of one object.
enum Fate {
    /// Nothing to do: another tenant's, under the newest key already, or gone.
    Left,
    /// It was under an older key and is under the newest.
    Changed,
    /// It is under an older key and stays there.
    Failed,
}

impl Vault {
    /// See [`keyward_core::port::storage::KeyHierarchy::rewrap_slice`].
    pub(super) async fn rewrap(
        &self,
        tenant: TenantId,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<RewrapSlice, StorageError> {
        let hierarchy = self.unsealed()?;
        let keys = self.keys(&hierarchy, tenant).await?;
        let names = self
            .backend
            .list(object_names::RECORDS, after, limit)
            .await?;
        let mut slice = RewrapSlice {
            next: names.last().filter(|_| names.len() == limit).cloned(),
            examined: names.len() as u64,
            ..RewrapSlice::default()
        };
        let keys = &keys;
        let fates = names
            .into_iter()
            .map(|name| async move { self.rewrap_object(keys, &name).await });
        let mut fates = stream::iter(fates).buffer_unordered(AT_ONCE);
        while let Some(fate) = fates.next().await {
            match fate? {
                Fate::Left => continue,
                Fate::Changed => slice.changed += 1,
                Fate::Failed => slice.failed += 1,
            }
            slice.found += 1;
        }
        Ok(slice)
    }

    async fn keys<'a>(
        &self,
        hierarchy: &'a OpenHierarchy,
        tenant: TenantId,
    ) -> Result<Keys<'a>, StorageError> {
        // From the registry and not from memory: what was committed is what counts.
        let live = self.ledger.tenant_keks(tenant).await?;
        let names: Vec<KekRef> = live.iter().map(kek_name).collect::<Result<_, _>>()?;
        let (newest, older) = names.split_first().ok_or(StorageError::NoTenantKek)?;
        Ok(Keys {
            hierarchy,
            tenant,
            newest: self.named_kek(hierarchy, tenant, *newest).await?,
            older: older.to_vec(),
        })
    }

    /// A backend that fails ends the slice; a record that is refused does not keep the others.
    async fn rewrap_object(
        &self,
        keys: &Keys<'_>,
        name: &ObjectName,
    ) -> Result<Fate, StorageError> {
        if object_names::is_part(name) {
            // Its outer header is an object of its own.
            return Ok(Fate::Left);
        }
        for _ in 0..ATTEMPTS {
            let Some(object) = self.backend.read(name).await? else {
                return Ok(Fate::Left);
            };
            let replaced = match self.under_newest(keys, name, &object).await {
                Ok(Some(replaced)) => replaced,
                Ok(None) => return Ok(Fate::Left),
                Err(StorageError::Refused(error)) => {
                    tracing::error!(record = name.as_str(), %error, "a record was refused");
                    return Ok(Fate::Failed);
                }
                Err(error) => return Err(error),
            };
            let _turn = self.gate.enter(keys.tenant, 1).await?;
            match self.backend.compare_and_swap(name, &object, replaced).await {
                Ok(()) => return Ok(Fate::Changed),
                // Somebody else was faster: it is looked at again.
                Err(StorageError::Conflict | StorageError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        tracing::error!(record = name.as_str(), "a record changes all the time");
        Ok(Fate::Failed)
    }

    /// The object with its outer header under the newest key, if it is under an older one.
    async fn under_newest(
        &self,
        keys: &Keys<'_>,
        name: &ObjectName,
        object: &[u8],
    ) -> Result<Option<Vec<u8>>, StorageError> {
        if layout::is_core(object) {
            // Its outer header is an object of its own.
            return Ok(None);
        }
        let (outer, core) = layout::split(object)?;
        // Only a header that cannot be read at all is not known to be somebody else's.
        let named = record::peek_outer(outer).map_err(refused)?;
        if !keys.older.contains(&named) {
            return Ok(None);
        }
        let separate;
        let core = match object_names::core_of(name)? {
            Some(of) => {
                let Some(found) = self.backend.read(&of).await? else {
                    // Deleted meanwhile: the header goes next.
                    return Ok(None);
                };
                separate = found;
                &separate[..]
            }
            None => core,
        };
        let (_, digest) = record::peek_core(core).map_err(refused)?;
        let old = self.named_kek(keys.hierarchy, keys.tenant, named).await?;
        let newest = &keys.newest;
        let mut replaced = record::rewrap(
            outer,
            &digest,
            &old.key,
            &newest.key,
            newest.name,
            &*self.random,
        )
        .map_err(refused)?;
        replaced.extend_from_slice(&object[outer.len()..]);
        Ok(Some(replaced))
    }
}
