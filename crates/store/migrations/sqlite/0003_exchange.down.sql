-- Forgets where keys came from, and the wrapping keys made for them.
ALTER TABLE key_versions DROP COLUMN prior_bytes;
ALTER TABLE key_versions DROP COLUMN prior_uses;
ALTER TABLE key_versions DROP COLUMN import_key_id;
ALTER TABLE key_versions DROP COLUMN import_format;
ALTER TABLE key_versions DROP COLUMN import_method;
ALTER TABLE keys DROP COLUMN public_only;
DROP TABLE import_keys;
