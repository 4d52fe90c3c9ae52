//! For how long the audit log is kept, and letting go of its beginning.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const READ: Operation = Operation {
    conditions: "for a tenant's retention and holds, the permission there; for the deployment's, and for what of the log may go, the permission on the deployment.",
    effects: "none.",
    errors: &[E::AuditUnavailable],
    audit: "nothing more.",
};

pub const SET: Operation = Operation {
    conditions: "no class is kept for less than it is now, and none for less than 92 days; a tenant's, for no less than the deployment's, and by its own administrators for 3653 days at most. It is set also while no backup can be made.",
    effects: "entries of the classes that are named are kept for so many days; of others, nothing changes. Of the system's scope it holds for everybody. What was set in the same scope before changes nothing. docs/audit-retention.md.",
    errors: &[E::ApprovalRequired],
    audit: "the reason as given, `days` that hold from now on, and what they were `before`.",
};

pub const PLACE_HOLD: Operation = Operation {
    conditions: "a name and a reason. It is placed also while no backup can be made.",
    effects: "while the hold stands, nothing of the tenant's log goes; of the system's scope, nothing at all. From its answer on nothing is on its way out. One that stands under the same name is the answer.",
    errors: &[],
    audit: "the hold's name and the reason.",
};

pub const RELEASE_HOLD: Operation = Operation {
    conditions: "the hold stands; a reason.",
    effects: "the hold is released; it stays in the list. Others stand as before.",
    errors: &[E::WrongState],
    audit: "the hold's name and the reason.",
};

pub const PRUNE: Operation = Operation {
    conditions: "this version lets nothing go yet and refuses it (`wrong_state`). Of one that does: `audit.let_go` is set; the entry ends a segment, and everything up to it is older than its class is kept, held by nothing, and in every mirror; nothing was let go of for a day; the clock did not go ahead by more than a day, or somebody says that it is right.",
    effects: "the order is in the log, durably, then the files go, at most 31 days of the log at once. What a crash left of it goes with the next look, if it still may. Each day by the server itself as well.",
    errors: &[E::WrongState, E::AuditUnavailable],
    audit: "the reason, `first` and `through`, `entries`, `bytes`, how many of each class (`classes`), the `days` of the deployment, and whether the clock was confirmed (`clock_confirmed`); before anything goes.",
};
