-- Tenants' free texts can be sealed, and sealed owners are found by their digests.
ALTER TABLE tenants ADD COLUMN text_state TEXT NOT NULL DEFAULT 'clear' CHECK (text_state IN ('clear', 'sealing', 'sealed', 'opening'));
CREATE INDEX keys_owner_sealed ON keys (tenant_id, substr(owner, 1, 49), name) WHERE substr(owner, 2, 5) = 'kwt1:';
-- Sealing is a job. Only the text of a CHECK changes, nothing on disk. SQLite's way for that:
-- https://www.sqlite.org/lang_altertable.html#otheralter.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '(kind IN (', '(kind IN (''seal_text'', ') WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
-- Other connections look whether the schema's number has changed: this changes it.
CREATE TABLE text_changed (one INTEGER);
DROP TABLE text_changed;
