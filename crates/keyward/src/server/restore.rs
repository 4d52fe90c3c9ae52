//! `keyward backup restore`: offline, into a data directory that holds no deployment. A mark in the
//! directory says that a restore is under way: until it is done no server starts there, and the same
//! command goes on where it was.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_backup::{
    BackupKey, Chain, Companions, Identities, Place, RestoreError, RestoreOutcome, Source, Target,
    Verified, Wanted, plan_alone, restore as restore_backup, restore_alone as restore_what,
};
use keyward_core::time::{Clock as _, Timestamp};
use keyward_crypto::Random as _;
use keyward_crypto::random::SystemRandom;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::server::clock::SystemClock;
use crate::server::config::Config;
use crate::server::data_dir::DataDir;
use crate::server::deployment::Deployment;
use crate::server::error::StartError;
use crate::server::{restore_alone, vault_backend};

/// The mark's name in the data directory.
const MARK: &str = "restore.json";
/// What of a deployment lies in a data directory.
const HELD: [&str; 10] = [
    "registry.db",
    "registry.db-wal",
    "registry.db-shm",
    "vault.db",
    "vault.db-wal",
    "vault.db-shm",
    "vault",
    "audit",
    "storage-migration.json",
    "registry-migration.json",
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
    /// Whether a missing segment is accepted, with what is not known then.
    pub accepts_gap: bool,
}

/// What was done, or would be.
pub struct Restored {
    /// Which backup.
    pub backup: Uuid,
    /// The verification that came before everything else.
    pub verified: Verified,
    /// That of the segments that follow on it, in order.
    pub segments: Vec<Verified>,
    /// What came of it; none for a plan.
    pub outcome: Option<RestoreOutcome>,
    /// What of it comes, if not everything; none as well for a plan of what does not verify.
    pub companions: Option<Companions>,
    /// Where what lay in the data directory is now, or would be.
    pub set_aside: Option<PathBuf>,
    /// Whether an earlier try is taken up.
    pub resumes: bool,
}

/// What was begun: taken up, it is done with the same backups, whatever others were made meanwhile.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What was asked for by name.
    wanted: Option<Uuid>,
    backup: Uuid,
    segments: Vec<Uuid>,
    to: Option<Timestamp>,
    nothing_since: bool,
    /// The history that begins with it: the registry that is filled bears the same, so that no other
    /// is ever taken for it.
    history: Uuid,
    /// In which directory inside the data directory what lay there is put.
    aside: Option<String>,
    /// Whether it is there.
    is_clear: bool,
    /// What of it, if not everything. Into the deployment that it is of no history begins, and this is
    /// the one that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<String>,
}

impl Mark {
    /// Whether this is what is asked for: all of it, or this part.
    fn is_of(&self, request: &Request, part: Option<&str>) -> bool {
        self.wanted == request.backup
            && self.part.as_deref() == part
            && self.to == request.to
            && self.nothing_since == request.nothing_since
    }

