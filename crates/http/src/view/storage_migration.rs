//! The migration of the storage as the wire shows it.

use keyward_api::names::StorageMigrationPhase;
use keyward_api::storage_migration::{
    StorageMigration, StorageMigrationProof, StorageMigrationTrouble,
};
use keyward_core::port::storage_migration::{MigrationReport, MigrationTrouble};

use super::{some_time, time};

/// Where it stands.
pub fn migration(report: MigrationReport) -> StorageMigration {
    StorageMigration {
        phase: StorageMigrationPhase::from(report.phase.name()),
        from: report.from,
        to: report.to,
        attached: report.attached,
        began_at: some_time(report.began_at),
        since: some_time(report.since),
        paused: report.paused,
        per_second: report.per_second,
        pass: report.pass,
        examined: report.examined,
        copied: report.copied,
        left: report.left,
        equal: report.equal,
        behind: report.behind,
        behind_lost: report.behind_lost,
        settled: report.settled,
        proof: report.proof.map(|proof| StorageMigrationProof {
            objects: proof.objects,
            size_bytes: proof.size_bytes,
            digest: proof.digest.to_string(),
            at: time(proof.at),
        }),
        trouble: report.trouble.map(trouble),
    }
}

/// A side that does not do its part.
pub fn trouble(trouble: MigrationTrouble) -> StorageMigrationTrouble {
    StorageMigrationTrouble {
        since: time(trouble.since),
        last_at: time(trouble.last_at),
        cause: trouble.cause,
    }
}
