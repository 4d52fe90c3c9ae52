-- Conditions: what is wrong, or was, about what, since when. Text for people, and no secret.
CREATE TYPE condition_severity AS ENUM ('info', 'warning', 'critical');

CREATE TABLE conditions (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    kind TEXT COLLATE "C" NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    subject TEXT COLLATE "C" NOT NULL CHECK (length(subject) BETWEEN 1 AND 256),
    severity condition_severity NOT NULL,
    detail TEXT NOT NULL CHECK (length(detail) <= 1024),
    since TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    cleared_at TIMESTAMPTZ,
    etag BIGINT NOT NULL CHECK (etag >= 1),
    CONSTRAINT conditions_cleared_after CHECK (cleared_at IS NULL OR cleared_at >= since)
);
CREATE UNIQUE INDEX conditions_open ON conditions (tenant_id, kind, subject) WHERE cleared_at IS NULL;
CREATE UNIQUE INDEX conditions_system_open ON conditions (kind, subject) WHERE cleared_at IS NULL AND tenant_id IS NULL;
CREATE INDEX conditions_tenant ON conditions (tenant_id, id);
CREATE INDEX conditions_cleared ON conditions (cleared_at, id) WHERE cleared_at IS NOT NULL;

-- Objects of the vault that no row refers to: on their way out, slowly.
CREATE TABLE stray_records (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    found_at TIMESTAMPTZ NOT NULL,
    quarantined_at TIMESTAMPTZ,
    etag BIGINT NOT NULL CHECK (etag >= 1)
);

-- Which version's material a record is: asked for every record that the storage lists.
CREATE INDEX key_versions_record ON key_versions (provider_key_id);
CREATE INDEX import_keys_record ON import_keys (provider_key_id);

ALTER TYPE job_kind ADD VALUE 'scrub_storage';
