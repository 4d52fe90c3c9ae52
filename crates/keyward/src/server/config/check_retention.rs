//! What the settings of the log's retention mean.

use keyward_core::noun::audit_rule::Days;

use super::Config;
use super::check::Findings;

/// What is wrong with it.
pub(super) fn check(config: &Config, found: &mut Findings) {
    if config.audit.let_go {
        found.add(
            "audit.let_go",
            "is true, and this version lets nothing of the log go yet: everything is kept; take it out",
        );
    }
    let it = &config.audit_retention;
    let (least, most) = (u64::from(Days::FLOOR), u64::from(Days::MOST));
    for (at, days) in [
        ("audit_retention.changes_days", it.changes_days),
        ("audit_retention.uses_days", it.uses_days),
        ("audit_retention.reads_days", it.reads_days),
        (
            "audit_retention.authentication_days",
            it.authentication_days,
        ),
    ] {
        if !(least..=most).contains(&days) {
            found.add(at, format!("is {days}; must be {least} to {most}"));
        }
    }
}
