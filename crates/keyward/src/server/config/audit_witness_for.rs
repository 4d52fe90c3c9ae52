//! `[audit_witness_for.NAME]`: another deployment's audit log, whose checkpoints this server signs after
//! having made sure that it has only grown. As many as there are names.

use super::settings::sections;

/// The section of all of them.
pub const SECTION: &str = "audit_witness_for";

sections! {
    /// A log of which this server is a witness: `NAME` is `a-z`, `0-9` and `-`, at most 32 characters, and
    /// `NAME` in the variable is the same with `_` for `-`.
    /// [audit-witnesses.md](audit-witnesses.md#being-a-witness) says what that means.
    [audit_witness_for] AuditWitnessFor {
        /// The log's name, its *origin*: the first line of its checkpoints.
        origin: Option<String> = None, "the name in its key";
        /// Its public key: name+id+base64, as `keyward audit key` shows it.
        key: Option<String> = None, "must be set";
    }
}
