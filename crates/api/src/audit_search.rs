//! Searching the audit log, and counting what is in it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::audit::{AuditDetailNote, AuditEntry};
use crate::names::{AuditCountBy, AuditCountEvery, AuditOutcome};
use crate::time::Time;

/// Query parameters have no parts: what is looked for is written out in each query that has it.
macro_rules! queries {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$more_meta:meta])* pub $more:ident: Option<$type:ty>,)+ }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            /// Entries at or after this instant only.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub since: Option<Time>,
            /// Entries before this instant only.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub until: Option<Time>,
            /// Of this tenant, by name or id; `system` for the system's own. Only where the address names
            /// no tenant.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub tenant: Option<String>,
            /// About this key, or using it: its id, name or ARN. By name only where a tenant is named.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub key: Option<String>,
            /// About this version of a key: its number or its id.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub version: Option<String>,
            /// By this principal: its id.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub principal: Option<String>,
            /// This action, such as `key.rotate`, or all of a kind: `key.*`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub action: Option<String>,
            /// How it ended.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[param(inline)]
            pub outcome: Option<AuditOutcome>,
            /// From this network address.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub address: Option<String>,
            /// Of this request.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub correlation_id: Option<String>,
            /// On the node with this name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub node: Option<String>,
            /// Words in the name of the resource or in the reason, whole and in any order; upper and lower
            /// case are the same.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[param(max_length = 256)]
            pub text: Option<String>,
            $(
                $(#[$more_meta])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $more: Option<$type>,
            )+
        }

        impl $name {
            /// What is looked for.
            pub fn wish(&self) -> AuditWish {
                AuditWish {
                    since: self.since.clone(),
                    until: self.until.clone(),
                    tenant: self.tenant.clone(),
                    key: self.key.clone(),
                    version: self.version.clone(),
                    principal: self.principal.clone(),
                    action: self.action.clone(),
                    outcome: self.outcome.clone(),
                    address: self.address.clone(),
                    correlation_id: self.correlation_id.clone(),
                    node: self.node.clone(),
                    text: self.text.clone(),
                }
            }
        }

        impl From<AuditWish> for $name {
            fn from(wish: AuditWish) -> Self {
                Self {
                    since: wish.since,
                    until: wish.until,
                    tenant: wish.tenant,
                    key: wish.key,
                    version: wish.version,
                    principal: wish.principal,
                    action: wish.action,
                    outcome: wish.outcome,
                    address: wish.address,
                    correlation_id: wish.correlation_id,
                    node: wish.node,
                    text: wish.text,
                    ..Self::default()
                }
            }
        }
    )+};
}

queries! {
    /// Which entries are searched for.
    pub struct AuditSearchQuery {
        /// Entries before this sequence number only: what the page before said.
        #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
        pub before: Option<u64>,
        /// At most so many; 50 if not said. A page may have fewer, or none, and not be the last.
        #[param(minimum = 1, maximum = 500)]
        pub limit: Option<usize>,
    }

    /// Which entries are counted, and how.
    pub struct AuditCountQuery {
        /// By what; all together if not said.
        #[param(inline)]
        pub by: Option<AuditCountBy>,
        /// For which spans of time, in UTC; for all of it if not said.
        #[param(inline)]
        pub every: Option<AuditCountEvery>,
        /// Entries before this sequence number only: what the counts before said.
        #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
        pub before: Option<u64>,
    }
}

/// What is looked for. What is not said may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditWish {
    /// At or after this instant.
    pub since: Option<Time>,
    /// Before this instant.
    pub until: Option<Time>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// About this key, or using it.
    pub key: Option<String>,
    /// About this version of a key.
    pub version: Option<String>,
    /// By this principal.
    pub principal: Option<String>,
    /// An action, or all of a kind.
    pub action: Option<String>,
    /// How it ended.
    pub outcome: Option<AuditOutcome>,
    /// From this address.
    pub address: Option<String>,
    /// Of this request.
    pub correlation_id: Option<String>,
    /// On this node.
    pub node: Option<String>,
    /// Words in the name of the resource or in the reason.
    pub text: Option<String>,
}

/// A page of entries, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditSearchPage {
    /// The entries.
    pub items: Vec<AuditEntry>,
    /// What to pass as `before` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub next_before: Option<u64>,
    /// Of which tenants the log does not tell each use of a key, or did not always; where the whole log is read,
    /// at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<AuditDetailNote>,
}

/// How many entries of a span of time have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditCount {
    /// When the span begins; absent if it is all of the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// The value; absent if all are counted together. Of tenants, `system` is the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How many entries.
    #[schema(minimum = 0)]
    pub entries: u64,
}

/// Counts, by time and then by value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditCounts {
    /// The counts.
    pub items: Vec<AuditCount>,
    /// Present if not all of the log was counted: what to pass as `before` for the rest. What that answers
    /// is to be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub next_before: Option<u64>,
    /// Of which tenants the log does not tell each use of a key, or did not always; where the whole log is read,
    /// at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<AuditDetailNote>,
}
