//! What a migration of the registry writes on a database that is not the registry, in
//! `feed.moved_to`, so that nobody takes it for one, with whatever data directory.

use keyward_core::time::Timestamp;

use crate::config::OpenError;

/// Before the time and the name of the source. Databases are named "sqlite …" and "postgres://…", so that no name
/// begins so; and an older release that reads it refuses the database, as it should.
const FILLING: &str = "filling since ";
/// Between the two.
const FROM: &str = " from ";

/// Why a database is not the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A migration left it, or a roll-back.
    Left {
        /// Which one is the registry.
        to: String,
    },
    /// It is being filled.
    Filling {
        /// From which one, which is the registry.
        from: String,
        /// When that migration began: which one it is.
        since: Timestamp,
    },
}

impl Mark {
    /// Which database is the registry instead, as people name it.
    pub fn instead(&self) -> &str {
        match self {
            Self::Left { to } => to,
            Self::Filling { from, .. } => from,
        }
    }

    pub(crate) fn parse(written: &str) -> Self {
        let filling = written.strip_prefix(FILLING);
        let parts = filling.and_then(|rest| rest.split_once(FROM));
        let parts = parts.and_then(|(since, from)| Some((since.parse().ok()?, from)));
        match parts {
            Some((since, from)) => Self::Filling {
                from: from.to_owned(),
                since: Timestamp::from_micros(since),
            },
            None => Self::Left {
                to: written.to_owned(),
            },
        }
    }

    /// Whether what is written says that the registry is elsewhere now.
    pub(crate) fn has_left(written: Option<&str>) -> bool {
        matches!(written.map(Self::parse), Some(Self::Left { .. }))
    }

    pub(crate) fn written(&self) -> String {
        match self {
            Self::Left { to } => to.clone(),
            Self::Filling { from, since } => {
                format!("{FILLING}{}{FROM}{from}", since.as_micros())
            }
        }
    }
}

impl From<Mark> for OpenError {
    fn from(mark: Mark) -> Self {
        match mark {
            Mark::Left { to } => Self::Moved { to },
            Mark::Filling { from, .. } => Self::Filling { from },
        }
    }
}
