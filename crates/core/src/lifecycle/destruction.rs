//! Destruction: scheduled, waited for, called off, carried out.

use super::{Draft, Which};
use crate::error::OpError;
use crate::noun::state::{Event, State};
use crate::time::Timestamp;

impl Draft {
    /// Schedules one version, or every version that has material, for destruction. A key goes as
    /// a whole only if none of its versions is active. A version that was never active is due at
    /// once.
    pub fn schedule_destruction(&mut self, which: Which, due: Timestamp) -> Result<(), OpError> {
        let now = self.at.now;
        let numbers: Vec<i64> = match which {
            Which::Version(number) => vec![number],
            Which::Default => {
                let found: Vec<i64> = self
                    .versions
                    .iter()
                    .filter(|v| !v.state.is_destroyed() && v.state != State::PendingDestruction)
                    .map(|v| v.version)
                    .collect();
                if found.is_empty() {
                    vec![self.key.primary_version]
                } else {
                    found
                }
            }
        };
        for number in numbers {
            let never_active = self.version(number)?.state == State::Pending;
            self.transition(number, Event::ScheduleDestruction)?;
            let version = self.version_mut(number)?;
            version.destroy_at = Some(if never_active { now } else { due });
            version.can_roll_back = false;
            version.rollback_expires_at = None;
        }
        Ok(())
    }

    /// Calls off the destruction of one version, or of every one that waits.
    pub fn cancel_destruction(&mut self, which: Which) -> Result<(), OpError> {
        let waiting: Vec<i64> = match which {
            Which::Version(number) => vec![number],
            Which::Default => {
                let found: Vec<i64> = self
                    .versions
                    .iter()
                    .filter(|v| v.state == State::PendingDestruction && !v.destroying)
                    .map(|v| v.version)
                    .collect();
                if found.is_empty() {
                    vec![self.key.primary_version]
                } else {
                    found
                }
            }
        };
        for number in waiting {
            let version = self.version(number)?;
            if version.destroying {
                return Err(OpError::StateForbids {
                    version: number,
                    state: version.state,
                    what: "be kept",
                    hint: "its material is being deleted",
                });
            }
            self.transition(number, Event::CancelDestruction)?;
        }
        Ok(())
    }

    /// Marks a due version as being deleted: from here there is no way back.
    pub fn begin_destruction(&mut self, number: i64) -> Result<(), OpError> {
        let now = self.at.now;
        let version = self.version(number)?;
        let due = version.destroy_at.is_some_and(|due| due <= now);
        if version.state != State::PendingDestruction || !due {
            return Err(OpError::StateForbids {
                version: number,
                state: version.state,
                what: "be destroyed",
                hint: "its destruction is not due",
            });
        }
        if !version.destroying {
            let version = self.version_mut(number)?;
            version.destroying = true;
            version.updated_at = now;
        }
        Ok(())
    }

    /// Its material is gone.
    pub fn complete_destruction(&mut self, number: i64) -> Result<(), OpError> {
        self.transition(number, Event::Destroy)
    }
}
