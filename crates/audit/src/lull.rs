//! A lull: the moment in which every thread that serves requests has nothing to do. A batch that
//! gathers waits for entries that are on their way; in a lull there are none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::queue::Queue;

/// How many of a runtime's workers rest. Whoever builds the runtime tells it, from the hooks that
/// run just before a worker parks and just after it is woken.
#[derive(Default)]
pub struct Lull {
    workers: AtomicUsize,
    parked: AtomicUsize,
    queue: OnceLock<Weak<Queue>>,
}

impl Lull {
    /// How many workers there are. Until this is known there is no lull.
    pub fn among(&self, workers: usize) {
        self.workers.store(workers, Ordering::SeqCst);
    }

    /// A worker is about to park.
    pub fn parks(&self) {
        let before = self.parked.fetch_add(1, Ordering::SeqCst);
        if before + 1 == self.workers.load(Ordering::SeqCst)
            && let Some(queue) = self.queue.get().and_then(Weak::upgrade)
        {
            queue.end_gathering();
        }
    }

    /// A worker was woken.
    pub fn unparks(&self) {
        self.parked.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether every worker rests.
    pub(crate) fn is_now(&self) -> bool {
        let workers = self.workers.load(Ordering::SeqCst);
        workers > 0 && self.parked.load(Ordering::SeqCst) >= workers
    }

    /// From now on a lull ends the gathering of this queue's batches. The first one counts.
    pub(crate) fn ends_gathering_of(&self, queue: &Arc<Queue>) {
        let _ = self.queue.set(Arc::downgrade(queue));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::room::Limits;

    const EVER: Duration = Duration::from_hours(1);

    fn queue(lull: &Arc<Lull>) -> Arc<Queue> {
        let room = Limits {
            entries: 10,
            bytes: 10,
        };
        let queue = Arc::new(Queue::new(room, false));
        queue.heed(lull);
        queue
    }

    /// A batch gathers on a thread of its own; the receiver hears when it is done.
    fn gather(queue: &Arc<Queue>, pause: Duration) -> mpsc::Receiver<()> {
        let (done, told) = mpsc::channel();
        let queue = Arc::clone(queue);
        thread::spawn(move || {
            queue.gather(pause);
            done.send(()).unwrap();
        });
        told
    }

    #[test]
    fn the_last_worker_to_park_ends_the_gathering() {
        for _ in 0..1_000 {
            let lull = Arc::new(Lull::default());
            lull.among(2);
            let queue = queue(&lull);
            let told = gather(&queue, EVER);
            lull.parks();
            lull.parks();
            // Whether the batch gathered before or after that: it does not gather for an hour.
            told.recv_timeout(Duration::from_mins(1)).unwrap();
        }
    }

    #[test]
    fn while_a_worker_is_busy_a_batch_gathers_as_long_as_it_may() {
        let lull = Arc::new(Lull::default());
        lull.among(2);
        let queue = queue(&lull);
        for _ in 0..10 {
            lull.parks();
            lull.unparks();
        }
        lull.parks();
        let told = gather(&queue, EVER);
        let soon = Duration::from_millis(50);
        assert_eq!(
            told.recv_timeout(soon),
            Err(mpsc::RecvTimeoutError::Timeout)
        );
        queue.close();
        told.recv().unwrap();
        gather(&queue, Duration::from_micros(1)).recv().unwrap();
    }

    #[test]
    fn nobody_rests_before_it_is_known_how_many_there_are() {
        let lull = Arc::new(Lull::default());
        let queue = queue(&lull);
        assert!(!lull.is_now());
        lull.parks();
        queue.close();
        gather(&queue, EVER).recv().unwrap();
    }
}
