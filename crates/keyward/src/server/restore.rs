//! `keyward backup restore`: offline, into a data directory that holds no deployment. A mark in the
//! directory says that a restore is under way: until it is done no server starts there, and the same
//! command goes on where it was.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_backup::{
    BackupKey, Chain, Identities, LaterVerified, Place, RestoreOutcome, Source, Target, Verified,
    restore as restore_backup,
};
use keyward_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::server::config::Config;
use crate::server::data_dir::DataDir;
use crate::server::deployment::Deployment;
use crate::server::error::StartError;

/// The mark's name in the data directory.
const MARK: &str = "restore.json";
/// What of a deployment lies in a data directory.
const HELD: [&str; 8] = [
    "registry.db",
    "registry.db-wal",
    "registry.db-shm",
    "vault.db",
    "vault.db-wal",
    "vault.db-shm",
    "vault",
    "audit",
];

/// What is to be restored, and how.
pub struct Request {
    /// Where the backup lies.
    pub place: Place,
    /// This one alone, without what follows on it.
    pub backup: Option<Uuid>,
    /// The second that is wanted; the last that is covered, if not said.
    pub to: Option<Timestamp>,
    /// Who must have signed it.
    pub key: Option<BackupKey>,
    /// What opens it.
    pub identities: Identities,
    /// Whether what lies in the data directory is moved aside.
    pub sets_aside: bool,
    /// Whether nothing was changed after the backup.
    pub nothing_since: bool,
}

/// What was done, or would be.
pub struct Restored {
    /// Which backup.
    pub backup: Uuid,
    /// The verification that came before everything else.
    pub verified: Verified,
    /// That of the segments that follow on it, in order.
    pub segments: Vec<Verified>,
    /// That of the newest full backup and what follows on it, where there is a gap before them.
    pub later: Vec<Verified>,
    /// What came of it; none for a plan.
    pub outcome: Option<RestoreOutcome>,
    /// Where what lay in the data directory is now, or would be.
    pub set_aside: Option<PathBuf>,
    /// Whether an earlier try is taken up.
    pub resumes: bool,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    backup: Uuid,
    #[serde(default)]
    to: Option<Timestamp>,
}

/// Refuses a data directory in which a restore was begun and not finished.
pub fn ensure_finished(data_dir: &Path) -> Result<(), StartError> {
    match read_mark(data_dir)? {
        None => Ok(()),
        Some(mark) => Err(StartError::RestoreUnfinished {
            path: data_dir.to_owned(),
            backup: mark.backup,
        }),
    }
}

/// Says what a restore would do. Writes nothing.
pub async fn plan(config: &Config, request: &Request) -> Result<Restored, StartError> {
    let chain = which(request).await?;
    let backup = chain.full;
    let (verified, segments, later) = verify(request, &chain).await?;
    let data_dir = &config.node.data_dir;
    let resumes = read_mark(data_dir)?.is_some_and(|mark| mark.backup == backup);
    let set_aside = match first_held(data_dir) {
        Some(found) if !resumes => Some(aside(data_dir, backup, request, &found)?),
        _ => None,
    };
    Ok(Restored {
        backup,
        verified,
        segments,
        later,
        outcome: None,
        set_aside,
        resumes,
    })
}

/// Restores.
pub async fn restore(config: Config, request: Request) -> Result<Restored, StartError> {
    let chain = which(&request).await?;
    let backup = chain.full;
    // Before the directory is touched: what does not verify changes nothing.
    let (verified, segments, later) = verify(&request, &chain).await?;
    for verified in [&verified].into_iter().chain(&segments).chain(&later) {
        verified.ensure_restores()?;
    }
    let data_dir = DataDir::hold(&config.node.data_dir)?;
    let (resumes, set_aside) = begin(data_dir.path(), backup, &request)?;
    let path = data_dir.path().to_owned();
    let opened = Deployment::open_in(data_dir, config).await;
    let deployment = match opened {
        Ok(deployment) => deployment,
        Err(error) => {
            if !resumes {
                // Nothing was written that counts.
                remove_mark(&path)?;
            }
            return Err(error);
        }
    };
    let target = Target {
        snapshot: deployment.registry.clone(),
        registry: deployment.registry.clone(),
        vault: deployment.backend.clone(),
        clock: deployment.clock.clone(),
        node: Arc::from(deployment.config.node.name.as_str()),
        resumes,
        skips_versions: !request.nothing_since,
    };
    let source = Source {
        place: &request.place,
        full: &verified,
        segments: &segments,
        to: request.to,
        later: later
            .split_first()
            .map(|(full, segments)| LaterVerified { full, segments }),
    };
    let done = restore_backup(&source, &request.identities, &target).await;
    drop(target);
    deployment.registry.close().await;
    let outcome = done.inspect_err(|error| {
        if !resumes && changed_nothing(error) {
            // It is said to be an empty place again.
            let _ = remove_mark(&path);
        }
    })?;
    remove_mark(&path)?;
    Ok(Restored {
        backup,
        verified,
        segments,
        later,
        outcome: Some(outcome),
        set_aside,
        resumes,
    })
}

