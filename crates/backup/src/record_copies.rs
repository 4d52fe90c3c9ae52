//! Records on their way into a backup: many are read at once, each is held against the registry's word for
//! it, and one that came in pieces goes through part by part.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::backup::{
    BackupError, BackupOrder, BackupProgress, SealedObject, SealedRecord,
};
use keyward_core::port::storage::StorageError;
use keyward_crypto::record::KekRef;

use crate::create::{Backups, Parts};
use crate::manifest::LostRecord;
use crate::references::{Reference, References};
use crate::sealed_record::{Seen, look};

/// Records read at once: what hides the distance of a backend that is far.
const AT_ONCE: usize = 64;
/// How many records lie between two words about progress.
const PROGRESS_EVERY: u64 = 20_000;

impl Backups {
    /// Copies every record that the registry names; which of them are lost.
    pub(crate) async fn copy_records(
        &self,
        parts: &mut Parts<'_>,
        references: &References,
        keks: &HashSet<KekRef>,
        order: &BackupOrder,
        progress: &dyn BackupProgress,
    ) -> Result<Vec<LostRecord>, BackupError> {
        let mut lost = Losses {
            accepted: order.accept_losses,
            found: Vec::new(),
        };
        let of = references.records.len() as u64;
        let named: Vec<(RecordId, Reference)> = references
            .records
            .iter()
            .map(|(record, reference)| (*record, *reference))
            .collect();
        let reads = named
            .into_iter()
            .map(|(record, reference)| self.read(record, reference, keks));
        let mut reads = stream::iter(reads).buffered(AT_ONCE);
        let mut copied = 0;
        while let Some((record, reference, read)) = reads.next().await {
            let Looked { found, fault } = read.map_err(BackupError::Vault)?;
            let fault = match fault {
                None => parts.record(found).await?,
                fault => fault,
            };
            match fault {
                None => {}
                // Deleted already, or meanwhile, and the registry not told yet.
                Some(MISSING | CUT) if reference.may_be_gone => {}
                Some(wrong) => lost.note(record, wrong)?,
            }
            copied += 1;
            if copied % PROGRESS_EVERY == 0 {
                progress.reached(copied, of).await;
            }
        }
        Ok(lost.found)
    }

    async fn read(
        &self,
        record: RecordId,
        reference: Reference,
        keks: &HashSet<KekRef>,
    ) -> (RecordId, Reference, Result<Looked, StorageError>) {
        let looked = match self.vault.of_record(record).await {
            Ok(mut found) => {
                let fault = fault_of(&found.objects, record, &reference.digest, Some(keks));
                put_aside(&mut found);
                Ok(Looked { found, fault })
            }
            Err(StorageError::Refused(_)) => Ok(Looked {
                found: SealedRecord::default(),
                fault: Some(CUT),
            }),
            Err(error) => Err(error),
        };
        (record, reference, looked)
    }
}

/// A record that was read, and what is wrong with it.
struct Looked {
    found: SealedRecord,
    fault: Option<&'static str>,
}

/// The first of many parts is as large as the others, and many records are read at once: it is read
/// again when it is its turn.
fn put_aside(found: &mut SealedRecord) {
    if !found.parts.is_empty() {
        found
            .parts
            .extend(found.objects.pop().map(|head| head.name));
    }
}

struct Losses {
    accepted: bool,
    found: Vec<LostRecord>,
}

impl Losses {
    fn note(&mut self, record: RecordId, wrong: &'static str) -> Result<(), BackupError> {
        if !self.accepted {
            return Err(BackupError::Record { record, wrong });
        }
        self.found.push(LostRecord {
            record: record.uuid(),
            wrong: wrong.to_owned(),
        });
        Ok(())
    }
}

/// It is not there at all.
pub(crate) const MISSING: &str = "missing";
/// Something of it is.
pub(crate) const CUT: &str = "cut or unreadable";

/// What is wrong with what lies where a record should.
pub(crate) fn fault_of(
    found: &[SealedObject],
    record: RecordId,
    digest: &Digest,
    keks: Option<&HashSet<KekRef>>,
) -> Option<&'static str> {
    if found.is_empty() {
        return Some(MISSING);
    }
    let (mut core, mut outer) = (None, None);
    for object in found {
        match look(&object.bytes) {
            Seen::Whole {
                record,
                digest,
                kek,
            } => (core, outer) = (Some((record, digest)), Some(kek)),
            Seen::Core { record, digest } => core = Some((record, digest)),
            Seen::Outer { kek } => outer = Some(kek),
            Seen::Other => {}
        }
    }
    match (core, outer) {
        (Some((found, of)), Some(kek)) if found == record && of == *digest => {
            let is_known = keks.is_none_or(|keks| keks.contains(&kek));
            (!is_known).then_some("under a key that the registry does not name")
        }
        (None, _) | (_, None) => Some(CUT),
        _ => Some("another than the one that was stored"),
    }
}
