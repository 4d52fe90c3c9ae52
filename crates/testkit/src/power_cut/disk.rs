//! A disk that keeps what was synced and, after a power cut, as little of the rest as it likes.
//!
//! Its rule for names is the strict one of POSIX, harsher than ext4's: a name, new or changed, is
//! durable only once its directory was synced after the change. (On ext4 a sync of a new file
//! makes its name durable too; nothing here relies on it.)
//!
//! Knows a [`History`] and when the power goes; not what the files mean.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::fate::{Change, Fate, apply};
use super::history::{Effect, FileId, History};

/// Syncs that a disk is told to leave out, as if the process had not called them: what a test of
/// the test needs. They are left out from the first acknowledgement on: it is promises that shall
/// be lost, not an empty file's first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omission {
    /// None: every sync does what it says.
    Nothing,
    /// Those of files made under this file name.
    SyncsOf(&'static str),
    /// Those of files.
    FileSyncs,
    /// Those of directories.
    DirectorySyncs,
}

/// A directory as a power cut left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Directories, parents first.
    pub directories: Vec<PathBuf>,
    /// Files and their bytes.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Image {
    /// Puts it into an empty directory.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write_to(&self, directory: &Path) -> io::Result<()> {
        for path in &self.directories {
            std::fs::create_dir(directory.join(path))?;
        }
        for (path, bytes) in &self.files {
            std::fs::write(directory.join(path), bytes)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(FileId),
    Directory,
}

/// One name's part of an event. A rename has two parts and is kept or lost as one.
#[derive(Clone, Debug)]
struct NameChange {
    event: usize,
    path: PathBuf,
    /// What it names now; none if it is gone.
    now: Option<Node>,
}

#[derive(Clone, Copy)]
enum Step {
    Begins(usize),
    Ends(usize),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    /// Events whose change is not durable, in the order in which they ended.
    unsynced: Vec<usize>,
}

/// A disk on which a history is played, forwards only.
pub struct Disk<'h> {
    history: &'h History,
    omission: Omission,
    steps: Vec<(u64, Step)>,
    next: usize,
    /// Events that have begun and not ended.
    under_way: BTreeSet<usize>,
    files: Vec<File>,
    durable_names: BTreeMap<PathBuf, Node>,
    unsynced_names: Vec<NameChange>,
    /// For each sync under way, the events it covers.
    covered: HashMap<usize, Vec<usize>>,
}

