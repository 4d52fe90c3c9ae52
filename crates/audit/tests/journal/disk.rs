//! A disk in memory that behaves as badly as a real one may.
//!
//! What was written is seen at once and is durable only when synced: a power cut keeps of every
//! unsynced write nothing, all, some sectors, or only its length, and of unsynced creations and
//! removals any subset. A sync that fails may have lost the pages for good while they still read
//! as written. Operations fail before or after they took effect, or half-way.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use keyward_audit::{Access, Identity, JournalIo, SegmentFile};

const SECTOR: usize = 512;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It had no effect.
    Before,
    /// It had its full effect.
    After,
    /// It had half of its effect.
    Half,
}

/// A small generator, so that a failing seed can be run again.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    seen: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum DirChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String),
}

#[derive(Clone, Default)]
struct Model {
    inodes: Vec<Inode>,
    durable_dir: BTreeMap<String, usize>,
    dir: BTreeMap<String, usize>,
    unsynced_dir: Vec<DirChange>,
    operations: u64,
    fail_at: Option<(u64, Failure)>,
    cut_at: Option<u64>,
    down: bool,
    broken: Option<io::ErrorKind>,
    capacity: Option<usize>,
    ignores_sync: bool,
    ignores_sync_dir: bool,
    holding: bool,
    held: bool,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<(Mutex<Model>, Condvar)>);

struct Handle {
    disk: Disk,
    inode: usize,
}

impl Disk {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.0.lock().unwrap()
    }

    /// A disk whose `fdatasync` says that it is done and does nothing.
    pub fn that_ignores_sync() -> Self {
        let disk = Self::default();
        disk.model().ignores_sync = true;
        disk
    }

    /// A disk whose sync of a directory says that it is done and does nothing.
    pub fn that_ignores_sync_dir() -> Self {
        let disk = Self::default();
        disk.model().ignores_sync_dir = true;
        disk
    }

    /// Another disk with the same content.
    pub fn copy(&self) -> Self {
        Self(Arc::new((Mutex::new(self.model().clone()), Condvar::new())))
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.model().operations
    }

    /// The operation after so many others fails.
    pub fn fail_after(&self, operations: u64, failure: Failure) {
        let mut model = self.model();
        model.fail_at = Some((model.operations + operations, failure));
    }

    /// The power goes after so many operations.
    pub fn cut_after(&self, operations: u64) {
        let mut model = self.model();
        model.cut_at = Some(model.operations + operations);
    }

    /// Every operation that writes fails from now on.
    pub fn break_with(&self, kind: io::ErrorKind) {
        self.model().broken = Some(kind);
    }

    /// No operation fails any more.
    pub fn mend(&self) {
        let mut model = self.model();
        model.broken = None;
        model.fail_at = None;
        model.capacity = None;
    }

    /// No more than so many bytes fit.
    pub fn limit(&self, capacity: usize) {
        self.model().capacity = Some(capacity);
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.model().used()
    }

    /// Syncs wait until [`Disk::release`].
    pub fn hold(&self) {
        self.model().holding = true;
    }

    /// Waits until a sync waits.
    pub fn wait_until_held(&self) {
        let mut model = self.model();
        while !model.held {
            model = self.0.1.wait(model).unwrap();
        }
    }

    /// Lets syncs go on.
    pub fn release(&self) {
        self.model().holding = false;
        self.0.1.notify_all();
    }

    /// Whether the power is off.
    pub fn is_down(&self) -> bool {
        self.model().down
    }

    /// Cuts the power, if it is still on, and turns it on again.
    pub fn reboot(&self, dice: &mut Dice) {
        let mut model = self.model();
        for change in std::mem::take(&mut model.unsynced_dir) {
            if dice.below(2) == 0 {
                change.apply(&mut model.durable_dir);
            }
        }
        model.dir = model.durable_dir.clone();
        for inode in &mut model.inodes {
            for change in std::mem::take(&mut inode.unsynced) {
                change.survive(&mut inode.durable, dice);
            }
            inode.seen = inode.durable.clone();
        }
        model.down = false;
        model.cut_at = None;
        model.fail_at = None;
        model.broken = None;
    }

    /// A file's bytes.
    pub fn file(&self, name: &str) -> Vec<u8> {
        let model = self.model();
        model.inodes[model.dir[name]].seen.clone()
    }

    /// Puts a file there, durable.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut model = self.model();
        let inode = model.inodes.len();
        model.inodes.push(Inode {
            durable: bytes.to_vec(),
            seen: bytes.to_vec(),
            unsynced: Vec::new(),
        });
        model.dir.insert(name.to_owned(), inode);
        model.durable_dir.insert(name.to_owned(), inode);
    }

    /// Removes a file, durably.
    pub fn delete(&self, name: &str) {
        let mut model = self.model();
        model.dir.remove(name);
        model.durable_dir.remove(name);
    }

    /// The names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        self.model().dir.keys().cloned().collect()
    }

    /// Runs one operation; `effect` is told how much of itself to do.
    fn operate<T>(
        &self,
        writes: bool,
        effect: impl FnOnce(&mut Model, Part) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut model = self.model();
        if model.cut_at == Some(model.operations) {
            model.down = true;
        }
        if model.down {
            return Err(broken_off());
        }
        model.operations += 1;
        if let Some(kind) = model.broken.filter(|_| writes) {
            return Err(kind.into());
        }
        match model.fail_at {
            Some((at, failure)) if at + 1 == model.operations => {
                let part = match failure {
                    Failure::Before => Part::None,
                    Failure::After => Part::All,
                    Failure::Half => Part::Half,
                };
                effect(&mut model, part)?;
                Err(broken_off())
            }
            _ => effect(&mut model, Part::All),
        }
    }
}

