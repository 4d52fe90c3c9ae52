//! Looking after the deployment: alerts, and the health of the storage.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const ALERT_LIST: Operation = Operation {
    conditions: "at most 1,000 at a time; state, kind and severity narrow them.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const ALERT_RAISE: Operation = Operation {
    conditions: "the server itself saw something that is not as it should be, for the first time, or again after a quarter of an hour, or with another severity.",
    effects: "one row for each kind and subject, open from now on. What the registry cannot take now stays in memory and is written when it can be.",
    errors: &[],
    audit: "the condition's id and kind, `subject`, `severity`, `detail`, `since`.",
};

pub const ALERT_CLEAR: Operation = Operation {
    conditions: "the server itself saw that a condition is over. What has been over for 90 days, or is beyond the 10,000 that were over last, is forgotten.",
    effects: "the row is no longer open; forgotten ones are gone.",
    errors: &[],
    audit: "as when it was raised; `forgotten`, how many were.",
};

pub const STORAGE_READ: Operation = Operation {
    conditions: "none.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const STORAGE_SCRUB: Operation = Operation {
    conditions: "no check is under way.",
    effects: "a job that reads and verifies every record of the ledger and looks for what the ledger does not name, no faster than `limits.scrub_per_second`. Each node's clock begins one by itself a day after the last.",
    errors: &[E::Conflict],
    audit: "the job's id.",
};

pub const STORAGE_EXAMINE: Operation = Operation {
    conditions: "the system's own work on a check of the storage, at most once a minute while it goes on, and at its end.",
    effects: "the job has come further. A record that is missing or not what the ledger says is a condition of its own, and is not touched.",
    errors: &[],
    audit: "`state`, `examined`, `found`, `failed` of the job.",
};

pub const STORAGE_REPAIR: Operation = Operation {
    conditions: "a check found a record damaged or missing, a replica or a backup has it with the digest that the registry keeps, and it opens under a key that the registry names. Nothing that was destroyed, or is on its way there.",
    effects: "its objects are written over what was found, and over nothing else; under the tenant's newest key-encryption key, or the root key in force.",
    errors: &[],
    audit: "one entry for each record, before it is written: `from`, `found`; another one if it came to nothing.",
};

pub const STORAGE_SWEEP: Operation = Operation {
    conditions: "a record that is older than an hour is named by no row, and was so an hour before: it goes into quarantine. After 30 days there, still named by no row, it is deleted. If a row names it after all, it leaves the quarantine. Nothing of this happens while `sweep_held` is open.",
    effects: "as said; the deletion is looked at.",
    errors: &[],
    audit: "`found`, `quarantined`, `begun_anew`, `released`, `deleting`, `deleted`: the names of the records; `deleting` before it is done.",
};

pub const STORAGE_CONFIRM: Operation = Operation {
    conditions: "the sweep is held: after a restore, or because surprisingly many records are named by no row; and the alert is as the caller saw it.",
    effects: "this hold ends; strays that were there when it was last raised are confirmed, later ones are not. Without another hold, what no row names is swept up again.",
    errors: &[E::NotFound, E::Conflict],
    audit: "the reason as given; `alert` and `detail` of the hold, `strays`: how many were confirmed.",
};
