-- Secrets: names, versions and where the vault keeps their values; no value, and nothing from which
-- one could be guessed. No tenant: the system's own.
CREATE TABLE secrets (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    state TEXT NOT NULL CHECK (state IN ('stored', 'deleted')),
    description TEXT NOT NULL CHECK (length(description) <= 1024),
    labels TEXT NOT NULL CHECK (json_type(labels) = 'object'),
    keep INTEGER NOT NULL CHECK (keep BETWEEN 1 AND 100),
    latest_version INTEGER NOT NULL CHECK (latest_version >= 1),
    created_by BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE UNIQUE INDEX secrets_name ON secrets (tenant_id, name);
CREATE UNIQUE INDEX secrets_system_name ON secrets (name) WHERE tenant_id IS NULL;

CREATE TABLE secret_versions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    secret_id BLOB NOT NULL REFERENCES secrets (id) ON DELETE RESTRICT,
    version INTEGER NOT NULL CHECK (version >= 1),
    record_id BLOB NOT NULL UNIQUE CHECK (length(record_id) = 16),
    record_digest BLOB NOT NULL CHECK (length(record_digest) = 32),
    destroying_at INTEGER,
    created_by BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    correlation_id TEXT NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 64),
    created_at INTEGER NOT NULL,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT;
CREATE UNIQUE INDEX secret_versions_number ON secret_versions (secret_id, version);
CREATE INDEX secret_versions_due ON secret_versions (destroying_at, id) WHERE destroying_at IS NOT NULL;

-- What belongs to no tenant has a key-encryption key too, under the nil UUID: the reference goes.
CREATE TABLE tenant_keks_anew (
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    record_id BLOB NOT NULL UNIQUE CHECK (length(record_id) = 16),
    record_digest BLOB NOT NULL CHECK (length(record_digest) = 32),
    created_at INTEGER NOT NULL,
    destroyed_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    PRIMARY KEY (tenant_id, version)
) STRICT;
INSERT INTO tenant_keks_anew SELECT * FROM tenant_keks;
DROP TABLE tenant_keks;
ALTER TABLE tenant_keks_anew RENAME TO tenant_keks;
