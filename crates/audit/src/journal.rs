//! The journal: opening it, and the handle that core sees as its [`AuditLog`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::audit::{AuditEvent, Journaled};
use keyward_core::port::audit_log::{AuditError, AuditLog, JournalObserver, TailQuery};
use keyward_core::time::Clock;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::beginning;
use crate::combining::Desk;
use crate::entry_signature;
use crate::fault;
use crate::frame::PAYLOAD_MAX;
use crate::io::JournalIo;
use crate::letting_go;
use crate::lull::Lull;
use crate::numbers::Numbers;
use crate::queue::{By, Offer, Pending};
use crate::reader::{Place, Reader, Written};
use crate::recovery::{Begins, OpenError, Recovered, doing, recover};
use crate::revisions::Revisions;
use crate::sealed::Sealer;
use crate::segment;
use crate::signature::{BatchKey, BatchSignature, Signer, Unsigned};
use crate::signing::Signing;
use crate::std_io::StdIo;
use crate::trees::Tree;
use crate::watch::Watch;
use crate::writer::{Active, Origin, Shared, Writer, discard, make};

/// Entries handed to the observer at once when opening.
const REPLAY_PAGE: usize = 4096;

/// When an entry counts as appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// When it is on the disk. It survives a power cut.
    Always,
    /// When the operating system has it. It survives the death of the process, not a power cut.
    Written,
}

/// How a journal behaves.
#[derive(Clone, Copy, Debug)]
pub struct JournalConfig {
    /// With which entry it may begin.
    pub begins: Begins,
    /// When an entry counts as appended.
    pub sync: SyncMode,
    /// How many entries may wait to be written.
    pub queue_entries: usize,
    /// How many bytes of entries may wait to be written.
    pub queue_bytes: usize,
    /// The size at which a new segment is begun.
    pub segment_bytes: u64,
    /// After a fault: the least time between two looks whether the disk can be written again,
    /// when entries are being refused.
    pub probe_least: Duration,
    /// The same, when nobody asks.
    pub probe_most: Duration,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            begins: Begins::WithTheFirst,
            sync: SyncMode::Always,
            queue_entries: 16 * 1024,
            queue_bytes: 32 * 1024 * 1024,
            segment_bytes: 64 * 1024 * 1024,
            probe_least: Duration::from_millis(200),
            probe_most: Duration::from_secs(1),
        }
    }
}

/// Registry revisions that have no entry in the journal, as far as it had been read when it was
/// opened. In a registry that several nodes write to, other nodes' journals may have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlogged {
    /// Those below `after` that are missing, ascending.
    pub missing: Vec<i64>,
    /// The highest one that has an entry; 0 if there is none. All above are missing.
    pub after: i64,
}

