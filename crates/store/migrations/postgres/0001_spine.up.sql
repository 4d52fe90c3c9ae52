-- The spine of the registry on PostgreSQL 15. Texts that are sorted or compared by prefix have the
-- "C" collation, so that pages have one order whatever the locale of the database. What each table
-- and column means stands in docs/schema.md.

CREATE TYPE tenant_state AS ENUM ('active', 'suspended', 'shredded');
CREATE TYPE principal_kind AS ENUM ('person', 'service');
CREATE TYPE key_algorithm AS ENUM ('aes-256-gcm-commit', 'aes-256-gcm', 'chacha20-poly1305', 'hmac-sha-256', 'hmac-sha-512', 'rsa-2048', 'rsa-3072', 'rsa-4096', 'ecdsa-p256', 'ecdsa-p384', 'ed25519', 'ml-kem-768', 'ml-dsa-65', 'aes-256-kwp');
CREATE TYPE provider_kind AS ENUM ('native', 'aws-kms', 'azure-kv', 'gcp-kms', 'hashicorp-vault', 'pkcs11');
CREATE TYPE key_origin AS ENUM ('generated', 'imported', 'adopted');
CREATE TYPE key_state AS ENUM ('pending', 'active', 'inactive', 'rotated', 'expired', 'compromised', 'pending_destruction', 'destroyed', 'destroyed_compromised');
CREATE TYPE transition_event AS ENUM ('create', 'rotate', 'activate', 'suspend', 'resume', 'retire', 'expire', 'renew', 'roll_back', 'compromise', 'schedule_destruction', 'cancel_destruction', 'destroy');
CREATE TYPE label_kind AS ENUM ('compliance', 'service');
CREATE TYPE job_kind AS ENUM ('destroy_material', 'shred_tenant');
CREATE TYPE job_state AS ENUM ('queued', 'running', 'done', 'failed');

CREATE TABLE tenants (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    state tenant_state NOT NULL,
    description TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);

CREATE TABLE tenant_keks (
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    version BIGINT NOT NULL CHECK (version >= 1),
    record_id UUID NOT NULL UNIQUE,
    record_digest BYTEA NOT NULL CHECK (length(record_digest) = 32),
    created_at TIMESTAMPTZ NOT NULL,
    destroyed_at TIMESTAMPTZ,
    etag BIGINT NOT NULL CHECK (etag >= 1),
    PRIMARY KEY (tenant_id, version)
);

