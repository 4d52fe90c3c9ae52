//! How long the other end of a long transfer is waited for: it may pause, and must get on.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::config::HttpConfig;

/// Time that the other end has. Waiting for it takes some away, each byte gives some back, never more
/// than there was at first. Only its own delays count, not ours.
pub struct Patience {
    left: Duration,
    most: Duration,
    bytes_per_second: u32,
}

/// The other end took too long.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfPatience;

impl Patience {
    /// As the configuration says.
    pub fn new(config: &HttpConfig) -> Self {
        Self {
            left: config.body_timeout,
            most: config.body_timeout,
            bytes_per_second: config.value_bytes_per_second_min.get(),
        }
    }

    /// Waits for something of the other end.
    pub async fn wait<T>(&mut self, other: impl Future<Output = T>) -> Result<T, OutOfPatience> {
        let began = Instant::now();
        let done = timeout(self.left, other).await;
        self.spend(began.elapsed());
        done.map_err(|_| OutOfPatience)
    }

    fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }

    /// So many bytes came or went.
    pub fn moved(&mut self, bytes: usize) {
        let earned = bytes as f64 / f64::from(self.bytes_per_second);
        let earned = Duration::try_from_secs_f64(earned).unwrap_or(self.most);
        self.left = self.left.saturating_add(earned).min(self.most);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        let mut config = HttpConfig::new([0; 32]);
        config.body_timeout = Duration::from_secs(30);
        config.value_bytes_per_second_min = 1000.try_into().unwrap();
        Patience::new(&config)
    }

    #[test]
    fn who_pauses_uses_up_what_is_earned_again_by_getting_on() {
        let mut patience = patience();
        patience.spend(Duration::from_secs(29));
        assert_eq!(patience.left, Duration::from_secs(1));
        patience.moved(30_000);
        assert_eq!(
            patience.left,
            Duration::from_secs(30),
            "never more than at first"
        );
        patience.spend(Duration::from_secs(31));
        patience.moved(500);
        assert_eq!(patience.left, Duration::from_millis(500));
    }

    #[test]
    fn who_keeps_the_pace_is_waited_for_without_end_and_who_does_not_is_not() {
        let mut patience = patience();
        for _ in 0..1000 {
            patience.spend(Duration::from_secs(1));
            patience.moved(1000);
        }
        assert!(patience.left > Duration::from_secs(29));
        let mut seconds = 0;
        while patience.left > Duration::ZERO {
            patience.spend(Duration::from_secs(1));
            seconds += u64::from(patience.left > Duration::ZERO);
            if patience.left > Duration::ZERO {
                patience.moved(500);
            }
        }
        assert!((55..=60).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn what_does_not_come_is_not_waited_for() {
        let mut patience = patience();
        patience.wait(std::future::ready(())).await.unwrap();
        patience.spend(Duration::from_secs(30));
        let over = patience.wait(std::future::pending::<()>()).await;
        assert_eq!(over, Err(OutOfPatience));
    }
}
