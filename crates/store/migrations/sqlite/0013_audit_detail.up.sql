-- How finely the audit log tells of a tenant's uses of keys, since when, and who said so.
ALTER TABLE tenants ADD COLUMN audit_detail TEXT NOT NULL DEFAULT 'each' CHECK (audit_detail IN ('each', 'counts'));
ALTER TABLE tenants ADD COLUMN audit_detail_since INTEGER;
ALTER TABLE tenants ADD COLUMN audit_detail_by BLOB CHECK (length(audit_detail_by) = 16);
