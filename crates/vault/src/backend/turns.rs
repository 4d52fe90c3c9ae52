//! Asking a distant backend again: how often, with what pauses, and when to stop. The total is
//! bounded, so that a caller hears of a backend that is down within a time it can plan with.

use std::time::Duration;

use keyward_core::port::storage::StorageError;
use keyward_crypto::Random;
use tokio::time::Instant;

use super::unavailable;

/// How long a distant backend is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// An operation ends within this, whatever happens.
    pub total: Duration,
    /// It is tried at most so often.
    pub attempts_max: u32,
    /// The first pause; each further one is twice as long, less up to a half by chance.
    pub first_pause: Duration,
    /// No pause is longer.
    pub pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(30),
            attempts_max: 8,
            first_pause: Duration::from_millis(50),
            pause_max: Duration::from_secs(3),
        }
    }
}

/// The attempts at one operation.
pub(super) struct Turns<'a> {
    patience: &'a Patience,
    random: &'a dyn Random,
    deadline: Instant,
    made: u32,
}

impl<'a> Turns<'a> {
    pub(super) fn new(patience: &'a Patience, random: &'a dyn Random) -> Self {
        Self {
            patience,
            random,
            deadline: Instant::now() + patience.total,
            made: 0,
        }
    }

    /// Runs one attempt, up to the deadline. `None`: it came.
    pub(super) async fn take<T>(&mut self, attempt: impl Future<Output = T>) -> Option<T> {
        self.made += 1;
        tokio::time::timeout_at(self.deadline, attempt).await.ok()
    }

    /// Pauses before the next attempt, or gives the error back when there is to be none.
    pub(super) async fn again(&mut self, error: StorageError) -> Result<(), StorageError> {
        let pause = self.pause();
        if self.made >= self.patience.attempts_max || Instant::now() + pause >= self.deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Many who were refused together shall not come again together.
    fn pause(&self) -> Duration {
        let doublings = self.made.saturating_sub(1).min(16);
        let whole = (self.patience.first_pause * (1 << doublings)).min(self.patience.pause_max);
        let mut byte = [0];
        // Without chance the pause is whole.
        if self.random.fill(&mut byte).is_err() {
            return whole;
        }
        whole * (512 - u32::from(byte[0])) / 512
    }
}

/// What is said when the deadline came first.
pub(super) fn too_late() -> StorageError {
    unavailable("it did not answer in time")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use keyward_crypto::SystemRandom;

    const QUICK: Patience = Patience {
        total: Duration::from_mins(1),
        attempts_max: 4,
        first_pause: Duration::from_millis(1),
        pause_max: Duration::from_millis(2),
    };

    #[tokio::test]
    async fn it_is_tried_so_often_and_no_more() {
        let mut turns = Turns::new(&QUICK, &SystemRandom);
        let mut attempts = 0;
        while turns.take(async {}).await.is_some() {
            attempts += 1;
            if turns.again(too_late()).await.is_err() {
                break;
            }
        }
        assert_eq!(attempts, 4);
    }

    #[test]
    fn pauses_double_up_to_the_longest_less_up_to_a_half() {
        let patience = Patience::default();
        let mut turns = Turns::new(&patience, &SystemRandom);
        for whole in [50, 100, 200, 400, 800, 1600, 3000, 3000] {
            turns.made += 1;
            let pause = turns.pause();
            assert!(pause <= Duration::from_millis(whole), "{pause:?}");
            assert!(pause > Duration::from_millis(whole / 2), "{pause:?}");
        }
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_ends_at_the_deadline() {
        let patience = Patience {
            total: Duration::from_millis(20),
            ..QUICK
        };
        let mut turns = Turns::new(&patience, &SystemRandom);
        assert!(turns.take(std::future::pending::<()>()).await.is_none());
        assert_eq!(turns.again(too_late()).await, Err(too_late()));
    }
}
