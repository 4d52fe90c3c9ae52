//! How long to wait after a failure: twice as long each time, up to a limit, and never exactly, so that
//! many who failed together do not come back together.

use std::time::Duration;

use keyward_crypto::random::Random;

/// The first pause.
const FIRST: Duration = Duration::from_millis(500);
/// However long a receiver asks us to stay away.
const ASKED_MAX: Duration = Duration::from_hours(1);

/// The pauses of one sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    pub(crate) const fn new(most: Duration) -> Self {
        Self { next: FIRST, most }
    }

    /// It works again.
    pub(crate) const fn reset(&mut self) {
        self.next = FIRST;
    }

    /// The next pause: between half of it and all of it, and no shorter than the receiver asked for.
    pub(crate) fn pause(&mut self, asked: Option<Duration>, random: &dyn Random) -> Duration {
        let whole = self.next.min(self.most);
        self.next = (self.next * 2).min(self.most);
        let mut byte = [0];
        // Without randomness the pause is whole.
        let share = match random.fill(&mut byte) {
            Ok(()) => 0.5 + f64::from(byte[0]) / 510.0,
            Err(_) => 1.0,
        };
        let pause = whole.mul_f64(share);
        asked.map_or(pause, |asked| pause.max(asked.min(ASKED_MAX)))
    }

    /// The longest pause: for what somebody has to mend first.
    pub(crate) const fn longest(&self) -> Duration {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use keyward_crypto::random::SystemRandom;

    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(3));
        let mut before = Duration::ZERO;
        for most in [500, 1000, 2000, 3000, 3000] {
            let pause = backoff.pause(None, &SystemRandom);
            let most = Duration::from_millis(most);
            assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
            before = before.max(pause);
        }
        backoff.reset();
        assert!(backoff.pause(None, &SystemRandom) <= FIRST);
    }

    #[test]
    fn a_receiver_is_given_the_time_that_it_asks_for_within_reason() {
        let mut backoff = Backoff::new(Duration::from_secs(3));
        let asked = Duration::from_secs(90);
        assert_eq!(backoff.pause(Some(asked), &SystemRandom), asked);
        let asked = Duration::from_hours(100);
        assert_eq!(backoff.pause(Some(asked), &SystemRandom), ASKED_MAX);
    }
}
