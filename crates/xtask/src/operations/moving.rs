//! The vault on its way to another backend, and the registry to another database.

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

const REGISTRY_ERRORS: &[E] = &[
    E::NotFound,
    E::WrongState,
    E::RegistryUnavailable,
    E::InForceUnread,
];

pub const REGISTRY_MIGRATE: Operation = Operation {
    conditions: "`registry.migrate_to` is set. The server itself begins; pause, resume and rate are for while it copies or is cut over; cut-over, and roll-back after it, ask for a comparison that found both sides the same since the server started, for both to answer, and that no other keyward is connected. Roll-back before the cut-over gives the migration up.",
    effects: "where it stands is in `registry-migration.json`, synced, before anything follows from it. While the sides are exchanged, what changes the registry waits, 30 s at most. With `registry.migrate_cut_over = \"auto\"` the server itself cuts over. A turn made again changes nothing and puts the marks right.",
    errors: REGISTRY_ERRORS,
    audit: "two entries: `step` `begun`, synced before anything is done, and `done`; or how it failed. The turn is the resource's name; `phase`, `from`, `to`; `per_second`; at the cut-over `revision`, `rows`, `digest` of what both sides held; `unmarked` if a mark is still missing (`in_force_unread`).",
};

pub const REGISTRY_COMMIT: Operation = Operation {
    conditions: "the migration is cut over. The source may be down.",
    effects: "the target alone is the registry, and the source is not followed up any more. After a restart the server goes on with the target, and says in its log which settings to change.",
    errors: REGISTRY_ERRORS,
    audit: "as of `registry.migrate`.",
};
