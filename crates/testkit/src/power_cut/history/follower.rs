//! Follows descriptors and names through the calls of one process.
//!
//! A name or a descriptor counts from the end of the call that gave it to the beginning of the
//! call that gives it up: its number is free for others before the line that says so.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::super::strace::{Call, Parts, Span, TraceError, calls};
use super::{ACKNOWLEDGED, Acknowledgement, Effect, Event, FileId, History, HistoryError};

/// Ends the name of a file that is shared memory.
const SHARED_MEMORY: &str = "-shm";
/// Standard output.
const STDOUT: i64 = 1;

/// Tells the history of a trace.
pub(super) fn follow(root: &Path, trace: &str) -> Result<History, HistoryError> {
    let calls = calls(trace)?;
    let mut order: Vec<(u64, &Call<'_>)> = calls
        .iter()
        .filter_map(|call| {
            let at = if gives(call.name) {
                call.span.ended
            } else {
                Some(call.span.began)
            };
            Some((at?, call))
        })
        .collect();
    order.sort_by_key(|(at, _)| *at);
    let end = 2 * trace.lines().count() as u64;
    let mut follower = Follower {
        root,
        history: History {
            end,
            ..History::default()
        },
        names: BTreeMap::new(),
        descriptors: HashMap::new(),
        open: Vec::new(),
    };
    for (_, call) in order {
        follower.follow(call)?;
    }
    Ok(follower.history)
}

/// Whether a call's outcome is what later calls refer to.
fn gives(name: &str) -> bool {
    matches!(
        name,
        "open"
            | "openat"
            | "creat"
            | "dup"
            | "dup2"
            | "dup3"
            | "lseek"
            | "rename"
            | "renameat"
            | "renameat2"
            | "link"
            | "linkat"
            | "unlink"
            | "unlinkat"
            | "mkdir"
            | "mkdirat"
    )
}

enum Opened {
    File {
        file: FileId,
        offset: usize,
        appends: bool,
    },
    Directory(PathBuf),
}

struct Follower<'r> {
    root: &'r Path,
    history: History,
    names: BTreeMap<PathBuf, FileId>,
    descriptors: HashMap<i64, usize>,
    open: Vec<Opened>,
}

