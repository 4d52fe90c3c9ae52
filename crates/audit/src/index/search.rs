//! A page of the entries that are wanted, the newest first.

mod turns;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use keyward_core::audit::{AuditEvent, Journaled};
use keyward_core::port::audit_log::AuditError;
use keyward_core::port::audit_search::{
    AuditSearch, CountQuery, Counts, SearchFilter, SearchPage, SearchQuery,
};

use crate::fault;
use crate::index::block::{Block, is_damage};
use crate::index::field::{Field, is_rough, wanted};
use crate::index::file::{Finished, Head};
use crate::index::keeper::{AuditIndex, parse};
use crate::index::rows::Rows;
use crate::index::search::turns::{Turns, Whose};
use crate::reader::Place;

/// Bytes of entries that are read at once where there is no index.
const PAGE_BYTES: usize = 1024 * 1024;

/// What looking for a block's terms takes, and what one measure of work reads where there is no index.
const WORK_OF_BLOCK: u64 = 3;
const ENTRIES_READ_AT_ONE: u64 = 3;

/// The work that is left to a request, and whether anybody still waits for its answer.
pub(super) struct Work<'q> {
    left: u64,
    hung_up: &'q AtomicBool,
}

impl<'q> Work<'q> {
    pub(super) const fn new(left: u64, hung_up: &'q AtomicBool) -> Self {
        Self { left, hung_up }
    }

    pub(super) fn spend(&mut self, work: u64) {
        self.left = self.left.saturating_sub(work);
    }

    pub(super) fn block(&mut self) {
        self.spend(WORK_OF_BLOCK);
    }

    pub(super) fn is_done(&self) -> bool {
        self.left == 0 || self.is_for_nobody()
    }

    /// Whether the caller hung up.
    pub(super) fn is_for_nobody(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed)
    }

    /// Once nobody waits any more, work ends wherever it is: what it has then is no answer.
    pub(super) fn ensure_wanted(&self) -> Result<(), AuditError> {
        if self.is_for_nobody() {
            let cause = "nobody waits for the answer any more".to_owned();
            return Err(AuditError::Unavailable { cause });
        }
        Ok(())
    }
}

/// Which entries, as blocks are asked for them.
pub(super) struct Wanted<'q> {
    pub(super) filter: &'q SearchFilter,
    pub(super) terms: Vec<(Field, Vec<u8>)>,
}

impl<'q> Wanted<'q> {
    pub(super) fn new(filter: &'q SearchFilter) -> Self {
        let terms = wanted(filter);
        Self { filter, terms }
    }

    /// Whether what has all the terms must be compared itself.
    pub(super) fn is_rough(&self) -> bool {
        let mut terms = self.terms.iter();
        terms.any(|(field, term)| is_rough(*field, term))
    }

    /// Whether all times from the one to the other are wanted.
    pub(super) fn covers(&self, (least, most): (i64, i64)) -> bool {
        let (since, until) = (self.filter.since, self.filter.until);
        since.is_none_or(|since| since.as_micros() <= least)
            && until.is_none_or(|until| until.as_micros() > most)
    }

    fn misses(&self, (least, most): (i64, i64)) -> bool {
        let (since, until) = (self.filter.since, self.filter.until);
        since.is_some_and(|since| since.as_micros() > most)
            || until.is_some_and(|until| until.as_micros() <= least)
    }

    fn has(&self, time: i64) -> bool {
        !self.misses((time, time))
    }

    /// The rows of a block that may be wanted, none after `last`.
    pub(super) fn rows(&self, block: &dyn Block, last: u16) -> io::Result<Rows> {
        let size = block.size();
        if self.misses(block.span()) {
            return Ok(Rows::none(size));
        }
        let mut rows = Rows::up_to(size, last);
        for (field, term) in &self.terms {
            rows.keep(&block.posting(*field, term)?.into_rows(size));
            if rows.is_empty() {
                return Ok(rows);
            }
        }
        if !self.covers(block.span()) {
            let times = block.times()?;
            let is_in = |row: &u16| times.get(usize::from(*row)).is_some_and(|it| self.has(*it));
            rows = Rows::of(size, rows.iter().filter(is_in));
        }
        Ok(rows)
    }
}

/// What there is of a block.
pub(super) enum Part {
    File(Arc<Head>),
    /// Its beginning is in memory.
    Memory,
    Nothing,
}

impl AuditIndex {
    pub(super) fn part(&self, block: u64) -> Part {
        let state = self.state.lock();
        match state.finished.get(&block) {
            Some(head) => Part::File(head.clone()),
            None if self.block_of(state.open.first) == block => Part::Memory,
            None => Part::Nothing,
        }
    }

