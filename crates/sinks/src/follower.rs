//! A sink on its way through the journal: reads, delivers, waits, tries again, and keeps where it is.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use keyward_core::audit::format::Emitter;
use keyward_core::port::audit_log::{AuditError, AuditLog, TailQuery};
use keyward_core::sink_board::{SinkState, SinkStatus};
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::random::Random;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::batch::{Batch, Cut};
use crate::cursor::{self, Cursor, CursorError, CursorFile};
use crate::settings::{SinkSettings, Start};
use crate::sink::{self, Failure, FailureKind, Sink};

/// How long entries may gather before they are delivered.
const LINGER: Duration = Duration::from_millis(200);
/// A cursor is written at most so often: each time syncs the disk that the journal is on, too.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// The same, when it has only passed over what the sink does not want.
const KEEP_PASSED_EVERY: Duration = Duration::from_mins(1);

/// Longest word on what is wrong.
const DETAIL_CHARS_MAX: usize = 800;

/// Where a sink says how it stands.
pub type Tell = Arc<dyn Fn(SinkStatus) + Send + Sync>;

/// What a sink is given of the world.
#[derive(Clone)]
pub struct Ports {
    /// The journal.
    pub journal: Arc<dyn AuditLog>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For pauses.
    pub random: Arc<dyn Random>,
    /// Who is told.
    pub tell: Tell,
}

/// A sink that follows the journal.
pub struct Follower {
    ports: Ports,
    deployment: Uuid,
    from: Start,
    file: CursorFile,
    cut: Cut,
    sink: Box<dyn Sink>,
    status: SinkStatus,
    backoff: Backoff,
    /// Whether the cursor could not be written when that was tried last.
    is_unkept: bool,
    /// How many entries are read at once: fewer while the receiver refuses larger batches.
    entries: usize,
    entries_most: usize,
}

/// Where a sink is.
struct Place {
    /// Everything before it was delivered.
    read: Cursor,
    /// Everything before it is known to have arrived.
    settled: Cursor,
    /// What was delivered since.
    unsettled: VecDeque<Given>,
    /// What the file says.
    kept: u64,
    kept_at: Instant,
    /// Whether something was delivered since.
    has_delivered: bool,
}

/// What was delivered, or passed over.
struct Given {
    /// When it counts as arrived.
    settles_at: Instant,
    to: Cursor,
    /// When its first entry was made; none if it was passed over.
    since: Option<Timestamp>,
}

impl Place {
    fn at(cursor: Cursor) -> Self {
        Self {
            kept: cursor.sequence(),
            read: cursor.clone(),
            settled: cursor,
            unsettled: VecDeque::new(),
            kept_at: Instant::now(),
            has_delivered: false,
        }
    }

    fn advance(&mut self, to: Cursor, since: Option<Timestamp>, settles_after: Duration) {
        self.unsettled.push_back(Given {
            settles_at: Instant::now() + settles_after,
            to: to.clone(),
            since,
        });
        self.has_delivered |= since.is_some();
        self.read = to;
    }

    /// Whether something that was delivered now counts as arrived.
    fn settle(&mut self) -> bool {
        let now = Instant::now();
        let mut has_arrived = false;
        while let Some(given) = self.unsettled.pop_front_if(|it| it.settles_at <= now) {
            has_arrived |= given.since.is_some();
            self.settled = given.to;
        }
        has_arrived
    }

    /// When the first entry was made that was delivered and may be lost.
    fn in_doubt_since(&self) -> Option<Timestamp> {
        self.unsettled.iter().find_map(|it| it.since)
    }

    /// What is not known to have arrived is delivered again.
    fn go_back(&mut self) {
        self.unsettled.clear();
        self.read = self.settled.clone();
    }

    fn is_kept(&self) -> bool {
        self.kept == self.settled.sequence()
    }

    /// When the file is to be written, if it is behind.
    fn keeps_at(&self) -> Option<Instant> {
        let every = if self.has_delivered {
            KEEP_EVERY
        } else {
            KEEP_PASSED_EVERY
        };
        (!self.is_kept()).then(|| self.kept_at + every)
    }

    /// When there is something to settle or to keep.
    fn next(&self) -> Option<Instant> {
        let settles = self.unsettled.front().map(|it| it.settles_at);
        settles.into_iter().chain(self.keeps_at()).min()
    }
}

impl Follower {
    /// A sink whose cursor is in a directory. Nothing is opened yet.
    pub fn new(settings: &SinkSettings, ports: Ports, dir: &Path, emitter: Emitter) -> Self {
        let deployment = emitter.deployment.parse().unwrap_or_default();
        let kind = settings.target.kind();
        Self {
            sink: sink::open(settings, &ports.clock, &ports.random),
            ports,
            deployment,
            from: settings.from,
            file: CursorFile::new(dir, &settings.name),
            cut: Cut {
                filter: settings.filter.clone(),
                format: settings.format,
                emitter,
                bytes: settings.pace.bytes,
            },
            status: SinkStatus::new(settings.name.clone(), kind),
            backoff: Backoff::new(settings.pace.retry_most),
            is_unkept: false,
            entries: settings.pace.entries,
            entries_most: settings.pace.entries.max(1),
        }
    }

