//! The two that need no server.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::storage::StorageBackend;
use keyward_core::port::storage_care::{StorageCare, StorageState};
use keyward_testkit::conformance::{self, Load};
use keyward_testkit::faulty::FaultyBackend;
use keyward_testkit::world::DrivenClock;
use keyward_vault::{EmbeddedBackend, FileBackend, MeasuredBackend};

/// What is quick is asked more.
const LOAD: Load = Load { acts: 12, seed: 1 };

async fn check(backend: Arc<dyn StorageBackend>) {
    conformance::check(Arc::clone(&backend), LOAD).await;
    conformance::check_under_faults(backend).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_backend_conforms() {
    let folder = tempfile::tempdir().unwrap();
    check(Arc::new(
        EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap(),
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_backend_conforms() {
    let folder = tempfile::tempdir().unwrap();
    check(Arc::new(
        FileBackend::open(&folder.path().join("vault")).unwrap(),
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_answer_at_all_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let inner = FileBackend::open(&folder.path().join("vault")).unwrap();
    let faulty = Arc::new(FaultyBackend::new(Arc::new(inner)));
    let clock = Arc::new(DrivenClock::new());
    let watched = MeasuredBackend::new(faulty.clone(), "file", clock.clone());
    watched.probe().await.unwrap();
    assert_eq!(watched.report().state, StorageState::Healthy);
    faulty.fall_silent();
    // So short a time would be too short for a disk that is busy.
    let watched = MeasuredBackend::new(faulty, "file", clock);
    let watched = watched.answering_within(Duration::from_millis(20));
    assert!(watched.probe().await.is_err());
    let report = watched.report();
    assert_eq!(report.state, StorageState::Down);
    assert!(report.cause.unwrap().contains("did not answer"));
}
