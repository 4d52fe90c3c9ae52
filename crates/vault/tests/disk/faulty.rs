//! A disk on which one operation fails, in either form: it did not happen, or it happened and was
//! reported as failed. And one that is full or read-only for a while.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use keyward_vault::backend::file::{DirectoryEntry, FileOps, NewFile};

use super::ModelDisk;

/// How the operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing happened.
    Before,
    /// It happened.
    After,
}

#[derive(Clone, Copy, Default)]
enum Plan {
    #[default]
    Sound,
    /// After so many sound operations one fails.
    One { sound: usize, form: Form },
    /// Everything that changes the disk fails with this kind.
    Refusing(ErrorKind),
}

/// The disk.
#[derive(Clone)]
pub struct FaultyDisk {
    disk: ModelDisk,
    plan: Arc<Mutex<Plan>>,
}

impl FaultyDisk {
    pub fn new(disk: ModelDisk) -> Self {
        Self {
            disk,
            plan: Arc::default(),
        }
    }

    /// The operation after `sound` more fails.
    pub fn fail_after(&self, sound: usize, form: Form) {
        *self.plan.lock().unwrap() = Plan::One { sound, form };
    }

    /// Every change fails.
    pub fn refuse_changes(&self, kind: ErrorKind) {
        *self.plan.lock().unwrap() = Plan::Refusing(kind);
    }

    /// Nothing fails any more. Whether the planned failure happened.
    pub fn mend(&self) -> bool {
        let plan = std::mem::take(&mut *self.plan.lock().unwrap());
        matches!(plan, Plan::Sound)
    }

    fn run<T>(&self, is_change: bool, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let form = {
            let mut plan = self.plan.lock().unwrap();
            match &mut *plan {
                Plan::Refusing(kind) if is_change => return Err((*kind).into()),
                Plan::One { sound: 0, form } => {
                    let form = *form;
                    *plan = Plan::Sound;
                    Some(form)
                }
                Plan::One { sound, .. } => {
                    *sound -= 1;
                    None
                }
                Plan::Sound | Plan::Refusing(_) => None,
            }
        };
        match form {
            None => operation(),
            Some(Form::Before) => Err(io::Error::other("injected")),
            Some(Form::After) => {
                operation()?;
                Err(io::Error::other("injected"))
            }
        }
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn NewFile>,
}

impl NewFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let disk = self.disk.clone();
        disk.run(true, || self.file.write_all(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        let disk = self.disk.clone();
        disk.run(true, || self.file.sync())
    }
}

impl FileOps for FaultyDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.run(true, || self.disk.create_directory(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = self.run(true, || self.disk.create(path))?;
        Ok(Box::new(FaultyFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(true, || self.disk.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(true, || self.disk.link(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.run(true, || self.disk.unlink(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.run(true, || self.disk.sync_directory(path))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.run(false, || self.disk.read(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.run(false, || self.disk.list(path))
    }
}
