CREATE SCHEMA keyward_vault;
CREATE TABLE keyward_vault.vault_objects (
    name text COLLATE "C" PRIMARY KEY,
    bytes bytea NOT NULL
);
ALTER TABLE keyward_vault.vault_objects ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE TABLE keyward_vault.vault_schema (version integer PRIMARY KEY);
INSERT INTO keyward_vault.vault_schema (version) VALUES (1);
INSERT INTO keyward_vault.vault_objects (name, bytes) VALUES
    ('rec/ab/first', '\x00ff01'),
    ('rec/cd/empty', ''),
    ('root/current', '\x7b7d');