/// Sets the mark, or finds it. Whether an earlier try is taken up, and where what lay there went.
fn begin(
    data_dir: &Path,
    backup: Uuid,
    request: &Request,
) -> Result<(bool, Option<PathBuf>), StartError> {
    let to = request.to;
    match read_mark(data_dir)? {
        Some(mark) if mark.backup == backup && mark.to == to => Ok((true, None)),
        Some(other) => Err(StartError::RestoreUnfinished {
            path: data_dir.to_owned(),
            backup: other.backup,
        }),
        None => {
            let moved = clear(data_dir, backup, request)?;
            write_mark(data_dir, &Mark { backup, to })?;
            Ok((false, moved))
        }
    }
}

/// Whether a restore ended before it wrote anything.
const fn changed_nothing(error: &keyward_backup::RestoreError) -> bool {
    use keyward_backup::RestoreError as E;
    matches!(error, E::NotSound(_) | E::VaultNotEmpty { .. })
}

async fn which(request: &Request) -> Result<Chain, StartError> {
    let Some(backup) = request.backup else {
        let (place, key) = (&request.place, request.key.as_ref());
        return Ok(Chain::find(place, key, request.to).await?);
    };
    if request.place.list().await?.complete.contains(&backup) {
        return Ok(Chain::only(backup));
    }
    Err(StartError::NothingToRestore(
        "there is no complete full backup with this id",
    ))
}

/// The full backup, its segments, and what is behind a gap.
type AllVerified = (Verified, Vec<Verified>, Vec<Verified>);

async fn verify(request: &Request, chain: &Chain) -> Result<AllVerified, StartError> {
    let (place, key) = (&request.place, request.key.as_ref());
    let identities = Some(&request.identities);
    let full = keyward_backup::verify(place, chain.full, key, identities).await?;
    let mut segments = Vec::with_capacity(chain.segments.len());
    for id in &chain.segments {
        segments.push(keyward_backup::verify(place, *id, key, identities).await?);
    }
    let mut later = Vec::new();
    if let Some(behind) = &chain.later {
        for id in [behind.full].iter().chain(&behind.segments) {
            later.push(keyward_backup::verify(place, *id, key, identities).await?);
        }
    }
    Ok((full, segments, later))
}

/// Something of a deployment in the data directory.
fn first_held(data_dir: &Path) -> Option<String> {
    let is_there = |name: &&&str| {
        let path = data_dir.join(name);
        // An empty directory holds nothing.
        fs::read_dir(&path).map_or_else(|_| path.exists(), |mut inside| inside.next().is_some())
    };
    HELD.iter().find(is_there).map(|name| (*name).to_owned())
}

fn aside(
    data_dir: &Path,
    backup: Uuid,
    request: &Request,
    found: &str,
) -> Result<PathBuf, StartError> {
    if request.sets_aside {
        return Ok(data_dir.join(format!("before-restore-{backup}")));
    }
    Err(StartError::NotEmpty {
        path: data_dir.to_owned(),
        found: found.to_owned(),
    })
}

/// Moves what lies in the directory aside, if that was allowed. Where it went.
fn clear(data_dir: &Path, backup: Uuid, request: &Request) -> Result<Option<PathBuf>, StartError> {
    let Some(found) = first_held(data_dir) else {
        return Ok(None);
    };
    let place = aside(data_dir, backup, request, &found)?;
    fs::create_dir(&place)?;
    for name in HELD {
        match fs::rename(data_dir.join(name), place.join(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    sync(&place)?;
    sync(data_dir)?;
    Ok(Some(place))
}

fn read_mark(data_dir: &Path) -> Result<Option<Mark>, StartError> {
    match fs::read(data_dir.join(MARK)) {
        Ok(bytes) => {
            let mark = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
            Ok(Some(mark))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Written whole or not at all.
fn write_mark(data_dir: &Path, mark: &Mark) -> Result<(), StartError> {
    let draft = data_dir.join(format!("{MARK}.new"));
    let mut file = fs::File::create(&draft)?;
    let text = serde_json::to_vec(mark).map_err(io::Error::other)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&draft, data_dir.join(MARK))?;
    Ok(sync(data_dir)?)
}

fn remove_mark(data_dir: &Path) -> Result<(), StartError> {
    fs::remove_file(data_dir.join(MARK))?;
    Ok(sync(data_dir)?)
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
