//! How many entries are wanted, by value and span of time.

use std::io;
use std::sync::atomic::AtomicBool;

use keyward_core::port::audit_log::AuditError;
use keyward_core::port::audit_search::{CountQuery, Counts};

use crate::index::block::Block;
use crate::index::field::{Field, terms};
use crate::index::file::{Finished, Head};
use crate::index::keeper::AuditIndex;
use crate::index::rollup::{self, hour};
use crate::index::rows::Rows;
use crate::index::search::{Part, Wanted, Work};
use crate::index::tally::Tally;
use crate::reader::Place;

/// A request answers with what it has once there are so many counts; a block more may come to them.
const COUNTS_MAX: usize = 50_000;

impl AuditIndex {
    /// Counts the entries that are wanted. Blocks while it reads.
    pub fn counts(&self, query: &CountQuery) -> Result<Counts, AuditError> {
        self.counts_for(query, &AtomicBool::new(false))
    }

    /// The same until the caller hangs up; then it is an error.
    pub(super) fn counts_for(
        &self,
        query: &CountQuery,
        hung_up: &AtomicBool,
    ) -> Result<Counts, AuditError> {
        let before = query.before.unwrap_or(u64::MAX);
        let mut upto = self.journal.last().min(before.saturating_sub(1));
        let wanted = Wanted::new(&query.filter);
        let mut tally = Tally::new(query.by, query.every);
        let mut work = Work::new(self.work, hung_up);
        let begins = self.journal.beginning();
        while upto >= begins && !work.is_done() && tally.len() < COUNTS_MAX {
            upto = self.last_before_chasm(upto);
            let block = self.block_of(upto);
            work.block();
            let mut of_block = Tally::new(query.by, query.every);
            self.count_block(block, upto, &wanted, &mut of_block, &mut work)?;
            tally.add_all(of_block);
            upto = self.first_of(block) - 1;
        }
        work.ensure_wanted()?;
        Ok(Counts {
            counts: tally.into_counts(),
            next_before: (upto >= begins).then_some(upto + 1),
        })
    }

    fn count_block(
        &self,
        block: u64,
        upto: u64,
        wanted: &Wanted<'_>,
        tally: &mut Tally,
        work: &mut Work<'_>,
    ) -> Result<(), AuditError> {
        let first = self.first_of(block);
        let fresh = tally.fresh();
        let after = match self.part(block) {
            Part::File(head) => match self.in_file(&head, upto, wanted, tally, work) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.not_usable(block, &error);
                    *tally = fresh;
                    first - 1
                }
            },
            Part::Memory => {
                if let Ok(through) = self.in_open(first, upto, wanted, tally, work) {
                    through
                } else {
                    // The journal itself is not what it was: reading it says how.
                    *tally = fresh;
                    first - 1
                }
            }
            Part::Nothing => first - 1,
        };
        self.each_entry(after, upto, work, |entry| {
            if wanted.filter.wants(&entry.event) {
                count(tally, &entry.event);
            }
        })
    }

    fn in_file(
        &self,
        head: &Head,
        upto: u64,
        wanted: &Wanted<'_>,
        tally: &mut Tally,
        work: &mut Work<'_>,
    ) -> io::Result<()> {
        let file = Finished::open(&self.dir, head)?;
        let is_whole = upto >= head.last && wanted.covers(file.span());
        if is_whole && in_rollup(&file, wanted, tally)? {
            return Ok(());
        }
        let rows = wanted.rows(&file, self.row_of(upto))?;
        if wanted.is_rough() {
            let found = rows.iter().map(|row| (row, file.place(row)));
            return self.compared(head.first, found, wanted, tally, work);
        }
        in_rows(&file, &rows, tally, work)
    }

    /// Counts what is in memory of the open block. Answers up to which entry that is.
    fn in_open(
        &self,
        first: u64,
        upto: u64,
        wanted: &Wanted<'_>,
        tally: &mut Tally,
        work: &mut Work<'_>,
    ) -> io::Result<u64> {
        if wanted.is_rough() {
            // Entries are read when the lock is free again: the index grows, and others search.
            let (through, found) = self.in_memory(self.block_of(first), upto, wanted);
            let found = found.into_iter().map(|(row, place)| (row, Ok(Some(place))));
            self.compared(first, found, wanted, tally, work)?;
            return Ok(through.max(first - 1));
        }
        let state = self.state.lock();
        let open = &state.open;
        if open.first != first {
            // It was finished a moment ago.
            return Ok(first - 1);
        }
        let rows = wanted.rows(open, self.row_of(upto))?;
        in_rows(open, &rows, tally, work)?;
        Ok(open.through())
    }

    /// Counts those of the rows whose entries are wanted.
    fn compared(
        &self,
        first: u64,
        rows: impl Iterator<Item = (u16, io::Result<Option<Place>>)>,
        wanted: &Wanted<'_>,
        tally: &mut Tally,
        work: &mut Work<'_>,
    ) -> io::Result<()> {
        for (row, place) in rows {
            // Counts go on at a block, so that it is counted to its end unless nobody wants to know.
            if work.is_for_nobody() {
                break;
            }
            work.spend(1);
            let Some(place) = place? else { continue };
            let entry = self.entry(first + u64::from(row), place)?;
            if wanted.filter.wants(&entry.event) {
                count(tally, &entry.event);
            }
        }
        Ok(())
    }
}

