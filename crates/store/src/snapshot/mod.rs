//! The registry as a whole: read, made anew, brought forward. Core's
//! [`RegistrySnapshot`] on either database.
//!
//! | file | what |
//! |---|---|
//! | `tables` | which tables a snapshot covers, in which order, and why the others are left out |
//! | `cell` | a value of a column as JSON and back |
//! | `export` | reading at one revision |
//! | `import` | filling an empty database |
//! | `history` | which history of the deployment it is |
//! | `apply` | bringing it forward, change by change |

pub(crate) mod apply;
mod cell;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod import;
pub mod tables;

use async_trait::async_trait;
use keyward_core::change::Change;
use keyward_core::port::snapshot::{
    RegistrySnapshot, SelectedChange, SnapshotError, SnapshotSink, SnapshotSource,
};
use keyward_core::snapshot::{Coverage, SnapshotSummary};

use uuid::Uuid;

use crate::fault::Fault;
use crate::registry::SqlRegistry;

pub(crate) use cell::line;

#[async_trait]
impl RegistrySnapshot for SqlRegistry {
    async fn export(
        &self,
        coverage: Coverage,
        sink: &mut dyn SnapshotSink,
    ) -> Result<SnapshotSummary, SnapshotError> {
        export::export(&self.present(), coverage, sink).await
    }

    async fn import(
        &self,
        source: &mut dyn SnapshotSource,
    ) -> Result<SnapshotSummary, SnapshotError> {
        let hold = self.place.hold(vec![]).await;
        import::import(hold.database(), source, None).await
    }

    async fn apply_changes(&self, changes: &[Change]) -> Result<i64, SnapshotError> {
        let hold = self.place.hold(vec![]).await;
        apply::apply(hold.database(), changes).await
    }

    async fn apply_selected(&self, changes: &[SelectedChange]) -> Result<i64, SnapshotError> {
        let hold = self.place.hold(vec![]).await;
        apply::apply_selected(hold.database(), changes).await
    }

    async fn ensure_empty(&self) -> Result<(), SnapshotError> {
        import::look_whether_empty(&self.present()).await
    }

    async fn deployment_history(&self) -> Result<Uuid, SnapshotError> {
        history::present(&self.present()).await
    }

    async fn begin_history(&self, id: Uuid) -> Result<(), SnapshotError> {
        let hold = self.place.hold(vec![]).await;
        history::begin(hold.database(), id).await
    }
}

/// The error of a statement on one table.
pub(crate) fn failed(table: &'static str) -> impl FnOnce(Fault) -> SnapshotError {
    move |fault| SnapshotError::Registry(fault.on(table))
}
