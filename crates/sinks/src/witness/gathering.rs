//! All witnesses together: which checkpoint they are asked about, what they have signed of it, and
//! whether anything new may be signed at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward_core::time::Clock;
use keyward_core::witness_board::{Counting, WitnessStatus};
use keyward_crypto::random::Random;
use keyward_ledger::{Checkpoint, NoteSignature, VerifierKey};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::kept::Kept;
use super::rounds::Rounds;
use super::watcher::Watcher;
use super::{Cosigned, Gate, Prove, Signed, WitnessPolicy};

/// How often it is looked whether there is something to do.
const EACH: Duration = Duration::from_millis(100);
/// After so long the next checkpoint is asked about, though some have not answered about the last.
const ROUND: Duration = Duration::from_secs(2);

/// What a gatherer is given, and whom it tells.
pub struct WitnessPorts {
    /// The newest checkpoint that the log has signed.
    pub newest: watch::Receiver<Option<Arc<Signed>>>,
    /// Proofs about the log.
    pub prove: Prove,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for pauses.
    pub random: Arc<dyn Random>,
    /// Told how a witness stands.
    pub tell: Arc<dyn Fn(WitnessStatus) + Send + Sync>,
    /// Told what is signed, and what counts.
    pub count: Arc<dyn Fn(Counting) + Send + Sync>,
    /// Given a checkpoint each time that another witness has signed it.
    pub publish: Arc<dyn Fn(Cosigned) + Send + Sync>,
    /// Whether anything new may be signed.
    pub gate: watch::Sender<Gate>,
}

/// Asks all witnesses of a log.
pub struct Gatherer {
    policy: WitnessPolicy,
    gathered: Arc<Gathered>,
}

/// What is shared by those who ask.
pub(super) struct Gathered {
    pub(super) ports: WitnessPorts,
    pub(super) kept: Kept,
    /// The checkpoint that all are asked about.
    pub(super) round: watch::Sender<Option<Arc<Signed>>>,
    busy: AtomicUsize,
    /// One at a time, so that what is kept never goes back.
    rounds: tokio::sync::Mutex<Rounds>,
    heard: Mutex<Heard>,
}

/// What witnesses know.
#[derive(Default)]
struct Heard {
    /// Who has said what it knows.
    from: BTreeSet<String>,
    /// Who knows more than there is.
    ahead: BTreeMap<String, u64>,
}

impl Heard {
    fn said(&mut self, witness: &str) {
        self.from.insert(witness.to_owned());
    }

    fn has_cosigned(&mut self, witness: &str) {
        self.said(witness);
        self.ahead.remove(witness);
    }

    fn is_ahead(&mut self, witness: &str, size: u64) {
        self.ahead.insert(witness.to_owned(), size);
    }

    /// What may be signed when `all` witnesses are asked, of whom `required` must have said something
    /// even when the time to wait for them is up.
    fn gate(&self, (all, required): (usize, usize), is_time_up: bool) -> Gate {
        let enough = self.from.len() >= all;
        let enough_in_time = is_time_up && self.from.len() >= required;
        match self.ahead.iter().next() {
            Some((witness, size)) => Gate::Ahead {
                witness: witness.clone(),
                size: *size,
            },
            None if enough || enough_in_time => Gate::Open,
            None => Gate::Asking,
        }
    }
}

/// One that is being asked.
pub(super) struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gathered {
    pub(super) fn busy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(&self.busy)
    }

    fn all_heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A witness has said what it knows. That does not take back that it knew more than there is.
    pub(super) fn heard(&self, witness: &str) {
        self.all_heard().said(witness);
    }

    /// A witness has cosigned: what it knows is what there is. Nothing else shows that it is not ahead.
    pub(super) fn has_cosigned(&self, witness: &str) {
        self.all_heard().has_cosigned(witness);
    }

    /// A witness knows more than there is. The gate is shut before this returns, and under the lock: what
    /// was judged before does not open it again.
    pub(super) fn is_ahead(&self, witness: &str, size: u64) {
        let mut heard = self.all_heard();
        heard.is_ahead(witness, size);
        let witness = witness.to_owned();
        self.ports.gate.send_replace(Gate::Ahead { witness, size });
        drop(heard);
    }

    /// Keeps what a witness signed, durably, and then gives it out.
    pub(super) async fn add(
        &self,
        signed: &Signed,
        (witness, key): (&str, &VerifierKey),
        signature: &NoteSignature,
    ) -> io::Result<()> {
        let mut rounds = self.rounds.lock().await;
        let mut alone = signed.note.clone();
        if alone.attach(signature, key).is_err() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.kept.keep(witness, &alone).await?;
        let before = rounds.counted();
        let Some(cosigned) = rounds.attach(signed, (witness, key), signature) else {
            return Ok(());
        };
        let is_newest = signed.head.size >= before;
        if cosigned.counts && is_newest && rounds.required() > 0 {
            self.kept.keep_counted(&cosigned.note).await?;
        }
        (self.ports.publish)(cosigned);
        self.count(&rounds);
        Ok(())
    }

    fn count(&self, rounds: &Rounds) {
        let signed = self.round.borrow().as_ref().map_or(0, |it| it.head.size);
        (self.ports.count)(Counting {
            required: rounds.required() as u64,
            signed,
            counted: rounds.counted(),
            waiting_since: rounds.waiting_since(),
        });
    }
}