/// Counts rows of a block by its terms.
fn in_rows(
    block: &dyn Block,
    rows: &Rows,
    tally: &mut Tally,
    work: &mut Work<'_>,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    // Most blocks are of one span: then no row's own time matters.
    let (least, most) = block.span();
    let whole = tally.span(hour(least));
    let spans = if whole == tally.span(hour(most)) {
        Vec::new()
    } else {
        tally.spans(&block.times()?)
    };
    let mut sums = 0;
    block.each(tally.field(), &mut |term, posting| {
        // Neighbours are mostly of the same span.
        let (mut span, mut entries) = (whole, 0);
        posting.each_in(rows, |row| {
            let next = spans.get(usize::from(row)).copied().unwrap_or(whole);
            if next != span && entries > 0 {
                tally.add(span, term, entries);
                entries = 0;
            }
            span = next;
            entries += 1;
        });
        sums += 1;
        if entries > 0 {
            tally.add(span, term, entries);
        }
    })?;
    work.spend(WORK_OF_ROWS + sums / SUMS_AT_ONE);
    Ok(())
}

/// To count rows takes about so much, in the measure of [`Work`], and one more for so many terms.
const WORK_OF_ROWS: u64 = 50;
const SUMS_AT_ONE: u64 = 10;

/// Counts what was counted when the file was made, if nothing is asked but tenant and field.
fn in_rollup(file: &Finished<'_>, wanted: &Wanted<'_>, tally: &mut Tally) -> io::Result<bool> {
    let tenant = match wanted.terms.as_slice() {
        [] => None,
        [(Field::Tenant, tenant)] => Some(tenant.as_slice()),
        _ => return Ok(false),
    };
    let counts = file.counts(tally.field())?;
    let (mut last, mut span) = (None, 0);
    rollup::each(&counts, |hour, of, value, entries| {
        if tenant.is_none_or(|tenant| tenant == of) {
            if last != Some(hour) {
                (last, span) = (Some(hour), tally.span(hour));
            }
            tally.add(span, value, entries);
        }
    })
}

/// Counts one entry, once for each value that it has.
fn count(tally: &mut Tally, event: &keyward_core::audit::AuditEvent) {
    let span = tally.span(hour(event.time.as_micros()));
    let mut values: Vec<Box<[u8]>> = Vec::new();
    let field = tally.field();
    terms(event, |of, term| {
        if of == field && !values.iter().any(|value| **value == *term) {
            values.push(term.into());
        }
    });
    for value in values {
        tally.add(span, &value, 1);
    }
}
