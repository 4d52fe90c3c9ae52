//! Values on their way in or out in pieces: each holds some memory for as long as it takes, so that there
//! are only so many at a time, and fewer of one tenant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::TenantId;
use crate::ops::secret::ValueFault;

/// The places.
pub(crate) struct ValueStreams {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    of_one_max: usize,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of_each: BTreeMap<Option<TenantId>, usize>,
}

/// A place; free again when this is dropped.
pub(crate) struct Place {
    taken: Arc<Mutex<Taken>>,
    tenant: Option<TenantId>,
}

impl ValueStreams {
    /// At most `max` at a time, and `of_one_max` of one tenant; the system counts as one.
    pub(crate) fn new(max: usize, of_one_max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
            of_one_max,
        }
    }

    /// Takes a place.
    pub(crate) fn enter(&self, tenant: Option<TenantId>) -> Result<Place, ValueFault> {
        let busy = |whose, max| ValueFault::Busy { whose, max };
        let mut taken = lock(&self.taken);
        let of_one = taken.of_each.get(&tenant).copied().unwrap_or(0);
        if of_one >= self.of_one_max {
            return Err(busy("this tenant", self.of_one_max));
        }
        if taken.all >= self.max {
            return Err(busy("this server", self.max));
        }
        taken.all += 1;
        taken.of_each.insert(tenant, of_one + 1);
        Ok(Place {
            taken: Arc::clone(&self.taken),
            tenant,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        let of_one = taken.of_each.remove(&self.tenant).unwrap_or(0);
        if of_one > 1 {
            taken.of_each.insert(self.tenant, of_one - 1);
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_takes_not_all_places_and_gives_its_own_back() {
        let streams = ValueStreams::new(3, 2);
        let (one, other) = (
            Some(TenantId::from_random([1; 16])),
            Some(TenantId::from_random([2; 16])),
        );
        let (first, second) = (streams.enter(one).unwrap(), streams.enter(one).unwrap());
        let of_tenant = ValueFault::Busy {
            whose: "this tenant",
            max: 2,
        };
        assert_eq!(streams.enter(one).err(), Some(of_tenant));
        let third = streams.enter(other).unwrap();
        let of_server = ValueFault::Busy {
            whose: "this server",
            max: 3,
        };
        assert_eq!(streams.enter(None).err(), Some(of_server));
        drop(first);
        let system = streams.enter(None).unwrap();
        assert_eq!(streams.enter(one).err(), Some(of_server));
        drop((second, third, system));
        let all = lock(&streams.taken);
        assert_eq!((all.all, all.of_each.len()), (0, 0));
    }
}
