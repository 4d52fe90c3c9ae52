-- What keeps entries of the audit log: for how long, legal holds, and how far its beginning was ordered to go.
CREATE TYPE audit_rule_kind AS ENUM ('retention', 'hold', 'let_go');

CREATE TABLE audit_rules (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE RESTRICT,
    kind audit_rule_kind NOT NULL,
    name TEXT NOT NULL CHECK (length(name) <= 128),
    reason TEXT NOT NULL CHECK (length(reason) <= 1024),
    changes_days BIGINT CHECK (changes_days BETWEEN 92 AND 36500),
    uses_days BIGINT CHECK (uses_days BETWEEN 92 AND 36500),
    reads_days BIGINT CHECK (reads_days BETWEEN 92 AND 36500),
    authentication_days BIGINT CHECK (authentication_days BETWEEN 92 AND 36500),
    through BIGINT CHECK (through >= 1),
    since TIMESTAMPTZ NOT NULL,
    set_by UUID,
    released_at TIMESTAMPTZ,
    released_by UUID,
    release_reason TEXT NOT NULL CHECK (length(release_reason) <= 1024),
    etag BIGINT NOT NULL CHECK (etag >= 1),
    CONSTRAINT audit_rules_days CHECK ((kind = 'retention') = (changes_days IS NOT NULL AND uses_days IS NOT NULL AND reads_days IS NOT NULL AND authentication_days IS NOT NULL)),
    CONSTRAINT audit_rules_through CHECK ((kind = 'let_go') = (through IS NOT NULL)),
    CONSTRAINT audit_rules_released CHECK (released_at IS NULL OR kind = 'hold')
);
CREATE INDEX audit_rules_tenant ON audit_rules (tenant_id, id);
