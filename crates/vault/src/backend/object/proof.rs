//! Whether a store does what it must. Some that speak a protocol ignore its conditions, and then of
//! two who create one record both would believe to have done it. So nothing is kept in a store
//! before it has shown, with a probe, that it honours them.

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use object_store::PutMode;
use object_store::path::Path;

use super::fault::Kind;
use super::{ObjectBackend, frame};
use crate::backend::misconfigured;

impl ObjectBackend {
    pub(super) async fn prove(&self) -> Result<(), StorageError> {
        let name = crate::backend::probe_name(&*self.random)?;
        let path = self.object_path(&name)?;
        let proved = self.prove_conditions(&name, &path).await;
        let swept = match proved {
            Ok(()) => self.sweep(&path).await,
            Err(_) => Ok(()),
        };
        let removed = self.remove(&path).await;
        proved?;
        removed?;
        swept?;
        match self.fetch(&path, None).await? {
            None => Ok(()),
            Some(_) => Err(misconfigured("the store returns what was deleted")),
        }
    }

    async fn prove_conditions(&self, name: &ObjectName, path: &Path) -> Result<(), StorageError> {
        let (first, second) = (self.fresh_write_id()?, self.fresh_write_id()?);
        let (one, two) = (frame::whole(&first, b"one"), frame::whole(&second, b"two"));
        self.create(path, &one, &first).await?;
        if self.create(path, &two, &second).await != Err(StorageError::AlreadyExists) {
            return Err(misconfigured(
                "the store ignores the condition of a creation: of two writers both would win",
            ));
        }
        let found = self.fetch(path, None).await?;
        let found = found.ok_or_else(|| misconfigured("the store does not find what it took"))?;
        self.swap(name, b"one", &two, &second).await?;
        let stale = PutMode::Update(found.version);
        match self.put_once(&mut self.turns(), path, &one, stale).await {
            Err(failed) if failed.kind == Kind::ConditionFailed => {}
            Err(failed) => return Err(failed.into_error()),
            Ok(()) => {
                return Err(misconfigured(
                    "the store ignores the condition of an update: changes would be lost",
                ));
            }
        }
        if self.read(name).await?.as_deref() != Some(b"two") {
            return Err(misconfigured(
                "the store returns an older state than the last",
            ));
        }
        if self.list(name.as_str(), None, 2).await? != [name.clone()] {
            return Err(misconfigured("the store does not list what it has"));
        }
        Ok(())
    }
}
