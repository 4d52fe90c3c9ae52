//! Least privileges on PostgreSQL: the tables belong to the role that migrates, and the server
//! runs as another that may do only what its statements do. It cannot alter the schema, cannot
//! change what the outbox says for the log, cannot remove an outbox row, and cannot remove history.

use std::fmt::Write as _;

/// What the runtime role may do to each table.
pub const RUNTIME_PRIVILEGES: &[(&str, &str)] = &[
    ("schema_migrations", "SELECT"),
    ("tenants", "SELECT, INSERT, UPDATE, DELETE"),
    ("tenant_keks", "SELECT, INSERT, UPDATE, DELETE"),
    ("principals", "SELECT, INSERT, UPDATE, DELETE"),
    ("tokens", "SELECT, INSERT, UPDATE, DELETE"),
    ("roles", "SELECT, INSERT, UPDATE, DELETE"),
    ("role_assignments", "SELECT, INSERT, UPDATE, DELETE"),
    ("policies", "SELECT, INSERT, UPDATE, DELETE"),
    ("keys", "SELECT, INSERT, UPDATE, DELETE"),
    ("key_versions", "SELECT, INSERT, UPDATE, DELETE"),
    ("transitions", "SELECT, INSERT"),
    ("key_tags", "SELECT, INSERT, DELETE"),
    ("key_labels", "SELECT, INSERT, DELETE"),
    ("key_text", "SELECT, INSERT, DELETE"),
    ("key_usage", "SELECT, INSERT, UPDATE"),
    ("usage_watermarks", "SELECT, INSERT, UPDATE"),
    ("use_reservations", "SELECT, INSERT, UPDATE"),
    ("class_pointers", "SELECT, INSERT, UPDATE, DELETE"),
    ("data_bindings", "SELECT, INSERT, UPDATE, DELETE"),
    ("jobs", "SELECT, INSERT, UPDATE, DELETE"),
    ("import_keys", "SELECT, INSERT, UPDATE"),
    ("secrets", "SELECT, INSERT, UPDATE"),
    ("secret_versions", "SELECT, INSERT, UPDATE, DELETE"),
    ("conditions", "SELECT, INSERT, UPDATE, DELETE"),
    ("stray_records", "SELECT, INSERT, UPDATE, DELETE"),
    ("drills", "SELECT, INSERT, UPDATE, DELETE"),
    // No rule is ever taken away.
    ("audit_rules", "SELECT, INSERT, UPDATE"),
    // No history is ever taken away.
    ("rotations", "SELECT, INSERT, UPDATE"),
    // A fencing token that was given out is never forgotten.
    ("leases", "SELECT, INSERT, UPDATE"),
    ("idempotency", "SELECT, INSERT, DELETE"),
    ("feed", "SELECT, UPDATE"),
    ("tenant_feed", "SELECT, INSERT, UPDATE"),
    // Its rows alone, so that their texts can be sealed: what the log says is never changed.
    ("changes", "SELECT, INSERT, UPDATE (writes)"),
    ("histories", "SELECT"),
    ("encryption_keys", "SELECT"),
];

/// The name of a role cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a database role's name must be 1 to 63 of a-z, 0-9 and '_', not beginning with a digit")]
pub struct InvalidRole;

/// The statements by which the owner gives a runtime role what it needs, and no more. Run them
/// after every migration.
pub fn grants(role: &str) -> Result<String, InvalidRole> {
    let well_formed = (1..=63).contains(&role.len())
        && !role.starts_with(|first: char| first.is_ascii_digit())
        && role
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !well_formed {
        return Err(InvalidRole);
    }
    let mut text = String::new();
    for (table, privileges) in RUNTIME_PRIVILEGES {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "REVOKE ALL ON {table} FROM \"{role}\";");
        let _ = writeln!(text, "GRANT {privileges} ON {table} TO \"{role}\";");
    }
    Ok(text)
}
