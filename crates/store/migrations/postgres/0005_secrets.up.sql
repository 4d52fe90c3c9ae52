-- Secrets: names, versions and where the vault keeps their values; no value, and nothing from which
-- one could be guessed. No tenant: the system's own.
CREATE TYPE secret_state AS ENUM ('stored', 'deleted');

CREATE TABLE secrets (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    state secret_state NOT NULL,
    description TEXT NOT NULL CHECK (length(description) <= 1024),
    labels JSONB NOT NULL CHECK (jsonb_typeof(labels) = 'object'),
    keep INTEGER NOT NULL CHECK (keep BETWEEN 1 AND 100),
    latest_version BIGINT NOT NULL CHECK (latest_version >= 1),
    created_by UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE UNIQUE INDEX secrets_name ON secrets (tenant_id, name);
CREATE UNIQUE INDEX secrets_system_name ON secrets (name) WHERE tenant_id IS NULL;

CREATE TABLE secret_versions (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    secret_id UUID NOT NULL REFERENCES secrets (id) ON DELETE RESTRICT,
    version BIGINT NOT NULL CHECK (version >= 1),
    record_id UUID NOT NULL UNIQUE,
    record_digest BYTEA NOT NULL CHECK (length(record_digest) = 32),
    destroying_at TIMESTAMPTZ,
    created_by UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    correlation_id TEXT NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 64),
    created_at TIMESTAMPTZ NOT NULL,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);
CREATE UNIQUE INDEX secret_versions_number ON secret_versions (secret_id, version);
CREATE INDEX secret_versions_due ON secret_versions (destroying_at, id) WHERE destroying_at IS NOT NULL;

-- What belongs to no tenant has a key-encryption key too, under the nil UUID: the reference goes.
ALTER TABLE tenant_keks DROP CONSTRAINT tenant_keks_tenant_id_fkey;