/// An append-only log on disk, written in batches by one thread.
pub struct Journal {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    pub(crate) reader: Reader,
    unlogged: Unlogged,
    pub(crate) deployment: Uuid,
    /// What signs entries one by one, as long as it signs batches.
    entry_key: RwLock<Option<BatchKey>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Journal {
    /// Opens the journal in a directory, or begins one; repairs what a crash left, and shows the
    /// observer what it has not kept yet.
    pub fn open(
        dir: &Path,
        config: JournalConfig,
        node: Arc<str>,
        deployment: Uuid,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn JournalObserver>,
    ) -> Result<Self, OpenError> {
        let io = StdIo::new(dir).map_err(doing("making the directory"))?;
        Self::open_with(Arc::new(io), config, node, deployment, clock, observer)
    }

    /// [`Journal::open`] on any implementation of the disk.
    pub fn open_with(
        io: Arc<dyn JournalIo>,
        config: JournalConfig,
        node: Arc<str>,
        deployment: Uuid,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn JournalObserver>,
    ) -> Result<Self, OpenError> {
        if node.len() > usize::from(u8::MAX) {
            return Err(OpenError::NodeName { size: node.len() });
        }
        let found = recover(&*io, deployment, config.begins)?;
        let origin = Origin {
            node,
            deployment,
            clock,
        };
        let catalog = Arc::clone(&found.catalog);
        let reader = Reader::new(Arc::clone(&io), Arc::clone(&catalog));
        let (last, seen) = (found.last, observer.kept_to());
        if last < seen && config.sync == SyncMode::Always {
            return Err(OpenError::Shortened { last, seen });
        }
        letting_go::ensure_counted(observer.replay_after(), catalog.beginning())?;
        replay(&reader, &*observer, last)?;
        let last = last.max(seen);
        let marked = found.open.as_ref().is_some_and(|open| open.marked);
        let signing = signing_of(config.sync, &reader, &origin, &found)?;
        let (active, revisions) = activate(&*io, &origin, found, last)?;
        catalog.push(Arc::clone(&active.segment));
        let shared = Arc::new(Shared::new(&config, catalog, last));
        let unlogged = Unlogged {
            missing: revisions.missing.iter().copied().collect(),
            after: revisions.highest,
        };
        let writer = Writer {
            io,
            shared: Arc::clone(&shared),
            config,
            origin,
            observer,
            active: Some(active),
            last,
            synced: last,
            marked,
            revisions,
            numbers: None,
            signing,
            buffer: Vec::new(),
            room: 0,
        };
        let desk = Arc::new(Desk::new(writer));
        let at_desk = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("audit-journal".to_owned())
            .spawn(move || at_desk.run())
            .map_err(doing("starting the writer"))?;
        Ok(Self {
            shared,
            desk,
            reader,
            unlogged,
            deployment,
            entry_key: RwLock::default(),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The highest registry revision that had an entry when the journal was opened; 0 if none.
    pub fn highest_revision(&self) -> i64 {
        self.unlogged.after
    }

    /// The registry revisions that had no entry when the journal was opened. Entries are appended
    /// in another order than changes commit, so there may be some below the highest.
    pub fn unlogged(&self) -> &Unlogged {
        &self.unlogged
    }

    /// The last entry that is durable; 0 if there is none.
    pub fn last(&self) -> u64 {
        *self.shared.durable.borrow()
    }

    /// Entries after a sequence number as they are written, as far as they are durable: at least
    /// one if there is one, and no more once `limit` bytes are read. Blocks while it reads.
    pub fn written(&self, after: u64, limit: usize) -> Result<Vec<Written>, AuditError> {
        self.reader.written(after, self.last(), limit)
    }

    /// The bytes of entries whose places are known. Blocks while it reads.
    pub fn at(&self, places: &[Place]) -> Result<Vec<Vec<u8>>, AuditError> {
        self.reader.at(places)
    }

    /// The sequence numbers of entries whose places are known. Blocks while it reads.
    pub(crate) fn numbers_at(&self, places: &[Place]) -> Result<Vec<u64>, AuditError> {
        self.reader.numbers_at(places)
    }

    /// Where very many numbers are missing: the last entry before each such place, and the first behind.
    pub(crate) fn chasms(&self) -> Result<Vec<(u64, u64)>, AuditError> {
        self.reader.chasms()
    }

    /// The same without reading: each begins later than it does, behind all that a segment has.
    pub(crate) fn chasms_at_least(&self) -> Vec<(u64, u64)> {
        self.reader.chasms_at_least()
    }

    /// The entry at a place that may be wrong; none if there is none. Blocks while it reads.
    pub(crate) fn perhaps_at(&self, place: Place) -> std::io::Result<Option<Written>> {
        self.reader.perhaps_at(place)
    }

    /// The number of the first entry that was not let go of: 1 if none ever was.
    pub fn beginning(&self) -> u64 {
        self.reader.catalog.beginning()
    }

    /// What is noted of the entries that were let go of; none if none ever was.
    pub(crate) fn begun(&self) -> beginning::Shared {
        self.reader.catalog.begun()
    }

    /// From now on whoever is to be told learns where the entry stands in its tree: `sizes` are the trees'
    /// after an entry. Blocks while it reads what came since.
    pub(crate) fn number(
        &self,
        sizes: impl IntoIterator<Item = (Tree, u64)>,
        after: u64,
    ) -> Result<(), AuditError> {
        let mut numbers = Numbers::new(sizes, after);
        numbers.catch_up(&self.reader, self.last())?;
        let numbered = self.desk.still(|writer| {
            numbers.catch_up(&self.reader, writer.last)?;
            writer.numbers = Some(numbers);
            Ok(())
        });
        // Who wants to know asks again when it can be written.
        numbered.unwrap_or_else(|| Err(self.shared.queue.fault().unwrap_or_else(fault::stopped)))
    }

    /// From now on each batch is signed by this key before it is answered, or by none, and so is each entry that
    /// is signed singly; batches that are not signed yet are at once, or with the next one. Nothing is signed where entries count as appended
    /// before they are synced. False if the disk cannot be written now: nothing has changed. Blocks while it
    /// writes.
    pub fn sign_by(&self, key: Option<BatchKey>) -> bool {
        let failed = self.desk.still(|writer| {
            let signing = writer.signing.as_mut()?;
            self.entry_key.write().clone_from(&key);
            signing.key = key;
            writer.sign().err()
        });
        if let Some(Some(error)) = &failed {
            // The next batch meets the same fault, and carries the signature when it is mended.
            tracing::warn!(%error, "the audit journal could not be signed");
        }
        failed.is_some()
    }

    /// The signatures over entries after a sequence number, up to another. Blocks while it reads.
    pub fn signatures(&self, after: u64, until: u64) -> Result<Vec<BatchSignature>, AuditError> {
        self.reader.signatures(after, until)
    }

    /// The entries after one, up to another, as if none of them was signed. Blocks while it reads.
    pub(crate) fn unsigned(&self, after: u64, until: u64) -> Result<Unsigned, AuditError> {
        self.reader.unsigned(after, until)
    }

    /// Whether a signature is genuine: of the key that it names, for this deployment.
    pub(crate) fn is_genuine(&self, signature: &BatchSignature) -> bool {
        signature.is_genuine(self.deployment)
    }

    /// Ends the gathering of a batch whenever the runtime's workers have nothing to do. The first
    /// runtime counts.
    pub fn heed(&self, lull: &Arc<Lull>) {
        self.shared.queue.heed(lull);
    }

    /// Begins to watch the files.
    pub fn watch(&self) -> Watch {
        Watch::new(Arc::clone(&self.reader.io), Arc::clone(&self.shared))
    }

    /// All segments that begin before this number are sealed, and end at or before `until`.
    pub(crate) fn sealed_before(&self, until: u64) -> u64 {
        let segments = self.shared.catalog.segments();
        let pairs = segments.iter().zip(segments.iter().skip(1));
        let sealed = pairs.take_while(|(one, next)| one.is_sealed() && next.first - 1 <= until);
        sealed.last().map_or(0, |(_, next)| next.first)
    }

    /// What seals finished segments, driven by whoever knows which are covered and how fast it may go.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(Arc::clone(&self.reader.io), Arc::clone(&self.shared))
    }

    /// Waits until no fault keeps entries from being appended, or the journal is closed.
    pub async fn repaired(&self) {
        let mut broken = self.shared.broken.subscribe();
        let mut finished = self.shared.finished.subscribe();
        tokio::select! {
            _ = broken.wait_for(|broken| !broken) => {}
            _ = finished.wait_for(|finished| *finished) => {}
        }
    }

    /// Refuses new entries, writes what is queued, and ends the writer.
    pub async fn close(&self) {
        self.shared.queue.close();
        let mut finished = self.shared.finished.subscribe();
        let _ = finished.wait_for(|finished| *finished).await;
        self.join();
    }

    fn join(&self) {
        let thread = self.thread.lock().take();
        // An observer that owns the last handle would have the thread wait for itself.
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the audit journal's writer panicked");
        }
    }
}

/// What is signed of a journal as it was found; none where entries may be lost that were answered.
fn signing_of(
    sync: SyncMode,
    reader: &Reader,
    origin: &Origin,
    found: &Recovered,
) -> Result<Option<Signing>, OpenError> {
    if sync == SyncMode::Written {
        return Ok(None);
    }
    let signed = found.open.as_ref().and_then(|open| open.signed);
    let signer = Signer {
        deployment: origin.deployment,
        node: Arc::clone(&origin.node),
    };
    let signing = Signing::take_up(reader, signer, signed, found.last);
    signing.map(Some).map_err(unread)
}

/// The segment to append to: the last one, or a new one if there is none, if the node was renamed,
/// or if entries up to `last` are known to have been lost.
fn activate(
    io: &dyn JournalIo,
    origin: &Origin,
    found: Recovered,
    last: u64,
) -> Result<(Active, Revisions), OpenError> {
    let segment = found.catalog.last();
    let active = match (found.open, segment) {
        (Some(open), Some(segment))
            if *open.node == *origin.node
                && open.format == segment::VERSION
                && found.last == last =>
        {
            Active {
                file: open.file,
                segment,
                start: open.start,
                end: open.end,
                reserved: open.end,
            }
        }
        // In a segment of an earlier format there can be no signatures.
        _ => discard(io, last + 1)
            .and_then(|()| make(io, origin, found.present, last + 1, &found.revisions, 0))
            .map_err(doing("making a segment"))?,
    };
    Ok((active, found.revisions))
}

fn replay(reader: &Reader, observer: &dyn JournalObserver, last: u64) -> Result<(), OpenError> {
    let mut after = observer.replay_after();
    while after < last {
        let page = reader
            .forward(after, last, None, REPLAY_PAGE)
            .map_err(unread)?;
        let Some(entry) = page.last() else { break };
        after = entry.sequence;
        observer.observe(&page);
    }
    Ok(())
}

fn unread(error: AuditError) -> OpenError {
    match error {
        AuditError::Damaged { sequence } => OpenError::Damaged { sequence },
        other => OpenError::Io {
            doing: "replaying entries",
            source: std::io::Error::other(other),
        },
    }
}

#[async_trait]
impl AuditLog for Journal {
    async fn append(&self, mut event: AuditEvent) -> Result<u64, AuditError> {
        let is_signed = event.action.is_signed_singly();
        let key = is_signed.then(|| self.entry_key.read().clone()).flatten();
        let payload = entry_signature::encode(&mut event, key.as_ref());
        if payload.len() > PAYLOAD_MAX {
            return Err(AuditError::EntryTooLarge {
                size: payload.len(),
                max: PAYLOAD_MAX,
            });
        }
        let queue = &self.shared.queue;
        let refused = || queue.fault().unwrap_or_else(fault::stopped);
        let (done, answer) = oneshot::channel();
        let pending = Pending {
            event,
            payload,
            done,
        };
        let by = match queue.offer(pending) {
            Offer::Taken(by) => by,
            Offer::Refused(error) => return Err(error),
            Offer::Wait(pending, permit) => {
                let permit = permit.await.map_err(|_| refused())?;
                queue.offer_with(permit, *pending)?
            }
        };
        if by == By::Caller {
            self.desk.combine();
        }
        answer.await.unwrap_or_else(|_| Err(refused()))
    }

    async fn tail(&self, query: TailQuery) -> Result<Vec<Journaled>, AuditError> {
        let reader = self.reader.clone();
        let durable = self.last();
        let read = move || match query.after {
            Some(after) => reader.forward(after, durable, query.tenant, query.limit),
            None => reader.last(durable, query.tenant, query.limit),
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|_| Err(fault::stopped()))
    }

    fn last(&self) -> u64 {
        self.last()
    }

    async fn changed(&self, after: u64) {
        let mut durable = self.shared.durable.subscribe();
        // The sender lives as long as this handle, so that this ends only for the right reason.
        let _ = durable.wait_for(|durable| *durable > after).await;
    }

    fn fault(&self) -> Option<AuditError> {
        self.shared.queue.fault()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.join();
    }
}