fn broken_off() -> io::Error {
    io::Error::from_raw_os_error(5)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    None,
    Half,
    All,
}

impl Model {
    fn used(&self) -> usize {
        self.dir
            .values()
            .map(|inode| self.inodes[*inode].seen.len())
            .sum()
    }

    fn change_dir(&mut self, change: DirChange) {
        change.clone().apply(&mut self.dir);
        self.unsynced_dir.push(change);
    }
}

impl DirChange {
    fn apply(self, dir: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, inode) => dir.insert(name, inode),
            Self::Remove(name) => dir.remove(&name),
            // Of a name that was never made durable there is nothing to rename.
            Self::Rename(from, to) => match dir.remove(&from) {
                Some(inode) => dir.insert(to, inode),
                None => None,
            },
        };
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                bytes.resize(bytes.len().max(offset + data.len()), 0);
                bytes[*offset..offset + data.len()].copy_from_slice(data);
            }
            Self::Truncate(length) => bytes.resize(*length, 0),
        }
    }

    /// What of an unsynced change a power cut leaves.
    fn survive(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        match (self, dice.below(4)) {
            (_, 0) => {}
            (Self::Truncate(_), _) | (_, 1) => self.apply(bytes),
            (Self::Write(offset, data), 2) => {
                bytes.resize(bytes.len().max(offset + data.len()), 0);
            }
            (Self::Write(offset, data), _) => {
                for (at, piece) in data.chunks(SECTOR).enumerate() {
                    if dice.below(2) == 0 {
                        Self::Write(offset + at * SECTOR, piece.to_vec()).apply(bytes);
                    }
                }
            }
        }
    }
}

