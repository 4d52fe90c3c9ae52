//! The backend that does everything on both sides. The leading side's answer is the answer; the
//! other side follows under the name's lock. What is under way is noted beforehand, so that a side
//! that fails leaves a note behind. A change that was begun goes on to its end even if the caller
//! goes away: a backend may still carry out what nobody waits for any more, and by then the name
//! must not have been let go.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use super::{MigratingBackend, Sides, is_own, to_its_end};

/// Both sides as one backend.
pub(super) struct Mirror(pub(super) Arc<MigratingBackend>);

/// How one name changes on the side that leads.
enum Lead {
    Replacing,
    IfAbsent,
    Swapping(Vec<u8>),
}

impl Lead {
    async fn make(
        &self,
        side: &dyn StorageBackend,
        name: &ObjectName,
        bytes: Vec<u8>,
    ) -> Result<(), StorageError> {
        match self {
            Self::Replacing => side.write(name, bytes).await,
            Self::IfAbsent => side.write_if_absent(name, bytes).await,
            Self::Swapping(expected) => side.compare_and_swap(name, expected, bytes).await,
        }
    }
}

impl MigratingBackend {
    /// Notes that the sides may differ on a name; whether it was noted before.
    fn note(&self, sides: &Sides<'_>, name: &ObjectName) -> bool {
        sides.following.is_some() && self.behind.lock().note(name)
    }

    fn forget(&self, name: &ObjectName) {
        self.behind.lock().names.remove(name);
    }

    async fn change(
        &self,
        name: &ObjectName,
        bytes: Vec<u8>,
        lead: &Lead,
    ) -> Result<(), StorageError> {
        let sides = self.sides().await;
        // A probe looks at the side that leads, and waits for no other.
        let Some(following) = sides.following.filter(|_| !is_own(name)) else {
            return lead.make(sides.leading, name, bytes).await;
        };
        let _alone = self.alone(name).await;
        let noted_before = self.note(&sides, name);
        let led = lead.make(sides.leading, name, bytes.clone()).await;
        match &led {
            Ok(()) => match following.write(name, bytes).await {
                Ok(()) => self.forget(name),
                // The vault goes on without the side that follows; the walk makes it good.
                Err(error) => {
                    // Again: a pass may have begun since, and forgotten that something was not noted.
                    self.note(&sides, name);
                    self.is_behind(&error, 1);
                }
            },
            // It was not made: the sides are what they were.
            Err(error) if !is_open(error) && !noted_before => self.forget(name),
            Err(_) => {}
        }
        led
    }

    async fn put(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        let sides = self.sides().await;
        let Some(following) = sides.following else {
            return sides.leading.put_many(objects).await;
        };
        let names: Vec<ObjectName> = objects.iter().map(|(name, _)| name.clone()).collect();
        let _alone = self.alone_with(names.iter()).await;
        for name in &names {
            self.note(&sides, name);
        }
        // On an error some may have been written: the notes stay.
        sides.leading.put_many(objects.clone()).await?;
        match following.put_many(objects).await {
            Ok(()) => names.iter().for_each(|name| self.forget(name)),
            Err(error) => {
                for name in &names {
                    self.note(&sides, name);
                }
                self.is_behind(&error, names.len());
            }
        }
        Ok(())
    }

    async fn remove(&self, name: &ObjectName) -> Result<(), StorageError> {
        let sides = self.sides().await;
        let _alone = self.alone(name).await;
        let Some(following) = sides.following.filter(|_| !is_own(name)) else {
            return sides.leading.delete(name).await;
        };
        self.note(&sides, name);
        let gone = following.delete(name).await;
        gone.inspect_err(|error| self.troubled(error))?;
        sides.leading.delete(name).await?;
        self.forget(name);
        Ok(())
    }

    fn is_behind(&self, error: &StorageError, names: usize) {
        self.troubled(error);
        tracing::warn!(%error, names, "one side of the migration is behind");
    }
}

/// Whether a change that ended so may have been made.
const fn is_open(error: &StorageError) -> bool {
    matches!(
        error,
        StorageError::Unavailable { .. } | StorageError::Throttled { .. }
    )
}

impl Mirror {
    async fn change(
        &self,
        name: &ObjectName,
        bytes: Vec<u8>,
        lead: Lead,
    ) -> Result<(), StorageError> {
        let (both, name) = (Arc::clone(&self.0), name.clone());
        to_its_end(async move { both.change(&name, bytes, &lead).await }).await?
    }
}

#[async_trait]
impl StorageBackend for Mirror {
    async fn init(&self) -> Result<(), StorageError> {
        let sides = self.0.sides().await;
        sides.leading.init().await?;
        match sides.following {
            Some(following) => following.init().await,
            None => Ok(()),
        }
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.sides().await.leading.read(name).await
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.change(name, bytes, Lead::Replacing).await
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.change(name, bytes, Lead::IfAbsent).await
    }

    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        let both = Arc::clone(&self.0);
        to_its_end(async move { both.put(objects).await }).await?
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        let lead = Lead::Swapping(expected.to_vec());
        self.change(name, new, lead).await
    }

    /// Gone when it is gone on both sides: the one that follows goes first, so that whoever is told
    /// that it failed and tries again meets both.
    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        let (both, name) = (Arc::clone(&self.0), name.clone());
        to_its_end(async move { both.remove(&name).await }).await?
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        let sides = self.0.sides().await;
        sides.leading.list(prefix, after, limit).await
    }

    /// The vault is as well as the side that leads; the other one is looked at by the migration.
    async fn health(&self) -> Result<(), StorageError> {
        self.0.sides().await.leading.health().await
    }
}
