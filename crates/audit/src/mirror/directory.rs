//! A mirror in a directory, perhaps of another machine: what hangs there holds a thread of its own, a few
//! at most, and nobody else.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::mirror::MirrorError;
use crate::mirror::place::Put;

/// How many operations are under way at a time.
const AT_ONCE: usize = 4;
/// The largest file: a bundle of 256 entries has 4 MiB at most.
const FILE_MAX: u64 = 16 << 20;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The directory.
pub struct Directory {
    root: PathBuf,
    turns: Arc<Semaphore>,
    /// Folders of which this process knows that they stay.
    settled: Settled,
}

type Settled = Arc<Mutex<HashSet<PathBuf>>>;

impl Directory {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            settled: Settled::default(),
        }
    }

    pub(super) async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, MirrorError> {
        let place = self.root.join(path);
        self.on_thread(move |_| read_bounded(&place)).await
    }

    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<Put, MirrorError> {
        let place = self.root.join(path);
        let settled = self.settled.clone();
        self.on_thread(move |root| put((root, &settled), &place, &bytes))
            .await
    }

    pub(super) async fn exchange(
        &self,
        path: &str,
        before: &[u8],
        bytes: Vec<u8>,
    ) -> Result<bool, MirrorError> {
        let (place, before) = (self.root.join(path), before.to_owned());
        self.on_thread(move |_| {
            if read_bounded(&place)?.is_none_or(|found| found != before) {
                return Ok(false);
            }
            let beside = written_beside(&place, &bytes)?;
            rename(&beside, &place)?;
            sync_folder(&place).map(|()| true)
        })
        .await
    }

    pub(super) async fn remove(&self, path: &str) -> Result<(), MirrorError> {
        let (place, settled) = (self.root.join(path), self.settled.clone());
        self.on_thread(move |_| match fs::remove_file(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => {
                other?;
                // The folder of a partial tile's widths; not if another width is in it.
                if let Some(folder) = place.parent()
                    && fs::remove_dir(folder).is_ok()
                {
                    settled.lock().remove(folder);
                }
                Ok(())
            }
        })
        .await
    }

    pub(super) async fn list(&self) -> Result<Vec<String>, MirrorError> {
        let (mut found, mut folders) = (Vec::new(), vec![self.root.clone()]);
        // One after another: however many there are, each has as long as any other work.
        while let Some(folder) = folders.pop() {
            let listed = self.on_thread(move |root| list_folder(root, &folder));
            let (files, within) = listed.await?;
            found.extend(files);
            folders.extend(within);
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Works on a thread of its own. One that never comes back keeps its turn.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, MirrorError> {
        let hangs = || MirrorError::Place("the directory does not answer".to_owned());
        let turn = timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| hangs())?.map_err(|_| hangs())?;
        let (done, answer) = oneshot::channel();
        let root = self.root.clone();
        let thread = std::thread::Builder::new().name("audit-mirror".to_owned());
        let begun = thread.spawn(move || {
            let worked = work(&root);
            drop(turn);
            // Whoever waited may have given up.
            let _ = done.send(worked);
        });
        begun.map_err(|error| told(&error))?;
        let answered = timeout(PATIENCE, answer).await.map_err(|_| hangs())?;
        answered.map_err(|_| hangs())?.map_err(|error| told(&error))
    }
}

fn told(error: &io::Error) -> MirrorError {
    MirrorError::Place(format!("the directory: {error}"))
}

/// Gives a file its name if nothing has it.
fn put((root, settled): (&Path, &Settled), place: &Path, bytes: &[u8]) -> io::Result<Put> {
    if fs::symlink_metadata(place).is_ok() {
        return Ok(Put::Present);
    }
    // What is to be mounted there may not be: what was written would be on the disk that it is to outlive.
    if !root.is_dir() {
        let what = "is not there: is it mounted? (whoever sets the mirror up makes it)";
        return Err(io::Error::new(ErrorKind::NotFound, what));
    }
    let folder = place.parent().unwrap_or(root);
    make_folder((root, settled), folder)?;
    let beside = written_beside(place, bytes)?;
    // A name that is there is never taken over by a link.
    let linked = match fs::hard_link(&beside, place) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Put::Present),
        // A file system without them.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            return rename(&beside, place)
                .and_then(|()| sync_folder(place))
                .map(|()| Put::Written);
        }
        other => other.map(|()| Put::Written),
    };
    fs::remove_file(&beside)?;
    sync_folder(place)?;
    linked
}

/// Makes a folder, and what it lies in, durably; also one that is there: whoever made it may have synced
/// nothing.
fn make_folder((root, settled): (&Path, &Settled), folder: &Path) -> io::Result<()> {
    if settled.lock().contains(folder) && folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let within = folder
        .ancestors()
        .take_while(|above| above.starts_with(root));
    for above in within {
        File::open(above)?.sync_all()?;
    }
    settled.lock().insert(folder.to_owned());
    Ok(())
}

/// Writes a file beside its place, so that it is never there in part. Nobody else chooses its name: whoever
/// can write there too must not lead us to a file of this machine, nor a thread that came back late into
/// what another one writes.
fn written_beside(place: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut beside = place.as_os_str().to_owned();
    beside.push(format!(".{}-{number}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = match options.open(&beside) {
        // Of a process of the same number that was killed: what it is, it is no longer needed.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(&beside)?;
            options.open(&beside)?
        }
        opened => opened?,
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    Ok(beside)
}

fn rename(beside: &Path, place: &Path) -> io::Result<()> {
    fs::rename(beside, place).inspect_err(|_| {
        let _ = fs::remove_file(beside);
    })
}

/// A file whole; none if it is not there. What is larger than anything that is written there is not read.
fn read_bounded(place: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(place) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        let what = format!("{} is larger than any file of a log", place.display());
        return Err(io::Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(Some(bytes))
}

fn sync_folder(place: &Path) -> io::Result<()> {
    place
        .parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The names of the files in a folder, and the folders in it.
fn list_folder(root: &Path, folder: &Path) -> io::Result<(Vec<String>, Vec<PathBuf>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            folders.push(path);
        } else if let Ok(name) = path.strip_prefix(root) {
            files.extend(name.to_str().map(ToOwned::to_owned));
        }
    }
    Ok((files, folders))
}
