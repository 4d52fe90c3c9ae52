//! Alerts: conditions that are, or were, not as they should be.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::names::{AlertSeverity, AlertState};
use crate::time::Time;

/// A condition: something that is, or was, not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Its id.
    pub id: Uuid,
    /// Whose; absent for the deployment's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// What kind: a stable name. Newer servers know more of them.
    pub kind: String,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// What it is about. Of a kind, at most one is open about a subject.
    pub subject: String,
    /// In words, without secrets.
    pub detail: String,
    /// When it was first seen.
    pub since: Time,
    /// When it was last seen; kept up to date to a quarter of an hour.
    pub last_seen_at: Time,
    /// When it was over; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Time>,
    /// Whether the registry has it. If not, only the node that answered knows of it, until the
    /// registry can be written again.
    pub recorded: bool,
}

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertQuery {
    /// Open ones, or those that are over; both if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<AlertState>,
    /// Of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[a-z0-9_]{1,64}$")]
    pub kind: Option<String>,
    /// Of this severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<AlertSeverity>,
    /// Where the page begins: `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 512)]
    pub cursor: Option<String>,
    /// At most so many; 100 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}