    /// The row of a sequence number in its block.
    pub(super) fn row_of(&self, sequence: u64) -> u16 {
        // A block has at most 65,536 rows.
        (sequence.saturating_sub(1) % u64::from(self.size)) as u16
    }

    /// A page of the entries that are wanted. Blocks while it reads.
    pub fn search(&self, query: &SearchQuery) -> Result<SearchPage, AuditError> {
        self.search_for(query, &AtomicBool::new(false))
    }

    /// The same until the caller hangs up; then it is an error.
    pub(super) fn search_for(
        &self,
        query: &SearchQuery,
        hung_up: &AtomicBool,
    ) -> Result<SearchPage, AuditError> {
        let before = query.before.unwrap_or(u64::MAX);
        let mut upto = self.journal.last().min(before.saturating_sub(1));
        let mut look = Look {
            wanted: Wanted::new(&query.filter),
            limit: query.limit,
            entries: Vec::new(),
            work: Work::new(self.work, hung_up),
        };
        let mut next_before = None;
        while upto >= self.journal.beginning() && next_before.is_none() {
            if look.is_done() {
                next_before = Some(upto + 1);
                break;
            }
            upto = self.last_before_chasm(upto);
            let block = self.block_of(upto);
            next_before = self.look_into(block, upto, &mut look)?;
            upto = self.first_of(block) - 1;
        }
        look.work.ensure_wanted()?;
        Ok(SearchPage {
            entries: look.entries,
            next_before,
        })
    }

    /// Looks into a block, for entries up to one. Answers before which entry it stopped.
    fn look_into(
        &self,
        block: u64,
        upto: u64,
        look: &mut Look<'_>,
    ) -> Result<Option<u64>, AuditError> {
        let first = self.first_of(block);
        look.work.block();
        match self.part(block) {
            Part::File(head) => {
                let looked = Finished::open(&self.dir, &head).and_then(|file| {
                    let rows = look.wanted.rows(&file, self.row_of(upto))?;
                    let found = rows.iter().rev().map(|row| (row, file.place(row)));
                    self.fetch(first, found, look)
                });
                match looked {
                    Ok(stopped) => Ok(stopped),
                    Err(error) => {
                        self.not_usable(block, &error);
                        self.scan(first - 1, look.behind(upto), look)
                    }
                }
            }
            Part::Memory => {
                let (through, found) = self.in_memory(block, upto, &look.wanted);
                if let Some(stopped) = self.scan(through.max(first - 1), upto, look)? {
                    return Ok(Some(stopped));
                }
                let found = found.into_iter().map(|(row, place)| (row, Ok(Some(place))));
                match self.fetch(first, found, look) {
                    Ok(stopped) => Ok(stopped),
                    // The journal itself is not what it was: reading it says how.
                    Err(_) => self.scan(first - 1, look.behind(through.min(upto)), look),
                }
            }
            Part::Nothing => self.scan(first - 1, upto, look),
        }
    }

    /// What the open block has that may be wanted, the newest first, and up to which entry it is made.
    /// The journal is read when the lock is free again.
    pub(super) fn in_memory(
        &self,
        block: u64,
        upto: u64,
        wanted: &Wanted<'_>,
    ) -> (u64, Vec<(u16, Place)>) {
        let state = self.state.lock();
        let open = &state.open;
        if self.block_of(open.first) != block {
            // It was finished a moment ago.
            return (0, Vec::new());
        }
        let Ok(rows) = wanted.rows(open, self.row_of(upto)) else {
            return (0, Vec::new());
        };
        let places = rows.iter().rev().filter_map(|row| {
            let place = open.place(row).ok()??;
            Some((row, place))
        });
        (open.through(), places.collect())
    }

