//! After a restore nothing is swept up until somebody looked: records that no row names may still be
//! wanted, by rows that are restored later.

use keyward_core::change::{Row, Write};
use keyward_core::ids::ConditionId;
use keyward_core::noun::condition::{Condition, ConditionKind, Severity, Subject};
use keyward_core::ops::restore::HELD_WHY;
use keyward_core::time::Timestamp;
use keyward_crypto::digest::sha256;
use uuid::Uuid;

use crate::restore::{RestoreError, Restoring};

/// Conditions read at once.
const PAGE: usize = 500;

impl Restoring<'_> {
    /// Raises what holds the sweep, unless it is raised already.
    pub(crate) async fn hold_sweep(&self) -> Result<(), RestoreError> {
        let registry = &self.target.registry;
        let subject = Subject::system("storage");
        let mut after = None;
        loop {
            let page = registry.open_conditions(after, PAGE).await?;
            after = page.rows.last().map(|last| last.id);
            let mut rows = page.rows.iter();
            if rows.any(|it| it.kind == ConditionKind::SWEEP_HELD && it.about() == subject) {
                return Ok(());
            }
            if !page.more {
                break;
            }
        }
        let now = self.target.clock.now();
        let raised = Condition::new(
            id(self.full.manifest.backup, now),
            ConditionKind::SWEEP_HELD,
            &subject,
            Severity::Critical,
            HELD_WHY,
            now,
        );
        let writes = vec![Write::insert(Row::Condition(raised))];
        let told = ("sweep".to_owned(), "held".into());
        registry.commit(self.commit(None, writes, [told])).await?;
        Ok(())
    }
}

/// In order of time, like every condition's.
fn id(backup: Uuid, now: Timestamp) -> ConditionId {
    let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
    let digest = sha256(format!("sweep held after {backup} at {}", now.as_micros()).as_bytes());
    let mut rest = [0; 10];
    rest.copy_from_slice(&digest[..10]);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid();
    ConditionId::from_uuid(id)
}
