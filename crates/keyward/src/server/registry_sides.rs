//! The two databases of a migration, and how long they are waited for.

use std::time::Duration;

use keyward_core::port::registry_migration::RegistryMigrationFault as Fault;
use keyward_core::port::snapshot::SnapshotError;
use keyward_core::port::storage_migration::MigrationPhase as Phase;
use keyward_store::follow::FollowError;
use keyward_store::{Config as Place, SqlRegistry};
use tokio::time::timeout;

use crate::server::registry_migration::{filling, left};
use crate::server::registry_standing::Standing;

/// How long writers wait while the sides are exchanged, and anybody for a side that does not answer;
/// then nothing is turned.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The two databases. Which of them leads, the standing says, and it changes.
pub struct Sides {
    /// The source.
    pub from: Place,
    /// The target.
    pub to: Place,
}

impl Sides {
    /// The one that is not in force.
    pub const fn follows(&self, phase: Phase) -> &Place {
        match phase {
            Phase::Planned | Phase::Copying | Phase::RolledBack => &self.to,
            Phase::CutOver | Phase::Committed => &self.from,
        }
    }
}

/// Does what does not take long, unless a side does not answer.
pub async fn soon<T>(work: impl Future<Output = Result<T, FollowError>>) -> Result<T, Fault> {
    match timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(side),
        Err(_) => Err(Fault::Side {
            cause: format!("a side did not answer for {} s", PATIENCE.as_secs()),
        }),
    }
}

/// Takes away the mark that the side in force has of a turn that was written down, whatever the other side
/// says: with it nothing could be written. Any other mark is somebody else's.
pub async fn clear_own(registry: &SqlRegistry, standing: &Standing) -> Result<(), Fault> {
    let marks = [left(standing.in_force().1), filling(standing)];
    let cleared = soon(async {
        let found = registry.mark().await;
        let found = found.map_err(SnapshotError::Registry)?;
        if found.is_some_and(|found| marks.contains(&found)) {
            let set = registry.set_mark(None).await;
            set.map_err(SnapshotError::Registry)?;
        }
        Ok(())
    });
    cleared.await.map_err(|fault| Fault::Unmarked {
        phase: standing.phase,
        cause: fault.to_string(),
    })
}

/// A side's fault, as core tells it.
pub fn side(error: FollowError) -> Fault {
    match error {
        FollowError::OtherNode => Fault::OtherNode,
        FollowError::Undecided { cause } => Fault::Standing { cause },
        FollowError::Taken { why } => Fault::NotEmpty { why },
        other => Fault::Side {
            cause: other.to_string(),
        },
    }
}
