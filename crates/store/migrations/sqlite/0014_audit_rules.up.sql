-- What keeps entries of the audit log: for how long, legal holds, and how far its beginning was ordered to go.
CREATE TABLE audit_rules (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB REFERENCES tenants (id) ON DELETE RESTRICT,
    kind TEXT NOT NULL CHECK (kind IN ('retention', 'hold', 'let_go')),
    name TEXT NOT NULL CHECK (length(name) <= 128),
    reason TEXT NOT NULL CHECK (length(reason) <= 1024),
    changes_days INTEGER CHECK (changes_days BETWEEN 92 AND 36500),
    uses_days INTEGER CHECK (uses_days BETWEEN 92 AND 36500),
    reads_days INTEGER CHECK (reads_days BETWEEN 92 AND 36500),
    authentication_days INTEGER CHECK (authentication_days BETWEEN 92 AND 36500),
    through INTEGER CHECK (through >= 1),
    since INTEGER NOT NULL,
    set_by BLOB CHECK (length(set_by) = 16),
    released_at INTEGER,
    released_by BLOB CHECK (length(released_by) = 16),
    release_reason TEXT NOT NULL CHECK (length(release_reason) <= 1024),
    etag INTEGER NOT NULL CHECK (etag >= 1),
    CONSTRAINT audit_rules_days CHECK ((kind = 'retention') = (changes_days IS NOT NULL AND uses_days IS NOT NULL AND reads_days IS NOT NULL AND authentication_days IS NOT NULL)),
    CONSTRAINT audit_rules_through CHECK ((kind = 'let_go') = (through IS NOT NULL)),
    CONSTRAINT audit_rules_released CHECK (released_at IS NULL OR kind = 'hold')
) STRICT;
CREATE INDEX audit_rules_tenant ON audit_rules (tenant_id, id);
