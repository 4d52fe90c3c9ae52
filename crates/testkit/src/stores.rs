//! Real object stores for tests: one server of each kind for each test process, started on first
//! use; each test has a prefix of its own in the one bucket.
//!
//! | store | what runs |
//! |---|---|
//! | S3 | SeaweedFS |
//! | Azure Blob | Azurite, Microsoft's emulator |
//! | Google Cloud Storage | fake-gcs-server, behind the part of the XML API that it lacks |

mod azure;
mod gcs;
mod s3;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyward_core::port::storage::StorageBackend;
use keyward_crypto::SystemRandom;
use keyward_vault::backend::object::service::Service;
use keyward_vault::{ObjectBackend, Patience};

pub use azure::azure;
pub use gcs::gcs;
pub use s3::{S3Server, s3};

/// A running store.
pub trait Store: Sync {
    /// How to reach its bucket.
    fn service(&self) -> Service {
        self.service_by(self.address())
    }

    /// How to reach it by another way: `http://host:port`.
    fn service_by(&self, address: &str) -> Service;

    /// `http://host:port`.
    fn address(&self) -> &str;
}

/// Patience for tests: enough for a loaded machine and a store that cleans up among a hundred thousand
/// objects, with short pauses. What does not answer at all is given up by its attempts.
pub const PATIENCE: Patience = Patience {
    total: Duration::from_mins(5),
    attempts_max: 8,
    first_pause: Duration::from_millis(5),
    pause_max: Duration::from_millis(200),
};

/// A prefix that no other test has.
pub fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("tests/{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A backend in a part of a store's bucket.
#[allow(clippy::expect_used, clippy::missing_panics_doc)] // a test without its backend ends
pub fn backend(service: &Service, prefix: &str) -> Arc<ObjectBackend> {
    let backend = ObjectBackend::new(service, prefix, PATIENCE, Arc::new(SystemRandom));
    Arc::new(backend.expect("the settings fit"))
}

/// The same, empty, initialised and ready.
#[allow(clippy::expect_used, clippy::missing_panics_doc)]
pub async fn fresh_backend(store: &dyn Store) -> Arc<ObjectBackend> {
    let backend = backend(&store.service(), &fresh_prefix());
    backend.init().await.expect("the store does what it must");
    backend
}

/// Does the asynchronous part of starting a server, wherever it is first asked for.
#[allow(clippy::expect_used)]
fn block_on<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
                    .block_on(work)
            })
            .join()
            .expect("the server's preparation")
    })
}
