-- How finely the audit log tells of a tenant's uses of keys, since when, and who said so.
CREATE TYPE audit_detail AS ENUM ('each', 'counts');
ALTER TABLE tenants ADD COLUMN audit_detail audit_detail NOT NULL DEFAULT 'each';
ALTER TABLE tenants ADD COLUMN audit_detail_since TIMESTAMPTZ;
ALTER TABLE tenants ADD COLUMN audit_detail_by UUID;
