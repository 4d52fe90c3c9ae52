//! Rotation by policy.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const RUN: Operation = Operation {
    conditions: "the tenant is active and the server unsealed; a policy, if named, is there. Whoever has the lease. A dry run asks for `rotation.read` instead.",
    effects: "every key of the tenant that is due by its policy, what failed before and waits included, is rotated as by `key.rotate`, each in a transaction of its own with the row that names key and date; what fails does not keep the others. The scheduler does the same by itself, in the one node that has the lease, for all tenants; so do its own entries of failures have this action.",
    errors: &[E::Sealed, E::TenantSuspended, E::RegistryUnavailable],
    audit: "`dry_run`, `due`, `rotated`, `failed`, `skipped`. Each key's own entry is of the server itself, with this one's correlation id, and `actor` (`system:scheduler`), `policy`, `planned_at`, `trigger`, `attempt`; that of one which could not be rotated, the error's code as its reason.",
};

pub const STATUS: Operation = Operation {
    conditions: "none.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const READ: Operation = Operation {
    conditions: "a key or a policy, if named, is there. The same permission shows what a run would do, what was rotated, and why a key is due or is not.",
    effects: "none.",
    errors: &[],
    audit: "for a dry run `dry_run`, `due`, `rotated`, `failed`, `skipped`.",
};
