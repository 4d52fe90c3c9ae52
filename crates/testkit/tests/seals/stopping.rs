//! A node's own way to the storage, which stops before one of its operations until it is let go: so
//! that another node does something at exactly that instant.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use tokio::sync::oneshot;

type Done = Result<(), StorageError>;

/// The way. It does not stop until told to.
pub struct Stopping {
    inner: Arc<dyn StorageBackend>,
    plan: Mutex<Option<Plan>>,
}

struct Plan {
    sound: usize,
    reached: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
}

/// Where it stops.
pub struct Stop {
    /// Told when it has.
    pub reached: oneshot::Receiver<()>,
    /// Lets it go on; so does dropping it.
    pub go: oneshot::Sender<()>,
}

impl Stopping {
    pub fn over(inner: Arc<dyn StorageBackend>) -> Arc<Self> {
        let plan = Mutex::default();
        Arc::new(Self { inner, plan })
    }

    /// Stops once, after so many more operations.
    pub fn stop_after(&self, sound: usize) -> Stop {
        let (reached, has_reached) = oneshot::channel();
        let (go, may_go) = oneshot::channel();
        *self.plan.lock().unwrap() = Some(Plan {
            sound,
            reached,
            go: may_go,
        });
        Stop {
            reached: has_reached,
            go,
        }
    }

    /// Stops no more.
    pub fn let_go(&self) {
        *self.plan.lock().unwrap() = None;
    }

    async fn turn(&self) {
        let due = {
            let mut plan = self.plan.lock().unwrap();
            match &mut *plan {
                Some(Plan { sound, .. }) if *sound > 0 => {
                    *sound -= 1;
                    None
                }
                _ => plan.take(),
            }
        };
        if let Some(Plan { reached, go, .. }) = due {
            let _ = reached.send(());
            let _ = go.await;
        }
    }
}

#[async_trait]
impl StorageBackend for Stopping {
    async fn init(&self) -> Done {
        self.inner.init().await
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        self.turn().await;
        self.inner.read(name).await
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Done {
        self.turn().await;
        self.inner.write(name, bytes).await
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Done {
        self.turn().await;
        self.inner.write_if_absent(name, bytes).await
    }

    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Done {
        self.turn().await;
        self.inner.put_many(objects).await
    }

    async fn compare_and_swap(&self, name: &ObjectName, expected: &[u8], new: Vec<u8>) -> Done {
        self.turn().await;
        self.inner.compare_and_swap(name, expected, new).await
    }

    async fn delete(&self, name: &ObjectName) -> Done {
        self.turn().await;
        self.inner.delete(name).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        self.turn().await;
        self.inner.list(prefix, after, limit).await
    }

    async fn health(&self) -> Done {
        self.inner.health().await
    }
}
