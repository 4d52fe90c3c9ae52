//! Showing that both sides hold the same, and exchanging them.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::port::snapshot::{SnapshotError, SnapshotSink};
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use tokio::time::timeout;

use super::bring::{View, begin};
use super::{FollowError, Follower, on};
use crate::db::{Database, Dialect, Transaction};
use crate::mark::Mark;
use crate::place::LAST_LOOK;
use crate::place::Stillness;
use crate::read::feed::{self, NO_FEED};
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
        // On the heap: whoever awaits this is awaited by others.
        let work = Box::pin(async {
            let still = self.registry.place.still().await;
            let fence = Fence::before(&self.registry.present()).await?;
            self.ensure_alone().await?;
            // Nobody writes any more: what is noted now is all.
            if !self.is_surveyed() {
                return Err(FollowError::NotSurveyed);
            }
            self.bring_all().await?;
            Ok((still, fence, self.last_look().await?))
        });
        let (still, fence, (leads, follows)) = within(patience, work).await?;
        self.ensure_same(&leads, &follows)?;
        decide().map_err(|cause| FollowError::Undecided { cause })?;
        // Nothing is waited for between that and this.
        let turned = self.exchange(&still);
        // Neither waits for the other: with a mark of before, the one that leads takes no change.
        let (here, there) = tokio::join!(
            within(MARKING, Box::pin(fence.mark(&self.side, left))),
            within(
                MARKING,
                Box::pin(async {
                    let cleared = feed::set_mark(&turned, None).await;
                    Ok(cleared.map_err(SnapshotError::Registry)?)
                })
            )
        );
        drop(still);
        let unmarked = here.and(there).err().map(|error| error.to_string());
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

/// Keeps other programs' writes back from the moment at which both sides are looked at for the last time
/// until the side that is left is marked; and the mark keeps them out. A node of the deployment that connects
/// meanwhile would otherwise write what nobody reads again. Only PostgreSQL lets others in: SQLite's file is
/// the data directory's.
struct Fence(Option<Transaction>);

impl Fence {
    async fn before(leads: &Database) -> Result<Self, FollowError> {
        match leads.dialect() {
            Dialect::Sqlite => Ok(Self(None)),
            Dialect::Postgres => Ok(Self(Some(begin(leads, View::Last).await?))),
        }
    }

    /// Marks what is left, and lets others see it.
    async fn mark(self, left: &Database, as_left: &Mark) -> Result<(), FollowError> {
        let Some(mut held) = self.0 else {
            let marked = feed::set_mark(left, Some(as_left)).await;
            return Ok(marked.map_err(SnapshotError::Registry)?);
        };
        let marked = feed::write_mark(&mut held, Some(as_left)).await;
        if !marked.map_err(on("feed"))? {
            held.rollback().await;
            return Err(SnapshotError::Registry(NO_FEED).into());
        }
        held.commit().await.map_err(on("feed"))
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
