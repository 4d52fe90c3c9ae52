//! What rows are called.

/// What a row of a table is called in messages.
pub(super) fn singular(table: &'static str) -> &'static str {
    match table {
        "tenants" => "tenant",
        "principals" => "principal",
        "tokens" => "token",
        "roles" => "role",
        "role_assignments" => "role assignment",
        "keys" => "key",
        "key_versions" => "key version",
        "policies" => "policy",
        "class_pointers" => "class",
        "data_bindings" => "data binding",
        "import_keys" => "import key",
        "secrets" => "secret",
        "secret_versions" => "secret version",
        "conditions" => "condition",
        "audit_rules" => "legal hold",
        "rotations" => "rotation",
        "stray_records" => "stray record",
        "idempotency" => "request",
        _ => "row",
    }
}
