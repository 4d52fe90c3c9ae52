-- Which node acts for all of them in a role, until when, and with which fencing token. The expiry is by this database's
-- time and by no node's. One row for each role, for ever: the token must never begin again.
CREATE TABLE leases (
    role TEXT NOT NULL PRIMARY KEY CHECK (length(role) BETWEEN 1 AND 64),
    holder TEXT NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),
    epoch INTEGER NOT NULL CHECK (epoch >= 1),
    taken_at INTEGER NOT NULL,
    worked_at INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;

-- Rotations that a policy asked for: one row for each key and each date, written in the transaction that rotates.
-- That a date cannot be there twice is what makes a rotation happen once, whoever is late. No reference to the key or the
-- policy: history outlives both.
CREATE TABLE rotations (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
    key_id BLOB NOT NULL CHECK (length(key_id) = 16),
    policy_id BLOB NOT NULL CHECK (length(policy_id) = 16),
    policy_etag INTEGER NOT NULL CHECK (policy_etag >= 1),
    trigger_kind TEXT NOT NULL CHECK (trigger_kind IN ('schedule', 'run')),
    planned_at INTEGER NOT NULL,
    run TEXT NOT NULL CHECK (length(run) BETWEEN 1 AND 128),
    epoch INTEGER CHECK (epoch >= 1),
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'failed')),
    attempts INTEGER NOT NULL CHECK (attempts >= 1),
    error TEXT CHECK (length(error) BETWEEN 1 AND 64),
    retry_at INTEGER,
    key_etag INTEGER NOT NULL CHECK (key_etag >= 1),
    from_version INTEGER NOT NULL CHECK (from_version >= 1),
    to_version INTEGER CHECK (to_version > from_version),
    etag INTEGER NOT NULL CHECK (etag >= 1),
    CONSTRAINT rotations_once UNIQUE (key_id, planned_at),
    CONSTRAINT rotations_done CHECK ((outcome = 'done') = (to_version IS NOT NULL)),
    CONSTRAINT rotations_failed CHECK ((outcome = 'failed') = (error IS NOT NULL)),
    CONSTRAINT rotations_retry CHECK (outcome = 'failed' OR retry_at IS NULL)
) STRICT;
CREATE INDEX rotations_tenant ON rotations (tenant_id, id);
CREATE INDEX rotations_key ON rotations (key_id, id);
CREATE INDEX rotations_policy ON rotations (policy_id, id);
