//! `[audit_witness.NAME]`: somebody who signs the checkpoints of the audit log after having made sure that
//! it has only grown. As many as there are names.

use std::path::PathBuf;

use super::secret_source::SecretSource;
use super::settings::sections;

/// The section of all of them.
pub const SECTION: &str = "audit_witness";

sections! {
    /// A witness of the audit log: `NAME` is `a-z`, `0-9` and `-`, at most 32 characters, and `NAME` in
    /// the variable is the same with `_` for `-`. [audit-witnesses.md](audit-witnesses.md) has whole
    /// examples.
    [audit_witness] AuditWitness {
        /// Where checkpoints are sent: the address before `/add-checkpoint`, its *submission prefix*.
        url: Option<String> = None, "must be set";
        /// Its public key, as the witness publishes it: name+id+base64.
        key: Option<String> = None, "must be set";
        /// How long a connection may take to be made, 1 to 300.
        connect_seconds: u64 = 5, "`5`";
        /// How long an answer may take, 1 to 300.
        answer_seconds: u64 = 10, "`10`";
        /// The longest pause between two tries, 1 to 3600.
        retry_seconds: u64 = 60, "`60`";
        /// How long a checkpoint may wait for its signature before that is an alert.
        alert_seconds: u64 = 300, "`300`";
        /// Without TLS; refused for any address but loopback.
        allow_plain: bool = false, "`false`";
        /// Certificates to trust, PEM.
        ca_file: Option<PathBuf> = None, "the system's";
        /// Our own certificate and its chain, PEM, where the witness asks for one.
        cert_file: Option<PathBuf> = None, "not set";
        /// Its private key, PEM, readable by nobody else, or `vault:NAME`.
        key_file: Option<SecretSource> = None, "must be set with `cert_file`";
    }
}
