//! What a node is told when it is made.

use std::sync::Arc;

use crate::names::SecretName;
use crate::noun::audit_rule::Days;
use crate::ops::backup::Continuous;
use crate::retention::RetentionRules;

/// What a node is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's name in the log.
    pub name: Arc<str>,
    /// The deployment's id.
    pub deployment: uuid::Uuid,
    /// How long a scheduled destruction waits when nothing is said, in days (7 to 30).
    pub destruction_wait_days: i64,
    /// How long a rotation can be undone when nothing is said, in seconds.
    pub rollback_window_seconds: i64,
    /// How long the first token lives, in seconds.
    pub bootstrap_token_seconds: i64,
    /// Less room than this where the vault is kept is a condition.
    pub storage_space_low_bytes: u64,
    /// Whether checks of everything that is stored begin by themselves.
    pub scrub_automatic: bool,
    /// Whether changes are answered only when a segment holds them; none: segments follow later.
    pub continuous: Option<Continuous>,
    /// Which backups are kept; none: all of them.
    pub retention: Option<RetentionRules>,
    /// For how long entries of the log are kept at least, unless the registry says longer.
    pub audit_retention: Days,
    /// Whether the log lets go of anything at all.
    pub audit_let_go: bool,
    /// In which of the system's secrets the identity for drills is; none if it is elsewhere.
    pub drill_identity: Option<SecretName>,
    /// Whether the vault is cut over to another backend as soon as both sides are equal; if not, it
    /// waits for an administrator.
    pub migration_cuts_over: bool,
    /// The same for the registry's database.
    pub registry_cuts_over: bool,
    /// A migration that was cut over so many days ago and not committed is a condition.
    pub migration_uncommitted_days: i64,
    /// So many values may be on their way in or out in pieces at a time.
    pub value_streams_max: usize,
    /// And so many of one tenant.
    pub value_streams_per_tenant: usize,
    /// The same for one of the registry.
    pub registry_uncommitted_days: i64,
    /// How keys are rotated by their policies.
    pub rotation: RotationSettings,
}

/// How keys are rotated by their policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationSettings {
    /// Whether this node does it at all.
    pub enabled: bool,
    /// It is looked for what is due every so many seconds, and when the next date comes.
    pub check_interval_seconds: i64,
    /// So many keys are rotated at a time.
    pub at_once: usize,
    /// And so many in one run; what is left is the next one's.
    pub per_run_max: usize,
}

impl RotationSettings {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        enabled: true,
        check_interval_seconds: 60,
        at_once: 4,
        per_run_max: 1_000,
    };
}

impl Settings {
    /// The defaults.
    pub fn new(name: &str, deployment: uuid::Uuid) -> Self {
        Self {
            name: name.into(),
            deployment,
            destruction_wait_days: 30,
            rollback_window_seconds: 24 * 3600,
            bootstrap_token_seconds: 24 * 3600,
            storage_space_low_bytes: 1 << 30,
            scrub_automatic: true,
            continuous: None,
            retention: None,
            audit_retention: Days::DEFAULT,
            audit_let_go: false,
            drill_identity: None,
            migration_cuts_over: false,
            registry_cuts_over: false,
            migration_uncommitted_days: 7,
            value_streams_max: 16,
            value_streams_per_tenant: 4,
            registry_uncommitted_days: 7,
            rotation: RotationSettings::DEFAULT,
        }
    }
}
