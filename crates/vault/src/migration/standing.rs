//! Where a migration stands, in a file of the data directory: replaced whole, synced, so that a
//! crash leaves the one or the other.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use keyward_core::text_enum;
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

text_enum! {
    /// Where a migration stands.
    pub enum Phase {
        /// The source leads; the target is being filled and follows.
        Copying => "copying",
        /// The target leads; the source follows, so that there is a way back.
        CutOver => "cut-over",
        /// The target alone.
        Committed => "committed",
        /// The source alone.
        RolledBack => "rolled-back",
    }
}

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
    match standing.filter(|standing| standing.format == FORMAT) {
        Some(standing) => Ok(Some(standing)),
        None => Err(StandingError::NotOurs {
            path: path.to_owned(),
        }),
    }
}

/// A standing and its file.
pub(super) struct Kept {
    path: PathBuf,
    standing: Standing,
}

impl Kept {
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StandingError> {
        let found = standing_in(path)?;
        Ok(found.map(|standing| Self {
            path: path.to_owned(),
            standing,
        }))
    }

    pub(super) fn begin(path: &Path, (from, to): (&str, &str)) -> Result<Self, StandingError> {
        let standing = Standing {
            format: FORMAT,
            from: from.to_owned(),
            to: to.to_owned(),
            phase: Phase::Copying,
        };
        write(path, &standing)?;
        let path = path.to_owned();
        Ok(Self { path, standing })
    }

    pub(super) const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Goes to another phase: in the file first.
    pub(super) fn turn(&mut self, phase: Phase) -> Result<(), StandingError> {
        let next = Standing {
            phase,
            ..self.standing.clone()
        };
        write(&self.path, &next)?;
        self.standing = next;
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
        std::fs::rename(&draft, path)?;
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    replace().map_err(failed)
}
