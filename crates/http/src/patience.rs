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
        self.left = self.left.saturating_sub(began.elapsed());
        done.map_err(|_| OutOfPatience)
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
    use tokio::time::sleep;

    use super::*;

    fn patience() -> Patience {
        let mut config = HttpConfig::new([0; 32]);
        config.body_timeout = Duration::from_secs(30);
        config.value_bytes_per_second_min = 1000.try_into().unwrap();
        Patience::new(&config)
    }

    #[tokio::test(start_paused = true)]
    async fn who_pauses_too_long_is_not_waited_for() {
        let mut patience = patience();
        patience.wait(sleep(Duration::from_secs(29))).await.unwrap();
        // What it had is used up, and is earned again.
        patience.moved(30_000);
        patience.wait(sleep(Duration::from_secs(29))).await.unwrap();
        patience.moved(1);
        let over = patience.wait(sleep(Duration::from_secs(2))).await;
        assert_eq!(over, Err(OutOfPatience));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_on_slowly_is_waited_for_only_as_long_as_it_keeps_the_pace() {
        let mut patience = patience();
        for _ in 0..100 {
            patience.wait(sleep(Duration::from_secs(1))).await.unwrap();
            patience.moved(1000);
        }
        let mut seconds = 0;
        while patience.wait(sleep(Duration::from_secs(1))).await.is_ok() {
            patience.moved(500);
            seconds += 1;
        }
        assert!((55..=60).contains(&seconds), "{seconds}");
    }
}
