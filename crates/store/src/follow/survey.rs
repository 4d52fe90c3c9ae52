//! Which rows beside the changes differ, when nobody noted what was written: after a start. They are
//! only found here, and brought like what is noted.

use std::collections::BTreeMap;
use std::future::Future;

use super::beside::{self, TABLES};
use super::{FollowError, Follower, on};
use crate::db::Transaction;
use crate::place::Beside;
use crate::snapshot::export::{PAGE, page, place_of, read};
use crate::snapshot::line;
use crate::snapshot::tables::Table;
use crate::value::Value;

/// A survey that found so many rows ends: fewer than are noted at most.
const FOUND_MAX: u64 = 50_000;

impl Follower {
    /// Whether everything that differs beside the changes is noted.
    pub fn is_surveyed(&self) -> bool {
        self.surveyed && !self.registry.place.has_lost()
    }

    /// Reads the tables of such rows on both sides and notes what differs. `paced` is called with the
    /// number of rows read since the last call, and may wait. If very many differ it ends early: they
    /// are brought, and the survey is made again.
    pub async fn survey<F: Future<Output = ()>>(
        &mut self,
        mut paced: impl FnMut(u64) -> F,
    ) -> Result<u64, FollowError> {
        let mut differ = 0;
        self.surveyed = false;
        self.registry.place.seek();
        for table in TABLES.into_iter().filter_map(beside::table) {
            differ += self.survey_table(table, &mut paced).await?;
            if differ >= FOUND_MAX {
                return Ok(differ);
            }
        }
        self.surveyed = true;
        Ok(differ)
    }

    /// Page by page, each read by itself: what is written meanwhile is noted in any case.
    async fn survey_table<F: Future<Output = ()>>(
        &self,
        table: &'static Table,
        paced: &mut impl FnMut(u64) -> F,
    ) -> Result<u64, FollowError> {
        let place = &self.registry.place;
        let mut differ = 0;
        let mut after: Option<Vec<Value>> = None;
        loop {
            let (text, values) = page(table, after.as_deref(), None);
            let lead = place.present();
            let mut reading = lead.begin_reading().await.map_err(on(table.name))?;
            let here = read(&mut reading, table, text, values).await?;
            reading.rollback().await;
            let is_full = here.len() == PAGE;
            let last = here.last().map(|row| place_of(table, row));
            let up_to = last.as_deref().filter(|_| is_full);
            let mut reading = self.side.begin_reading().await.map_err(on(table.name))?;
            let there = between(&mut reading, table, after.as_deref(), up_to).await?;
            reading.rollback().await;
            let read = here.len() as u64;
            let found = differing(table, &here, &there);
            differ += found.len() as u64;
            place.note_rows(found);
            paced(read.max(1)).await;
            if !is_full || differ >= FOUND_MAX {
                return Ok(differ);
            }
            after = last;
        }
    }
}

/// All rows behind one place, up to another or the table's end.
async fn between(
    reading: &mut Transaction,
    table: &'static Table,
    after: Option<&[Value]>,
    up_to: Option<&[Value]>,
) -> Result<Vec<Vec<Value>>, FollowError> {
    if up_to.is_some() {
        let (text, values) = page(table, after, up_to);
        return Ok(read(reading, table, text, values).await?);
    }
    let mut rows: Vec<Vec<Value>> = Vec::new();
    let mut after = after.map(<[Value]>::to_vec);
    loop {
        let (text, values) = page(table, after.as_deref(), None);
        let next = read(reading, table, text, values).await?;
        let is_full = next.len() == PAGE;
        after = next.last().map(|row| place_of(table, row));
        rows.extend(next);
        if !is_full {
            return Ok(rows);
        }
    }
}

fn differing(table: &'static Table, here: &[Vec<Value>], there: &[Vec<Value>]) -> Vec<Beside> {
    let lines = |rows: &[Vec<Value>]| -> BTreeMap<Beside, String> {
        let lines = rows
            .iter()
            .map(|row| (beside::named(table, row), line(row)));
        lines.collect()
    };
    let (here, mut there) = (lines(here), lines(there));
    let mut found = Vec::new();
    for (name, row) in here {
        match there.remove(&name) {
            Some(same) if same == row => {}
            // It comes by the feed.
            None if table.name == "changes" => {}
            _ => found.push(name),
        }
    }
    if table.name == "idempotency" {
        found.extend(there.into_keys());
    }
    found
}
