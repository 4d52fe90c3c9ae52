-- The version before logs each use of a key: nothing is told less finely than it was. The audit log keeps who changed it.
ALTER TABLE tenants DROP COLUMN audit_detail_by;
ALTER TABLE tenants DROP COLUMN audit_detail_since;
ALTER TABLE tenants DROP COLUMN audit_detail;
DROP TYPE audit_detail;
