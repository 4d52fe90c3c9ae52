//! One witness asked: a submission, its answer, and what the answer means.

use std::sync::Arc;
use std::time::Duration;

use keyward_ledger::{NoteSignature, Submission};
use tokio::task::spawn_blocking;

use super::{Prove, Signed, WitnessSettings};
use crate::sink::Failure;
use crate::sink::http::{Answered, Door};

/// How often a witness may say that it knows another size before that is a failure.
const SIZES_MAX: usize = 4;

/// What a witness says.
pub(super) enum Verdict {
    /// It has signed.
    Cosigned {
        /// Its signature, which is right.
        signature: NoteSignature,
        /// When, in seconds since 1970, as it says.
        time: u64,
    },
    /// It has cosigned more entries than the checkpoint has.
    Ahead {
        /// How many.
        size: u64,
    },
    /// What it has cosigned is not the beginning of this log.
    Contradicts {
        /// How many entries that had.
        size: u64,
    },
    /// It says that it does not know a log of this name, which is also what a server says that nobody
    /// serves a witness at.
    Unknown(String),
    /// It will not, before somebody has changed something.
    Unwilling(String),
    /// It did not answer, or not as it should.
    Failed(Failure),
}

/// One witness.
pub(super) struct Asking {
    settings: Arc<WitnessSettings>,
    prove: Prove,
    door: Option<Door>,
    /// The size that it is believed to know of the log with this name.
    known: Option<(String, u64)>,
}

impl Asking {
    pub(super) const fn new(settings: Arc<WitnessSettings>, prove: Prove) -> Self {
        Self {
            settings,
            prove,
            door: None,
            known: None,
        }
    }

    /// It has cosigned this before.
    pub(super) fn has_cosigned(&mut self, log: &str, size: u64) {
        self.known = Some((log.to_owned(), size));
    }

    fn known(&self, log: &str) -> u64 {
        let of_log = self.known.as_ref().filter(|(name, _)| name == log);
        of_log.map_or(0, |(_, size)| *size)
    }

    /// Sends a checkpoint, from the size that the witness knows.
    pub(super) async fn ask(&mut self, signed: &Signed) -> Verdict {
        let log = signed.log.name().as_str().to_owned();
        let size = signed.head.size;
        for _ in 0..SIZES_MAX {
            let known = self.known(&log);
            // It says itself that it is ahead, if it is: what is remembered here is no evidence.
            let old = if known > size { 0 } else { known };
            let answered = match self.submit(signed, old).await {
                Ok(answered) => answered,
                Err(failure) => {
                    self.door = None;
                    return Verdict::Failed(failure);
                }
            };
            match answered.status.as_u16() {
                200 => return self.cosigned(signed, &answered),
                409 => match latest(&answered.body) {
                    Some(latest) if latest > size => return Verdict::Ahead { size: latest },
                    // Versions of the protocol differ in how they say that the root is another.
                    Some(latest) if latest == old && old == size => {
                        return Verdict::Contradicts { size };
                    }
                    Some(latest) if latest != old => self.known = Some((log.clone(), latest)),
                    _ => break,
                },
                422 => return Verdict::Contradicts { size: old },
                408 | 425 | 429 | 500..=599 => return Verdict::Failed(transient(&answered)),
                404 => return Verdict::Unknown(unwilling(&answered)),
                _ => return Verdict::Unwilling(unwilling(&answered)),
            }
        }
        Verdict::Failed(Failure::transient(
            "says again and again that it knows another size of the log",
        ))
    }

    async fn submit(&mut self, signed: &Signed, old: u64) -> Result<Answered, Failure> {
        let size = signed.head.size;
        let proof = if old == 0 || old == size {
            Vec::new()
        } else {
            let prove = self.prove.clone();
            let proved = spawn_blocking(move || prove(old, size)).await;
            let proved = proved.unwrap_or_else(|error| Err(error.to_string()));
            proved.map_err(|why| Failure::transient(format!("the proof cannot be made: {why}")))?
        };
        let submission = Submission {
            old,
            proof,
            checkpoint: signed.note.clone(),
        };
        let it = &*self.settings;
        if self.door.is_none() {
            let patience = (it.connect, it.answer);
            self.door = Some(Door::open(&it.tls, None, "", patience).await?);
        }
        let Some(door) = &self.door else {
            return Err(Failure::transient("there is no connection"));
        };
        let body = submission.to_string();
        door.post(&it.url, "text/plain; charset=utf-8", body).await
    }

    /// The signature of the witness' key, if it is among those in the answer and is right.
    fn cosigned(&mut self, signed: &Signed, answered: &Answered) -> Verdict {
        let key = &self.settings.key;
        let lines = NoteSignature::parse_lines(&answered.body).unwrap_or_default();
        for signature in lines {
            let mut note = signed.note.clone();
            if let Ok(verified) = note.attach(&signature, key)
                && let Some(time) = verified.time
            {
                self.known = Some((signed.log.name().to_string(), signed.head.size));
                return Verdict::Cosigned { signature, time };
            }
        }
        Verdict::Unwilling(format!(
            "answered without a valid signature of its key {}: compare the key with the one that it \
             shows",
            key.name()
        ))
    }
}

/// The size in a 409: a number and a newline.
fn latest(body: &[u8]) -> Option<u64> {
    let text = str::from_utf8(body).ok()?;
    text.strip_suffix('\n').unwrap_or(text).parse().ok()
}

fn unwilling(answered: &Answered) -> String {
    let status = answered.status;
    let meaning = match status.as_u16() {
        403 => ": it knows the log under another key",
        404 => ": it does not know the log, or nobody serves it at this address",
        _ => "",
    };
    format!("answers {status}{meaning}{}", answered.quoted())
}

fn transient(answered: &Answered) -> Failure {
    let mut failure =
        Failure::transient(format!("answers {}{}", answered.status, answered.quoted()));
    failure.asked = answered
        .asked
        .map(|asked| asked.min(Duration::from_hours(1)));
    failure
}
