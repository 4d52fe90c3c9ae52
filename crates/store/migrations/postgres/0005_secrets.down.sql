-- Forgets secrets. Only where none is left; the program looks before it runs this.
DROP TABLE secret_versions;
DROP TABLE secrets;
DROP TYPE secret_state;
DELETE FROM tenant_keks WHERE tenant_id = '00000000-0000-0000-0000-000000000000';
ALTER TABLE tenant_keks ADD CONSTRAINT tenant_keks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE RESTRICT;
