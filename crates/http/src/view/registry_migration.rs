//! The migration of the registry as the wire shows it.

use keyward_api::names::StorageMigrationPhase;
use keyward_api::registry_migration::{RegistryMigration, RegistryMigrationProof};
use keyward_core::port::registry_migration::RegistryMigrationReport;

use super::storage_migration::trouble;
use super::{some_time, time};

/// Where it stands.
pub fn migration(report: RegistryMigrationReport) -> RegistryMigration {
    RegistryMigration {
        phase: StorageMigrationPhase::from(report.phase.name()),
        from: report.from,
        to: report.to,
        attached: report.attached,
        began_at: some_time(report.began_at),
        since: some_time(report.since),
        paused: report.paused,
        per_second: report.per_second,
        rows: report.rows,
        changes: report.changes,
        behind: report.behind,
        equal: report.equal,
        settled: report.settled,
        proof: report.proof.map(|proof| RegistryMigrationProof {
            revision: proof.revision,
            rows: proof.rows,
            digest: proof.digest.to_string(),
            at: time(proof.at),
        }),
        trouble: report.trouble.map(trouble),
    }
}
