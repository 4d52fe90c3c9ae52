-- Which node acts for all of them in a role, until when, and with which fencing token. The expiry is by this database's
-- time and by no node's. One row for each role, for ever: the token must never begin again.
CREATE TABLE leases (
    role TEXT NOT NULL PRIMARY KEY CHECK (length(role) BETWEEN 1 AND 64),
    holder TEXT NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    taken_at TIMESTAMPTZ NOT NULL,
    worked_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ NOT NULL
);

-- Rotations that a policy asked for: one row for each key and each date, written in the transaction that rotates.
-- That a date cannot be there twice is what makes a rotation happen once, whoever is late. No reference to the key or the
-- policy: history outlives both.
CREATE TYPE rotation_trigger AS ENUM ('schedule', 'run');
CREATE TYPE rotation_outcome AS ENUM ('done', 'failed');

CREATE TABLE rotations (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL,
    key_id UUID NOT NULL,
    policy_id UUID NOT NULL,
    policy_etag BIGINT NOT NULL CHECK (policy_etag >= 1),
    trigger_kind rotation_trigger NOT NULL,
    planned_at TIMESTAMPTZ NOT NULL,
    run TEXT NOT NULL CHECK (length(run) BETWEEN 1 AND 128),
    epoch BIGINT CHECK (epoch >= 1),
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    outcome rotation_outcome NOT NULL,
    attempts BIGINT NOT NULL CHECK (attempts >= 1),
    error TEXT CHECK (length(error) BETWEEN 1 AND 64),
    retry_at TIMESTAMPTZ,
    key_etag BIGINT NOT NULL CHECK (key_etag >= 1),
    from_version BIGINT NOT NULL CHECK (from_version >= 1),
    to_version BIGINT CHECK (to_version > from_version),
    etag BIGINT NOT NULL CHECK (etag >= 1),
    CONSTRAINT rotations_once UNIQUE (key_id, planned_at),
    CONSTRAINT rotations_done CHECK ((outcome = 'done') = (to_version IS NOT NULL)),
    CONSTRAINT rotations_failed CHECK ((outcome = 'failed') = (error IS NOT NULL)),
    CONSTRAINT rotations_retry CHECK (outcome = 'failed' OR retry_at IS NULL)
);
CREATE INDEX rotations_tenant ON rotations (tenant_id, id);
CREATE INDEX rotations_key ON rotations (key_id, id);
CREATE INDEX rotations_policy ON rotations (policy_id, id);