impl Gatherer {
    /// One that keeps what it gathers in this directory.
    pub fn new(policy: WitnessPolicy, ports: WitnessPorts, dir: &Path) -> Self {
        let gathered = Gathered {
            kept: Kept::new(dir.to_owned()),
            round: watch::Sender::new(None),
            busy: AtomicUsize::new(0),
            rounds: tokio::sync::Mutex::new(Rounds::new(policy.required)),
            heard: Mutex::default(),
            ports,
        };
        Self {
            policy,
            gathered: Arc::new(gathered),
        }
    }

    /// Asks until everything ends.
    pub async fn run(self, ended: watch::Receiver<bool>) {
        let mut watchers = JoinSet::new();
        for settings in &self.policy.witnesses {
            let watcher = Watcher::new(Arc::new(settings.clone()), self.gathered.clone());
            watchers.spawn(watcher.run(ended.clone()));
        }
        self.steer(ended).await;
        watchers.join_all().await;
    }

    async fn steer(&self, mut ended: watch::Receiver<bool>) {
        let mut looks = interval(EACH);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let newest = self.gathered.ports.newest.clone();
        let mut began: Option<Instant> = None;
        let mut first: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                _ = looks.tick() => {}
            }
            let found = newest.borrow().clone();
            let Some(found) = found else { continue };
            let waited = first.get_or_insert_with(Instant::now).elapsed();
            let asks_still = self.gathered.busy.load(Ordering::Relaxed) > 0;
            let is_young = began.is_some_and(|began| began.elapsed() < ROUND);
            let is_new = self.gathered.round.borrow().as_ref() != Some(&found);
            if is_new && !(asks_still && is_young) {
                began = Some(Instant::now());
                self.begin(found).await;
            }
            self.watch_gate(waited);
        }
    }

    async fn begin(&self, signed: Arc<Signed>) {
        let gathered = &self.gathered;
        let is_first = {
            let round = gathered.round.borrow();
            round.as_ref().is_none_or(|round| round.log != signed.log)
        };
        let mut rounds = gathered.rounds.lock().await;
        rounds.begin(signed.clone(), gathered.ports.clock.now());
        if is_first {
            self.resume(&signed, &mut rounds).await;
        }
        gathered.round.send_replace(Some(signed));
        gathered.count(&rounds);
    }

    /// What counted before the server was started, and what was signed of the very same checkpoint.
    async fn resume(&self, signed: &Arc<Signed>, rounds: &mut Rounds) {
        let (gathered, required) = (&self.gathered, self.policy.required);
        let all = &self.policy.witnesses;
        let keys: Vec<VerifierKey> = all.iter().map(|it| it.key.clone()).collect();
        if required > 0
            && let Some(note) = gathered
                .kept
                .last_counted(&signed.log, &keys, required)
                .await
            && let Ok(checkpoint) = note.text().parse::<Checkpoint>()
            && checkpoint.head().size <= signed.head.size
        {
            rounds.resume(checkpoint.head().size);
            let counted = Signed {
                head: checkpoint.head(),
                note: note.clone(),
                log: signed.log.clone(),
            };
            (gathered.ports.publish)(Cosigned {
                signed: Arc::new(counted),
                note,
                counts: true,
            });
        }
        for it in all {
            let kept = gathered.kept.last_of(&it.name, &it.key, &signed.log).await;
            let Some(kept) = kept.filter(|kept| kept.text() == signed.note.text()) else {
                continue;
            };
            for signature in kept.signatures() {
                let who = (it.name.as_str(), &it.key);
                if let Some(cosigned) = rounds.attach(signed, who, signature) {
                    (gathered.ports.publish)(cosigned);
                }
            }
        }
    }

    /// Opens the gate when enough is known, and shuts it when a witness knows more than there is.
    fn watch_gate(&self, waited: Duration) {
        let (all, required) = (self.policy.witnesses.len(), self.policy.required);
        // Held until it is told: what another says meanwhile is told after this, and not before it.
        let heard = self.gathered.all_heard();
        let gate = heard.gate((all, required), waited >= self.policy.wait);
        self.gathered.ports.gate.send_if_modified(|now| {
            // Once open, it is shut by what a witness says and by nothing else.
            let is_other = *now != gate && !(*now == Gate::Open && gate == Gate::Asking);
            if is_other {
                *now = gate;
            }
            is_other
        });
        drop(heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: (usize, usize) = (2, 1);

    #[test]
    fn i08_only_a_cosignature_of_its_own_takes_back_that_a_witness_is_ahead() {
        let mut heard = Heard::default();
        assert_eq!(heard.gate(ALL, false), Gate::Asking);
        assert_eq!(heard.gate(ALL, true), Gate::Asking, "too few have spoken");
        heard.is_ahead("a", 9);
        let ahead = Gate::Ahead {
            witness: "a".to_owned(),
            size: 9,
        };
        // Whatever it says after that, and whatever the other one signs.
        heard.said("a");
        heard.has_cosigned("b");
        for is_time_up in [false, true] {
            assert_eq!(heard.gate(ALL, is_time_up), ahead);
        }
        heard.has_cosigned("a");
        assert_eq!(heard.gate(ALL, false), Gate::Open);
    }

    #[test]
    fn the_gate_opens_when_all_have_spoken_or_enough_in_time() {
        let mut heard = Heard::default();
        assert_eq!(heard.gate((2, 0), true), Gate::Open);
        heard.said("a");
        heard.said("a");
        assert_eq!(heard.gate(ALL, false), Gate::Asking);
        assert_eq!(heard.gate(ALL, true), Gate::Open);
        assert_eq!(heard.gate((2, 2), true), Gate::Asking);
        heard.said("b");
        assert_eq!(heard.gate((2, 2), false), Gate::Open);
    }
}