    fn chain(&self) -> Chain {
        Chain {
            segments: self.segments.clone(),
            ..Chain::only(self.backup)
        }
    }
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

/// Says what a restore would do: of everything, or of one tenant, key or secret alone. Writes nothing.
pub async fn plan(
    config: &Config,
    request: &Request,
    alone: Option<&Wanted>,
) -> Result<Restored, StartError> {
    let data_dir = &config.node.data_dir;
    let mark = begun(
        data_dir,
        request,
        alone.map(restore_alone::words_of).as_deref(),
    )?;
    let chain = which(request, mark.as_ref()).await?;
    let backup = chain.full;
    let (verified, segments) = verify(request, &chain).await?;
    let companions = match alone {
        Some(wanted) if restores(&verified, &segments) => {
            let (source, now) = (source(request, &verified, &segments), present());
            Some(plan_alone(&source, &request.identities, now, wanted).await?)
        }
        _ => None,
    };
    let resumes = mark.is_some();
    let set_aside = match first_held(data_dir) {
        Some(found) if !resumes => Some(data_dir.join(aside(data_dir, backup, request, &found)?)),
        _ => None,
    };
    Ok(Restored {
        backup,
        verified,
        segments,
        outcome: None,
        companions,
        set_aside,
        resumes,
    })
}

/// Restores: everything, or one tenant, key or secret alone.
pub async fn restore(
    config: Config,
    request: Request,
    alone: Option<&Wanted>,
) -> Result<Restored, StartError> {
    let part = alone.map(restore_alone::words_of);
    let mark = begun(&config.node.data_dir, &request, part.as_deref())?;
    let chain = which(&request, mark.as_ref()).await?;
    let backup = chain.full;
    // Before the directory is touched: what does not verify changes nothing.
    let (verified, segments) = verify(&request, &chain).await?;
    for verified in [&verified].into_iter().chain(&segments) {
        verified.ensure_restores()?;
    }
    if let Some(wanted) = alone {
        let (source, now) = (source(&request, &verified, &segments), present());
        plan_alone(&source, &request.identities, now, wanted).await?;
    }
    let data_dir = DataDir::hold(&config.node.data_dir)?;
    if config.vault_path().is_none() {
        // A service's backend that a migration left is refused before anything is moved aside.
        vault_backend::open_unmarked(&config).await?;
    }
    let (mark, resumes) = begin(data_dir.path(), &chain, &request, part)?;
    let set_aside = mark.aside.as_ref().map(|name| data_dir.path().join(name));
    let path = data_dir.path().to_owned();
    let is_alone = alone.is_some();
    let opened = Deployment::open_in(data_dir, config).await;
    let deployment = match opened {
        Ok(deployment) => deployment,
        Err(error) => {
            if !resumes && alone.is_none() {
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
        history: mark.history,
        skips_versions: !request.nothing_since,
    };
    let source = source(&request, &verified, &segments);
    let done = fill(&source, &request.identities, &target, alone).await;
    drop(target);
    deployment.registry.close().await;
    let (outcome, companions) = done.inspect_err(|error| {
        // Of a part alone the mark stays: an empty registry is there by now, and without the mark the same
        // words would look for a deployment to bring it back into.
        if !resumes && !is_alone && changed_nothing(error) {
            // It is said to be an empty place again.
            let _ = remove_mark(&path);
        }
    })?;
    remove_mark(&path)?;
    Ok(Restored {
        backup,
        verified,
        segments,
        outcome: Some(outcome),
        companions,
        set_aside,
        resumes,
    })
}

/// Everything, or what is wanted alone.
async fn fill(
    source: &Source<'_>,
    identities: &Identities,
    target: &Target,
    alone: Option<&Wanted>,
) -> Result<(RestoreOutcome, Option<Companions>), RestoreError> {
    let Some(wanted) = alone else {
        let outcome = restore_backup(source, identities, target).await?;
        return Ok((outcome, None));
    };
    let (outcome, companions) = restore_what(source, identities, target, wanted).await?;
    Ok((outcome, Some(companions)))
}

fn present() -> Timestamp {
    SystemClock::default().now()
}

/// Whether all of it verified.
fn restores(full: &Verified, segments: &[Verified]) -> bool {
    let mut all = [full].into_iter().chain(segments);
    all.all(|verified| verified.ensure_restores().is_ok())
}

fn source<'a>(request: &'a Request, full: &'a Verified, segments: &'a [Verified]) -> Source<'a> {
    Source {
        place: &request.place,
        full,
        segments,
        to: request.to,
    }
}

/// What was begun here, if it is what is asked for: everything, or a part.
pub(super) fn begun(
    data_dir: &Path,
    request: &Request,
    part: Option<&str>,
) -> Result<Option<Mark>, StartError> {
    match read_mark(data_dir)? {
        Some(mark) if !mark.is_of(request, part) => Err(StartError::RestoreUnfinished {
            path: data_dir.to_owned(),
            backup: mark.backup,
        }),
        mark => Ok(mark),
    }
}

/// Sets the mark, or finds it, and moves aside what lies there. Whether an earlier try is taken up.
fn begin(
    data_dir: &Path,
    chain: &Chain,
    request: &Request,
    part: Option<String>,
) -> Result<(Mark, bool), StartError> {
    let found = begun(data_dir, request, part.as_deref())?;
    let resumes = found.is_some();
    let mut mark = match found {
        Some(mark) => mark,
        None => Mark {
            wanted: request.backup,
            backup: chain.full,
            segments: chain.segments.clone(),
            to: request.to,
            nothing_since: request.nothing_since,
            history: fresh_history()?,
            aside: first_held(data_dir)
                .map(|found| aside(data_dir, chain.full, request, &found))
                .transpose()?,
            is_clear: false,
            part,
        },
    };
    if !mark.is_clear {
        // Before anything is moved: whoever is interrupted then goes on into the same directory.
        write_mark(data_dir, &mark)?;
        if let Some(name) = &mark.aside {
            clear(data_dir, &data_dir.join(name))?;
        }
        mark.is_clear = true;
        write_mark(data_dir, &mark)?;
    }
    Ok((mark, resumes))
}

/// Says in the data directory that a part is being restored, from which backups, and into which
/// history.
pub(super) fn mark_part(
    data_dir: &Path,
    chain: &Chain,
    request: &Request,
    history: Uuid,
    part: &str,
) -> Result<(), StartError> {
    let mark = Mark {
        wanted: request.backup,
        backup: chain.full,
        segments: chain.segments.clone(),
        to: request.to,
        nothing_since: request.nothing_since,
        history,
        aside: None,
        is_clear: true,
        part: Some(part.to_owned()),
    };
    write_mark(data_dir, &mark)
}

/// Whether a restore ended before it wrote anything.
const fn changed_nothing(error: &RestoreError) -> bool {
    use RestoreError as E;
    use keyward_core::port::snapshot::SnapshotError;
    matches!(
        error,
        E::NotSound(_)
            | E::VaultNotEmpty { .. }
            | E::Registry(SnapshotError::NotEmpty { .. } | SnapshotError::Schema { .. })
    )
}

/// In order of time, so that backups which are older than it are seen not to be of it.
fn fresh_history() -> Result<Uuid, StartError> {
    let mut bytes = [0; 10];
    SystemRandom
        .fill(&mut bytes)
        .map_err(|_| StartError::Random)?;
    let millis = u64::try_from(present().as_micros() / 1000).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}

pub(super) async fn which(request: &Request, mark: Option<&Mark>) -> Result<Chain, StartError> {
    if let Some(mark) = mark {
        return Ok(mark.chain());
    }
    let Some(backup) = request.backup else {
        let (place, key) = (&request.place, request.key.as_ref());
        return Ok(if request.accepts_gap {
            Chain::find_over_gaps(place, key, request.to).await?
        } else {
            Chain::find(place, key, request.to).await?
        });
    };
    if request.place.list().await?.complete.contains(&backup) {
        return Ok(Chain::only(backup));
    }
    Err(StartError::NothingToRestore(
        "there is no complete full backup with this id",
    ))
}

pub(super) async fn verify(
    request: &Request,
    chain: &Chain,
) -> Result<(Verified, Vec<Verified>), StartError> {
    let (place, key) = (&request.place, request.key.as_ref());
    let identities = Some(&request.identities);
    let full = keyward_backup::verify(place, chain.full, key, identities).await?;
    // Whoever signed the full one signed the rest.
    let by = full.signed.as_ref().map(|signed| &signed.by);
    let mut segments = Vec::with_capacity(chain.segments.len());
    for id in &chain.segments {
        segments.push(keyward_backup::verify(place, *id, key.or(by), identities).await?);
    }
    Ok((full, segments))
}

/// Something of a deployment in the data directory.
pub(super) fn first_held(data_dir: &Path) -> Option<String> {
    let is_there = |name: &&&str| {
        let path = data_dir.join(name);
        // An empty directory holds nothing.
        fs::read_dir(&path).map_or_else(|_| path.exists(), |mut inside| inside.next().is_some())
    };
    HELD.iter().find(is_there).map(|name| (*name).to_owned())
}

/// The name of a directory for what lies there: one that nobody has used.
fn aside(
    data_dir: &Path,
    backup: Uuid,
    request: &Request,
    found: &str,
) -> Result<String, StartError> {
    if !request.sets_aside {
        return Err(StartError::NotEmpty {
            path: data_dir.to_owned(),
            found: found.to_owned(),
        });
    }
    let first = format!("before-restore-{backup}");
    let more = (2_u32..).map(|number| format!("{first}-{number}"));
    let mut names = [first.clone()].into_iter().chain(more);
    let free = names.find(|name| !data_dir.join(name).exists());
    Ok(free.unwrap_or(first))
}

/// Moves what lies in the directory aside; what an interrupted try has moved is there already.
fn clear(data_dir: &Path, place: &Path) -> Result<(), StartError> {
    match fs::create_dir(place) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    for name in HELD {
        match fs::rename(data_dir.join(name), place.join(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    sync(place)?;
    Ok(sync(data_dir)?)
}

/// What of a backup a restore was begun of, if one was and not of everything.
pub(super) fn part_begun(data_dir: &Path) -> Result<Option<String>, StartError> {
    Ok(read_mark(data_dir)?.and_then(|mark| mark.part))
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

pub(super) fn remove_mark(data_dir: &Path) -> Result<(), StartError> {
    fs::remove_file(data_dir.join(MARK))?;
    Ok(sync(data_dir)?)
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
