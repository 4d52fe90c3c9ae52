-- Tenants' free texts can be sealed, and sealed owners are found by their digests.
CREATE TYPE text_state AS ENUM ('clear', 'sealing', 'sealed', 'opening');
ALTER TABLE tenants ADD COLUMN text_state text_state NOT NULL DEFAULT 'clear';
CREATE INDEX keys_owner_sealed ON keys (tenant_id, substr(owner, 1, 49), name) WHERE substr(owner, 2, 5) = 'kwt1:';
-- Sealing is a job.
ALTER TYPE job_kind ADD VALUE 'seal_text';
