//! What a backend holds, as a number and a digest: two that hold the same have the same.

use futures_util::{StreamExt as _, stream};
use keyward_core::noun::tenant::Digest;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_crypto::digest::{Sha256, sha256};
use serde::Serialize;

use super::AT_ONCE;
use crate::object_names;

/// Names asked for at once.
const PAGE: usize = 1000;

/// What a backend holds of its vault: not what belongs to the backend alone (probes and marks), and
/// not another vault, whose prefix begins below this one's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// How many objects.
    pub objects: u64,
    /// How many bytes in them.
    pub size_bytes: u64,
    /// SHA-256 of every name, a line feed and the SHA-256 of what is under it, in order of names.
    pub digest: Digest,
}

/// Reads everything. Of one moment only while nobody writes.
///
/// # Errors
/// [`StorageError`].
pub async fn survey(backend: &dyn StorageBackend) -> Result<Survey, StorageError> {
    let mut count = Count::default();
    let mut after: Option<ObjectName> = None;
    loop {
        let names = names_of_vault(backend, after.as_ref(), PAGE).await?;
        let read = names
            .iter()
            .cloned()
            .map(|name| async move { (backend.read(&name).await, name) });
        let mut read = stream::iter(read).buffered(AT_ONCE);
        while let Some((bytes, name)) = read.next().await {
            if let Some(bytes) = bytes? {
                count.add(&name, &bytes);
            }
        }
        drop(read);
        let more = names.len() >= PAGE;
        after = names.into_iter().next_back();
        if !more {
            return Ok(count.survey());
        }
    }
}

/// The next names of a vault, in order.
pub(super) async fn names_of_vault(
    backend: &dyn StorageBackend,
    after: Option<&ObjectName>,
    limit: usize,
) -> Result<Vec<ObjectName>, StorageError> {
    let mut names = Vec::new();
    for family in object_names::FAMILIES {
        let is_behind = after
            .is_some_and(|after| after.as_str() > family && !after.as_str().starts_with(family));
        if !is_behind && names.len() < limit {
            names.extend(backend.list(family, after, limit - names.len()).await?);
        }
    }
    Ok(names)
}

/// A survey under way.
#[derive(Clone, Default)]
pub(super) struct Count {
    objects: u64,
    size_bytes: u64,
    digest: Sha256,
}

impl Count {
    pub(super) const fn objects(&self) -> u64 {
        self.objects
    }

    pub(super) fn add(&mut self, name: &ObjectName, bytes: &[u8]) {
        if !object_names::is_vaults(name) {
            return;
        }
        self.objects += 1;
        self.size_bytes += bytes.len() as u64;
        self.digest.update(name.as_str().as_bytes());
        self.digest.update(b"\n");
        self.digest.update(&sha256(bytes));
    }

    pub(super) fn survey(self) -> Survey {
        Survey {
            objects: self.objects,
            size_bytes: self.size_bytes,
            digest: Digest(self.digest.finish()),
        }
    }
}
