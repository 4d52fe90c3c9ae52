//! Many power cuts of one history, each followed by a look at what is left.

use std::path::Path;
use std::{fmt, io};

use tempfile::TempDir;

use super::dice::Dice;
use super::disk::{Disk, Omission};
use super::fate::Fate;
use super::history::History;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Something acknowledged is not there, or is not what it was.
    Lost(String),
    /// Something is there in part, or something is there that nobody made.
    HalfMade(String),
    /// The next start fails.
    DoesNotOpen(String),
}

impl Violation {
    /// Whether something acknowledged is gone.
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, why) = match self {
            Self::Lost(why) => ("lost", why),
            Self::HalfMade(why) => ("half made", why),
            Self::DoesNotOpen(why) => ("does not open", why),
        };
        write!(f, "{kind}: {why}")
    }
}

/// A trial that failed, and all that is needed to try it again on the same recording.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Of all trials.
    pub seed: u64,
    /// The instant at which the power went, in half lines of the trace.
    pub cut: u64,
    /// What was done to what was not synced.
    pub fate: Fate,
    /// How many acknowledgements had been given.
    pub acknowledged: usize,
    /// What was found.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}, cut before half line {} of the trace (line {}), {} acknowledged, {:?}: {}",
            self.seed,
            self.cut,
            self.cut / 2 + 1,
            self.acknowledged,
            self.fate,
            self.violation
        )
    }
}

/// Which cuts are tried.
#[derive(Clone, Copy, Debug)]
pub struct Trials<'h> {
    /// Of what.
    pub history: &'h History,
    /// Decides which instants, and what is left of what was not synced.
    pub seed: u64,
    /// How many. Two in three come just after an acknowledgement, when it is the only one to
    /// know; the rest at any instant, the end among them.
    pub cuts: usize,
    /// Syncs that the disk leaves out.
    pub omission: Omission,
}

/// Where what is left is looked at: in memory where that is possible, since the looking is to be
/// fast and not durable.
fn directory() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

impl Trials<'_> {
    /// Cuts the power again and again, and lets `check` look at each directory that is left,
    /// knowing what had been acknowledged. Stops at the first violation that `counts`; otherwise
    /// tells how many cuts were tried.
    ///
    /// # Errors
    /// The violation that counts.
    pub async fn run(
        &self,
        counts: impl Fn(&Violation) -> bool,
        check: impl AsyncFn(&Path, &[&str]) -> Result<(), Violation>,
    ) -> Result<usize, Box<Failure>> {
        let told = &self.history.acknowledgements;
        let mut disk = Disk::new(self.history, self.omission);
        let instants = self.instants();
        for cut in &instants {
            disk.advance_to(*cut);
            // Of its own, so that one cut can be tried without the others.
            let mut dice = Dice::new(self.seed.rotate_left(32) ^ cut);
            let fate = Fate::roll(&mut dice);
            let acknowledged: Vec<&str> = told
                .iter()
                .take_while(|one| one.at < *cut)
                .map(|one| &*one.text)
                .collect();
            let left = directory();
            let checked = match &left {
                Ok(left) => match disk.after_power_cut(fate, &mut dice).write_to(left.path()) {
                    Ok(()) => check(left.path(), &acknowledged).await,
                    Err(error) => Err(Violation::DoesNotOpen(error.to_string())),
                },
                Err(error) => Err(Violation::DoesNotOpen(error.to_string())),
            };
            match checked {
                Err(violation) if counts(&violation) => {
                    let (seed, cut, acknowledged) = (self.seed, *cut, acknowledged.len());
                    return Err(Box::new(Failure {
                        seed,
                        cut,
                        fate,
                        acknowledged,
                        violation,
                    }));
                }
                _ => {}
            }
        }
        Ok(instants.len())
    }

    /// In order, since the disk is played forwards only.
    fn instants(&self) -> Vec<u64> {
        let mut dice = Dice::new(self.seed);
        let mut after: Vec<u64> = self
            .history
            .acknowledgements
            .iter()
            .map(|one| one.at + 1)
            .collect();
        let mut instants = vec![self.history.end];
        while !after.is_empty() && instants.len() < self.cuts * 2 / 3 {
            instants.push(after.swap_remove(dice.index(after.len())));
        }
        while instants.len() < self.cuts {
            instants.push(dice.below(self.history.end + 1));
        }
        instants.sort_unstable();
        instants
    }
}
