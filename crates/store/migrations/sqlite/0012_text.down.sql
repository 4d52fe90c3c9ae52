-- No tenant's texts are sealed here any more, and what did it is done.
DELETE FROM jobs WHERE kind = 'seal_text';
DROP INDEX keys_owner_sealed;
ALTER TABLE tenants DROP COLUMN text_state;
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '(kind IN (''seal_text'', ', '(kind IN (') WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
-- Other connections look whether the schema's number has changed: this changes it.
CREATE TABLE text_changed (one INTEGER);
DROP TABLE text_changed;