CREATE TABLE principals (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    kind principal_kind NOT NULL,
    disabled_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE UNIQUE INDEX principals_name ON principals (tenant_id, name);
CREATE UNIQUE INDEX principals_system_name ON principals (name) WHERE tenant_id IS NULL;

CREATE TABLE tokens (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    principal_id UUID NOT NULL REFERENCES principals (id) ON DELETE RESTRICT,
    digest BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
    label TEXT NOT NULL CHECK (length(label) <= 128),
    created_by UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE INDEX tokens_tenant ON tokens (tenant_id, id);
CREATE INDEX tokens_principal ON tokens (principal_id);

CREATE TABLE roles (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    description TEXT NOT NULL,
    permissions JSONB NOT NULL CHECK (jsonb_typeof(permissions) = 'array'),
    delegable JSONB NOT NULL CHECK (jsonb_typeof(delegable) = 'array'),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE UNIQUE INDEX roles_name ON roles (tenant_id, name);
CREATE UNIQUE INDEX roles_built_in_name ON roles (name) WHERE tenant_id IS NULL;

CREATE TABLE role_assignments (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    principal_id UUID NOT NULL REFERENCES principals (id) ON DELETE RESTRICT,
    role_id UUID NOT NULL REFERENCES roles (id) ON DELETE RESTRICT,
    restriction JSONB CHECK (restriction IS NULL OR jsonb_typeof(restriction) = 'object'),
    created_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE INDEX role_assignments_tenant ON role_assignments (tenant_id, id);
CREATE INDEX role_assignments_principal ON role_assignments (principal_id, id);
CREATE INDEX role_assignments_role ON role_assignments (role_id);

CREATE TABLE policies (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    description TEXT NOT NULL,
    rotation_interval_days INTEGER CHECK (rotation_interval_days > 0),
    rollback_window_seconds BIGINT NOT NULL CHECK (rollback_window_seconds >= 0),
    overlap_seconds BIGINT NOT NULL CHECK (overlap_seconds >= 0),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE UNIQUE INDEX policies_name ON policies (tenant_id, name);

CREATE TABLE keys (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    description TEXT NOT NULL,
    purpose TEXT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    data_class TEXT COLLATE "C" CHECK (length(data_class) BETWEEN 1 AND 64),
    algorithm key_algorithm NOT NULL,
    usages JSONB NOT NULL CHECK (jsonb_typeof(usages) = 'array'),
    provider provider_kind NOT NULL,
    origin key_origin NOT NULL,
    exportable BOOLEAN NOT NULL,
    deterministic BOOLEAN NOT NULL,
    process_after_expiry BOOLEAN NOT NULL,
    use_limit_uses BIGINT CHECK (use_limit_uses >= 0),
    use_limit_bytes BIGINT CHECK (use_limit_bytes >= 0),
    authorized_services JSONB NOT NULL CHECK (jsonb_typeof(authorized_services) = 'array'),
    access_policy JSONB NOT NULL CHECK (jsonb_typeof(access_policy) = 'object'),
    compliance_tags JSONB NOT NULL CHECK (jsonb_typeof(compliance_tags) = 'array'),
    tags JSONB NOT NULL CHECK (jsonb_typeof(tags) = 'object'),
    rotation_policy UUID REFERENCES policies (id) ON DELETE SET NULL,
    rollback_window_seconds BIGINT NOT NULL CHECK (rollback_window_seconds >= 0),
    overlap_seconds BIGINT NOT NULL CHECK (overlap_seconds >= 0),
    primary_version BIGINT NOT NULL CHECK (primary_version >= 1),
    latest_version BIGINT NOT NULL,
    created_by UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1),
    search_text TEXT NOT NULL,
    primary_state key_state NOT NULL,
    primary_expires_at TIMESTAMPTZ,
    CONSTRAINT keys_primary_is_given CHECK (primary_version <= latest_version),
    CONSTRAINT keys_use_limit_whole CHECK ((use_limit_uses IS NULL) = (use_limit_bytes IS NULL))
);
CREATE INDEX keys_created_at ON keys (tenant_id, created_at, id);
CREATE INDEX keys_state ON keys (tenant_id, primary_state, name);
CREATE INDEX keys_data_class ON keys (tenant_id, data_class, name) WHERE data_class IS NOT NULL;
CREATE INDEX keys_provider ON keys (tenant_id, provider, name);
CREATE INDEX keys_algorithm ON keys (tenant_id, algorithm, name);
CREATE INDEX keys_owner ON keys (tenant_id, owner, name);
CREATE INDEX keys_policy ON keys (rotation_policy, name) WHERE rotation_policy IS NOT NULL;
CREATE INDEX keys_created_by ON keys (created_by, name) WHERE created_by IS NOT NULL;
CREATE INDEX keys_expires_at ON keys (tenant_id, primary_expires_at) WHERE primary_expires_at IS NOT NULL;
-- These two come last: before there are statistics PostgreSQL takes the newest of indexes that look
-- equally good, and keeps that plan for its foreign key checks.
CREATE UNIQUE INDEX keys_name ON keys (tenant_id, name);
CREATE UNIQUE INDEX keys_id_tenant ON keys (id, tenant_id);

CREATE TABLE key_versions (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL,
    key_id UUID NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    parent_version BIGINT CHECK (parent_version >= 1),
    state key_state NOT NULL,
    state_before key_state CHECK (state_before IN ('pending', 'inactive', 'rotated', 'expired', 'compromised')),
    algorithm key_algorithm NOT NULL,
    size_bits INTEGER NOT NULL CHECK (size_bits > 0),
    strength_bits INTEGER NOT NULL CHECK (strength_bits > 0),
    provider provider_kind NOT NULL,
    provider_key_id TEXT COLLATE "C" NOT NULL CHECK (length(provider_key_id) >= 1),
    region TEXT,
    endpoint TEXT COLLATE "C",
    record_digest BYTEA CHECK (length(record_digest) = 32),
    fingerprint BYTEA NOT NULL CHECK (length(fingerprint) = 32),
    public_key TEXT,
    can_roll_back BOOLEAN NOT NULL,
    rollback_expires_at TIMESTAMPTZ,
    retire_at TIMESTAMPTZ,
    promotion_count BIGINT NOT NULL CHECK (promotion_count >= 0),
    created_by UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    rotated_by UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    correlation_id TEXT NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 64),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    activated_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ,
    rotated_at TIMESTAMPTZ,
    compromised_at TIMESTAMPTZ,
    destroy_at TIMESTAMPTZ,
    destroying BOOLEAN NOT NULL,
    destroyed_at TIMESTAMPTZ,
    etag BIGINT NOT NULL CHECK (etag >= 1),
    CONSTRAINT key_versions_number UNIQUE (key_id, version),
    CONSTRAINT key_versions_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT,
    CONSTRAINT key_versions_parent FOREIGN KEY (key_id, parent_version) REFERENCES key_versions (key_id, version) ON DELETE RESTRICT,
    CONSTRAINT key_versions_parent_is_older CHECK (parent_version < version),
    CONSTRAINT key_versions_native_digest CHECK ((provider = 'native') = (record_digest IS NOT NULL)),
    CONSTRAINT key_versions_rollback_window CHECK (NOT can_roll_back OR (parent_version IS NOT NULL AND rollback_expires_at IS NOT NULL)),
    CONSTRAINT key_versions_state_before CHECK ((state = 'pending_destruction') = (state_before IS NOT NULL)),
    CONSTRAINT key_versions_destroy_at CHECK ((state <> 'pending_destruction' OR destroy_at IS NOT NULL) AND (destroy_at IS NULL OR state IN ('pending_destruction', 'destroyed', 'destroyed_compromised'))),
    CONSTRAINT key_versions_destroying CHECK (NOT destroying OR state = 'pending_destruction'),
    CONSTRAINT key_versions_destroyed_at CHECK ((state IN ('destroyed', 'destroyed_compromised')) = (destroyed_at IS NOT NULL)),
    CONSTRAINT key_versions_activated_at CHECK (state NOT IN ('active', 'inactive', 'rotated', 'expired') OR activated_at IS NOT NULL),
    CONSTRAINT key_versions_activated_before CHECK (state_before IS NULL OR state_before NOT IN ('inactive', 'rotated', 'expired') OR activated_at IS NOT NULL),
    CONSTRAINT key_versions_pending_is_new CHECK (state <> 'pending' OR activated_at IS NULL),
    CONSTRAINT key_versions_compromised_at CHECK ((state IN ('compromised', 'destroyed_compromised') OR (state_before IS NOT NULL AND state_before = 'compromised')) = (compromised_at IS NOT NULL))
);
-- Keys and versions refer to each other, so this one is checked at the end of a transaction.
ALTER TABLE keys ADD CONSTRAINT keys_primary_exists FOREIGN KEY (id, primary_version) REFERENCES key_versions (key_id, version) ON DELETE NO ACTION DEFERRABLE INITIALLY DEFERRED;
CREATE UNIQUE INDEX key_versions_provider_key ON key_versions (provider_key_id, provider, COALESCE(endpoint, ''));
CREATE INDEX key_versions_retire_at ON key_versions (retire_at) WHERE state = 'active' AND retire_at IS NOT NULL;
CREATE INDEX key_versions_expires_at ON key_versions (expires_at) WHERE state = 'active' AND expires_at IS NOT NULL;
CREATE INDEX key_versions_destroy_at_due ON key_versions (destroy_at) WHERE state = 'pending_destruction' AND destroy_at IS NOT NULL;

CREATE TABLE transitions (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL,
    key_id UUID NOT NULL,
    version BIGINT NOT NULL,
    event transition_event NOT NULL,
    from_state key_state,
    to_state key_state NOT NULL,
    primary_version BIGINT NOT NULL CHECK (primary_version >= 1),
    at TIMESTAMPTZ NOT NULL,
    principal_id UUID REFERENCES principals (id) ON DELETE RESTRICT,
    token_id UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    reason TEXT,
    correlation_id TEXT NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 64),
    CONSTRAINT transitions_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT,
    CONSTRAINT transitions_of_version FOREIGN KEY (key_id, version) REFERENCES key_versions (key_id, version) ON DELETE RESTRICT
);
CREATE INDEX transitions_key ON transitions (key_id, id);

CREATE TABLE key_tags (
    key_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    key_name TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key_id, name),
    CONSTRAINT key_tags_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE CASCADE
);
CREATE INDEX key_tags_value ON key_tags (tenant_id, name, value, key_name, key_id);
CREATE INDEX key_tags_name ON key_tags (tenant_id, name, key_name, key_id);

CREATE TABLE key_labels (
    key_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    key_name TEXT COLLATE "C" NOT NULL,
    kind label_kind NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key_id, kind, value),
    CONSTRAINT key_labels_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE CASCADE
);
CREATE INDEX key_labels_value ON key_labels (tenant_id, kind, value, key_name, key_id);