    /// Reads the entries of rows, and takes those that are wanted. Answers before which entry it stopped;
    /// an error means that the rows are not what they should be.
    fn fetch(
        &self,
        first: u64,
        rows: impl Iterator<Item = (u16, io::Result<Option<Place>>)>,
        look: &mut Look<'_>,
    ) -> io::Result<Option<u64>> {
        for (row, place) in rows {
            let Some(place) = place? else { continue };
            let sequence = first + u64::from(row);
            look.take(self.entry(sequence, place)?);
            look.work.spend(1);
            // Behind an entry that was looked at, so that every page comes further.
            if look.is_done() {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    /// The entry with this number, which should be at this place.
    pub(super) fn entry(&self, sequence: u64, place: Place) -> io::Result<Journaled> {
        let found = self.journal.perhaps_at(place)?;
        let found = found.filter(|found| found.sequence == sequence);
        let found = found.ok_or(ErrorKind::InvalidData)?;
        let event = parse(sequence, &found.bytes).map_err(|_| ErrorKind::InvalidData)?;
        Ok(journaled(sequence, event))
    }

    /// Reads the journal itself, after one entry and up to another.
    fn scan(&self, after: u64, upto: u64, look: &mut Look<'_>) -> Result<Option<u64>, AuditError> {
        let room = look.limit.saturating_sub(look.entries.len());
        let mut found = VecDeque::new();
        self.each_entry(after, upto, &mut look.work, |entry| {
            if look.wanted.filter.wants(&entry.event) {
                found.push_back(entry);
            }
            if found.len() > room {
                found.pop_front();
            }
        })?;
        look.entries.extend(found.into_iter().rev());
        let last = look.entries.last().map(|last| last.sequence);
        Ok(last.filter(|_| look.entries.len() >= look.limit))
    }

    /// Visits the entries of the journal after one and up to another.
    pub(super) fn each_entry(
        &self,
        after: u64,
        upto: u64,
        work: &mut Work<'_>,
        mut visit: impl FnMut(Journaled),
    ) -> Result<(), AuditError> {
        work.spend(upto.saturating_sub(after) / ENTRIES_READ_AT_ONE);
        let mut at = after;
        while at < upto {
            work.ensure_wanted()?;
            let page = self.journal.written(at, PAGE_BYTES)?;
            let Some(last) = page.last() else { break };
            at = last.sequence;
            for entry in page.into_iter().filter(|entry| entry.sequence <= upto) {
                let event = parse(entry.sequence, &entry.bytes)?;
                let sequence = entry.sequence;
                visit(journaled(sequence, event));
            }
        }
        Ok(())
    }

    /// What cannot be read this once may be sound: it is made again only if it is damaged.
    pub(super) fn not_usable(&self, block: u64, error: &io::Error) {
        tracing::warn!(block, %error, "a block of the audit log is searched without its index");
        if is_damage(error) {
            self.discard(block);
        }
    }
}

/// A search on its way.
struct Look<'q> {
    wanted: Wanted<'q>,
    limit: usize,
    entries: Vec<Journaled>,
    work: Work<'q>,
}

fn journaled(sequence: u64, event: AuditEvent) -> Journaled {
    Journaled {
        as_logged: None,
        sequence,
        event,
    }
}

impl Look<'_> {
    fn is_done(&self) -> bool {
        self.entries.len() >= self.limit || self.work.is_done()
    }

    /// What was found is right: up to where it is to be gone on.
    fn behind(&self, upto: u64) -> u64 {
        let last = self.entries.last();
        last.map_or(upto, |last| upto.min(last.sequence.saturating_sub(1)))
    }

    /// The index says where an entry may be; whether it is wanted is asked of the entry.
    fn take(&mut self, entry: Journaled) {
        if self.wanted.filter.wants(&entry.event) {
            self.entries.push(entry);
        }
    }
}

/// The index as core asks it. Few ask at once, and each tenant one by one.
pub struct Search {
    index: Arc<AuditIndex>,
    turns: Turns,
}

impl Search {
    /// Searches an index.
    pub fn new(index: Arc<AuditIndex>) -> Self {
        let turns = Turns::new();
        Self { index, turns }
    }

    /// Has a thread find the answer when it is the tenant's turn.
    async fn ask<T: Send + 'static>(
        &self,
        whose: Whose,
        find: impl FnOnce(&AuditIndex, &AtomicBool) -> Result<T, AuditError> + Send + 'static,
    ) -> Result<T, AuditError> {
        let turn = self.turns.take(whose).await.ok_or_else(fault::stopped)?;
        let index = self.index.clone();
        let caller = Caller::default();
        let hung_up = Arc::clone(&caller.hung_up);
        let found = tokio::task::spawn_blocking(move || {
            // The thread's, not the caller's: whoever hangs up and asks again waits for its end.
            let _turn = turn;
            find(&index, &hung_up)
        });
        found.await.unwrap_or_else(|_| Err(fault::stopped()))
    }
}

/// Held while somebody waits for an answer.
#[derive(Default)]
struct Caller {
    hung_up: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.hung_up.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl AuditSearch for Search {
    async fn search(&self, query: SearchQuery) -> Result<SearchPage, AuditError> {
        let tenant = query.filter.tenant;
        self.ask(tenant, move |index, hung_up| {
            index.search_for(&query, hung_up)
        })
        .await
    }

    async fn counts(&self, query: CountQuery) -> Result<Counts, AuditError> {
        let tenant = query.filter.tenant;
        self.ask(tenant, move |index, hung_up| {
            index.counts_for(&query, hung_up)
        })
        .await
    }
}
