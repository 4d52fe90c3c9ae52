-- Keys that came from elsewhere: wrapping keys made for them, and what is known of where they came
-- from. No key material, wrapped or not: only references, digests and what people declared.
CREATE TABLE import_keys (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    principal_id BLOB NOT NULL REFERENCES principals (id) ON DELETE RESTRICT,
    method TEXT NOT NULL CHECK (method IN ('rsa-oaep-256-aes-kwp', 'hpke-x-wing')),
    provider_key_id TEXT NOT NULL CHECK (length(provider_key_id) >= 1),
    record_digest BLOB NOT NULL CHECK (length(record_digest) = 32),
    public_key_digest BLOB NOT NULL CHECK (length(public_key_digest) = 32),
    created_by BLOB REFERENCES tokens (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_for BLOB CHECK (length(used_for) = 16),
    destroy_at INTEGER NOT NULL,
    destroyed_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    CONSTRAINT import_keys_used_for CHECK ((used_at IS NULL) = (used_for IS NULL)),
    CONSTRAINT import_keys_destroyed_in_time CHECK (destroy_at <= expires_at)
) STRICT;
CREATE INDEX import_keys_tenant ON import_keys (tenant_id, id);
CREATE INDEX import_keys_due ON import_keys (destroy_at, id) WHERE destroyed_at IS NULL;

ALTER TABLE keys ADD COLUMN public_only INTEGER NOT NULL DEFAULT 0 CHECK (public_only IN (0, 1));
ALTER TABLE key_versions ADD COLUMN import_method TEXT CHECK (import_method IN ('rsa-oaep-256-aes-kwp', 'hpke-x-wing', 'public-key'));
ALTER TABLE key_versions ADD COLUMN import_format TEXT CHECK (import_format IN ('raw', 'pkcs8', 'jwk', 'spki'));
ALTER TABLE key_versions ADD COLUMN import_key_id BLOB CHECK (length(import_key_id) = 16);
ALTER TABLE key_versions ADD COLUMN prior_uses INTEGER CHECK (prior_uses >= 0);
ALTER TABLE key_versions ADD COLUMN prior_bytes INTEGER CHECK (prior_bytes >= 0);
