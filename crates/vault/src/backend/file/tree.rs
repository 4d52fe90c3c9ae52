//! Objects as files in a tree of directories, blocking. Order of operations is everything here:
//! bytes synced before they get a name, names synced before the answer.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyward_core::port::storage::ObjectName;
use parking_lot::{Mutex, MutexGuard};

use super::ops::FileOps;

/// Ends an object's file name; in no object's name.
const OBJECT_SUFFIX: char = '=';
/// Locks among which names are spread: a compare-and-swap holds its name's while it looks and
/// writes.
const LOCKS: usize = 64;
/// Leftover temporaries with our numbers that are stepped over before giving up.
const TEMPORARY_ATTEMPTS: usize = 10_000;

/// What happens when the name is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// The object is replaced.
    Replace,
    /// The request fails with [`ErrorKind::AlreadyExists`].
    IfAbsent,
}

pub(super) struct Tree {
    ops: Arc<dyn FileOps>,
    root: PathBuf,
    objects: PathBuf,
    temporary: PathBuf,
    next_temporary: AtomicU64,
    next_probe: AtomicU64,
    /// Directories whose entry in their parent this process has synced.
    synced_directories: Mutex<HashSet<PathBuf>>,
    locks: Vec<Mutex<()>>,
}

impl Tree {
    /// Makes what is missing and sweeps up what a crash left. A read-only disk is no reason not to
    /// open: what is there can be read.
    pub(super) fn open(root: &Path, ops: Arc<dyn FileOps>) -> io::Result<Self> {
        let tree = Self::of(root, ops);
        for directory in [&tree.objects, &tree.temporary] {
            if tree.ops.list(directory).is_err() {
                tree.ensure_directory(directory)?;
            }
        }
        tree.sweep();
        Ok(tree)
    }

    /// What is there, to be read beside somebody else who may be writing: nothing is made or swept.
    pub(super) fn beside(root: &Path, ops: Arc<dyn FileOps>) -> io::Result<Self> {
        let tree = Self::of(root, ops);
        tree.ops.list(&tree.objects)?;
        Ok(tree)
    }

    fn of(root: &Path, ops: Arc<dyn FileOps>) -> Self {
        Self {
            ops,
            root: root.to_owned(),
            objects: root.join("objects"),
            temporary: root.join("tmp"),
            next_temporary: AtomicU64::new(0),
            next_probe: AtomicU64::new(0),
            synced_directories: Mutex::new(HashSet::new()),
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        }
    }

