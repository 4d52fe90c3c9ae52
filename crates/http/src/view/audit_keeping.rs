//! What the audit log keeps, on the wire.

use keyward_api::audit_keeping::{
    AuditDays, AuditGoing, AuditOutlook, AuditPruned, AuditRetention, AuditStays, LegalHold,
};
use keyward_core::ids::{PrincipalId, TenantId};
use keyward_core::noun::audit_rule::{AuditRule, Days};
use keyward_core::ops::audit_prune::{LetGone, Outlook};
use keyward_core::ops::audit_rules::Retention;

use super::{some_time, time};

const fn days(days: Days) -> AuditDays {
    AuditDays {
        changes: days.changes,
        uses: days.uses,
        reads: days.reads,
        authentication: days.authentication,
    }
}

pub fn retention(retention: Retention) -> AuditRetention {
    let last = retention.said.last();
    let reason = last.map(|it| it.reason.clone());
    AuditRetention {
        days: days(retention.days),
        deployment: days(retention.deployment),
        lets_go: retention.lets_go,
        since: some_time(last.map(|it| it.since)),
        by: last.and_then(|it| it.by).map(PrincipalId::uuid),
        reason: reason.filter(|it| !it.is_empty()),
    }
}

pub fn hold(row: AuditRule) -> LegalHold {
    LegalHold {
        id: row.id.uuid(),
        name: row.name,
        reason: row.reason,
        since: time(row.since),
        by: row.by.map(PrincipalId::uuid),
        released_at: some_time(row.released_at),
        released_by: row.released_by.map(PrincipalId::uuid),
        release_reason: row.released_at.map(|_| row.release_reason),
        etag: row.etag,
    }
}

pub fn outlook(outlook: Outlook) -> AuditOutlook {
    let plan = outlook.plan;
    let going = plan.of.iter().map(|((tenant, class), entries)| AuditGoing {
        tenant: tenant.map(TenantId::uuid),
        class: class.name().to_owned(),
        entries: *entries,
    });
    AuditOutlook {
        first: outlook.first,
        through: plan.through(),
        entries: plan.entries,
        bytes: plan.bytes,
        going: going.collect(),
        stays: plan.stays.map(|stays| AuditStays {
            first: stays.first,
            last: stays.last,
            why: stays.why.iter().map(ToString::to_string).collect(),
        }),
        refused: outlook.refused.map(|refusal| refusal.to_string()),
        ends: plan.ends,
    }
}

pub const fn pruned(gone: LetGone) -> AuditPruned {
    AuditPruned {
        first: gone.first,
        through: gone.through,
        revision: gone.revision,
    }
}
