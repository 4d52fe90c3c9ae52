//! Principals, tokens and roles: in a tenant, or, under the name `system`, in the deployment.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const PRINCIPAL_CREATE: Operation = Operation {
    conditions: "the name is free in its tenant (or in the system).",
    effects: "a principal that may do nothing until it is given a role.",
    errors: &[E::AlreadyExists, E::IdempotencyMismatch],
    audit: "nothing more.",
};

pub const PRINCIPAL_LIST: Operation = Operation {
    conditions: "none.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const PRINCIPAL_DISABLE: Operation = Operation {
    conditions: "the principal is there; disabling it again changes nothing of when it was disabled.",
    effects: "from the answer on, every token of the principal is refused.",
    errors: &[],
    audit: "the reason as given.",
};

pub const TOKEN_CREATE: Operation = Operation {
    conditions: "the principal is there and enabled; the caller may itself do or give everything that the principal holds, or is that principal; the expiry is in the future; the label has at most 128 characters.",
    effects: "a token, of which the registry keeps a digest; its text is in the answer and nowhere else. The same request again answers `already_created` with the id.",
    errors: &[E::AlreadyCreated, E::IdempotencyMismatch],
    audit: "the token's id and `principal`; never its label, which may name a person.",
};

pub const TOKEN_LIST: Operation = Operation {
    conditions: "none.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const TOKEN_REVOKE: Operation = Operation {
    conditions: "the token is there; revoking it again changes nothing of when it was revoked.",
    effects: "from the answer on, the token is refused.",
    errors: &[],
    audit: "the reason as given.",
};

pub const ROLE_CREATE: Operation = Operation {
    conditions: "the caller may itself do or give everything in it; it holds nothing that only the server records, and a tenant's role nothing that acts on the deployment; the name is free and no built-in role's.",
    effects: "a role that nobody holds yet.",
    errors: &[E::AlreadyExists],
    audit: "`permissions` and `delegable`.",
};

pub const ROLE_LIST: Operation = Operation {
    conditions: "none. The same permission lists who holds what.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const ROLE_UPDATE: Operation = Operation {
    conditions: "as for creating it; it is not a built-in role; `If-Match`, if given, names its present etag.",
    effects: "from the answer on, whoever holds the role may do what it says now.",
    errors: &[E::PreconditionFailed],
    audit: "`permissions` and `delegable` as they are now.",
};

pub const ROLE_ASSIGN: Operation = Operation {
    conditions: "the principal is not the caller; the caller may itself do or give everything in the role (in a tenant, what acts on the deployment does not count, since it has no effect there); a restriction names 1 to 100 keys, classes and tags.",
    effects: "the principal holds the role in this tenant (or in the whole deployment), for all keys or for those that the restriction names.",
    errors: &[E::AlreadyExists],
    audit: "the role, `principal`, `assignment`, and whether it is `restricted`.",
};

pub const ROLE_UNASSIGN: Operation = Operation {
    conditions: "the assignment is there.",
    effects: "from the answer on, the principal holds the role no more.",
    errors: &[],
    audit: "the reason as given, `principal` and `role`.",
};

pub const ROLE_REFRESH: Operation = Operation {
    conditions: "a node starts whose built-in roles differ from those of the deployment.",
    effects: "built-in roles that are missing are there, and those that differ say what this version says; whoever holds one may from then on what it says.",
    errors: &[],
    audit: "by the server itself; the names of the roles that were `added` and `changed`.",
};
