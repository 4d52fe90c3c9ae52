-- Takes the spine away, children before parents.
DROP VIEW encryption_keys;
DROP TABLE changes;
DROP TABLE tenant_feed;
DROP TABLE feed;
DROP TABLE idempotency;
DROP TABLE jobs;
DROP TABLE data_bindings;
DROP TABLE class_pointers;
DROP TABLE use_reservations;
DROP TABLE usage_watermarks;
DROP TABLE key_usage;
DROP TABLE key_text;
DROP TABLE key_labels;
DROP TABLE key_tags;
DROP TABLE transitions;
-- Keys and versions refer to each other: the rows go first, then the tables.
DELETE FROM key_versions;
DELETE FROM keys;
DROP TABLE key_versions;
DROP TABLE keys;
DROP TABLE policies;
DROP TABLE role_assignments;
DROP TABLE roles;
DROP TABLE tokens;
DROP TABLE principals;
DROP TABLE tenant_keks;
DROP TABLE tenants;
