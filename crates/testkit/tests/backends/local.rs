//! The two that need no server.

use std::sync::Arc;

use keyward_core::port::storage::StorageBackend;
use keyward_testkit::conformance::{self, Load};
use keyward_vault::{EmbeddedBackend, FileBackend};

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
