//! What goes wrong with values that do not come or go whole.

use keyward_api::error::ErrorCode;

/// Why a value was not taken, or is not given out like this. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// The sender went away.
    #[error("the value broke off before its end; nothing of it was kept")]
    BrokeOff,
    /// The sender takes too long.
    #[error("the value came too slowly; nothing of it was kept. Send it over a faster line")]
    TooSlow,
    /// It is longer than the server takes.
    #[error("a value has at most {size_bytes_max} bytes here; nothing of it was kept")]
    TooLarge {
        /// The longest.
        size_bytes_max: u64,
    },
    /// Others are on their way.
    #[error("{whose} has {max} values on their way, and no more at a time; send it again later")]
    Busy {
        /// Who has.
        whose: &'static str,
        /// So many.
        max: usize,
    },
    /// It is too long for an answer that holds it whole.
    #[error(
        "the value has {size_bytes} bytes, too many to be given out in JSON; get it with the header \
         Accept: application/octet-stream, or by `keyward secret get NAME --out FILE`"
    )]
    NotWhole {
        /// Its length.
        size_bytes: u64,
    },
}

impl ValueFault {
    /// The stable code.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::BrokeOff => ErrorCode::InvalidRequest,
            Self::TooSlow => ErrorCode::Timeout,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Busy { .. } => ErrorCode::RateLimited,
            Self::NotWhole { .. } => ErrorCode::ValueTooLarge,
        }
    }
}
