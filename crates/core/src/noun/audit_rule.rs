//! What keeps entries of the audit log: for how long, legal holds, and how far the log's beginning was
//! ordered to go (docs/audit-retention.md).
//!
//! Retentions are only ever added, and the longest counts: no row makes another one shorter, and a row that
//! comes back from a backup takes nothing away.

use serde::{Deserialize, Serialize};

use crate::audit::class::EntryClass;
use crate::ids::{AuditRuleId, PrincipalId, TenantId};
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What a rule is.
    pub enum RuleKind {
        /// Entries are kept at least so many days.
        Retention => "retention",
        /// Nothing goes while it stands.
        Hold => "hold",
        /// A node's log was ordered to begin after this entry.
        LetGo => "let_go",
    }
}

/// For how many days entries are kept, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// Of changes.
    pub changes: u16,
    /// Of uses of keys.
    pub uses: u16,
    /// Of what was read.
    pub reads: u16,
    /// Of requests without a valid token.
    pub authentication: u16,
}

impl Days {
    /// Nothing is kept for less: three months must be at hand at once (PCI DSS 4.0.1, 10.5.1).
    pub const FLOOR: u16 = 92;
    /// The most that can be asked for: a hundred years, nearly.
    pub const MOST: u16 = 36_500;
    /// The most that a tenant's own administrator can ask for: ten years.
    pub const MOST_OF_TENANT: u16 = 3_653;
    /// The floor, of every class.
    pub const LEAST: Self = Self {
        changes: Self::FLOOR,
        uses: Self::FLOOR,
        reads: Self::FLOOR,
        authentication: Self::FLOOR,
    };
    /// Seven years (17 CFR 210.2-06, the longest that is asked of anybody here), and two of what anybody
    /// can cause who has no token.
    pub const DEFAULT: Self = Self {
        changes: 2557,
        uses: 2557,
        reads: 2557,
        authentication: 731,
    };

    /// Of one class.
    pub const fn of(self, class: EntryClass) -> u16 {
        match class {
            EntryClass::Changes => self.changes,
            EntryClass::Uses => self.uses,
            EntryClass::Reads => self.reads,
            EntryClass::Authentication => self.authentication,
        }
    }

    /// Where one class is kept.
    pub const fn of_mut(&mut self, class: EntryClass) -> &mut u16 {
        match class {
            EntryClass::Changes => &mut self.changes,
            EntryClass::Uses => &mut self.uses,
            EntryClass::Reads => &mut self.reads,
            EntryClass::Authentication => &mut self.authentication,
        }
    }

    /// The longer of both, for each class.
    #[must_use]
    pub fn or_longer(mut self, other: Self) -> Self {
        for class in EntryClass::ALL {
            let days = self.of_mut(*class);
            *days = (*days).max(other.of(*class));
        }
        self
    }
}

/// A rule as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRule {
    /// Its id.
    pub id: AuditRuleId,
    /// Whose entries it is about; none: everybody's.
    pub tenant: Option<TenantId>,
    /// What it is.
    pub kind: RuleKind,
    /// What a hold is called; of which node the log's beginning is. Of a retention nothing.
    pub name: String,
    /// Why. Stays readable, as names do.
    pub reason: String,
    /// Of a retention.
    pub days: Option<Days>,
    /// Of the log's beginning: the last entry that was ordered to go.
    pub through: Option<i64>,
    /// Since when.
    pub since: Timestamp,
    /// Who said so; none: the server itself.
    pub by: Option<PrincipalId>,
    /// When a hold was released.
    pub released_at: Option<Timestamp>,
    /// By whom.
    pub released_by: Option<PrincipalId>,
    /// Why.
    pub release_reason: String,
    /// Row version.
    pub etag: i64,
}

impl AuditRule {
    /// Longest name, in characters.
    pub const NAME_MAX: usize = 128;
    /// Longest reason, in characters.
    pub const REASON_MAX: usize = 1024;

    /// Whether it is a hold that stands.
    pub fn is_standing_hold(&self) -> bool {
        self.kind == RuleKind::Hold && self.released_at.is_none()
    }
}
