-- Forgets secrets. Only where none is left; the program looks before it runs this.
DROP TABLE secret_versions;
DROP TABLE secrets;
CREATE TABLE tenant_keks_before (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT,
    version INTEGER NOT NULL CHECK (version >= 1),
    record_id BLOB NOT NULL UNIQUE CHECK (length(record_id) = 16),
    record_digest BLOB NOT NULL CHECK (length(record_digest) = 32),
    created_at INTEGER NOT NULL,
    destroyed_at INTEGER,
    etag INTEGER NOT NULL CHECK (etag >= 1),
    PRIMARY KEY (tenant_id, version)
) STRICT;
INSERT INTO tenant_keks_before SELECT * FROM tenant_keks WHERE tenant_id <> zeroblob(16);
DROP TABLE tenant_keks;
ALTER TABLE tenant_keks_before RENAME TO tenant_keks;
