//! Seals that no manifest names: a crash between the writing of one and the replacement of the
//! manifest leaves it behind. It means nothing, but whoever has what opens it has a root key in it.

use std::collections::BTreeMap;

use keyward_core::port::seal::SealFault;
use keyward_core::port::storage::{ObjectName, StorageError};
use keyward_core::time::Timestamp;

use super::Vault;
use super::seals::Loaded;
use crate::object_names;
use crate::seal::manifest::Manifest;

/// How long one is seen before it goes. Between writing and naming lie seconds.
const QUIET_SECONDS: i64 = 60 * 60;
/// Names looked at: far more than a manifest has. What is behind them comes when these are gone.
const NAMES_MAX: usize = 1_000;

/// The strays that this node sees, and since when.
pub(super) type Strays = BTreeMap<ObjectName, Timestamp>;

impl Vault {
    /// Deletes what has been named by no manifest for an hour. The manifest says first that it is to
    /// be deleted: whoever is about to name it, however late, is told of a conflict.
    pub(super) async fn discard_strays(&self, loaded: Loaded, now: Timestamp) -> Loaded {
        let discarded = match self.due_strays(&loaded.manifest, now).await {
            Ok(due) if due.is_empty() => return loaded,
            Ok(due) => {
                tracing::info!(count = due.len(), "seals that nothing names are deleted");
                let mut next = Manifest::clone(&loaded.manifest);
                next.discarded.extend(due);
                self.replace_manifest(&loaded, next).await
            }
            Err(error) => Err(SealFault::from(error)),
        };
        match discarded {
            Ok(loaded) => self.delete_discarded(loaded).await,
            Err(error) => {
                tracing::warn!(%error, "seals that nothing names could not be deleted yet");
                loaded
            }
        }
    }

    async fn due_strays(
        &self,
        manifest: &Manifest,
        now: Timestamp,
    ) -> Result<Vec<String>, StorageError> {
        let names = self
            .backend
            .list(object_names::SEALS, None, NAMES_MAX)
            .await?;
        let mut strays = self.strays.lock();
        let mut seen = Strays::new();
        for name in names {
            if !manifest.names(name.as_str()) {
                let since = strays.get(&name).copied().unwrap_or(now);
                seen.insert(name, since);
            }
        }
        *strays = seen;
        let due = strays
            .iter()
            .filter(|(_, since)| now.seconds_since(**since) >= QUIET_SECONDS);
        Ok(due.map(|(name, _)| name.as_str().to_owned()).collect())
    }
}
