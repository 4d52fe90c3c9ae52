//! Moving the registry to another database while the server stands still. All of it arrives in one
//! transaction or nothing does; both sides are then read again and compared, table by table. A file
//! in the data directory says which one is in force, and a start on the other one is refused.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::port::registry::Registry as _;
use keyward_core::port::snapshot::{
    RegistrySnapshot as _, SnapshotError, SnapshotSink, SnapshotSource,
};
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use keyward_core::text_enum;
use keyward_store::SqlRegistry;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::private_file;
use crate::server::clock::SystemClock;
use crate::server::config::Config;
use crate::server::data_dir::DataDir;
use crate::server::database_url;
use crate::server::deployment::registry_url;
use crate::server::error::StartError;
use crate::server::restore;

/// Changes brought back at once.
const CHANGES: usize = 500;

text_enum! {
    /// Which database is in force.
    pub enum Phase {
        /// The target; the source is as it was, so that there is a way back.
        CutOver => "cut-over",
        /// The target, for good.
        Committed => "committed",
        /// The source again.
        RolledBack => "rolled-back",
    }
}

/// What the file says. No secrets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    from: String,
    to: String,
    phase: Phase,
}

/// What people call a registry: which database it is, without users, parameters or anything secret.
pub fn name(config: &Config) -> String {
    match &config.registry.url {
        Some(url) => format!("postgres://{}", database_url::place(url)),
        None => format!("sqlite {}", config.registry_file().display()),
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("registry-migration.json")
}

fn read(data_dir: &Path) -> Result<Option<Standing>, StartError> {
    let text = match std::fs::read(file(data_dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let standing = serde_json::from_slice(&text).map_err(io::Error::other)?;
    Ok(Some(standing))
}

fn write(data_dir: &Path, names: (&str, &str), phase: Phase) -> Result<(), StartError> {
    let standing = Standing {
        from: names.0.to_owned(),
        to: names.1.to_owned(),
        phase,
    };
    let text = serde_json::to_vec_pretty(&standing).map_err(io::Error::other)?;
    private_file::write(&file(data_dir), &text)?;
    // The file's new content survives a power cut when its directory does.
    Ok(std::fs::File::open(data_dir)?.sync_all()?)
}

/// Refuses to start on the database that a migration left. `config`'s data directory is held.
pub fn ensure_in_force(config: &Config) -> Result<(), StartError> {
    let Some(standing) = read(&config.node.data_dir)? else {
        return Ok(());
    };
    let (left, kept) = match standing.phase {
        Phase::CutOver | Phase::Committed => (standing.from, standing.to),
        Phase::RolledBack => (standing.to, standing.from),
    };
    if name(config) == left && left != kept {
        return Err(StartError::RegistryElsewhere { name: kept });
    }
    Ok(())
}

/// The two databases, open, with nobody else at them.
pub struct Databases {
    names: (String, String),
    from: SqlRegistry,
    to: SqlRegistry,
    data_dir: DataDir,
}

impl Databases {
    /// Takes hold of the data directory and opens both. The target's schema is made; the source's
    /// must be this program's.
    pub async fn open(mut from: Config, mut to: Config) -> Result<Self, StartError> {
        let data_dir = DataDir::hold_existing(&from.node.data_dir)?;
        restore::ensure_finished(data_dir.path())?;
        data_dir.path().clone_into(&mut from.node.data_dir);
        data_dir.path().clone_into(&mut to.node.data_dir);
        let names = (name(&from), name(&to));
        if names.0 == names.1 {
            return Err(StartError::SameVault { name: names.0 });
        }
        Ok(Self {
            from: open(&from, false).await?,
            to: open(&to, true).await?,
            names,
            data_dir,
        })
    }

    fn names(&self) -> (&str, &str) {
        (&self.names.0, &self.names.1)
    }

    /// Closes both.
    pub async fn close(self) {
        self.from.close().await;
        self.to.close().await;
    }

    /// Carries everything over, proves that both hold the same, and cuts over. What an interrupted
    /// call had carried over already is not carried again. What each side holds.
    pub async fn migrate(
        &self,
        rows_per_second: u64,
        told: impl FnMut(u64) + Send,
    ) -> Result<(SnapshotSummary, SnapshotSummary), StartError> {
        self.ensure_source_in_force().await?;
        if self.to.revision().await? == 0 {
            self.carry(rows_per_second, told).await?;
        }
        let from = seen(&self.from, Coverage::Whole).await?;
        let to = seen(&self.to, Coverage::Whole).await?;
        if from != to {
            return Err(StartError::RegistriesDiffer {
                tables: differing(&from, &to),
            });
        }
        write(self.data_dir.path(), self.names(), Phase::CutOver)?;
        self.mark(Phase::CutOver).await?;
        Ok((from, to))
    }

    /// Refuses to begin from a database that an earlier migration left, or while one between other
    /// databases has a way back.
    async fn ensure_source_in_force(&self) -> Result<(), StartError> {
        let Some(standing) = read(self.data_dir.path())? else {
            // Lost, or another data directory: the database itself says it.
            return match self.from.moved_to().await? {
                Some(name) => Err(StartError::RegistryElsewhere { name }),
                None => Ok(()),
            };
        };
        let ours = (standing.from.as_str(), standing.to.as_str()) == self.names();
        match standing.phase {
            Phase::CutOver if ours => Ok(()),
            Phase::CutOver => Err(StartError::RegistryMigrationOpen {
                from: standing.from,
                to: standing.to,
            }),
            Phase::Committed => ensure_is(self.names.0.as_str(), standing.to),
            Phase::RolledBack => ensure_is(self.names.0.as_str(), standing.from),
        }
    }

    async fn carry(
        &self,
        rows_per_second: u64,
        told: impl FnMut(u64) + Send,
    ) -> Result<(), StartError> {
        let (sender, receiver) = mpsc::channel(2);
        let mut sink = Sending(sender);
        let mut source = Receiving {
            receiver,
            rows: 0,
            rows_per_second,
            begun: tokio::time::Instant::now(),
            told,
        };
        let exported = async {
            let done = self.from.export(Coverage::Whole, &mut sink).await;
            drop(sink);
            done
        };
        let (exported, imported) = tokio::join!(exported, self.to.import(&mut source));
        // What the target says counts more than that nobody listened to the source any more.
        imported?;
        exported?;
        Ok(())
    }

    /// Goes back to the source, with every change that was made since the cut-over.
    pub async fn roll_back(&self) -> Result<(), StartError> {
        if self.ensure_cut_over_or(Phase::RolledBack)? {
            return self.mark(Phase::RolledBack).await;
        }
        loop {
            let reached = self.from.revision().await?;
            let changes = self.to.changes_after(reached, CHANGES).await?;
            if changes.is_empty() {
                break;
            }
            self.from.apply_changes(&changes).await?;
        }
        // What a restore does without may go its own way: counters of use, but for those that a key's
        // limit rests on.
        let from = seen(&self.from, Coverage::Backup).await?;
        let tables = differing(&from, &seen(&self.to, Coverage::Backup).await?);
        if !tables.is_empty() {
            return Err(StartError::RegistriesDiffer { tables });
        }
        write(self.data_dir.path(), self.names(), Phase::RolledBack)?;
        self.mark(Phase::RolledBack).await
    }

    /// Leaves the source for good.
    pub async fn commit(&self) -> Result<(), StartError> {
        if !self.ensure_cut_over_or(Phase::Committed)? {
            write(self.data_dir.path(), self.names(), Phase::Committed)?;
        }
        self.mark(Phase::Committed).await
    }

    /// Says in the database that is not in force which one is. Whoever opens it is refused, with
    /// whatever data directory.
    async fn mark(&self, phase: Phase) -> Result<(), StartError> {
        let (left, kept, name) = match phase {
            Phase::CutOver | Phase::Committed => (&self.from, &self.to, &self.names.1),
            Phase::RolledBack => (&self.to, &self.from, &self.names.0),
        };
        kept.set_moved_to(None).await?;
        Ok(left.set_moved_to(Some(name)).await?)
    }

    /// Refuses whatever is not cut over between these two; whether it ended so already.
    fn ensure_cut_over_or(&self, ended: Phase) -> Result<bool, StartError> {
        let standing = read(self.data_dir.path())?.ok_or(StartError::NoMigration)?;
        let ours = (standing.from.as_str(), standing.to.as_str()) == self.names();
        if ours && (standing.phase == Phase::CutOver || standing.phase == ended) {
            return Ok(standing.phase == ended);
        }
        Err(StartError::NoMigration)
    }
}

fn ensure_is(source: &str, kept: String) -> Result<(), StartError> {
    if source == kept {
        return Ok(());
    }
    Err(StartError::RegistryElsewhere { name: kept })
}

async fn open(config: &Config, migrate: bool) -> Result<SqlRegistry, StartError> {
    let config = keyward_store::Config {
        migrate,
        even_if_moved: true,
        ..keyward_store::Config::new(registry_url(config)?)
    };
    let clock = std::sync::Arc::new(SystemClock::default());
    Ok(SqlRegistry::open(config, clock).await?)
}

/// What a database holds, as digests.
async fn seen(registry: &SqlRegistry, coverage: Coverage) -> Result<SnapshotSummary, StartError> {
    Ok(registry.export(coverage, &mut Nowhere).await?)
}

fn differing(from: &SnapshotSummary, to: &SnapshotSummary) -> Vec<String> {
    let pairs = from.tables.iter().zip(&to.tables);
    pairs
        .filter(|(from, to)| from != to)
        .map(|(from, _)| from.table.clone())
        .collect()
}

/// Digests are all that is wanted.
struct Nowhere;

#[async_trait]
impl SnapshotSink for Nowhere {
    async fn put(&mut self, _lines: String) -> Result<(), SnapshotError> {
        Ok(())
    }
}

struct Sending(mpsc::Sender<String>);

#[async_trait]
impl SnapshotSink for Sending {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        let sent = self.0.send(lines).await;
        sent.map_err(|_| SnapshotError::Passage {
            cause: "the target takes no more".to_owned(),
        })
    }
}

struct Receiving<F> {
    receiver: mpsc::Receiver<String>,
    rows: u64,
    rows_per_second: u64,
    begun: tokio::time::Instant,
    told: F,
}

#[async_trait]
impl<F: FnMut(u64) + Send> SnapshotSource for Receiving<F> {
    async fn next(&mut self) -> Result<Option<String>, SnapshotError> {
        let lines = self.receiver.recv().await;
        self.rows += lines
            .as_deref()
            .map_or(0, |it| it.matches('\n').count() as u64);
        (self.told)(self.rows);
        if self.rows_per_second > 0 {
            let pause = Duration::from_secs(self.rows).div_f64(self.rows_per_second as f64);
            tokio::time::sleep_until(self.begun + pause).await;
        }
        Ok(lines)
    }
}
