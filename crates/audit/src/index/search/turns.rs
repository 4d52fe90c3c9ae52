//! Who may search now: few at once, so that the rest of the processors is for those who use keys, and of
//! each tenant one, so that no tenant keeps the others out.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use keyward_core::ids::TenantId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many search at once.
const AT_ONCE: usize = 2;

/// Whose entries are searched, as a filter says it: those who ask for everybody's are one more.
pub(super) type Whose = Option<Option<TenantId>>;

/// The turns.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// Of those who search or wait.
    of: Mutex<HashMap<Whose, Weak<Semaphore>>>,
}

/// A turn, until it is dropped.
pub(super) struct Turn {
    /// Given back first: who waits for the tenant's then is behind those who wait for this already.
    _of_all: OwnedSemaphorePermit,
    _of_tenant: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            of: Mutex::default(),
        }
    }

    /// Waits for a turn; whoever came first has it first. None only if there are no turns any more, which
    /// nothing here brings about.
    pub(super) async fn take(&self, whose: Whose) -> Option<Turn> {
        // First among the tenant's own: of each tenant at most one waits in the queue that is everybody's.
        let of_tenant = self.of_tenant(whose).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn {
            _of_all: of_all,
            _of_tenant: of_tenant,
        })
    }

    fn of_tenant(&self, whose: Whose) -> Arc<Semaphore> {
        let mut of = self.of.lock();
        // Those that nobody holds or waits for are gone.
        of.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = of.get(&whose).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Semaphore::new(1));
        of.insert(whose, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the form of a filter")]
    fn tenant(number: u128) -> Whose {
        Some(Some(TenantId::from_uuid(Uuid::from_u128(number))))
    }

    #[test]
    fn of_a_tenant_one_searches_and_anothers_beside_it() {
        let turns = Turns::new();
        let first = turns.take(tenant(1)).now_or_never().unwrap();
        let mut second = Box::pin(turns.take(tenant(1)));
        let mut third = Box::pin(turns.take(tenant(1)));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        let others = turns.take(tenant(2)).now_or_never();
        assert!(others.is_some(), "those who wait are in nobody's way");
        drop(first);
        let second = second.now_or_never();
        assert!(second.is_some(), "who came first");
        assert!(third.as_mut().now_or_never().is_none());
        drop(second);
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn no_more_than_two_search_at_once_and_the_next_is_who_came_first() {
        let turns = Turns::new();
        let first = turns.take(tenant(1)).now_or_never().unwrap();
        let _second = turns.take(None).now_or_never().unwrap();
        let mut third = Box::pin(turns.take(Some(None)));
        let mut fourth = Box::pin(turns.take(tenant(2)));
        assert!(third.as_mut().now_or_never().is_none());
        assert!(fourth.as_mut().now_or_never().is_none());
        drop(first);
        assert!(fourth.as_mut().now_or_never().is_none());
        let third = third.now_or_never();
        assert!(third.is_some());
        drop(third);
        assert!(fourth.now_or_never().is_some());
    }

    #[test]
    fn who_waits_no_more_is_not_waited_for_and_nothing_is_kept_of_it() {
        let turns = Turns::new();
        let first = turns.take(tenant(1)).now_or_never().unwrap();
        let mut second = Box::pin(turns.take(tenant(1)));
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);
        let again = turns.take(tenant(1)).now_or_never().unwrap();
        drop(again);
        assert!(turns.take(tenant(2)).now_or_never().is_some());
        assert_eq!(turns.of.lock().len(), 1, "the other tenant's is gone");
    }
}
