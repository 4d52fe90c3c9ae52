//! `[audit_mirror.NAME]`: a copy of the audit log elsewhere, kept up by the server. As many as there are
//! names.

use std::path::PathBuf;

use super::settings::sections;

/// The section of all of them.
pub const SECTION: &str = "audit_mirror";

sections! {
    /// A mirror of the audit log: `NAME` is `a-z`, `0-9` and `-`, at most 32 characters, and `NAME` in
    /// the variable is the same with `_` for `-`. [audit-mirror.md](audit-mirror.md) has whole examples.
    [audit_mirror] AuditMirror {
        /// The directory: on another machine's disk. It is this node's alone.
        directory: Option<PathBuf> = None, "this or `destination_file` must be set";
        /// Instead of a directory, an object store: a file that says which, with a section
        /// `[storage]` and the one of its backend, as for backups. Its prefix is this node's alone.
        destination_file: Option<PathBuf> = None, "not set";
        /// How often what was signed is brought there, 1 to 3600.
        every_seconds: u64 = 5, "`5`";
        /// The longest pause between two tries, 1 to 3600.
        retry_seconds: u64 = 60, "`60`";
        /// Whether a checkpoint is given out only when it is here: published, shown to witnesses, in
        /// receipts. Then a lost node's log can be
        /// [continued](audit-mirror.md#continuing-a-lost-nodes-log) and contradicts nothing.
        before_given_out: bool = false, "`false`";
        /// How long something signed may wait to be there before that is an alert.
        alert_seconds: u64 = 300, "`300`";
    }
}
