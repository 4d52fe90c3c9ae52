-- Conditions: what is wrong, or was, about what, since when. Text for people, and no secret.
CREATE TABLE conditions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 256),
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    detail TEXT NOT NULL CHECK (length(detail) <= 1024),
    since INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    cleared_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    CONSTRAINT conditions_cleared_after CHECK (cleared_at IS NULL OR cleared_at >= since)
) STRICT;
CREATE UNIQUE INDEX conditions_open ON conditions (tenant_id, kind, subject) WHERE cleared_at IS NULL;
CREATE UNIQUE INDEX conditions_system_open ON conditions (kind, subject) WHERE cleared_at IS NULL AND tenant_id IS NULL;
CREATE INDEX conditions_tenant ON conditions (tenant_id, id);
CREATE INDEX conditions_cleared ON conditions (cleared_at, id) WHERE cleared_at IS NOT NULL;

-- Objects of the vault that no row refers to: on their way out, slowly.
CREATE TABLE stray_records (
    name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    found_at INTEGER NOT NULL,
    quarantined_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1)
) STRICT, WITHOUT ROWID;

-- Which version's material a record is: asked for every record that the storage lists.
CREATE INDEX key_versions_record ON key_versions (provider_key_id);
CREATE INDEX import_keys_record ON import_keys (provider_key_id);

-- Only the text of a CHECK changes, nothing on disk. SQLite's way for that:
-- https://www.sqlite.org/lang_altertable.html#otheralter.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''rewrap_records'')', '''rewrap_records'', ''scrub_storage'')') WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
-- Other connections look whether the schema's number has changed: this changes it.
CREATE TABLE scrub_changed (one INTEGER);
DROP TABLE scrub_changed;