impl JournalIo for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.operate(false, |model, _| Ok(model.dir.keys().cloned().collect()))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let inode = self.operate(true, |model, part| {
            if model.dir.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = model.inodes.len();
            if part != Part::None {
                model.inodes.push(Inode::default());
                model.change_dir(DirChange::Add(name.to_owned(), inode));
            }
            Ok(inode)
        })?;
        let disk = self.clone();
        Ok(Box::new(Handle { disk, inode }))
    }

    fn open(&self, name: &str, _access: Access) -> io::Result<Box<dyn SegmentFile>> {
        let inode = self.operate(false, |model, _| {
            let inode = model.dir.get(name).copied();
            inode.ok_or_else(|| io::ErrorKind::NotFound.into())
        })?;
        let disk = self.clone();
        Ok(Box::new(Handle { disk, inode }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.operate(true, |model, part| {
            if !model.dir.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if part != Part::None {
                model.change_dir(DirChange::Remove(name.to_owned()));
            }
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(true, |model, part| {
            if !model.dir.contains_key(from) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if part != Part::None {
                model.change_dir(DirChange::Rename(from.to_owned(), to.to_owned()));
            }
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.operate(true, |model, part| {
            if !model.ignores_sync_dir && part != Part::None {
                let keep = if part == Part::Half {
                    model.unsynced_dir.len() / 2
                } else {
                    0
                };
                let synced = model.unsynced_dir.len() - keep;
                for change in model.unsynced_dir.drain(..synced).collect::<Vec<_>>() {
                    change.apply(&mut model.durable_dir);
                }
            }
            Ok(())
        })
    }

    /// Not one of the operations that can fail: looking at names changes nothing.
    fn identity(&self, name: &str) -> io::Result<Identity> {
        let model = self.model();
        let inode = model.dir.get(name).copied();
        let inode = inode.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Identity {
            file: (0, inode as u64),
            size: model.inodes[inode].seen.len() as u64,
            changed_at: (0, 0),
        })
    }
}

impl SegmentFile for Handle {
    fn len(&self) -> io::Result<u64> {
        let inode = self.inode;
        self.disk
            .operate(false, |model, _| Ok(model.inodes[inode].seen.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let inode = self.inode;
        self.disk.operate(false, |model, _| {
            let seen = &model.inodes[inode].seen;
            let rest = seen.get(offset as usize..).unwrap_or_default();
            let size = rest.len().min(into.len());
            into[..size].copy_from_slice(&rest[..size]);
            Ok(size)
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let inode = self.inode;
        self.disk.operate(true, |model, part| {
            let room = model.capacity.map_or(usize::MAX, |capacity| {
                let length = model.inodes[inode].seen.len();
                let free = capacity.saturating_sub(model.used());
                (length + free).saturating_sub(offset as usize)
            });
            let size = match part {
                Part::None => 0,
                Part::Half => bytes.len() / 2,
                Part::All => bytes.len(),
            };
            let change = Change::Write(offset as usize, bytes[..size.min(room)].to_vec());
            let file = &mut model.inodes[inode];
            change.apply(&mut file.seen);
            file.unsynced.push(change);
            if size > room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let inode = self.inode;
        self.disk.operate(true, |model, part| {
            if part != Part::None {
                let change = Change::Truncate(length as usize);
                let file = &mut model.inodes[inode];
                change.apply(&mut file.seen);
                file.unsynced.push(change);
            }
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut model = self.disk.model();
        while model.holding {
            model.held = true;
            self.disk.0.1.notify_all();
            model = self.disk.0.1.wait(model).unwrap();
        }
        model.held = false;
        drop(model);
        let inode = self.inode;
        self.disk.operate(true, |model, part| {
            let ignores = model.ignores_sync;
            let file = &mut model.inodes[inode];
            let synced = match part {
                _ if ignores => return Ok(()),
                Part::None => 0,
                Part::Half => file.unsynced.len() / 2,
                Part::All => file.unsynced.len(),
            };
            // What a failing sync did not write is forgotten: it reads as written from memory and
            // no later sync will write it.
            for change in std::mem::take(&mut file.unsynced).into_iter().take(synced) {
                change.apply(&mut file.durable);
            }
            Ok(())
        })
    }
}