CREATE TABLE key_text (
    key_id UUID NOT NULL PRIMARY KEY REFERENCES keys (id) ON DELETE CASCADE,
    tokens TEXT[] NOT NULL
);
CREATE INDEX key_text_tokens ON key_text USING gin (tokens);

CREATE TABLE key_usage (
    version_id UUID NOT NULL PRIMARY KEY REFERENCES key_versions (id) ON DELETE CASCADE,
    protects BIGINT NOT NULL CHECK (protects >= 0),
    processes BIGINT NOT NULL CHECK (processes >= 0),
    bytes_protected BIGINT NOT NULL CHECK (bytes_protected >= 0),
    last_used_at TIMESTAMPTZ
);

CREATE TABLE usage_watermarks (
    node TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(node) >= 1),
    journaled_to BIGINT NOT NULL CHECK (journaled_to >= 0)
);

CREATE TABLE use_reservations (
    version_id UUID NOT NULL PRIMARY KEY REFERENCES key_versions (id) ON DELETE CASCADE,
    uses BIGINT NOT NULL CHECK (uses >= 0),
    bytes BIGINT NOT NULL CHECK (bytes >= 0)
);

CREATE TABLE class_pointers (
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    data_class TEXT COLLATE "C" NOT NULL CHECK (length(data_class) BETWEEN 1 AND 64),
    key_id UUID NOT NULL,
    previous_key_id UUID,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1),
    PRIMARY KEY (tenant_id, data_class),
    CONSTRAINT class_pointers_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT,
    CONSTRAINT class_pointers_previous_key FOREIGN KEY (previous_key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT
);
CREATE INDEX class_pointers_key ON class_pointers (key_id);
CREATE INDEX class_pointers_previous_key ON class_pointers (previous_key_id) WHERE previous_key_id IS NOT NULL;

