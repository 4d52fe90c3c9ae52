-- Keys that came from elsewhere: wrapping keys made for them, and what is known of where they came
-- from. No key material, wrapped or not: only references, digests and what people declared.
CREATE TYPE import_method AS ENUM ('rsa-oaep-256-aes-kwp', 'hpke-x-wing', 'public-key');
CREATE TYPE import_format AS ENUM ('raw', 'pkcs8', 'jwk', 'spki');

CREATE TABLE import_keys (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    principal_id UUID NOT NULL REFERENCES principals (id) ON DELETE RESTRICT,
    method import_method NOT NULL CHECK (method <> 'public-key'),
    provider_key_id TEXT COLLATE "C" NOT NULL CHECK (length(provider_key_id) >= 1),
    record_digest BYTEA NOT NULL CHECK (length(record_digest) = 32),
    public_key_digest BYTEA NOT NULL CHECK (length(public_key_digest) = 32),
    created_by UUID REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    used_for UUID,
    destroy_at TIMESTAMPTZ NOT NULL,
    destroyed_at TIMESTAMPTZ,
    etag BIGINT NOT NULL CHECK (etag >= 1),
    CONSTRAINT import_keys_used_for CHECK ((used_at IS NULL) = (used_for IS NULL)),
    CONSTRAINT import_keys_destroyed_in_time CHECK (destroy_at <= expires_at)
);
CREATE INDEX import_keys_tenant ON import_keys (tenant_id, id);
CREATE INDEX import_keys_due ON import_keys (destroy_at, id) WHERE destroyed_at IS NULL;

ALTER TABLE keys ADD COLUMN public_only BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE key_versions ADD COLUMN import_method import_method;
ALTER TABLE key_versions ADD COLUMN import_format import_format;
ALTER TABLE key_versions ADD COLUMN import_key_id UUID;
ALTER TABLE key_versions ADD COLUMN prior_uses BIGINT CHECK (prior_uses >= 0);
ALTER TABLE key_versions ADD COLUMN prior_bytes BIGINT CHECK (prior_bytes >= 0);