impl Follower<'_> {
    fn follow(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        match call.name {
            "open" | "openat" | "creat" => self.opened(call),
            "close" => {
                if let (Some(number), _) = call.parts()?.descriptor(0)? {
                    self.descriptors.remove(&number);
                }
                Ok(())
            }
            "dup" | "dup2" | "dup3" => {
                let parts = call.parts()?;
                let source = parts.descriptor(0)?.0;
                let source = source
                    .and_then(|number| self.descriptors.get(&number))
                    .copied();
                match (source, parts.opened()?) {
                    (Some(source), Some((copy, _))) => self.descriptors.insert(copy, source),
                    (None, Some((copy, _))) => self.descriptors.remove(&copy),
                    _ => None,
                };
                Ok(())
            }
            "lseek" => self.sought(call),
            "write" | "writev" | "pwrite64" | "pwritev" => self.written(call),
            "ftruncate" | "fallocate" => self.resized(call),
            "fsync" | "fdatasync" => self.synced(call),
            "rename" | "renameat" | "renameat2" => self.renamed(call),
            "link" | "linkat" => self.linked(call),
            "unlink" | "unlinkat" => self.unlinked(call),
            "mkdir" | "mkdirat" => self.directory_made(call),
            "mmap" => self.mapped(call),
            // What goes through a ring is in no trace.
            "io_uring_setup" => Err(not_modelled(call, self.root.to_owned())),
            _ => self.unknown(call),
        }
    }

    fn opened(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let Some((number, path)) = parts.opened()? else {
            return Ok(());
        };
        self.descriptors.remove(&number);
        let Some(path) = self.below(&path) else {
            return Ok(());
        };
        let flags = if call.name == "open" { 1 } else { 2 };
        if path.as_os_str().is_empty() || parts.has(flags, "O_DIRECTORY") {
            self.describe(number, Opened::Directory(path));
            return Ok(());
        }
        let creates = call.name == "creat" || parts.has(flags, "O_CREAT");
        let file = match self.names.get(&path).copied() {
            Some(file) => {
                if call.name == "creat" || parts.has(flags, "O_TRUNC") {
                    self.tell(call.span, Effect::Resize(file, 0));
                }
                file
            }
            None if creates => {
                let file = FileId(self.history.files.len());
                self.history.files.push(path.clone());
                self.names.insert(path.clone(), file);
                self.tell(call.span, Effect::AddName(path, file));
                file
            }
            // Nobody made it as a file, so it is a directory.
            None => {
                self.describe(number, Opened::Directory(path));
                return Ok(());
            }
        };
        let appends = parts.has(flags, "O_APPEND");
        self.describe(
            number,
            Opened::File {
                file,
                offset: 0,
                appends,
            },
        );
        Ok(())
    }

    fn describe(&mut self, number: i64, opened: Opened) {
        self.descriptors.insert(number, self.open.len());
        self.open.push(opened);
    }

    fn sought(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let index = parts
            .descriptor(0)?
            .0
            .and_then(|number| self.descriptors.get(&number));
        if let (Some(index), Some(position)) = (index, parts.success())
            && let Some(Opened::File { offset, .. }) = self.open.get_mut(*index)
        {
            *offset = position as usize;
        }
        Ok(())
    }

    fn written(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        if parts.descriptor(0)?.0 == Some(STDOUT) {
            let text = parts.bytes(1)?;
            self.said(call.span, &String::from_utf8_lossy(&text));
            return Ok(());
        }
        let Some(index) = self.referred(call, &parts)? else {
            return Ok(());
        };
        let mut bytes = parts.bytes(1)?;
        if let Some(result) = parts.result {
            // It wrote less than it was given, or nothing; `?` is a call that did not return.
            let written = parts.success().map(|count| count as usize);
            bytes.truncate(written.unwrap_or(if result.starts_with('?') {
                usize::MAX
            } else {
                0
            }));
        }
        let at = match call.name {
            "pwrite64" | "pwritev" => Some(parts.number(3)? as usize),
            _ => None,
        };
        match self.open.get_mut(index) {
            Some(Opened::File { appends: true, .. }) => Err(unknown(call, &parts)?),
            Some(Opened::File { file, offset, .. }) => {
                let (file, from) = (*file, at.unwrap_or(*offset));
                if at.is_none() {
                    *offset += bytes.len();
                }
                if !bytes.is_empty() {
                    self.tell(call.span, Effect::Write(file, from, bytes));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Acknowledgements among what was printed.
    fn said(&mut self, span: Span, text: &str) {
        for line in text.lines() {
            if let Some((_, told)) = line.split_once(ACKNOWLEDGED) {
                let text = told.to_owned();
                self.history.acknowledgements.push(Acknowledgement {
                    at: span.began,
                    text,
                });
            }
        }
    }

    fn resized(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let Some(index) = self.referred(call, &parts)? else {
            return Ok(());
        };
        if call.name == "fallocate" {
            return Err(unknown(call, &parts)?);
        }
        if let (Some(Opened::File { file, .. }), true) = (self.open.get(index), succeeded(&parts)) {
            let effect = Effect::Resize(*file, parts.number(1)? as usize);
            self.tell(call.span, effect);
        }
        Ok(())
    }

    fn synced(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let Some(index) = self.referred(call, &parts)? else {
            return Ok(());
        };
        let effect = match &self.open[index] {
            Opened::File { file, .. } => Effect::SyncFile(*file),
            Opened::Directory(path) => Effect::SyncDirectory(path.clone()),
        };
        // One that failed, or did not return, made nothing durable.
        if parts.success().is_some() {
            self.tell(call.span, effect);
        }
        Ok(())
    }

    fn renamed(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let (from, to) = match call.name {
            "rename" => (parts.path(0)?, parts.path(1)?),
            _ => (at(&parts, 0)?, at(&parts, 2)?),
        };
        if !succeeded(&parts) {
            return Ok(());
        }
        match (self.below(&from), self.below(&to)) {
            (None, None) => Ok(()),
            (Some(from), Some(to)) if self.names.contains_key(&from) => {
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to.clone(), file);
                    self.tell(call.span, Effect::Rename(from, to, file));
                }
                Ok(())
            }
            _ => Err(not_modelled(call, from)),
        }
    }

    fn linked(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let (from, to) = match call.name {
            "link" => (parts.path(0)?, parts.path(1)?),
            _ => (at(&parts, 0)?, at(&parts, 2)?),
        };
        let Some(name) = self.below(&to).filter(|_| succeeded(&parts)) else {
            return Ok(());
        };
        let file = self
            .below(&from)
            .and_then(|from| self.names.get(&from).copied());
        let file = file.ok_or_else(|| not_modelled(call, from))?;
        self.names.insert(name.clone(), file);
        self.tell(call.span, Effect::AddName(name, file));
        Ok(())
    }

    fn unlinked(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let path = match call.name {
            "unlink" => parts.path(0)?,
            _ => at(&parts, 0)?,
        };
        let Some(name) = self.below(&path).filter(|_| succeeded(&parts)) else {
            return Ok(());
        };
        self.names
            .remove(&name)
            .ok_or_else(|| not_modelled(call, path))?;
        self.tell(call.span, Effect::RemoveName(name));
        Ok(())
    }

    fn directory_made(&mut self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        let path = match call.name {
            "mkdir" => parts.path(0)?,
            _ => at(&parts, 0)?,
        };
        if let Some(path) = self.below(&path).filter(|_| succeeded(&parts)) {
            self.tell(call.span, Effect::MakeDirectory(path));
        }
        Ok(())
    }

    /// What is written through a mapping is in no trace.
    fn mapped(&self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        if !parts.has(2, "PROT_WRITE") || !parts.has(3, "MAP_SHARED") || parts.word(4) == "-1" {
            return Ok(());
        }
        let (_, path) = parts.descriptor(4)?;
        match self.below(&path) {
            Some(_) => Err(not_modelled(call, path)),
            None => Ok(()),
        }
    }

    fn unknown(&self, call: &Call<'_>) -> Result<(), HistoryError> {
        let parts = call.parts()?;
        for index in 0..parts.arguments.len() {
            let word = parts.word(index);
            let path = if word.starts_with('"') {
                parts.path(index)?
            } else if word.contains("<\\x") {
                parts.descriptor(index)?.1
            } else {
                continue;
            };
            if self.below(&path).is_some() {
                return Err(not_modelled(call, path));
            }
        }
        Ok(())
    }

    /// The open file that a call's first argument stands for; none if it is none of ours.
    fn referred(&self, call: &Call<'_>, parts: &Parts<'_>) -> Result<Option<usize>, HistoryError> {
        let (number, path) = parts.descriptor(0)?;
        let index = number
            .and_then(|number| self.descriptors.get(&number))
            .copied();
        match index {
            // Opened in a way that was not seen.
            None if self.below(&path).is_some() => Err(not_modelled(call, path)),
            index => Ok(index),
        }
    }

    /// The path below the root, if it is there and is a file that counts.
    fn below(&self, path: &Path) -> Option<PathBuf> {
        let path = path.strip_prefix(self.root).ok()?;
        (!shared_memory(path)).then(|| path.to_owned())
    }

    fn tell(&mut self, span: Span, effect: Effect) {
        self.history.events.push(Event { span, effect });
    }
}

fn shared_memory(path: &Path) -> bool {
    path.to_string_lossy().ends_with(SHARED_MEMORY)
}

/// Whether a call took effect, or may have.
fn succeeded(parts: &Parts<'_>) -> bool {
    parts.success().is_some() || parts.result.is_none_or(|result| result.starts_with('?'))
}

/// A path relative to a directory's descriptor.
fn at(parts: &Parts<'_>, index: usize) -> Result<PathBuf, TraceError> {
    Ok(parts.descriptor(index)?.1.join(parts.path(index + 1)?))
}

fn unknown(call: &Call<'_>, parts: &Parts<'_>) -> Result<HistoryError, TraceError> {
    Ok(not_modelled(call, parts.descriptor(0)?.1))
}

fn not_modelled(call: &Call<'_>, path: PathBuf) -> HistoryError {
    HistoryError::Unknown {
        line: call.span.began / 2 + 1,
        call: call.name.to_owned(),
        path,
    }
}
