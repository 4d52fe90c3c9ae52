//! What is done when somebody touched the audit log.

use crate::node::Node;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::ops::condition;
use crate::port::audit_log::AuditError;

/// A file of the journal was removed, replaced or changed while the server ran: operations are refused
/// until it is started again, and a critical alert says so. `what` names the file.
pub async fn journal_touched(node: &Node, what: &str) {
    node.distrust_journal(AuditError::Unavailable {
        cause: format!("{what} while the server ran"),
    });
    let detail = format!(
        "{what} while the server ran. Operations are refused. Keep a copy of the audit directory as \
         evidence, put the file back from a copy of the log, and start the server again"
    );
    raise(node, "journal", &detail).await;
}

/// How the last check of the whole log ended: `what` is wrong, or nothing. What is made from the journal
/// can be made again, so nothing is refused for it.
pub async fn log_checked(node: &Node, what: Option<&str>) {
    if let Some(what) = what {
        return raise(node, "log", what).await;
    }
    let kind = || ConditionKind::AUDIT_LOG_DAMAGED;
    condition::clear(node, kind(), &subject(node, "log")).await;
    if node.journal_is_trusted() {
        // What an earlier life of the process found: the journal is whole now.
        condition::clear(node, kind(), &subject(node, "journal")).await;
    }
}

/// What sealing the journal's segments found: `what` is wrong with one, or with none of them any more. The
/// check of the whole log reads one of two files only, and says nothing of this.
pub async fn segments_sealed(node: &Node, what: Option<&str>) {
    if let Some(what) = what {
        return raise(node, "sealing", what).await;
    }
    let kind = ConditionKind::AUDIT_LOG_DAMAGED;
    condition::clear(node, kind, &subject(node, "sealing")).await;
}

async fn raise(node: &Node, part: &str, detail: &str) {
    let kind = ConditionKind::AUDIT_LOG_DAMAGED;
    let subject = subject(node, part);
    condition::raise(node, kind, &subject, Severity::Critical, detail).await;
}

/// Each node has a journal of its own.
fn subject(node: &Node, part: &str) -> Subject {
    Subject::system(&format!("{}/{part}", node.settings.name))
}
