//! Showing that both sides hold the same, and exchanging them.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::port::snapshot::{SnapshotError, SnapshotSink};
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use tokio::time::timeout;

use super::bring::View;
use super::{FollowError, Follower, mark};
use crate::db::Database;
use crate::mark::Mark;
use crate::place::LAST_LOOK;
use crate::place::Stillness;
use crate::snapshot::export::Pinned;

/// Changes brought at once while nobody may write.
const CHANGES: usize = 2_000;
/// What both sides held at one revision, each read by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The registry's database.
    pub leads: SnapshotSummary,
    /// The other.
    pub follows: SnapshotSummary,
}

/// The sides were exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// The mark that could not be written, and why.
    pub unmarked: Option<String>,
}

impl Follower {
    /// Brings both sides to one revision and compares every row of every table. Writers wait until
    /// both are there, at most for `patience`, and not while they are read. `paced` is called with the
    /// number of rows read since the last call, and may wait.
    pub async fn prove<F: Future<Output = ()> + Send>(
        &mut self,
        patience: Duration,
        paced: impl FnMut(u64) -> F + Send,
    ) -> Result<Proof, FollowError> {
        let pinned = within(patience, async {
            let still = self.registry.place.still().await;
            self.bring_all().await?;
            let leads = Pinned::begin(&self.registry.present(), Coverage::Whole).await?;
            let follows = Pinned::begin(&self.side, Coverage::Whole).await?;
            drop(still);
            Ok((leads, follows))
        });
        let (leads, follows) = pinned.await?;
        let (mut here, mut there) = (Paced(paced), Nowhere);
        let (leads, follows) = tokio::try_join!(
            leads.export(&mut here, |_| true),
            follows.export(&mut there, |_| true)
        )?;
        self.ensure_same(&leads, &follows)?;
        Ok(Proof { leads, follows })
    }

    /// Lets the other database be the registry's, and this one follow it. `decide` writes down,
    /// durably, that it is so: from then on it is, and the marks are put right as far as they can be.
    /// Writers wait meanwhile. What fails or takes longer than `patience` before leaves everything as
    /// it was.
    pub async fn turn(
        &mut self,
        patience: Duration,
        left: &Mark,
        decide: impl FnOnce() -> Result<(), String>,
    ) -> Result<Turned, FollowError> {
        let still = within(patience, async {
            let still = self.registry.place.still().await;
            self.ensure_alone().await?;
            // Nobody writes any more: what is noted now is all.
            if !self.is_surveyed() {
                return Err(FollowError::NotSurveyed);
            }
            self.bring_all().await?;
            Ok((still, self.last_look().await?))
        });
        let (still, (leads, follows)) = still.await?;
        self.ensure_same(&leads, &follows)?;
        decide().map_err(|cause| FollowError::Undecided { cause })?;
        // Nothing is waited for between that and this.
        let turned = self.exchange(&still);
        let marked = within(MARKING, mark(&turned, &self.side, left)).await;
        drop(still);
        let unmarked = marked.err().map(|error| error.to_string());
        Ok(Turned { unmarked })
    }

    /// The database that leads from now on.
    fn exchange(&mut self, still: &Stillness) -> Database {
        let leads = self.side.clone();
        self.side = still.exchange(leads.clone());
        self.surveyed = true;
        leads
    }

    /// Everything that is decided; nobody may be writing.
    async fn bring_all(&self) -> Result<(), FollowError> {
        while !self.bring_as(View::Last, CHANGES).await?.is_whole() {}
        Ok(())
    }

    async fn last_look(&self) -> Result<(SnapshotSummary, SnapshotSummary), FollowError> {
        let wanted = |table: &str| LAST_LOOK.contains(&table);
        let leads = Pinned::begin(&self.registry.present(), Coverage::Whole).await?;
        let follows = Pinned::begin(&self.side, Coverage::Whole).await?;
        let (mut here, mut there) = (Nowhere, Nowhere);
        Ok(tokio::try_join!(
            leads.export(&mut here, wanted),
            follows.export(&mut there, wanted)
        )?)
    }

    fn ensure_same(
        &mut self,
        leads: &SnapshotSummary,
        follows: &SnapshotSummary,
    ) -> Result<(), FollowError> {
        if leads == follows {
            return Ok(());
        }
        // What was noted was not all.
        self.surveyed = false;
        let pairs = leads.tables.iter().zip(&follows.tables);
        let differing = pairs.filter(|(here, there)| here != there);
        let tables = differing.map(|(here, _)| here.table.clone()).collect();
        Err(FollowError::Differ { tables })
    }
}

/// How long writers wait for marks, which can be written later.
const MARKING: Duration = Duration::from_secs(5);

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, FollowError>>,
) -> Result<T, FollowError> {
    let seconds = patience.as_secs();
    let ended = timeout(patience, work).await;
    ended.unwrap_or(Err(FollowError::TooLong { seconds }))
}

/// Digests are all that is wanted, at a pace.
struct Paced<P>(P);

#[async_trait]
impl<F: Future<Output = ()> + Send, P: FnMut(u64) -> F + Send> SnapshotSink for Paced<P> {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        (self.0)(lines.matches('\n').count() as u64).await;
        Ok(())
    }
}

/// Digests are all that is wanted.
struct Nowhere;

#[async_trait]
impl SnapshotSink for Nowhere {
    async fn put(&mut self, _lines: String) -> Result<(), SnapshotError> {
        Ok(())
    }
}