    /// Follows the journal until it is told to end.
    pub async fn run(mut self, mut ended: watch::Receiver<bool>) {
        self.tell();
        loop {
            let Err(error) = self.follow(&mut ended).await else {
                return;
            };
            let kind = if error.is_passing() {
                FailureKind::Transient
            } else {
                FailureKind::Denied
            };
            self.note(&Failure::new(kind, error.to_string()));
            // Nobody was asked anything: only somebody's doing can change this.
            self.rest(self.backoff.longest(), &mut ended).await;
            if *ended.borrow() {
                return;
            }
        }
    }

    async fn follow(&mut self, ended: &mut watch::Receiver<bool>) -> Result<(), CursorError> {
        let mut place = Place::at(self.begin().await?);
        self.status.sequence = place.settled.sequence();
        self.is_unkept = false;
        if self.status.state == SinkState::Refused {
            self.works();
        }
        while !*ended.borrow() {
            let Err(failure) = self.step(&mut place, ended).await else {
                continue;
            };
            self.go_back(&mut place);
            let pause = self.pause(&failure);
            self.note(&failure);
            self.rest(pause, ended).await;
        }
        place.settle();
        if !place.is_kept() {
            self.file.keep(&place.settled).await?;
        }
        Ok(())
    }

    /// Where the sink was, or where it shall begin; that is written before anything is read.
    async fn begin(&self) -> Result<Cursor, CursorError> {
        let journal = &*self.ports.journal;
        if let Some(cursor) = self.file.load(self.deployment, journal).await? {
            return Ok(cursor);
        }
        let beginning = Cursor::at_beginning(self.deployment);
        let cursor = match self.from {
            Start::Beginning | Start::After(0) => beginning,
            Start::Now => {
                let query = TailQuery {
                    limit: 1,
                    ..TailQuery::default()
                };
                let last = journal.tail(query).await?;
                last.first()
                    .map_or(beginning.clone(), |it| beginning.behind(it))
            }
            Start::After(sequence) => {
                let entry = cursor::entry(journal, sequence).await?;
                let entry = entry.ok_or(CursorError::NoSuchEntry { sequence })?;
                beginning.behind(&entry)
            }
        };
        self.file.keep(&cursor).await?;
        Ok(cursor)
    }

    /// Delivers what is next, or waits for it.
    async fn step(
        &mut self,
        place: &mut Place,
        ended: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        if let Some(failure) = self.sink.broken().now_or_never() {
            return Err(failure);
        }
        self.settle(place);
        self.keep(place).await;
        let last = self.ports.journal.last();
        let batch = self.read(place.read.sequence()).await?;
        let Some(through) = &batch.through else {
            if place.unsettled.is_empty() {
                self.works();
            }
            self.status.waiting_since = self.in_doubt_since(place);
            self.tell();
            return self.wait(place, last, ended).await;
        };
        let to = place.read.behind(through);
        let since = batch.since();
        if batch.items.is_empty() {
            place.advance(to, since, Duration::ZERO);
            self.settle(place);
            return Ok(());
        }
        self.status.waiting_since = self.in_doubt_since(place).or(since);
        self.tell();
        let delivered = self.deliver(&batch, ended).await;
        if let Ok(true) = delivered {
            self.entries = (self.entries * 2).min(self.entries_most);
            place.advance(to, since, self.sink.settles_after());
            self.delivered(place, batch.items.len());
        } else {
            // What was acknowledged before it broke off is not sent again.
            let count = self.sink.take_acknowledged();
            let last = count.checked_sub(1).and_then(|at| batch.items.get(at));
            if let Some(last) = last {
                place.advance(place.read.behind(&last.entry), since, Duration::ZERO);
                self.delivered(place, count);
            }
        }
        delivered.map(|_| ())
    }

    /// Delivers a batch. False if it was broken off because everything ends.
    async fn deliver(
        &mut self,
        batch: &Batch,
        ended: &mut watch::Receiver<bool>,
    ) -> Result<bool, Failure> {
        let patience = self.sink.patience();
        let delivering = self.sink.deliver(&batch.items);
        let delivered = async {
            let Some(patience) = patience else {
                return delivering.await;
            };
            let late = || Failure::transient(format!("no end after {} s", patience.as_secs()));
            timeout(patience, delivering)
                .await
                .unwrap_or_else(|_| Err(late()))
        };
        let failed = tokio::select! {
            delivered = delivered => delivered.err(),
            _ = ended.wait_for(|ended| *ended) => return Ok(false),
        };
        let Some(mut failure) = failed else {
            return Ok(true);
        };
        if failure.kind == FailureKind::Rejected {
            let (first, count) = (batch.items.first(), batch.items.len());
            let first = first.map_or(0, |item| item.entry.sequence);
            self.entries = (count / 2).max(1);
            failure.detail = if count > 1 {
                format!("{count} entries from {first} on: {}", failure.detail)
            } else {
                // Never skipped: whoever may leave an entry out is somebody, and not this program.
                format!("the entry {first} alone: {}", failure.detail)
            };
            if count == 1 {
                failure.kind = FailureKind::Denied;
                failure.asked = failure.asked.max(Some(self.backoff.longest()));
            }
        }
        Err(failure)
    }

