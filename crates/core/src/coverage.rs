//! How far the place of backups holds what was committed, for those who must not answer before it does.
//! Knows no time: whoever makes segments says when it took too long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_channel::oneshot;
use futures_util::task::AtomicWaker;

/// Why what was committed is not in the place of backups.
pub(crate) type Why = Arc<str>;

/// Changes wait here until a segment holds them. Nobody waits before somebody makes segments.
#[derive(Default)]
pub(crate) struct Coverage {
    inner: Mutex<Inner>,
    wake: AtomicWaker,
}

#[derive(Default)]
struct Inner {
    is_on: bool,
    /// Everything up to here is in the place.
    to: i64,
    waiting: BTreeMap<i64, Vec<oneshot::Sender<Result<(), Why>>>>,
    /// What the last try ended in.
    last_failure: Option<Why>,
    /// Since it was given up, and until it works again.
    down: Option<Why>,
}

impl Coverage {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on somebody makes segments.
    pub(crate) fn begin(&self) {
        self.lock().is_on = true;
    }

    /// From here on nobody does any more: who waits hears that, and so does whoever comes.
    pub(crate) fn end(&self, why: &str) {
        self.give_up(Some(why.into()));
    }

    /// Whether changes wait.
    pub(crate) fn is_on(&self) -> bool {
        self.lock().is_on
    }

    /// Why nothing comes into the place, since it was given up.
    pub(crate) fn down(&self) -> Option<Why> {
        self.lock().down.clone()
    }

    /// Waits until a segment holds a revision; or says why none does.
    pub(crate) async fn holds(&self, revision: i64) -> Result<(), Why> {
        let receiver = {
            let mut inner = self.lock();
            if !inner.is_on || inner.to >= revision {
                return Ok(());
            }
            if let Some(why) = &inner.down {
                return Err(why.clone());
            }
            let (sender, receiver) = oneshot::channel();
            inner.waiting.entry(revision).or_default().push(sender);
            receiver
        };
        self.wake.wake();
        let stopping = || Err("the server is stopping".into());
        receiver.await.unwrap_or_else(|_| stopping())
    }

    /// Until somebody waits. For the one who makes segments.
    pub(crate) async fn is_wanted(&self) {
        std::future::poll_fn(|context| {
            self.wake.register(context.waker());
            if self.lock().waiting.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Everything up to here is in the place: who waits for that may answer. Whether it was given up
    /// before.
    pub(crate) fn hold(&self, revision: i64) -> bool {
        let (done, was_down) = {
            let mut inner = self.lock();
            inner.to = inner.to.max(revision);
            inner.last_failure = None;
            let first_later = inner.to.saturating_add(1);
            let later = inner.waiting.split_off(&first_later);
            let done = std::mem::replace(&mut inner.waiting, later);
            (done, inner.down.take().is_some())
        };
        for waiter in done.into_values().flatten() {
            let _ = waiter.send(Ok(()));
        }
        was_down
    }

    /// The last try ended in this; it is tried again.
    pub(crate) fn failed(&self, why: &str) {
        self.lock().last_failure = Some(why.into());
    }

    /// It took too long: who waits hears why, and until it works again so does whoever comes.
    pub(crate) fn give_up(&self, why: Option<Why>) -> Why {
        let (waiting, why) = {
            let mut inner = self.lock();
            let last = inner.last_failure.clone();
            let why = why
                .or(last)
                .unwrap_or_else(|| "the place of backups does not answer".into());
            inner.down = Some(why.clone());
            (std::mem::take(&mut inner.waiting), why)
        };
        for waiter in waiting.into_values().flatten() {
            let _ = waiter.send(Err(why.clone()));
        }
        why
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn nobody_waits_where_nobody_makes_segments() {
        let coverage = Coverage::default();
        assert_eq!(coverage.holds(7).now_or_never().unwrap(), Ok(()));
    }

    #[test]
    fn one_segment_releases_all_that_it_holds_and_nobody_else() {
        let coverage = Coverage::default();
        coverage.begin();
        assert!(coverage.is_wanted().now_or_never().is_none());
        let (mut first, mut second) = (Box::pin(coverage.holds(4)), Box::pin(coverage.holds(5)));
        let mut third = Box::pin(coverage.holds(6));
        for waiting in [&mut first, &mut second, &mut third] {
            assert!(waiting.now_or_never().is_none());
        }
        assert!(coverage.is_wanted().now_or_never().is_some());
        assert!(!coverage.hold(5));
        assert_eq!(first.now_or_never().unwrap(), Ok(()));
        assert_eq!(second.now_or_never().unwrap(), Ok(()));
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(coverage.holds(3).now_or_never().unwrap(), Ok(()));
        coverage.failed("the disk is full");
        coverage.give_up(None);
        let why: Why = "the disk is full".into();
        assert_eq!(third.now_or_never().unwrap(), Err(why.clone()));
        assert_eq!(coverage.holds(7).now_or_never().unwrap(), Err(why));
        assert!(coverage.hold(7));
        assert!(coverage.down().is_none());
    }
}
