-- The spine of the registry on SQLite. Ids are 16-byte blobs, instants are microseconds since the
-- Unix epoch, maps and sets are JSON text, enumerations are CHECKs. What each table and column
-- means stands in docs/schema.md.

CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'shredded')),
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;

CREATE TABLE tenant_keks (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    version INTEGER NOT NULL CHECK (version >= 1),
    record_id BLOB NOT NULL UNIQUE CHECK (length(record_id) = 16),
    record_digest BLOB NOT NULL CHECK (length(record_digest) = 32),
    created_at INTEGER NOT NULL,
    destroyed_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    PRIMARY KEY (tenant_id, version)
) STRICT;

CREATE TABLE principals (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    kind TEXT NOT NULL CHECK (kind IN ('person', 'service')),
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE UNIQUE INDEX principals_name ON principals (tenant_id, name);
CREATE UNIQUE INDEX principals_system_name ON principals (name) WHERE tenant_id IS NULL;

CREATE TABLE tokens (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    principal_id BLOB NOT NULL REFERENCES principals (id) ON DELETE RESTRICT,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    label TEXT NOT NULL CHECK (length(label) <= 128),
    created_by BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE INDEX tokens_tenant ON tokens (tenant_id, id);
CREATE INDEX tokens_principal ON tokens (principal_id);

CREATE TABLE roles (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    description TEXT NOT NULL,
    permissions TEXT NOT NULL CHECK (json_type(permissions) = 'array'),
    delegable TEXT NOT NULL CHECK (json_type(delegable) = 'array'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE UNIQUE INDEX roles_name ON roles (tenant_id, name);
CREATE UNIQUE INDEX roles_built_in_name ON roles (name) WHERE tenant_id IS NULL;

CREATE TABLE role_assignments (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    principal_id BLOB NOT NULL REFERENCES principals (id) ON DELETE RESTRICT,
    role_id BLOB NOT NULL REFERENCES roles (id) ON DELETE RESTRICT,
    restriction TEXT CHECK (restriction IS NULL OR json_type(restriction) = 'object'),
    created_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE INDEX role_assignments_tenant ON role_assignments (tenant_id, id);
CREATE INDEX role_assignments_principal ON role_assignments (principal_id, id);
CREATE INDEX role_assignments_role ON role_assignments (role_id);

CREATE TABLE policies (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    description TEXT NOT NULL,
    rotation_interval_days INTEGER CHECK (rotation_interval_days > 0),
    rollback_window_seconds INTEGER NOT NULL CHECK (rollback_window_seconds >= 0),
    overlap_seconds INTEGER NOT NULL CHECK (overlap_seconds >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE UNIQUE INDEX policies_name ON policies (tenant_id, name);

CREATE TABLE keys (
    seq INTEGER NOT NULL PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    description TEXT NOT NULL,
    purpose TEXT NOT NULL,
    owner TEXT NOT NULL,
    data_class TEXT CHECK (length(data_class) BETWEEN 1 AND 64),
    algorithm TEXT NOT NULL CHECK (algorithm IN ('aes-256-gcm-commit', 'aes-256-gcm', 'chacha20-poly1305', 'hmac-sha-256', 'hmac-sha-512', 'rsa-2048', 'rsa-3072', 'rsa-4096', 'ecdsa-p256', 'ecdsa-p384', 'ed25519', 'ml-kem-768', 'ml-dsa-65', 'aes-256-kwp')),
    usages TEXT NOT NULL CHECK (json_type(usages) = 'array'),
    provider TEXT NOT NULL CHECK (provider IN ('native', 'aws-kms', 'azure-kv', 'gcp-kms', 'hashicorp-vault', 'pkcs11')),
    origin TEXT NOT NULL CHECK (origin IN ('generated', 'imported', 'adopted')),
    exportable INTEGER NOT NULL CHECK (exportable IN (0, 1)),
    deterministic INTEGER NOT NULL CHECK (deterministic IN (0, 1)),
    process_after_expiry INTEGER NOT NULL CHECK (process_after_expiry IN (0, 1)),
    use_limit_uses INTEGER CHECK (use_limit_uses >= 0),
    use_limit_bytes INTEGER CHECK (use_limit_bytes >= 0),
    authorized_services TEXT NOT NULL CHECK (json_type(authorized_services) = 'array'),
    access_policy TEXT NOT NULL CHECK (json_type(access_policy) = 'object'),
    compliance_tags TEXT NOT NULL CHECK (json_type(compliance_tags) = 'array'),
    tags TEXT NOT NULL CHECK (json_type(tags) = 'object'),
    rotation_policy BLOB REFERENCES policies (id) ON DELETE SET NULL,
    rollback_window_seconds INTEGER NOT NULL CHECK (rollback_window_seconds >= 0),
    overlap_seconds INTEGER NOT NULL CHECK (overlap_seconds >= 0),
    primary_version INTEGER NOT NULL CHECK (primary_version >= 1),
    latest_version INTEGER NOT NULL,
    created_by BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    search_text TEXT NOT NULL,
    primary_state TEXT NOT NULL CHECK (primary_state IN ('pending', 'active', 'inactive', 'rotated', 'expired', 'compromised', 'pending_destruction', 'destroyed', 'destroyed_compromised')),
    primary_expires_at INTEGER,
    CONSTRAINT keys_primary_is_given CHECK (primary_version <= latest_version),
    CONSTRAINT keys_use_limit_whole CHECK ((use_limit_uses IS NULL) = (use_limit_bytes IS NULL)),
    CONSTRAINT keys_primary_exists FOREIGN KEY (id, primary_version) REFERENCES key_versions (key_id, version) ON DELETE NO ACTION DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX keys_created_at ON keys (tenant_id, created_at, id);
CREATE INDEX keys_state ON keys (tenant_id, primary_state, name);
CREATE INDEX keys_data_class ON keys (tenant_id, data_class, name) WHERE data_class IS NOT NULL;
CREATE INDEX keys_provider ON keys (tenant_id, provider, name);
CREATE INDEX keys_algorithm ON keys (tenant_id, algorithm, name);
CREATE INDEX keys_owner ON keys (tenant_id, owner, name);
CREATE INDEX keys_policy ON keys (rotation_policy, name) WHERE rotation_policy IS NOT NULL;
CREATE INDEX keys_created_by ON keys (created_by, name) WHERE created_by IS NOT NULL;
CREATE INDEX keys_expires_at ON keys (tenant_id, primary_expires_at) WHERE primary_expires_at IS NOT NULL;
CREATE UNIQUE INDEX keys_name ON keys (tenant_id, name);
CREATE UNIQUE INDEX keys_id_tenant ON keys (id, tenant_id);

CREATE TABLE key_versions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    parent_version INTEGER CHECK (parent_version >= 1),
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'inactive', 'rotated', 'expired', 'compromised', 'pending_destruction', 'destroyed', 'destroyed_compromised')),
    state_before TEXT CHECK (state_before IN ('pending', 'inactive', 'rotated', 'expired', 'compromised')),
    algorithm TEXT NOT NULL CHECK (algorithm IN ('aes-256-gcm-commit', 'aes-256-gcm', 'chacha20-poly1305', 'hmac-sha-256', 'hmac-sha-512', 'rsa-2048', 'rsa-3072', 'rsa-4096', 'ecdsa-p256', 'ecdsa-p384', 'ed25519', 'ml-kem-768', 'ml-dsa-65', 'aes-256-kwp')),
    size_bits INTEGER NOT NULL CHECK (size_bits > 0),
    strength_bits INTEGER NOT NULL CHECK (strength_bits > 0),
    provider TEXT NOT NULL CHECK (provider IN ('native', 'aws-kms', 'azure-kv', 'gcp-kms', 'hashicorp-vault', 'pkcs11')),
    provider_key_id TEXT NOT NULL CHECK (length(provider_key_id) >= 1),
    region TEXT,
    endpoint TEXT,
    record_digest BLOB CHECK (length(record_digest) = 32),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    public_key TEXT,
    can_roll_back INTEGER NOT NULL CHECK (can_roll_back IN (0, 1)),
    rollback_expires_at INTEGER,
    retire_at INTEGER,
    promotion_count INTEGER NOT NULL CHECK (promotion_count >= 0),
    created_by BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    rotated_by BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    correlation_id TEXT NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 64),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    activated_at INTEGER,
    expires_at INTEGER,
    rotated_at INTEGER,
    compromised_at INTEGER,
    destroy_at INTEGER,
    destroying INTEGER NOT NULL CHECK (destroying IN (0, 1)),
    destroyed_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    CONSTRAINT key_versions_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT,
    CONSTRAINT key_versions_parent FOREIGN KEY (key_id, parent_version) REFERENCES key_versions (key_id, version) ON DELETE RESTRICT,
    CONSTRAINT key_versions_parent_is_older CHECK (parent_version < version),
    CONSTRAINT key_versions_native_digest CHECK ((provider = 'native') = (record_digest IS NOT NULL)),
    CONSTRAINT key_versions_rollback_window CHECK (can_roll_back = 0 OR (parent_version IS NOT NULL AND rollback_expires_at IS NOT NULL)),
    CONSTRAINT key_versions_state_before CHECK ((state = 'pending_destruction') = (state_before IS NOT NULL)),
    CONSTRAINT key_versions_destroy_at CHECK ((state <> 'pending_destruction' OR destroy_at IS NOT NULL) AND (destroy_at IS NULL OR state IN ('pending_destruction', 'destroyed', 'destroyed_compromised'))),
    CONSTRAINT key_versions_destroying CHECK (destroying = 0 OR state = 'pending_destruction'),
    CONSTRAINT key_versions_destroyed_at CHECK ((state IN ('destroyed', 'destroyed_compromised')) = (destroyed_at IS NOT NULL)),
    CONSTRAINT key_versions_activated_at CHECK (state NOT IN ('active', 'inactive', 'rotated', 'expired') OR activated_at IS NOT NULL),
    CONSTRAINT key_versions_activated_before CHECK (state_before IS NULL OR state_before NOT IN ('inactive', 'rotated', 'expired') OR activated_at IS NOT NULL),
    CONSTRAINT key_versions_pending_is_new CHECK (state <> 'pending' OR activated_at IS NULL),
    CONSTRAINT key_versions_compromised_at CHECK ((state IN ('compromised', 'destroyed_compromised') OR (state_before IS NOT NULL AND state_before = 'compromised')) = (compromised_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX key_versions_number ON key_versions (key_id, version);
CREATE UNIQUE INDEX key_versions_provider_key ON key_versions (provider_key_id, provider, COALESCE(endpoint, ''));
CREATE INDEX key_versions_retire_at ON key_versions (retire_at) WHERE state = 'active' AND retire_at IS NOT NULL;
CREATE INDEX key_versions_expires_at ON key_versions (expires_at) WHERE state = 'active' AND expires_at IS NOT NULL;
CREATE INDEX key_versions_destroy_at_due ON key_versions (destroy_at) WHERE state = 'pending_destruction' AND destroy_at IS NOT NULL;

CREATE TABLE transitions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    event TEXT NOT NULL CHECK (event IN ('create', 'rotate', 'activate', 'suspend', 'resume', 'retire', 'expire', 'renew', 'roll_back', 'compromise', 'schedule_destruction', 'cancel_destruction', 'destroy')),
    from_state TEXT CHECK (from_state IN ('pending', 'active', 'inactive', 'rotated', 'expired', 'compromised', 'pending_destruction', 'destroyed', 'destroyed_compromised')),
    to_state TEXT NOT NULL CHECK (to_state IN ('pending', 'active', 'inactive', 'rotated', 'expired', 'compromised', 'pending_destruction', 'destroyed', 'destroyed_compromised')),
    primary_version INTEGER NOT NULL CHECK (primary_version >= 1),
    at INTEGER NOT NULL,
    principal_id BLOB REFERENCES principals (id) ON DELETE RESTRICT,
    token_id BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    reason TEXT,
    correlation_id TEXT NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 64),
    CONSTRAINT transitions_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT,
    CONSTRAINT transitions_of_version FOREIGN KEY (key_id, version) REFERENCES key_versions (key_id, version) ON DELETE RESTRICT
) STRICT;
CREATE INDEX transitions_key ON transitions (key_id, id);

CREATE TABLE key_tags (
    key_id BLOB NOT NULL,
    tenant_id BLOB NOT NULL,
    key_name TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key_id, name),
    CONSTRAINT key_tags_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX key_tags_value ON key_tags (tenant_id, name, value, key_name, key_id);
CREATE INDEX key_tags_name ON key_tags (tenant_id, name, key_name, key_id);

CREATE TABLE key_labels (
    key_id BLOB NOT NULL,
    tenant_id BLOB NOT NULL,
    key_name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('compliance', 'service')),
    value TEXT NOT NULL,
    PRIMARY KEY (key_id, kind, value),
    CONSTRAINT key_labels_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX key_labels_value ON key_labels (tenant_id, kind, value, key_name, key_id);

CREATE VIRTUAL TABLE key_text USING fts5 (tokens, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');

CREATE TABLE key_usage (
    version_id BLOB NOT NULL PRIMARY KEY REFERENCES key_versions (id) ON DELETE CASCADE,
    protects INTEGER NOT NULL CHECK (protects >= 0),
    processes INTEGER NOT NULL CHECK (processes >= 0),
    bytes_protected INTEGER NOT NULL CHECK (bytes_protected >= 0),
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_watermarks (
    node TEXT NOT NULL PRIMARY KEY CHECK (length(node) >= 1),
    journaled_to INTEGER NOT NULL CHECK (journaled_to >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE use_reservations (
    version_id BLOB NOT NULL PRIMARY KEY REFERENCES key_versions (id) ON DELETE CASCADE,
    uses INTEGER NOT NULL CHECK (uses >= 0),
    bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE class_pointers (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    data_class TEXT NOT NULL CHECK (length(data_class) BETWEEN 1 AND 64),
    key_id BLOB NOT NULL,
    previous_key_id BLOB,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    PRIMARY KEY (tenant_id, data_class),
    CONSTRAINT class_pointers_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT,
    CONSTRAINT class_pointers_previous_key FOREIGN KEY (previous_key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT
) STRICT;
CREATE INDEX class_pointers_key ON class_pointers (key_id);
CREATE INDEX class_pointers_previous_key ON class_pointers (previous_key_id) WHERE previous_key_id IS NOT NULL;

CREATE TABLE data_bindings (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    uri TEXT NOT NULL,
    label TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    released_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    CONSTRAINT data_bindings_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT
) STRICT;
CREATE INDEX data_bindings_key ON data_bindings (key_id, id);
CREATE INDEX data_bindings_live ON data_bindings (key_id) WHERE released_at IS NULL;

CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    kind TEXT NOT NULL CHECK (kind IN ('destroy_material', 'shred_tenant')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    last_error TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE INDEX jobs_tenant ON jobs (tenant_id, created_at, id);
CREATE INDEX jobs_due ON jobs (due_at, id) WHERE state IN ('queued', 'running');

CREATE TABLE idempotency (
    principal_id BLOB NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    route TEXT NOT NULL,
    request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 128),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE CASCADE,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    resource_id BLOB NOT NULL CHECK (length(resource_id) = 16),
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX idempotency_request ON idempotency (principal_id, route, request_key, tenant_id);
CREATE UNIQUE INDEX idempotency_system_request ON idempotency (principal_id, route, request_key) WHERE tenant_id IS NULL;
CREATE INDEX idempotency_created_at ON idempotency (created_at);

CREATE TABLE feed (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    n INTEGER NOT NULL CHECK (n >= 0),
    committed_at INTEGER NOT NULL,
    clock_high INTEGER NOT NULL,
    deployment_id BLOB NOT NULL CHECK (length(deployment_id) = 16)
) STRICT;

CREATE TABLE tenant_feed (
    scope BLOB NOT NULL PRIMARY KEY CHECK (length(scope) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    n INTEGER NOT NULL CHECK (n >= 0),
    CONSTRAINT tenant_feed_scope CHECK (scope = COALESCE(tenant_id, zeroblob(16)))
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    revision INTEGER NOT NULL PRIMARY KEY CHECK (revision >= 1),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    change INTEGER NOT NULL CHECK (change >= 1),
    committed_at INTEGER NOT NULL,
    writes TEXT NOT NULL CHECK (json_type(writes) = 'array'),
    event TEXT NOT NULL CHECK (json_type(event) = 'object')
) STRICT;
CREATE UNIQUE INDEX changes_tenant_change ON changes (tenant_id, change);
CREATE UNIQUE INDEX changes_system_change ON changes (change) WHERE tenant_id IS NULL;

CREATE VIEW encryption_keys AS
SELECT
    v.id AS id,
    v.tenant_id AS tenant_id,
    k.id AS key_id,
    k.name AS key_name,
    k.data_class AS data_class,
    v.algorithm AS algorithm,
    v.size_bits AS size_bits,
    v.strength_bits AS strength_bits,
    v.provider AS provider,
    v.provider_key_id AS provider_key_id,
    v.region AS region,
    v.endpoint AS endpoint,
    v.state AS state,
    v.version AS version,
    v.parent_version AS parent_version,
    v.version = k.primary_version AS is_primary,
    v.can_roll_back AS can_roll_back,
    v.rollback_expires_at AS rollback_expires_at,
    v.created_at AS created_at,
    v.updated_at AS updated_at,
    v.activated_at AS activated_at,
    v.expires_at AS expires_at,
    v.rotated_at AS rotated_at,
    u.last_used_at AS last_used_at,
    v.compromised_at AS compromised_at,
    v.destroyed_at AS destroyed_at,
    v.created_by AS created_by,
    v.rotated_by AS rotated_by,
    k.purpose AS purpose,
    k.owner AS owner,
    k.authorized_services AS authorized_services,
    k.access_policy AS access_policy,
    k.compliance_tags AS compliance_tags,
    k.tags AS tags,
    v.correlation_id AS correlation_id,
    v.fingerprint AS fingerprint
FROM key_versions v
JOIN keys k ON k.id = v.key_id
LEFT JOIN key_usage u ON u.version_id = v.id;

-- The deployment's id is a random UUID (version 4), made once, here.
INSERT INTO feed (one, n, committed_at, clock_high, deployment_id)
VALUES (1, 0, 0, 0, unhex(
    hex(randomblob(6))
    || '4' || substr(hex(randomblob(2)), 2)
    || substr('89AB', 1 + (abs(random() % 4)), 1) || substr(hex(randomblob(2)), 2)
    || hex(randomblob(6))
));
INSERT INTO tenant_feed (scope, tenant_id, n) VALUES (zeroblob(16), NULL, 0);
