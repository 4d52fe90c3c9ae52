//! When the windows of a schedule let something happen.

use super::fault::ScheduleFault;
use super::schedule::Moved;
use super::window::{Spans, Window};
use super::zone::Zone;
use crate::time::Timestamp;

/// How far a date is moved at most, in seconds: a yearly window, and some. After that nothing is ever open.
const HORIZON: i64 = 400 * 86_400;

/// The windows of a schedule, in its zone.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub(super) zone: &'a Zone,
    pub(super) blackouts: &'a [Window],
    pub(super) maintenance: &'a [Window],
}

impl Opening<'_> {
    /// The first open instant from this one on, and what moved it last. Each step passes a window's edge, of which
    /// four hundred days have a bounded number: the search ends.
    pub(super) fn first(
        &self,
        planned: Timestamp,
    ) -> Result<(Timestamp, Option<Moved>), ScheduleFault> {
        let mut blackouts = self.spans(self.blackouts, planned)?;
        let mut maintenance = self.spans(self.maintenance, planned)?;
        let (mut at, mut moved) = (planned, None);
        while at.seconds_since(planned) <= HORIZON {
            let closed = blackouts
                .iter_mut()
                .filter_map(|spans| spans.seek(at))
                .filter(|span| span.begin <= at);
            if let Some(end) = closed.map(|span| span.end).max() {
                (at, moved) = (end, Some(Moved::Blackout));
                continue;
            }
            if maintenance.is_empty() {
                return Ok((at, moved));
            }
            let begins = maintenance
                .iter_mut()
                .filter_map(|spans| spans.seek(at))
                .map(|span| span.begin)
                .min();
            match begins {
                None => break,
                Some(begin) if begin <= at => return Ok((at, moved)),
                Some(begin) => (at, moved) = (begin, Some(Moved::Maintenance)),
            }
        }
        Err(ScheduleFault::NothingOpen)
    }

    /// How many whole seconds from an open instant on stay open, up to a limit.
    pub(super) fn open_seconds(&self, at: Timestamp, limit: u32) -> Result<u32, ScheduleFault> {
        let mut end = at.plus_seconds(i64::from(limit));
        for spans in &mut self.spans(self.blackouts, at)? {
            if let Some(span) = spans.seek(at) {
                end = end.min(span.begin.max(at));
            }
        }
        if !self.maintenance.is_empty() {
            let mut maintenance = self.spans(self.maintenance, at)?;
            let mut reached = at;
            while reached < end {
                let covers = maintenance
                    .iter_mut()
                    .filter_map(|spans| spans.seek(reached));
                let covers = covers.filter(|span| span.begin <= reached);
                match covers.map(|span| span.end).max() {
                    Some(later) => reached = later,
                    None => end = reached,
                }
            }
        }
        Ok(u32::try_from(end.seconds_since(at)).unwrap_or(0))
    }

    fn spans<'b>(
        &'b self,
        windows: &'b [Window],
        from: Timestamp,
    ) -> Result<Vec<Spans<'b>>, ScheduleFault> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let today = self
            .zone
            .local(from)
            .ok_or(ScheduleFault::OutOfRange)?
            .date();
        Ok(windows
            .iter()
            .map(|window| Spans::new(window, self.zone, today))
            .collect())
    }
}
