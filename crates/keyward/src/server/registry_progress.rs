//! What is known of a migration of the registry in memory alone, and gone with a start.

use keyward_core::port::registry_migration::{RegistryMigrationFault as Fault, RegistryProof};
use keyward_core::port::storage_migration::MigrationTrouble;
use keyward_core::time::Timestamp;
use keyward_store::follow::Proof;

/// How far it is.
#[derive(Default)]
pub struct Progress {
    /// Rows carried over by the last filling.
    pub rows: u64,
    /// Changes brought to the side that follows.
    pub changes: u64,
    /// How many it was behind.
    pub behind: Option<u64>,
    /// Whether both sides were found to hold the same.
    pub equal: bool,
    /// Whether the marks are right.
    pub settled: bool,
    /// What was found then.
    pub proof: Option<RegistryProof>,
    /// The side that does not do its part.
    pub trouble: Option<MigrationTrouble>,
}

impl Progress {
    /// Notes whether the sides do their part.
    pub fn note<T>(&mut self, outcome: &Result<T, Fault>, now: Timestamp) {
        match outcome {
            Ok(_) => self.trouble = None,
            Err(
                error @ (Fault::Side { .. }
                | Fault::OtherNode
                | Fault::NotEmpty { .. }
                | Fault::Unmarked { .. }),
            ) => {
                let since = self.trouble.as_ref().map_or(now, |it| it.since);
                self.trouble = Some(MigrationTrouble {
                    since,
                    last_at: now,
                    cause: error.to_string(),
                });
            }
            Err(_) => {}
        }
    }

    /// Both sides hold the same.
    pub fn proven(&mut self, proof: &Proof, now: Timestamp) {
        self.equal = true;
        self.proof = Some(RegistryProof {
            revision: proof.leads.header.revision,
            rows: proof.leads.rows,
            digest: proof.leads.digest,
            at: now,
        });
    }
}