CREATE TABLE data_bindings (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL,
    key_id UUID NOT NULL,
    uri TEXT NOT NULL,
    label TEXT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    released_at TIMESTAMPTZ,
    etag BIGINT NOT NULL CHECK (etag >= 1),
    CONSTRAINT data_bindings_of_key FOREIGN KEY (key_id, tenant_id) REFERENCES keys (id, tenant_id) ON DELETE RESTRICT
);
CREATE INDEX data_bindings_key ON data_bindings (key_id, id);
CREATE INDEX data_bindings_live ON data_bindings (key_id) WHERE released_at IS NULL;

CREATE TABLE jobs (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    kind job_kind NOT NULL,
    state job_state NOT NULL,
    subject UUID NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    last_error TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE INDEX jobs_tenant ON jobs (tenant_id, created_at, id);
CREATE INDEX jobs_due ON jobs (due_at, id) WHERE state IN ('queued', 'running');

CREATE TABLE idempotency (
    principal_id UUID NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    route TEXT COLLATE "C" NOT NULL,
    request_key TEXT COLLATE "C" NOT NULL CHECK (length(request_key) BETWEEN 1 AND 128),
    tenant_id UUID REFERENCES tenants (id) ON DELETE CASCADE,
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    resource_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX idempotency_request ON idempotency (principal_id, route, request_key, tenant_id);
CREATE UNIQUE INDEX idempotency_system_request ON idempotency (principal_id, route, request_key) WHERE tenant_id IS NULL;
CREATE INDEX idempotency_created_at ON idempotency (created_at);

CREATE TABLE feed (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    n BIGINT NOT NULL CHECK (n >= 0),
    committed_at TIMESTAMPTZ NOT NULL,
    clock_high TIMESTAMPTZ NOT NULL,
    deployment_id UUID NOT NULL
);

CREATE TABLE tenant_feed (
    scope UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    n BIGINT NOT NULL CHECK (n >= 0),
    CONSTRAINT tenant_feed_scope CHECK (scope = COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid))
);

CREATE TABLE changes (
    revision BIGINT NOT NULL PRIMARY KEY CHECK (revision >= 1),
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    change BIGINT NOT NULL CHECK (change >= 1),
    committed_at TIMESTAMPTZ NOT NULL,
    writes JSONB NOT NULL CHECK (jsonb_typeof(writes) = 'array'),
    event JSONB NOT NULL CHECK (jsonb_typeof(event) = 'object')
);
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
VALUES (1, 0, to_timestamp(0), to_timestamp(0), gen_random_uuid());
INSERT INTO tenant_feed (scope, tenant_id, n) VALUES ('00000000-0000-0000-0000-000000000000'::uuid, NULL, 0);
