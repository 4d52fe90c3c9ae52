//! Where a migration stands, in a file of the data directory: replaced whole, synced, so that a
//! crash leaves the one or the other.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use keyward_core::port::storage_migration::MigrationPhase as Phase;
use keyward_core::time::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

/// A migration, as its file has it. No secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    format: u32,
    /// From where, as people name it.
    pub from: String,
    /// To where.
    pub to: String,
    /// Where it stands.
    pub phase: Phase,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// Since when it is in its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether somebody told the passes to stand still.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// How many objects somebody wants to be looked at in a second, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// It cannot be read or written.
    #[error("{} cannot be read or written: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not one of ours, or of a newer release.
    #[error("{} does not say where a migration stands; keep it, and look what wrote it", path.display())]
    NotOurs {
        /// Which file.
        path: PathBuf,
    },
}

/// What a file says, if it is there.
///
/// # Errors
/// [`StandingError`].
pub fn standing_in(path: &Path) -> Result<Option<Standing>, StandingError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(StandingError::Io { path, source });
        }
    };
    let standing: Option<Standing> = serde_json::from_slice(&bytes).ok();
    // What is planned only is in no file.
    let is_ours = |it: &Standing| it.format == FORMAT && it.phase != Phase::Planned;
    match standing.filter(is_ours) {
        Some(standing) => Ok(Some(standing)),
        None => Err(StandingError::NotOurs {
            path: path.to_owned(),
        }),
    }
}

/// A standing and its file. Readers never wait for the disk.
pub(super) struct Kept {
    path: PathBuf,
    writing: Mutex<()>,
    standing: Mutex<Standing>,
}

impl Kept {
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StandingError> {
        let found = standing_in(path)?;
        Ok(found.map(|standing| Self::of(path, standing)))
    }

    /// One that is in no file yet.
    pub(super) fn planned(path: &Path, (from, to): (&str, &str)) -> Self {
        let standing = Standing {
            format: FORMAT,
            from: from.to_owned(),
            to: to.to_owned(),
            phase: Phase::Planned,
            began_at: None,
            since: None,
            paused: false,
            per_second: None,
        };
        Self::of(path, standing)
    }

    fn of(path: &Path, standing: Standing) -> Self {
        Self {
            path: path.to_owned(),
            writing: Mutex::new(()),
            standing: Mutex::new(standing),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// Goes to another phase: in the file first.
    pub(super) fn turn(&self, phase: Phase, now: Timestamp) -> Result<(), StandingError> {
        self.change(|standing| {
            let begins = standing.phase == Phase::Planned;
            standing.began_at = if begins { Some(now) } else { standing.began_at };
            standing.since = Some(now);
            standing.phase = phase;
        })
    }

    /// Changes what is kept: in the file first, if it is in one.
    pub(super) fn change(&self, change: impl FnOnce(&mut Standing)) -> Result<(), StandingError> {
        let _alone = self.writing.lock();
        let mut next = self.standing();
        change(&mut next);
        if next.phase != Phase::Planned {
            write(&self.path, &next)?;
        }
        *self.standing.lock() = next;
        Ok(())
    }
}

fn write(path: &Path, standing: &Standing) -> Result<(), StandingError> {
    let failed = |source| StandingError::Io {
        path: path.to_owned(),
        source,
    };
    let text = serde_json::to_vec_pretty(standing).map_err(|error| failed(error.into()))?;
    let draft = path.with_extension("new");
    let replace = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = File::open(directory.unwrap_or(Path::new(".")))?;
        std::fs::rename(&draft, path)?;
        if let Err(error) = directory.sync_all() {
            // Either may be what a crash leaves: to go on with one of them is to lose what is written
            // meanwhile, if it is the other. A start reads which it is.
            tracing::error!(%error, "it is not known which phase of the migration the disk has: the server ends");
            std::process::abort();
        }
        Ok(())
    };
    replace().map_err(failed)
}
