//! The transparency log given out, piece by piece, to whoever may read the entries in it.

use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, resource};
use crate::port::transparency::{LogFault, LogReceipt, TransparencyLog, Tree, TreeKey};
use crate::text_enum;

text_enum! {
    /// Which of a tenant's two trees.
    pub enum TreeKind {
        /// What changed something.
        Changes => "changes",
        /// Everything else.
        Operations => "operations",
    }
}

/// Whose tree is asked for.
#[derive(Clone, Debug)]
pub enum LogScope {
    /// The system's.
    System,
    /// One of a tenant's.
    Tenant(TenantRef, TreeKind),
}

/// Who signs a tree's checkpoints.
pub async fn log_key(node: &Node, caller: &Caller, scope: &LogScope) -> Result<TreeKey, OpError> {
    reading(node, caller, scope, "key")
        .read(async {
            let tree = tree(node, caller, scope)?;
            log(node)?.key(tree).await.map_err(told)
        })
        .await
}

/// How the log was handed over from key to key: notes that both of each have signed, the oldest first,
/// each followed by an empty line.
pub async fn handovers(node: &Node, caller: &Caller, scope: &LogScope) -> Result<String, OpError> {
    reading(node, caller, scope, "handovers")
        .read(async {
            tree(node, caller, scope)?;
            log(node)?.handovers().await.map_err(told)
        })
        .await
}

/// A tree's newest signed checkpoint.
pub async fn checkpoint(node: &Node, caller: &Caller, scope: &LogScope) -> Result<String, OpError> {
    reading(node, caller, scope, "checkpoint")
        .read(async {
            let tree = tree(node, caller, scope)?;
            if tree != Tree::System {
                // A tenant's is signed when it is asked for.
                node.ensure_unsealed()?;
            }
            log(node)?.checkpoint(tree).await.map_err(told)
        })
        .await
}

/// A tile, by its path below the log: `tile/…`.
pub async fn tile(
    node: &Node,
    caller: &Caller,
    scope: &LogScope,
    path: &str,
) -> Result<Vec<u8>, OpError> {
    // What is no tile's path is not for the log.
    let shown = if path.len() <= PATH_MAX && path.bytes().all(may_be_in_a_path) {
        path
    } else {
        "tile"
    };
    reading(node, caller, scope, shown)
        .read(async {
            let tree = tree(node, caller, scope)?;
            log(node)?.tile(tree, path).await.map_err(told)
        })
        .await
}

/// A receipt for an entry, by its sequence number.
pub async fn receipt(
    node: &Node,
    caller: &Caller,
    tenant: Option<&TenantRef>,
    sequence: u64,
) -> Result<LogReceipt, OpError> {
    let scope = tenant.map_or(LogScope::System, |tenant| {
        LogScope::Tenant(tenant.clone(), TreeKind::Operations)
    });
    reading(node, caller, &scope, "receipt")
        .read(async {
            let tree = tree(node, caller, &scope)?;
            log(node)?.receipt(tree, sequence).await.map_err(told)
        })
        .await
}

/// A receipt for an entry, by its index in a tree, counted from 0.
pub async fn receipt_at(
    node: &Node,
    caller: &Caller,
    scope: &LogScope,
    index: u64,
) -> Result<LogReceipt, OpError> {
    reading(node, caller, scope, "receipt")
        .read(async {
            let tree = tree(node, caller, scope)?;
            log(node)?.receipt_at(tree, index).await.map_err(told)
        })
        .await
}

/// No tile's path is longer: seven groups of digits, a level and a width.
const PATH_MAX: usize = 64;

fn may_be_in_a_path(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'/' | b'.')
}

fn reading<'a>(node: &'a Node, caller: &'a Caller, scope: &LogScope, part: &str) -> Attempt<'a> {
    let (tenant, kind) = match scope {
        LogScope::System => (None, "system"),
        LogScope::Tenant(tenant, kind) => (node.tenant_id(tenant), kind.name()),
    };
    let named = format!("{kind}/{part}");
    let about = resource("log", None, Some(&named));
    Attempt::new(node, caller, Action::AuditRead, tenant, about)
}

/// The tree, if the caller may read its entries.
fn tree(node: &Node, caller: &Caller, scope: &LogScope) -> Result<Tree, OpError> {
    let LogScope::Tenant(tenant, kind) = scope else {
        node.authorize_system(caller, Action::AuditRead)?;
        return Ok(Tree::System);
    };
    let (tenant, _) = node.authorize_scope(caller, Action::AuditRead, tenant)?;
    Ok(match (tenant, kind) {
        (None, _) => Tree::System,
        (Some(tenant), TreeKind::Changes) => Tree::Changes(tenant),
        (Some(tenant), TreeKind::Operations) => Tree::Operations(tenant),
    })
}

pub(super) fn log(node: &Node) -> Result<&dyn TransparencyLog, OpError> {
    node.ports
        .transparency
        .as_deref()
        .ok_or_else(|| OpError::Unsupported {
            problem: "no transparency log is made of this node's journal: audit.sync is \
                      \"written\", or this is no server"
                .to_owned(),
        })
}

pub(super) fn told(fault: LogFault) -> OpError {
    match fault {
        LogFault::NoSuch => OpError::NotFound {
            what: "part of the log",
        },
        LogFault::LetGo { .. } => OpError::NotFound {
            what: "part of the log any more: it is older than the entries that this node keeps, and was let \
                   go of",
        },
        LogFault::NotYet => OpError::NotReady {
            why: "no signed checkpoint holds this yet: ask again in two seconds, after unsealing \
                  if the server is sealed",
        },
        LogFault::Broken { .. } => OpError::NotReady {
            why: "its transparency log cannot be read, or does not follow the journal; the alert \
                  audit_log_behind says why",
        },
    }
}
