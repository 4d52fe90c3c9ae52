//! Whether everything that a finished registry names was written into the vault: looked at before the
//! root key's manifest makes the two count. Whatever was left out on the way is found here.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::snapshot::{RegistrySnapshot, SnapshotError, SnapshotSink};
use keyward_core::snapshot::Coverage;

use crate::references::{Named, References};
use crate::restore::RestoreError;

/// What may be missing.
pub(crate) struct Excused<'a> {
    /// Records that were lost before the backups were made, as these say themselves.
    pub(crate) lost: HashSet<RecordId>,
    /// Values that were deleted after the second that is restored.
    pub(crate) deleted_later: &'a HashSet<RecordId>,
}

/// Compares; how many values are not there because they were deleted later, before any backup held
/// them.
pub(crate) async fn ensure_complete(
    registry: &dyn RegistrySnapshot,
    written: &HashMap<RecordId, Digest>,
    excused: &Excused<'_>,
) -> Result<u64, RestoreError> {
    let mut sink = Names(References::default());
    registry.export(Coverage::Backup, &mut sink).await?;
    let Names(references) = sink;
    let keks = references.keks.iter().map(|kek| {
        let is_excused = references.may_be_gone(kek);
        (kek.record, kek.record_digest, is_excused)
    });
    let records = references.records.iter().map(|(record, reference)| {
        // A wrapping key for one import is gone soon anyhow, and made again.
        let is_excused = reference.may_be_gone || reference.named == Named::ImportKey;
        (*record, reference.digest, is_excused)
    });
    let mut values_missing = 0;
    for (record, digest, is_excused) in keks.chain(records) {
        match written.get(&record) {
            Some(found) if *found == digest => {}
            Some(_) => {
                return Err(RestoreError::Incomplete {
                    record,
                    wrong: "another than the one that the registry names",
                });
            }
            None if is_excused || excused.lost.contains(&record) => {}
            None if excused.deleted_later.contains(&record) => values_missing += 1,
            None => {
                return Err(RestoreError::Incomplete {
                    record,
                    wrong: "in none of the backups, and the registry names it",
                });
            }
        }
    }
    Ok(values_missing)
}

/// Takes note of what rows name.
struct Names(References);

#[async_trait]
impl SnapshotSink for Names {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        self.0.take(&lines).map_err(|_| SnapshotError::Passage {
            cause: "a row that names a record cannot be read".to_owned(),
        })
    }
}
