//! One witness looked after: asked about each round, left alone for a while when it fails.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::time::Timestamp;
use keyward_core::witness_board::{WitnessState, WitnessStatus};
use keyward_ledger::{Note, OpenedCheckpoint, VerifierKey};
use tokio::sync::watch;
use tokio::time::sleep;

use super::asking::{Asking, Verdict};
use super::gathering::Gathered;
use super::{Signed, WitnessSettings};
use crate::backoff::Backoff;

/// The looking after.
pub(super) struct Watcher {
    settings: Arc<WitnessSettings>,
    gathered: Arc<Gathered>,
    asking: Asking,
    backoff: Backoff,
    status: WitnessStatus,
    /// The last checkpoint that it has signed.
    done: Option<Arc<Signed>>,
    /// Of which log what it signed before was read.
    remembers: Option<VerifierKey>,
    /// What was last written of it in the server's own log.
    warned: Option<String>,
}

impl Watcher {
    pub(super) fn new(settings: Arc<WitnessSettings>, gathered: Arc<Gathered>) -> Self {
        let key_name = settings.key.name().to_string();
        Self {
            asking: Asking::new(settings.clone(), gathered.ports.prove.clone()),
            backoff: Backoff::new(settings.retry_most),
            status: WitnessStatus::new(settings.name.clone(), key_name),
            done: None,
            remembers: None,
            warned: None,
            settings,
            gathered,
        }
    }

    /// Asks until everything ends.
    pub(super) async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let gathered = self.gathered.clone();
        let mut rounds = gathered.round.subscribe();
        self.tell();
        loop {
            let done = self.done.clone();
            let is_new = |round: &Option<Arc<Signed>>| round.is_some() && *round != done;
            let target = tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                found = rounds.wait_for(is_new) => match found {
                    Ok(found) => found.clone(),
                    Err(_) => return,
                },
            };
            let Some(target) = target else { continue };
            let asked = {
                let _busy = gathered.busy();
                tokio::select! {
                    biased;
                    _ = ended.wait_for(|ended| *ended) => return,
                    pause = self.turn(&target) => pause,
                }
            };
            if let Some(pause) = asked {
                tokio::select! {
                    biased;
                    _ = ended.wait_for(|ended| *ended) => return,
                    () = sleep(pause) => {}
                }
            }
        }
    }

    /// Asks once; how long to leave it alone.
    async fn turn(&mut self, target: &Arc<Signed>) -> Option<Duration> {
        self.remember(target).await;
        self.status.waiting_since = self.status.waiting_since.or(Some(self.now()));
        self.tell();
        let verdict = self.asking.ask(target).await;
        let pause = self.settle(target, verdict).await;
        if pause.is_some() {
            self.status.failures += 1;
        }
        self.tell();
        pause
    }

    /// What it is known to have signed, the first time that this log is asked about.
    async fn remember(&mut self, target: &Signed) {
        if self.remembers.as_ref() == Some(&target.log) {
            return;
        }
        self.remembers = Some(target.log.clone());
        let (kept, key) = (&self.gathered.kept, &self.settings.key);
        let last = kept.last_of(&self.settings.name, key, &target.log).await;
        if let Some((size, time)) = last.and_then(|note| cosigned_of(&note, target, &self.settings))
        {
            self.asking.has_cosigned(target.log.name().as_str(), size);
            self.status.size = size;
            self.status.cosigned_at = Some(time);
        }
    }

    async fn settle(&mut self, target: &Arc<Signed>, verdict: Verdict) -> Option<Duration> {
        let name = &self.settings.name;
        match verdict {
            Verdict::Cosigned { signature, time } => {
                let key = &self.settings.key;
                let added = self.gathered.add(target, (name, key), &signature).await;
                if let Err(error) = added {
                    let what = format!("what it signed cannot be kept: {error}");
                    return Some(self.failing(WitnessState::Failing, what, None));
                }
                self.gathered.has_cosigned(name);
                self.backoff.reset();
                self.warned = None;
                self.done = Some(target.clone());
                self.status.state = WitnessState::Following;
                self.status.size = target.head.size;
                self.status.cosigned_at = Some(instant(time));
                self.status.cosigned += 1;
                self.status.waiting_since = None;
                self.status.trouble = None;
                None
            }
            Verdict::Ahead { size } => {
                self.gathered.is_ahead(name, size);
                let what = format!(
                    "it has cosigned {size} entries of this log, which has {}: the end of the journal \
                     is lost, or an older copy of this machine was put back; nothing is signed under \
                     this name (docs/audit-witnesses.md)",
                    target.head.size
                );
                self.failing(WitnessState::Contradicting, what, None);
                Some(self.backoff.longest())
            }
            Verdict::Contradicts { size } => {
                // It has judged a size that it knows itself, which is no more than there is. Of nothing
                // there is no other history: whoever says that has not judged.
                if size > 0 {
                    self.gathered.heard(name);
                }
                let what = format!(
                    "it holds another history of this log: the {size} entries that it has cosigned are \
                     not the first {size} of this log; keep the whole audit directory as evidence \
                     (docs/audit-witnesses.md)"
                );
                self.failing(WitnessState::Contradicting, what, None);
                Some(self.backoff.longest())
            }
            Verdict::Unknown(what) => {
                let (kept, log) = (&self.gathered.kept, target.log.name());
                // A witness that was never given this log's key has nothing to say of it. One that has
                // cosigned it knows it: whoever says otherwise stands in the way, or has forgotten.
                if !kept.has_of(name, &self.settings.key, log).await {
                    self.gathered.heard(name);
                }
                Some(self.failing(WitnessState::Refused, what, None))
            }
            // Says nothing of what it knows: it may be somebody else in between who answers.
            Verdict::Unwilling(what) => Some(self.failing(WitnessState::Refused, what, None)),
            Verdict::Failed(failure) => {
                let (what, asked) = (failure.detail, failure.asked);
                Some(self.failing(WitnessState::Failing, what, asked))
            }
        }
    }

    fn failing(&mut self, state: WitnessState, what: String, asked: Option<Duration>) -> Duration {
        if self.warned.as_ref() != Some(&what) {
            tracing::warn!(
                witness = self.settings.name,
                what,
                "a witness did not cosign"
            );
        }
        self.warned = Some(what.clone());
        // What it once said of another history is not taken back by its not answering.
        let is_said = self.status.state == WitnessState::Contradicting;
        if !is_said || state == WitnessState::Contradicting {
            self.status.state = state;
            self.status.trouble = Some(what);
        }
        self.backoff.pause(asked, &*self.gathered.ports.random)
    }

    fn now(&self) -> Timestamp {
        self.gathered.ports.clock.now()
    }

    fn tell(&self) {
        (self.gathered.ports.tell)(self.status.clone());
    }
}

/// The size that a kept note has, and when this witness signed it.
fn cosigned_of(note: &Note, target: &Signed, it: &WitnessSettings) -> Option<(u64, Timestamp)> {
    let witnesses = std::slice::from_ref(&it.key);
    let opened = OpenedCheckpoint::of_note(note, &target.log, witnesses).ok()?;
    let (_, time) = opened.witnesses().next()?;
    Some((opened.checkpoint.head().size, instant(time)))
}

fn instant(seconds: u64) -> Timestamp {
    let micros = seconds.saturating_mul(1_000_000);
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
