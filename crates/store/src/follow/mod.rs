//! Another database beside the one that the registry is in: filled, kept up with it while the
//! registry is used, shown to hold the same, and exchanged with it.
//!
//! | file | what |
//! |---|---|
//! | `attach` | opening it, if it is nobody else's |
//! | `fill` | all of it, into an empty one |
//! | `bring` | what came since, in one transaction of the side that follows |
//! | `beside` | the rows that no change shows |
//! | `survey` | finding which of those differ, when it is not known |
//! | `turn` | showing that both hold the same; exchanging them |
//!
//! What a change shows comes by the feed. What is written beside it ([`crate::place::Beside`]) is
//! noted by the registry's place while somebody follows, and found by a survey when nobody did.

mod attach;
mod beside;
mod bring;
mod fill;
mod survey;
mod turn;

use std::sync::Arc;

use keyward_core::port::snapshot::SnapshotError;

pub use bring::Brought;
pub use turn::{Proof, Turned};

use crate::called::CALLED;
use crate::config::OpenError;
use crate::db::{Database, Dialect};
use crate::fault::Fault;
use crate::mark::Mark;
use crate::read::feed;
use crate::registry::SqlRegistry;
use crate::snapshot::{failed, history, import};
use crate::value::Value;

/// Why a side does not follow, or was not exchanged. Nothing was switched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The other database did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The other database is the registry's own.
    #[error("the database that is to follow is the one that the registry is in: name another one")]
    Lead,
    /// The other database is somebody else's, and was left as it is.
    #[error("the database that is to follow is not empty: {why}")]
    Taken {
        /// What is there.
        why: String,
    },
    /// One of the databases.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Somebody wrote to the side that follows.
    #[error(
        "the database that follows has revision {reached}, and the registry {head}: somebody else wrote \
         to it"
    )]
    Ahead {
        /// Where it is.
        reached: i64,
        /// Where the registry is.
        head: i64,
    },
    /// Both are at one revision and do not hold the same.
    #[error("the two databases differ in {}", tables.join(", "))]
    Differ {
        /// Where.
        tables: Vec<String>,
    },
    /// What was written while nobody followed was not looked for.
    #[error("it is not known whether the other database has all rows")]
    NotSurveyed,
    /// Another program is connected to the registry's database.
    #[error(
        "another node, or another keyward, is connected to the registry's database: stop it; a \
         registry moves under one server alone"
    )]
    OtherNode,
    /// Writes under way, or a side, took too long.
    #[error("what was under way, or a side, took longer than {seconds} s; nothing was switched")]
    TooLong {
        /// How long it was waited.
        seconds: u64,
    },
    /// It could not be written down which side leads.
    #[error("where the migration stands could not be written down: {cause}")]
    Undecided {
        /// Why.
        cause: String,
    },
}

/// What was found in the other database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: it can be filled.
    Empty,
    /// A copy of this registry, up to this revision, with the mark that was expected.
    Ours {
        /// Up to where.
        reached: i64,
    },
    /// Something else, which is left alone; what, for people.
    Strange {
        /// What.
        why: String,
    },
}

/// A registry, and the database that follows it.
pub struct Follower {
    registry: Arc<SqlRegistry>,
    side: Database,
    /// Whether every row that differs, and that no change shows, has been noted.
    surveyed: bool,
}

impl Follower {
    /// What the other database holds, which should bear this mark if it holds anything; or none, where
    /// the mark may not have been written yet.
    pub async fn look(&self, expected: &Mark, or_none: bool) -> Result<Found, FollowError> {
        let registry = SnapshotError::Registry;
        attach::ensure_another(&self.registry.present(), &self.side).await?;
        let mark = feed::mark(&self.side).await.map_err(registry)?;
        if let Some(mark) = mark.as_ref().filter(|mark| *mark != expected) {
            let why = format!("the registry is {}, says its mark", mark.instead());
            return Ok(Found::Strange { why });
        }
        match import::look_whether_empty(&self.side).await {
            Ok(()) => return Ok(Found::Empty),
            Err(SnapshotError::NotEmpty { table }) if mark.is_none() && !or_none => {
                let why = format!("it has rows in {table}, and no mark of this migration");
                return Ok(Found::Strange { why });
            }
            Err(SnapshotError::NotEmpty { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let lead = self.registry.present();
        if history::present(&lead).await? != history::present(&self.side).await? {
            let why = "it holds another deployment, or another history of this one".to_owned();
            return Ok(Found::Strange { why });
        }
        let reached = feed::revision(&self.side).await.map_err(registry)?;
        let head = feed::revision(&lead).await.map_err(registry)?;
        if reached > head {
            let why = format!("it has revision {reached}, and the registry {head}");
            return Ok(Found::Strange { why });
        }
        Ok(Found::Ours { reached })
    }

    /// Puts the marks right: none on the registry's database, this one on the other. Each as far as it
    /// can be.
    pub async fn mark(&self, followed: &Mark) -> Result<(), FollowError> {
        mark(&self.registry.present(), &self.side, followed).await
    }

    /// Refuses if another program is connected to the registry's database, as far as the database
    /// tells: SQLite does not, and the data directory's lock keeps others from its file.
    pub async fn ensure_alone(&self) -> Result<(), FollowError> {
        let lead = self.registry.present();
        if lead.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let text = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND (application_name = '{CALLED}' OR application_name LIKE '{CALLED} %') \
             AND application_name <> $1"
        );
        let called = vec![Value::Text(Some(lead.called().to_owned()))];
        let others = lead.row(text, called, |cells| cells.int("count")).await;
        match others.map_err(SnapshotError::Registry)? {
            Some(0) => Ok(()),
            _ => Err(FollowError::OtherNode),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.registry.place.note_nothing();
    }
}

/// Marks the one database, and takes the mark from the other, which leads.
async fn mark(leads: &Database, left: &Database, as_left: &Mark) -> Result<(), FollowError> {
    // Neither waits for the other: whoever waits may give up before the side that was left answers.
    let (left, leads) = tokio::join!(
        Box::pin(feed::set_mark(left, Some(as_left))),
        Box::pin(feed::set_mark(leads, None))
    );
    let registry = SnapshotError::Registry;
    left.map_err(registry)?;
    Ok(leads.map_err(registry)?)
}

/// The error of a statement on a table of either side.
fn on(table: &'static str) -> impl FnOnce(Fault) -> FollowError {
    move |fault| failed(table)(fault).into()
}
