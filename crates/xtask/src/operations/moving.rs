//! The vault on its way to another backend.

use keyward_api::error::ErrorCode as E;

use super::Operation;

const ERRORS: &[E] = &[
    E::NotFound,
    E::WrongState,
    E::StorageUnavailable,
    E::InForceUnread,
];

pub const STORAGE_MIGRATE: Operation = Operation {
    conditions: "`storage.migrate_to` is set. The server itself begins; pause, resume, rate and verify are for while it copies or is cut over; cut-over and roll-back after it ask for a whole pass that found both sides equal since the server started, and for the side that is to lead to answer.",
    effects: "where it stands is in `storage-migration.json`, synced, before anything follows from it, and marked on the sides before the answer. While a turn is made, what asks the storage waits. With `storage.migrate_cut_over = \"auto\"` the server itself cuts over. A turn made again changes nothing and puts the marks right.",
    errors: ERRORS,
    audit: "two entries: `step` `begun`, synced before anything is done, and `done`; or how it failed. The turn is the resource's name; `phase`, `from`, `to`; `per_second`; at the cut-over `objects`, `size_bytes`, `digest` of what both sides hold; `unmarked` if a mark is still missing (`in_force_unread`).",
};

pub const STORAGE_COMMIT: Operation = Operation {
    conditions: "the migration is cut over. The source may be down.",
    effects: "the target alone is the vault, and the source is not followed up any more. What lies there stays until `keyward storage commit --erase`, with the server stopped. After a restart the server goes on with the target, and says in its log which settings to change.",
    errors: ERRORS,
    audit: "as of `storage.migrate`.",
};