    pub(super) fn read(&self, name: &ObjectName) -> io::Result<Option<Vec<u8>>> {
        match self.ops.read(&self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes objects, syncing each directory once. What was placed before a failure stays: it is
    /// whole, but nobody was told that it survives.
    pub(super) fn put(
        &self,
        objects: &[(ObjectName, Vec<u8>)],
        placement: Placement,
    ) -> io::Result<()> {
        let mut touched = BTreeSet::new();
        for (name, bytes) in objects {
            let _held = self.lock(name);
            touched.insert(self.place(name, bytes, placement)?);
        }
        touched
            .iter()
            .try_for_each(|directory| self.ops.sync_directory(directory))
    }

    /// Replaces `expected` by `new`; false if something else is there.
    pub(super) fn swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> io::Result<bool> {
        let _held = self.lock(name);
        if self.read(name)?.as_deref() != Some(expected) {
            return Ok(false);
        }
        let directory = self.place(name, &new, Placement::Replace)?;
        self.ops.sync_directory(&directory)?;
        Ok(true)
    }

    /// Removes an object. Its directory is synced even if it was gone: an earlier deletion may
    /// have failed after it removed the name and before that was synced.
    pub(super) fn delete(&self, name: &ObjectName) -> io::Result<()> {
        let _held = self.lock(name);
        let path = self.path(name);
        accept(self.ops.unlink(&path), ErrorKind::NotFound)?;
        accept(self.ops.sync_directory(parent(&path)), ErrorKind::NotFound)
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> io::Result<Vec<ObjectName>> {
        let mut listing = Listing {
            prefix,
            after: after.map_or("", ObjectName::as_str),
            limit,
            found: Vec::new(),
        };
        self.walk(&self.objects, "", &mut listing)?;
        Ok(listing.found)
    }

    /// Writes, reads and deletes a probe.
    pub(super) fn probe(&self) -> io::Result<bool> {
        let number = self.next_probe.fetch_add(1, Ordering::Relaxed);
        let name = ObjectName::new(&format!("probe/{number}"))
            .ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        self.put(&[(name.clone(), b"probe".to_vec())], Placement::Replace)?;
        let found = self.read(&name)?;
        self.delete(&name)?;
        Ok(found.as_deref() == Some(b"probe"))
    }

    /// Gives synced bytes a name; returns the directory that is to be synced.
    fn place(&self, name: &ObjectName, bytes: &[u8], placement: Placement) -> io::Result<PathBuf> {
        let path = self.path(name);
        let directory = parent(&path);
        self.ensure_directory(directory)?;
        let temporary = self.write_temporary(bytes)?;
        match placement {
            Placement::Replace => {
                let renamed = self.ops.rename(&temporary, &path);
                if renamed.is_err() {
                    self.discard(&temporary);
                }
                renamed?;
            }
            Placement::IfAbsent => {
                let linked = self.ops.link(&temporary, &path);
                self.discard(&temporary);
                linked?;
            }
        }
        Ok(directory.to_owned())
    }

    fn write_temporary(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let (path, mut file) = self.create_temporary()?;
        let written = file.write_all(bytes).and_then(|()| file.sync());
        if written.is_err() {
            self.discard(&path);
        }
        written.map(|()| path)
    }

    /// Numbers that an unswept leftover has are stepped over.
    fn create_temporary(&self) -> io::Result<(PathBuf, Box<dyn super::ops::NewFile>)> {
        for _ in 0..TEMPORARY_ATTEMPTS {
            let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
            let path = self.temporary.join(number.to_string());
            match self.ops.create(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // `AlreadyExists` would be taken for the object's own.
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::StorageFull.into())
    }

    /// Removes a temporary file; if that fails, the next start does it.
    fn discard(&self, temporary: &Path) {
        if self.ops.unlink(temporary).is_err() {
            tracing::debug!("a temporary file stays until the next start");
        }
    }

    fn sweep(&self) {
        for entry in self.ops.list(&self.temporary).unwrap_or_default() {
            if !entry.is_directory {
                self.discard(&self.temporary.join(entry.name));
            }
        }
    }

    /// Makes a directory and those above it up to the root, each synced into its parent. That it
    /// is there is not enough: whoever made it may not have synced it yet.
    fn ensure_directory(&self, directory: &Path) -> io::Result<()> {
        if self.synced_directories.lock().contains(directory) {
            return Ok(());
        }
        let above = parent(directory);
        if directory != self.root {
            self.ensure_directory(above)?;
        }
        accept(
            self.ops.create_directory(directory),
            ErrorKind::AlreadyExists,
        )?;
        let synced = self.ops.sync_directory(above);
        if directory == self.root {
            // The folder's own parent is the operator's, and perhaps not ours to open.
            accept(synced, ErrorKind::PermissionDenied)?;
        } else {
            synced?;
        }
        self.synced_directories.lock().insert(directory.to_owned());
        Ok(())
    }

    fn walk(&self, directory: &Path, above: &str, listing: &mut Listing<'_>) -> io::Result<()> {
        let mut entries: Vec<(String, String)> = Vec::new();
        for entry in self.ops.list(directory)? {
            if entry.is_directory {
                entries.push((format!("{above}{}/", entry.name), entry.name));
            } else if let Some(last) = entry.name.strip_suffix(OBJECT_SUFFIX) {
                entries.push((format!("{above}{last}"), entry.name));
            }
        }
        // Sorted with the slash, so that the order is that of whole names: `a-b` before `a/b`.
        entries.sort();
        for (name, file_name) in entries {
            if listing.is_full() {
                return Ok(());
            }
            if name.ends_with('/') {
                if listing.may_be_below(&name) {
                    self.walk(&directory.join(file_name), &name, listing)?;
                }
            } else {
                listing.offer(&name);
            }
        }
        Ok(())
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        let mut path = self.objects.clone();
        path.extend(name.as_str().split('/'));
        let mut file_name = path.file_name().unwrap_or_default().to_owned();
        file_name.push(OBJECT_SUFFIX.to_string());
        path.set_file_name(file_name);
        path
    }

    fn lock(&self, name: &ObjectName) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        self.locks[hasher.finish() as usize % LOCKS].lock()
    }
}

/// Names found so far, and which are wanted.
struct Listing<'a> {
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    found: Vec<ObjectName>,
}

impl Listing<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    /// Whether a wanted name may begin with `folder`, which ends with a slash.
    fn may_be_below(&self, folder: &str) -> bool {
        (folder.starts_with(self.prefix) || self.prefix.starts_with(folder))
            && (folder > self.after || self.after.starts_with(folder))
    }

    fn offer(&mut self, name: &str) {
        if name.starts_with(self.prefix)
            && name > self.after
            && let Some(name) = ObjectName::new(name)
        {
            self.found.push(name);
        }
    }
}

/// Takes one kind of error for success.
fn accept(result: io::Result<()>, kind: ErrorKind) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        other => other,
    }
}

/// The directory a path is in. Every path here has one.
fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