impl<'h> Disk<'h> {
    /// An empty disk.
    pub fn new(history: &'h History, omission: Omission) -> Self {
        let mut steps = Vec::with_capacity(history.events.len() * 2);
        for (index, event) in history.events.iter().enumerate() {
            steps.push((event.span.began, Step::Begins(index)));
            steps.extend(event.span.ended.map(|ended| (ended, Step::Ends(index))));
        }
        // Stable: the effects of one call stay in order.
        steps.sort_by_key(|(at, _)| *at);
        Self {
            history,
            omission,
            steps,
            next: 0,
            under_way: BTreeSet::new(),
            files: history.files.iter().map(|_| File::default()).collect(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            covered: HashMap::new(),
        }
    }

    /// Plays all that happened before an instant.
    pub fn advance_to(&mut self, instant: u64) {
        while let Some((_, step)) = self.steps.get(self.next).filter(|(at, _)| *at < instant) {
            match *step {
                Step::Begins(event) => self.begin(event),
                Step::Ends(event) => self.end(event),
            }
            self.next += 1;
        }
    }

    /// What is left if the power goes now. What was under way may have been done or not.
    pub fn after_power_cut(&self, fate: Fate, dice: &mut Dice) -> Image {
        let under_way: Vec<usize> = self.under_way.iter().copied().collect();
        let mut image = Image::default();
        for (path, node) in self.names_left(fate, &under_way, dice) {
            // What is in a directory that is not there is not there.
            let parent = path.parent().unwrap_or(Path::new(""));
            if !parent.as_os_str().is_empty() && !image.directories.iter().any(|d| d == parent) {
                continue;
            }
            match node {
                Node::Directory => image.directories.push(path),
                Node::File(id) => {
                    let file = &self.files[id.0];
                    let unsynced = file.unsynced.iter().chain(&under_way);
                    let changes: Vec<_> = unsynced
                        .filter_map(|event| self.change(*event, id))
                        .collect();
                    let bytes = fate.contents(&file.durable, &changes, dice);
                    image.files.insert(path, bytes);
                }
            }
        }
        image
    }

    fn names_left(
        &self,
        fate: Fate,
        under_way: &[usize],
        dice: &mut Dice,
    ) -> BTreeMap<PathBuf, Node> {
        let mut changes = self.unsynced_names.clone();
        changes.extend(under_way.iter().flat_map(|event| self.name_changes(*event)));
        let mut names = self.durable_names.clone();
        let mut kept = HashMap::new();
        for (place, change) in changes.iter().enumerate() {
            let keeps = *kept
                .entry(change.event)
                .or_insert_with(|| fate.keeps_name(place, changes.len(), dice));
            if keeps {
                change.apply(&mut names);
            }
        }
        names
    }

    fn begin(&mut self, event: usize) {
        let covered = match &self.history.events[event].effect {
            _ if self.omits(event) => return,
            Effect::SyncFile(file) => self.files[file.0].unsynced.clone(),
            Effect::SyncDirectory(directory) => {
                let inside = |change: &&NameChange| change.path.parent() == Some(directory);
                self.unsynced_names
                    .iter()
                    .filter(inside)
                    .map(|change| change.event)
                    .collect()
            }
            _ => {
                self.under_way.insert(event);
                return;
            }
        };
        self.covered.insert(event, covered);
    }

    fn end(&mut self, event: usize) {
        self.under_way.remove(&event);
        match &self.history.events[event].effect {
            Effect::Write(file, ..) | Effect::Resize(file, _) => {
                self.files[file.0].unsynced.push(event);
            }
            Effect::SyncFile(file) => {
                let covered = self.covered.remove(&event).unwrap_or_default();
                self.make_durable(*file, &covered);
            }
            Effect::SyncDirectory(directory) => {
                let covered = self.covered.remove(&event).unwrap_or_default();
                self.make_names_durable(directory, &covered);
            }
            _ => {
                let changes = self.name_changes(event);
                self.unsynced_names.extend(changes);
            }
        }
    }

    fn make_durable(&mut self, id: FileId, covered: &[usize]) {
        // A sync that ran beside this one may have made some of them durable already.
        let covered: BTreeSet<usize> = covered.iter().copied().collect();
        let unsynced = std::mem::take(&mut self.files[id.0].unsynced);
        let (now, later): (Vec<_>, Vec<_>) = unsynced
            .into_iter()
            .partition(|event| covered.contains(event));
        for event in now {
            if let Some(change) = self.change(event, id) {
                apply(&mut self.files[id.0].durable, change);
            }
        }
        self.files[id.0].unsynced = later;
    }

    fn make_names_durable(&mut self, directory: &Path, covered: &[usize]) {
        let changes = std::mem::take(&mut self.unsynced_names);
        let (now, later): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| {
            change.path.parent() == Some(directory) && covered.contains(&change.event)
        });
        for change in now {
            change.apply(&mut self.durable_names);
        }
        self.unsynced_names = later;
    }

    /// The change that an event made of a file, if it did.
    fn change(&self, event: usize, of: FileId) -> Option<Change<'h>> {
        match &self.history.events[event].effect {
            Effect::Write(file, offset, bytes) if *file == of => {
                Some(Change::Write(*offset, bytes))
            }
            Effect::Resize(file, length) if *file == of => Some(Change::Resize(*length)),
            _ => None,
        }
    }

    fn name_changes(&self, event: usize) -> Vec<NameChange> {
        let change = |path: &Path, now| NameChange {
            event,
            path: path.to_owned(),
            now,
        };
        match &self.history.events[event].effect {
            Effect::AddName(path, file) => vec![change(path, Some(Node::File(*file)))],
            Effect::RemoveName(path) => vec![change(path, None)],
            Effect::Rename(from, to, file) => {
                vec![change(from, None), change(to, Some(Node::File(*file)))]
            }
            Effect::MakeDirectory(path) => vec![change(path, Some(Node::Directory))],
            _ => Vec::new(),
        }
    }

    fn omits(&self, event: usize) -> bool {
        let event = &self.history.events[event];
        let promised = self.history.acknowledgements.first();
        if promised.is_none_or(|first| event.span.began < first.at) {
            return false;
        }
        match (&event.effect, self.omission) {
            (Effect::SyncFile(_), Omission::FileSyncs)
            | (Effect::SyncDirectory(_), Omission::DirectorySyncs) => true,
            (Effect::SyncFile(file), Omission::SyncsOf(name)) => {
                self.history.files[file.0].ends_with(name)
            }
            _ => false,
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self.now {
            Some(node) => names.insert(self.path.clone(), node),
            None => names.remove(&self.path),
        };
    }
}

#[cfg(test)]
mod tests;
