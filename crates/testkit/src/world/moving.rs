//! A world whose vault is on its way to another backend.

use std::sync::Arc;

use keyward_core::port::storage::StorageBackend;
use keyward_core::time::Clock;
use keyward_vault::FileBackend;
use keyward_vault::migration::MigratingBackend;
pub use keyward_vault::migration::{marked, standing_in, survey};

use super::{RegistryKind, Setup, VaultKind, World, storage};
use crate::faulty::FaultyBackend;

/// The vault between two backends.
pub struct Moving {
    /// How it goes on.
    pub migration: Arc<MigratingBackend>,
    /// The source; sound until told otherwise.
    pub from: Arc<FaultyBackend>,
    /// The target; sound until told otherwise.
    pub to: Arc<FaultyBackend>,
}

impl World {
    /// A new deployment whose vault is to move from one SQLite file to a file for each record; by
    /// itself as soon as it can, or when somebody says so.
    pub async fn moving(by_itself: bool) -> Self {
        let setup = Setup::new(RegistryKind::Sqlite, VaultKind::Embedded);
        Self::begin(Setup {
            moves: Some(by_itself),
            ..setup
        })
        .await
    }

    /// How the vault of a world that was made so moves.
    pub fn on_its_way(&self) -> &Moving {
        self.moving.as_ref().expect("a world whose vault moves")
    }
}

/// What the vault stands on: both sides if it moves, and otherwise the one.
pub(super) async fn or_at_rest(
    setup: &Setup,
    clock: &Arc<dyn Clock>,
) -> (Arc<dyn StorageBackend>, Option<Moving>) {
    let stored = storage(setup);
    if setup.moves.is_none() {
        return (stored, None);
    }
    let data = setup.directory.path();
    let next = FileBackend::open(&data.join("next")).expect("the target's directory");
    let from = Arc::new(FaultyBackend::new(stored));
    let to = Arc::new(FaultyBackend::new(Arc::new(next)));
    let (source, target) = (Arc::clone(&from) as _, Arc::clone(&to) as _);
    from.init().await.expect("the source does what it must");
    to.init().await.expect("the target does what it must");
    let file = data.join("storage-migration.json");
    let begun = standing_in(&file).expect("the file reads").is_some();
    let migration = if begun {
        let resumed = MigratingBackend::resume(&file, source, target, clock.clone()).await;
        resumed.expect("it is taken up").expect("it was begun")
    } else {
        let names = ("embedded here", "file there");
        let planned = MigratingBackend::plan(&file, names, source, target, clock.clone()).await;
        planned.expect("the target is empty")
    };
    let migration = Arc::new(migration);
    let backend = migration.backend();
    let moving = Moving {
        migration,
        from,
        to,
    };
    (backend, Some(moving))
}
