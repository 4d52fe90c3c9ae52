//! Why nothing is let go of, or a rule of what is kept is not taken.

use keyward_api::error::ErrorCode;

use crate::audit::class::EntryClass;
use crate::port::audit_keeping::KeepingError;
use crate::time::Timestamp;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepingRefusal {
    /// Nobody said that anything may go.
    #[error(
        "the log lets go of nothing: set `audit.let_go = true` in the configuration, once the policy is \
         published, and start the server again"
    )]
    Off,
    /// The server has no part that does it.
    #[error(
        "this version lets nothing of the log go yet: everything is kept, whatever is asked for"
    )]
    Unsupported,
    /// It would be kept for a shorter time.
    #[error(
        "{class} are kept for {now} days, and {asked} are fewer: a shorter retention needs approvals, \
         which this version does not have"
    )]
    Shorter {
        /// Of which class.
        class: EntryClass,
        /// For how long they are kept.
        now: u16,
        /// What was asked for.
        asked: u16,
    },
    /// The clock went ahead by more than a day.
    #[error(
        "the clock went ahead by more than a day: nothing goes until somebody confirms with \
         `--clock-is-right` that it is right; see the alert audit_clock_ahead"
    )]
    ClockAhead,
    /// Something went less than a day ago.
    #[error("the log was let go of at {last}, and that is done once a day; try again after {next}")]
    TooSoon {
        /// When.
        last: Timestamp,
        /// From when on it is done again.
        next: Timestamp,
    },
    /// The number is not the end of a segment that may go.
    #[error("nothing may go through entry {through}: {why}")]
    Stays {
        /// What was asked for.
        through: u64,
        /// Why not.
        why: String,
    },
    /// A hold that was released.
    #[error("this legal hold was released already")]
    Released,
    /// The order is made and not in the journal yet.
    #[error("the order is not in the log yet, and nothing goes before it is; try again")]
    NotLogged,
    /// The log could not be asked, or did not let go.
    #[error(transparent)]
    Log(#[from] KeepingError),
}

impl KeepingRefusal {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Shorter { .. } => ErrorCode::ApprovalRequired,
            Self::NotLogged | Self::Log(_) => ErrorCode::AuditUnavailable,
            Self::Off
            | Self::Unsupported
            | Self::ClockAhead
            | Self::TooSoon { .. }
            | Self::Stays { .. }
            | Self::Released => ErrorCode::WrongState,
        }
    }
}