    fn delivered(&mut self, place: &mut Place, count: usize) {
        self.status.sent += count as u64;
        self.status.sent_at = Some(self.ports.clock.now());
        self.settle(place);
        self.tell();
    }

    /// Only what has arrived says that the sink works: a receiver that takes everything and closes has
    /// taken nothing.
    fn settle(&mut self, place: &mut Place) {
        if place.settle() {
            self.backoff.reset();
            self.works();
        }
        self.status.sequence = place.settled.sequence();
    }

    /// What was delivered and may be lost waits as well, once there is trouble.
    fn in_doubt_since(&self, place: &Place) -> Option<Timestamp> {
        let in_doubt = place.in_doubt_since();
        in_doubt.filter(|_| self.status.state != SinkState::Following)
    }

    fn go_back(&mut self, place: &mut Place) {
        let in_doubt = place.in_doubt_since();
        self.status.waiting_since = in_doubt.or(self.status.waiting_since);
        place.go_back();
        self.sink.reset();
    }

    /// Nothing is wrong any more, unless its cursor cannot be written.
    fn works(&mut self) {
        if self.is_unkept {
            return;
        }
        if let Some(trouble) = self.status.trouble.take() {
            let sink = &self.status.name;
            tracing::info!(sink, trouble, "a sink of the audit log goes on");
        }
        self.status.failing_since = None;
        self.status.state = SinkState::Following;
    }

    /// The next entries after a place.
    async fn read(&self, after: u64) -> Result<Batch, Failure> {
        let query = TailQuery {
            tenant: None,
            after: Some(after),
            limit: self.entries.max(1),
        };
        let page = self.ports.journal.tail(query).await;
        let page = page.map_err(|error| match error {
            AuditError::Damaged { .. } => Failure::denied(error.to_string()),
            _ => Failure::transient(error.to_string()),
        })?;
        let cut = self.cut.clone();
        // To write a page out takes milliseconds: not for a thread that answers requests.
        let batch = spawn_blocking(move || cut.batch(page)).await;
        let batch = batch.map_err(|error| Failure::transient(error.to_string()))?;
        batch.map_err(|error| Failure::denied(format!("an entry cannot be written out: {error}")))
    }

    /// Keeps what has settled, if that is due. A disk that does not take it is no reason to deliver
    /// anything again: it is noted and tried again, and the sink goes on meanwhile.
    async fn keep(&mut self, place: &mut Place) {
        if place.keeps_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        place.kept_at = Instant::now();
        let kept = self.file.keep(&place.settled).await;
        self.is_unkept = kept.is_err();
        if let Err(error) = kept {
            return self.note(&Failure::transient(error.to_string()));
        }
        place.kept = place.settled.sequence();
        place.has_delivered = !place.unsettled.is_empty();
    }

    /// Waits for something to do. `last` is what the journal ended with when there was nothing.
    async fn wait(
        &mut self,
        place: &Place,
        last: u64,
        ended: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let next = place.next();
        let due = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            // Entries that were lost have numbers too.
            let after = last.max(place.read.sequence());
            self.ports.journal.changed(after).await;
            sleep(LINGER).await;
        };
        tokio::select! {
            () = news => Ok(()),
            () = due => Ok(()),
            failure = self.sink.broken() => Err(failure),
            _ = ended.wait_for(|ended| *ended) => Ok(()),
        }
    }

    fn pause(&mut self, failure: &Failure) -> Duration {
        // Half of a batch is another try of its own.
        if failure.kind == FailureKind::Rejected {
            return Duration::ZERO;
        }
        self.backoff.pause(failure.asked, &*self.ports.random)
    }

    async fn rest(&self, pause: Duration, ended: &mut watch::Receiver<bool>) {
        tokio::select! {
            () = sleep(pause) => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
    }

    fn note(&mut self, failure: &Failure) {
        let sink = &self.status.name;
        // Some of it may be what a receiver said.
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let detail = failure.detail.chars().map(visible);
        let detail: String = detail.take(DETAIL_CHARS_MAX).collect();
        if self.status.trouble.as_ref() != Some(&detail) {
            tracing::warn!(
                sink,
                detail,
                "a sink of the audit log does not take entries"
            );
        }
        self.status.failures += 1;
        let now = self.ports.clock.now();
        self.status.failing_since.get_or_insert(now);
        self.status.trouble = Some(detail);
        self.status.state = match failure.kind {
            FailureKind::Transient | FailureKind::Rejected => SinkState::Failing,
            FailureKind::Denied => SinkState::Refused,
        };
        self.tell();
    }

    fn tell(&self) {
        (self.ports.tell)(self.status.clone());
    }
}
