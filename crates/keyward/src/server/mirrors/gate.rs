//! What mirrors say before anything new is signed: how much of this log they have. A whole disk that was
//! put back has less, or something else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keyward_audit::mirror::MirrorError;
use keyward_sinks::witness::Gate;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, interval};

use crate::server::published::Published;

/// How often it is looked whether the time is up.
const EACH: Duration = Duration::from_millis(200);

/// All mirrors together.
pub(super) struct Gates {
    published: Arc<Published>,
    wait: Duration,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Since when they can be asked.
    asked: Option<Instant>,
    /// Who has not said what it has.
    silent: BTreeSet<String>,
    /// Who has more, or something else; and what.
    wrong: BTreeMap<String, String>,
}

impl Heard {
    fn gate(&self, is_time_up: bool) -> Gate {
        match self.wrong.iter().next() {
            Some((mirror, what)) => Gate::Mirrored {
                mirror: mirror.clone(),
                what: what.clone(),
            },
            None if self.silent.is_empty() || is_time_up => Gate::Open,
            None => Gate::Asking,
        }
    }

    fn said(&mut self, mirror: &str, done: &Result<(), MirrorError>) {
        match done {
            // Its checkpoint is known and is the beginning of this log.
            Ok(()) | Err(MirrorError::Altered { .. } | MirrorError::NoNumbers { .. }) => {
                self.silent.remove(mirror);
                self.wrong.remove(mirror);
            }
            Err(error @ MirrorError::Contradicts { .. }) => {
                self.silent.remove(mirror);
                self.wrong.insert(mirror.to_owned(), error.to_string());
            }
            // Of this log it has nothing.
            Err(MirrorError::OtherLog { .. }) => {
                self.silent.remove(mirror);
            }
            Err(_) => {}
        }
    }
}

impl Gates {
    pub(super) fn new<'a>(
        published: Arc<Published>,
        mirrors: impl Iterator<Item = &'a String>,
        wait: Duration,
    ) -> Self {
        let heard = Heard {
            silent: mirrors.cloned().collect(),
            ..Heard::default()
        };
        Self {
            published,
            wait,
            heard: Mutex::new(heard),
        }
    }

    /// There is a signed checkpoint with which mirrors can be asked.
    pub(super) fn asked(&self) {
        self.heard.lock().asked.get_or_insert_with(Instant::now);
    }

    /// What became of writing a mirror. The gate is shut under the lock: what was judged before does not
    /// open it again.
    pub(super) fn said(&self, mirror: &str, done: &Result<(), MirrorError>) {
        let mut heard = self.heard.lock();
        heard.said(mirror, done);
        self.judge(&heard);
    }

    fn judge(&self, heard: &Heard) {
        let is_time_up = heard
            .asked
            .is_some_and(|asked| asked.elapsed() >= self.wait);
        let gate = heard.gate(is_time_up);
        self.published.mirrors_gate().send_if_modified(|now| {
            // Once open, it is shut by what a mirror says and by nothing else.
            let is_other = *now != gate && !(*now == Gate::Open && gate == Gate::Asking);
            if is_other {
                *now = gate;
            }
            is_other
        });
    }

    /// Opens the gate when the time to wait is up.
    pub(super) async fn run(self: Arc<Self>, mut ended: watch::Receiver<bool>) {
        let mut looks = interval(EACH);
        loop {
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                _ = looks.tick() => self.judge(&self.heard.lock()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i08_only_a_mirror_that_has_the_beginning_of_this_log_takes_back_that_it_had_another() {
        let mut heard = Heard {
            silent: ["a".to_owned(), "b".to_owned()].into(),
            ..Heard::default()
        };
        assert_eq!(heard.gate(false), Gate::Asking);
        assert_eq!(heard.gate(true), Gate::Open);
        let path = "system/checkpoint".to_owned();
        let wrong = Err(MirrorError::Contradicts { path, size: 9 });
        heard.said("a", &wrong);
        for passing in [
            Err(MirrorError::Place("down".to_owned())),
            Err(MirrorError::Contended),
            Err(MirrorError::OtherLog {
                found: "other".to_owned(),
            }),
        ] {
            heard.said("a", &passing);
            heard.said("b", &Ok(()));
            for is_time_up in [false, true] {
                assert!(matches!(heard.gate(is_time_up), Gate::Mirrored { .. }));
            }
        }
        heard.said("a", &Ok(()));
        assert_eq!(heard.gate(false), Gate::Open);
    }

    #[test]
    fn a_mirror_that_does_not_answer_has_said_nothing() {
        let mut heard = Heard {
            silent: ["a".to_owned()].into(),
            ..Heard::default()
        };
        heard.said("a", &Err(MirrorError::Place("down".to_owned())));
        assert_eq!(heard.gate(false), Gate::Asking);
        heard.said("a", &Ok(()));
        assert_eq!(heard.gate(false), Gate::Open);
    }
}
