//! The system's clock behind core's port: never backwards within the process, and never before the
//! latest instant that the registry remembers.

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyward_core::time::{Clock, Timestamp};

/// The one place where the present enters.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest_micros: AtomicI64,
}

impl SystemClock {
    /// Lets the clock show nothing before `floor` from now on.
    pub fn raise(&self, floor: Timestamp) {
        self.latest_micros
            .fetch_max(floor.as_micros(), Ordering::AcqRel);
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let system = system_micros();
        // fetch_max answers what was there before: the larger of both is what everybody sees.
        let before = self.latest_micros.fetch_max(system, Ordering::AcqRel);
        Timestamp::from_micros(before.max(system))
    }

    fn after_seconds(&self, seconds: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(Duration::from_secs(seconds.into())))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "everybody else takes the clock port, which is this"
)]
fn system_micros() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_behind_its_floor_or_itself() {
        let clock = SystemClock::default();
        let first = clock.now();
        let floor = first.plus_seconds(3600);
        clock.raise(floor);
        assert_eq!(clock.now(), floor);
        clock.raise(first);
        assert_eq!(clock.now(), floor);
    }
}
