//! What can go wrong between a client and a server, and what to do next.

use std::time::Duration;

use keyward_api::error::Problem;

/// A request did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client was given something it cannot work with.
    #[error("{what}")]
    Setup {
        /// What.
        what: String,
    },
    /// The server refused the request and said why.
    #[error("{}", said(.0))]
    Problem(Box<Problem>),
    /// No connection to the server could be made.
    #[error("the server at {address} cannot be reached: {cause}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        cause: String,
    },
    /// The connection broke, or the answer did not come in time. The request may have been done.
    #[error("the connection to {address} broke before the answer came: {cause}")]
    Interrupted {
        /// Where.
        address: String,
        /// Why.
        cause: String,
    },
    /// The answer is not what this client understands.
    #[error("the answer of {address} (status {status}) is not one of Keyward's: {cause}")]
    Decode {
        /// Where.
        address: String,
        /// The HTTP status.
        status: u16,
        /// What does not fit, without the answer's content.
        cause: String,
    },
}

fn said(problem: &Problem) -> String {
    let mut text = format!("{} ({})", problem.detail, problem.code);
    if !problem.allowed.is_empty() {
        text.push_str("; allowed now: ");
        text.push_str(&problem.allowed.join(", "));
    }
    text
}

impl ClientError {
    /// What the server said, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The stable code of what the server said.
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }

    /// What a person would do next.
    pub fn next_step(&self) -> Option<String> {
        let step = match self {
            Self::Setup { .. } => return None,
            Self::Unreachable { address, .. } => {
                return Some(format!(
                    "check that a server listens at {address} (`keyward dev` starts one), or name \
                     another with --address"
                ));
            }
            Self::Interrupted { .. } => "look whether it was done before you repeat it",
            Self::Decode { .. } => "check that the address is a Keyward server of this version",
            Self::Problem(problem) => return step_after(problem),
        };
        Some(step.to_owned())
    }
}

fn step_after(problem: &Problem) -> Option<String> {
    let step = match problem.code.as_str() {
        "unauthenticated" => {
            "run `keyward login`, or name a file with a valid token in KEYWARD_TOKEN_FILE"
        }
        "forbidden" => "ask an administrator for a role that allows it (`keyward role list`)",
        "not_found" => "check the name and the tenant; what you may not see looks the same",
        "sealed" => "have the holders of the shares run `keyward unseal`",
        "value_too_large" => "write it to a file: `keyward secret get NAME --out FILE`",
        "last_seal" => "add another one first: `keyward seal add`",
        "in_force_unread" => "it was done: see `keyward seal status`, and do not repeat it",
        "outcome_unknown" => "see `keyward seal status` before repeating it",
        "seal_not_proven" => "see `keyward seal status`, then `keyward seal prove`",
        "seal_unavailable" => "see `keyward seal status`; docs/seals.md says what to do for each",
        "not_ready" | "audit_unavailable" | "storage_unavailable" | "registry_unavailable" => {
            "see the server's own log, and `keyward status`"
        }
        "not_in_backup" => {
            "it is made: look for it, or repeat it with the same Idempotency-Key, when the alert \
             backup_behind is over (`keyward alert list --tenant system`)"
        }
        "backup_unavailable" => {
            "see `keyward alert list --tenant system`, and make the place of backups take them again"
        }
        "storage_denied" => "check the credentials and rights of the server's storage backend",
        "storage_not_writable" => "give the server's storage backend space, or the right to write",
        "rate_limited" | "overloaded" | "timeout" | "storage_throttled" => {
            "wait a moment and try again"
        }
        "internal" | "record_refused" => {
            let request = problem
                .correlation_id
                .as_deref()
                .unwrap_or("of this request");
            return Some(format!(
                "look for correlation id {request} in the server's own log and in the audit log"
            ));
        }
        _ => return None,
    };
    Some(step.to_owned())
}

/// How long to wait for a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
