//! Turns that wait for a step to give way: a step may take hours, and nobody waits for that long.

use tokio::sync::watch;

/// How many turns wait.
#[derive(Default)]
pub struct Turns(watch::Sender<usize>);

impl Turns {
    /// One more, for as long as what it answers lives.
    pub fn one(&self) -> Wanted<'_> {
        self.0.send_modify(|wanted| *wanted += 1);
        Wanted(&self.0)
    }

    /// No step begins any more.
    pub fn no_more_steps(&self) {
        self.0.send_modify(|wanted| *wanted += 1);
    }

    /// Ends when a turn waits.
    pub async fn wanted(&self) {
        let mut turns = self.0.subscribe();
        // The sender lives as long as this.
        let _ = turns.wait_for(|wanted| *wanted > 0).await;
    }
}

/// A turn that waits, or is made.
pub struct Wanted<'a>(&'a watch::Sender<usize>);

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|wanted| *wanted -= 1);
    }
}
