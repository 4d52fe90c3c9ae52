//! Rotation and its undoing.

use super::{Draft, Which};
use crate::error::OpError;
use crate::noun::key_version::KeyVersion;
use crate::noun::state::{Event, State};
use crate::time::Timestamp;

/// A version whose material exists already, to be added by a rotation. Its number must be the
/// key's latest plus one: the material is bound to it.
pub struct NewVersion {
    /// The row, `pending`.
    pub row: KeyVersion,
    /// Until when this rotation can be undone.
    pub rollback_expires_at: Option<Timestamp>,
}

impl Draft {
    /// What must hold before material for a rotation is made, checked again by [`Self::rotate`].
    pub fn check_can_rotate(&self, emergency: bool) -> Result<(), OpError> {
        let primary = self.primary()?;
        let hint = match primary.state {
            State::Pending if !emergency => "activate it first",
            State::PendingDestruction => "cancel its destruction first",
            State::Destroyed | State::DestroyedCompromised => "make a new key",
            State::Pending
            | State::Active
            | State::Inactive
            | State::Rotated
            | State::Expired
            | State::Compromised => return Ok(()),
        };
        Err(OpError::StateForbids {
            version: primary.version,
            state: primary.state,
            what: "be rotated",
            hint,
        })
    }

    /// The new version becomes active and primary. The old one keeps protecting for the overlap
    /// when it is asked for by number, then retires; in an emergency it is compromised at once.
    pub fn rotate(&mut self, new: NewVersion, emergency: bool) -> Result<(), OpError> {
        self.check_can_rotate(emergency)?;
        if new.row.version != self.key.latest_version + 1 {
            return Err(OpError::Conflict);
        }
        let now = self.at.now;
        let rotated_by = self.at.token;
        let (old, old_state) = {
            let primary = self.primary()?;
            (primary.version, primary.state)
        };
        // An earlier rotation can no longer be undone: its child has a child of its own.
        self.forbid_roll_back()?;

        let number = new.row.version;
        let mut row = new.row;
        row.parent_version = Some(old);
        row.can_roll_back = !emergency && matches!(old_state, State::Active | State::Inactive);
        row.rollback_expires_at = row
            .can_roll_back
            .then_some(new.rollback_expires_at)
            .flatten();
        row.can_roll_back = row.rollback_expires_at.is_some();
        row.promotion_count = 1;
        self.versions.push(row);
        self.inserted.insert(number);
        self.edit_key(|key| {
            key.latest_version = number;
            key.primary_version = number;
        });
        self.record(number, "rotate", None, State::Pending);
        self.transition(number, Event::Activate)?;

        if emergency {
            // Whatever the old version was, others may know it now.
            if self
                .version(old)?
                .standing()
                .after(Event::Compromise)
                .is_ok()
            {
                self.transition(old, Event::Compromise)?;
            }
        } else if old_state == State::Active && self.key.overlap_seconds > 0 {
            let retire_at = now.plus_seconds(self.key.overlap_seconds);
            let version = self.version_mut(old)?;
            version.retire_at = Some(retire_at);
            version.rotated_at = Some(now);
            version.updated_at = now;
        } else if matches!(old_state, State::Active | State::Inactive) {
            self.transition(old, Event::Retire)?;
        }
        self.version_mut(old)?.rotated_by = rotated_by;
        Ok(())
    }

    /// Undoes the last rotation: the parent becomes active and primary, the child `rotated`, so
    /// that what it protected stays readable.
    pub fn roll_back(&mut self) -> Result<(), OpError> {
        let now = self.at.now;
        let refuse = |why| Err(OpError::RollbackUnavailable { why });
        let child = self.primary()?;
        let Some(parent) = child.parent_version else {
            return refuse("the primary version replaced nothing");
        };
        if !child.can_roll_back {
            return refuse("it was undone before, or followed by a revocation or a compromise");
        }
        if child.rollback_expires_at.is_none_or(|end| end <= now) {
            return refuse("its window has closed");
        }
        let (child, child_state) = (child.version, child.state);
        match self.version(parent)?.state {
            // Inside its overlap the parent never stopped protecting.
            State::Active => {
                let version = self.version_mut(parent)?;
                version.retire_at = None;
                version.rotated_at = None;
                version.rotated_by = None;
                version.updated_at = now;
            }
            State::Rotated => self.transition(parent, Event::RollBack)?,
            _ => return refuse("the version before it cannot protect any more"),
        }
        if self
            .version(parent)?
            .expires_at
            .is_some_and(|end| end <= now)
        {
            return refuse("the version before it has expired; renew it first");
        }
        if matches!(child_state, State::Active | State::Inactive) {
            self.transition(child, Event::Retire)?;
        }
        let version = self.version_mut(child)?;
        version.can_roll_back = false;
        version.rollback_expires_at = None;
        self.version_mut(parent)?.promotion_count += 1;
        self.edit_key(|key| key.primary_version = parent);
        Ok(())
    }

    /// A replaced version's overlap ended.
    pub fn end_overlap(&mut self, number: i64) -> Result<(), OpError> {
        self.transition(number, Event::Retire)
    }

    /// Which version an operation means, as a number.
    pub fn resolve(&self, which: Which) -> i64 {
        self.number(which)
    }
}
