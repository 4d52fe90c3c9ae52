//! What came since: read in one transaction of the registry's database, and written in one of the
//! other, so that this one is always as the registry was at some moment, or some changes behind it.

use keyward_core::change::Change;
use keyward_core::port::snapshot::{Outbox, SnapshotError};
use keyward_core::time::Timestamp;

use super::beside::{self, Image};
use super::{FollowError, Follower, on};
use crate::db::{Database, Dialect, Transaction};
use crate::fault::Fault;
use crate::read::feed::{self, NO_FEED};
use crate::snapshot::apply;
use crate::value::Value;
use crate::write::read_change;

/// Rows beside the changes that are brought at once; the others wait for the next time.
const ROWS: usize = 500;

/// How far a side was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    /// How many changes.
    pub changes: u64,
    /// How many rows beside them.
    pub rows: u64,
    /// Up to which revision.
    pub reached: i64,
    /// How many changes are left.
    pub behind: u64,
    /// How many rows beside them are noted and left.
    pub rows_behind: u64,
}

impl Brought {
    /// Whether the side was as the registry at that moment.
    pub const fn is_whole(&self) -> bool {
        self.behind == 0 && self.rows_behind == 0
    }
}

/// How the registry is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As it is at some moment, while others write.
    Moment,
    /// As it is when everything that was sent to it is decided. Nobody may be writing: what waits
    /// here is what was given up and may still land.
    Last,
}

impl Follower {
    /// Brings at most so many changes to the other database, and, once it has all of them, some rows
    /// that are beside them.
    pub async fn bring(&self, limit: usize) -> Result<Brought, FollowError> {
        self.bring_as(View::Moment, limit).await
    }

    pub(super) async fn bring_as(&self, view: View, limit: usize) -> Result<Brought, FollowError> {
        let place = &self.registry.place;
        let taken = place.take(ROWS);
        let touched = taken.touched();
        let wanted = touched.rows.union(&touched.doubtful);
        let forgotten = touched.forgotten;
        let lead = place.present();
        let registry = SnapshotError::Registry;
        let reached = feed::revision(&self.side).await.map_err(registry)?;
        let mut reading = begin(&lead, view).await?;
        let (head, clock) = head(&mut reading).await?;
        if reached > head {
            reading.rollback().await;
            return Err(FollowError::Ahead { reached, head });
        }
        let changes = changes(&mut reading, reached, limit).await?;
        let brought_to = changes.last().map_or(reached, |change| change.revision);
        let is_at_head = brought_to == head;
        let mut images = Vec::new();
        if is_at_head {
            for row in wanted.clone() {
                images.push(beside::image(&mut reading, row).await?);
            }
        }
        reading.rollback().await;
        let rows = images.len() as u64;
        let forgotten = forgotten.filter(|_| is_at_head);
        write(&self.side, &changes, images, forgotten, clock).await?;
        let rows_behind = if is_at_head {
            let left = taken.left();
            taken.brought();
            left as u64
        } else {
            (wanted.count() + taken.left()) as u64
        };
        Ok(Brought {
            changes: changes.len() as u64,
            rows,
            reached: brought_to,
            behind: u64::try_from(head - brought_to).unwrap_or(0),
            rows_behind,
        })
    }
}

pub(super) async fn begin(lead: &Database, view: View) -> Result<Transaction, FollowError> {
    match (view, lead.dialect()) {
        (View::Moment, _) => lead.begin_reading().await.map_err(on("feed")),
        // There is one writer at a time.
        (View::Last, Dialect::Sqlite) => lead.begin().await.map_err(on("feed")),
        (View::Last, Dialect::Postgres) => {
            let mut transaction = lead.begin().await.map_err(on("feed"))?;
            // Every write of the registry has its lock on one of these, and is waited for.
            let locked = transaction.command(
                "LOCK TABLE feed, key_usage, usage_watermarks, use_reservations, idempotency \
                 IN SHARE MODE",
            );
            locked.await.map_err(on("feed"))?;
            Ok(transaction)
        }
    }
}

async fn head(reading: &mut Transaction) -> Result<(i64, Timestamp), FollowError> {
    let text = "SELECT n, clock_high FROM feed WHERE one = 1";
    let found = reading.rows(text, vec![], |cells| {
        cells.of("feed");
        Ok((cells.int("n")?, cells.time("clock_high")?))
    });
    let found = found.await.map_err(on("feed"))?;
    let first = found.first().copied();
    first.ok_or_else(|| on("feed")(Fault::Registry(NO_FEED)))
}

async fn changes(
    reading: &mut Transaction,
    after: i64,
    limit: usize,
) -> Result<Vec<Change>, FollowError> {
    let text = "SELECT c.revision, c.tenant_id, c.change, c.committed_at, c.writes, c.event \
                FROM changes c WHERE c.revision > $1 ORDER BY c.revision LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = vec![Value::Int(Some(after)), Value::Int(Some(limit))];
    let found = reading.rows(text, values, read_change).await;
    found.map_err(on("changes"))
}

async fn write(
    side: &Database,
    changes: &[Change],
    images: Vec<Image>,
    forgotten: Option<Timestamp>,
    clock: Timestamp,
) -> Result<(), FollowError> {
    let mut transaction = side.begin().await.map_err(on("feed"))?;
    let written = async {
        let kept: Vec<_> = changes.iter().map(|it| (it, Outbox::Kept)).collect();
        apply::follow(&mut transaction, &kept).await?;
        if let Some(before) = forgotten {
            beside::forget(&mut transaction, before).await?;
        }
        for image in images {
            beside::write(&mut transaction, image).await?;
        }
        beside::raise_clock(&mut transaction, clock).await
    };
    match written.await {
        Ok(()) => transaction.commit().await.map_err(on("feed")),
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}
