//! Alerts and the storage's health as the wire shows them.

use keyward_api::alert::Alert;
use keyward_api::names::AlertSeverity;
use keyward_core::ids::TenantId;
use keyward_core::ops::condition::Listed;

use super::{some_time, time};

/// An alert.
pub fn alert(listed: Listed) -> Alert {
    let condition = listed.condition;
    Alert {
        id: condition.id.uuid(),
        tenant_id: condition.tenant.map(TenantId::uuid),
        kind: condition.kind.to_string(),
        severity: AlertSeverity::from(condition.severity.name()),
        subject: condition.subject,
        detail: condition.detail,
        since: time(condition.since),
        last_seen_at: time(condition.last_seen_at),
        cleared_at: some_time(condition.cleared_at),
        recorded: listed.recorded,
    }
}
