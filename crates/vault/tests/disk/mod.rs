//! A disk as a log of what was asked of it, which can be cut at any point: what was not synced may
//! then be there, missing, half there or zero, each on its own. And the same disk with faults.
//!
//! The model is harsher than file systems are: entries of one rename have fates of their own, and
//! nothing is ordered unless it was synced.

#![allow(dead_code)] // each test file uses its part

pub mod faulty;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex};

use keyward_vault::backend::file::{DirectoryEntry, FileOps, NewFile};

/// Syncs that a broken program leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Omissions {
    /// Of files.
    pub file_syncs: bool,
    /// Of directories.
    pub directory_syncs: bool,
}

/// What becomes of something that was not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    Lost,
    /// The first half of a write; an entry is lost.
    Torn,
    /// The length of a write with zeros in it; an entry is lost.
    Zeroed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory(usize),
}

#[derive(Clone, Debug)]
enum Event {
    Write {
        file: usize,
        bytes: Vec<u8>,
    },
    SyncFile(usize),
    Entry {
        directory: usize,
        name: String,
        node: Option<Node>,
    },
    SyncDirectory(usize),
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct ModelDisk {
    state: Arc<Mutex<State>>,
    omissions: Omissions,
}

#[derive(Default)]
struct State {
    log: Vec<Event>,
    files: BTreeMap<usize, Vec<u8>>,
    /// Directory 0 is the root.
    directories: BTreeMap<usize, BTreeMap<String, Node>>,
    next_node: usize,
}

impl ModelDisk {
    pub fn new(omissions: Omissions) -> Self {
        let disk = Self {
            state: Arc::default(),
            omissions,
        };
        {
            let mut state = disk.state.lock().unwrap();
            state.directories.insert(0, BTreeMap::new());
            state.next_node = 1;
        }
        disk
    }

    /// How much was asked so far.
    pub fn log_length(&self) -> usize {
        self.state.lock().unwrap().log.len()
    }

    /// What was not synced when the first `length` events had happened.
    pub fn unsynced(&self, length: usize) -> Vec<usize> {
        let state = self.state.lock().unwrap();
        let log = &state.log[..length];
        (0..length)
            .filter(|&at| !is_sync(&log[at]) && !is_synced(log, at))
            .collect()
    }

    /// A new disk as it may be after a power cut: the first `length` events, those synced as they
    /// were, the others as their fates say.
    pub fn after_power_cut(&self, length: usize, fates: &BTreeMap<usize, Fate>) -> Self {
        let cut = Self::new(Omissions::default());
        {
            let old = self.state.lock().unwrap();
            let mut state = cut.state.lock().unwrap();
            state.next_node = old.next_node;
            for (at, event) in old.log[..length].iter().enumerate() {
                let fate = fates.get(&at).copied().unwrap_or(Fate::Kept);
                state.replay(event, fate);
            }
        }
        cut
    }
}

fn is_sync(event: &Event) -> bool {
    matches!(event, Event::SyncFile(_) | Event::SyncDirectory(_))
}

fn is_synced(log: &[Event], at: usize) -> bool {
    log[at..].iter().any(|later| match (&log[at], later) {
        (Event::Write { file, .. }, Event::SyncFile(synced)) => file == synced,
        (Event::Entry { directory, .. }, Event::SyncDirectory(synced)) => directory == synced,
        _ => false,
    })
}

impl State {
    fn happen(&mut self, event: Event) {
        self.replay(&event, Fate::Kept);
        self.log.push(event);
    }

    fn replay(&mut self, event: &Event, fate: Fate) {
        match event {
            Event::Write { file, bytes } => {
                let content = self.files.entry(*file).or_default();
                match fate {
                    Fate::Kept => content.extend_from_slice(bytes),
                    Fate::Torn => content.extend_from_slice(&bytes[..bytes.len() / 2]),
                    Fate::Zeroed => content.resize(content.len() + bytes.len(), 0),
                    Fate::Lost => {}
                }
            }
            Event::Entry {
                directory,
                name,
                node,
            } if fate == Fate::Kept => {
                let entries = self.directories.entry(*directory).or_default();
                match node {
                    Some(node) => entries.insert(name.clone(), *node),
                    None => entries.remove(name),
                };
            }
            Event::Entry { .. } | Event::SyncFile(_) | Event::SyncDirectory(_) => {}
        }
    }

    fn find(&self, path: &Path) -> io::Result<Node> {
        let mut node = Node::Directory(0);
        for component in path.components() {
            if let Component::Normal(name) = component {
                let Node::Directory(directory) = node else {
                    return Err(ErrorKind::NotADirectory.into());
                };
                let entries = self.directories.get(&directory);
                node = *entries
                    .and_then(|entries| entries.get(name.to_str().unwrap()))
                    .ok_or(ErrorKind::NotFound)?;
            }
        }
        Ok(node)
    }

    fn find_directory(&self, path: &Path) -> io::Result<usize> {
        match self.find(path)? {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn find_file(&self, path: &Path) -> io::Result<usize> {
        match self.find(path)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn set_entry(&mut self, path: &Path, node: Option<Node>) -> io::Result<()> {
        let directory = self.find_directory(path.parent().unwrap())?;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        self.happen(Event::Entry {
            directory,
            name,
            node,
        });
        Ok(())
    }

    fn new_entry(&mut self, path: &Path, node: Node) -> io::Result<()> {
        match self.find(path) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => self.set_entry(path, Some(node)),
            Err(error) => Err(error),
        }
    }

    fn number(&mut self) -> usize {
        self.next_node += 1;
        self.next_node
    }
}

struct OpenFile {
    disk: ModelDisk,
    file: usize,
}

impl NewFile for OpenFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let event = Event::Write {
            file: self.file,
            bytes: bytes.to_vec(),
        };
        self.disk.state.lock().unwrap().happen(event);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.disk.omissions.file_syncs {
            self.disk
                .state
                .lock()
                .unwrap()
                .happen(Event::SyncFile(self.file));
        }
        Ok(())
    }
}

impl FileOps for ModelDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let directory = state.number();
        state.new_entry(path, Node::Directory(directory))?;
        state.directories.entry(directory).or_default();
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.state.lock().unwrap();
        let file = state.number();
        state.new_entry(path, Node::File(file))?;
        state.files.entry(file).or_default();
        Ok(Box::new(OpenFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let file = state.find_file(from)?;
        state.set_entry(to, Some(Node::File(file)))?;
        state.set_entry(from, None)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let file = state.find_file(from)?;
        state.new_entry(to, Node::File(file))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.find_file(path)?;
        state.set_entry(path, None)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let directory = state.find_directory(path)?;
        if !self.omissions.directory_syncs {
            state.happen(Event::SyncDirectory(directory));
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.lock().unwrap();
        let file = state.find_file(path)?;
        Ok(state.files.get(&file).cloned().unwrap_or_default())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let state = self.state.lock().unwrap();
        let directory = state.find_directory(path)?;
        let entries = state.directories.get(&directory).into_iter().flatten();
        Ok(entries
            .map(|(name, node)| DirectoryEntry {
                name: name.clone(),
                is_directory: matches!(node, Node::Directory(_)),
            })
            .collect())
    }
}
