-- The algorithms of the spine alone.
-- Only where no key has a later algorithm; the program looks before it runs this.
-- Only the text of a CHECK changes, nothing on disk. SQLite's way for that, where foreign keys stand
-- in the way of making the tables anew: https://www.sqlite.org/lang_altertable.html#otheralter.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''aes-256-kwp'', ''aes-128-gcm'', ''aes-192-gcm'', ''xaes-256-gcm'', ''aes-128-gcm-siv'', ''aes-256-gcm-siv'', ''aes-256-gcm-siv-convergent'', ''aes-128-kw'', ''aes-256-kw'', ''aes-128-kwp'', ''hmac-sha-384'', ''aes-128-cmac'', ''aes-256-cmac'', ''ecdsa-p521'', ''ecdsa-secp256k1'', ''x25519'', ''ecdh-p256'', ''ecdh-p384'', ''ecdh-p521'', ''ml-kem-512'', ''ml-kem-1024'', ''ml-dsa-44'', ''ml-dsa-87'', ''x25519-ml-kem-768'')', '''aes-256-kwp'')') WHERE type = 'table' AND name IN ('keys', 'key_versions');
PRAGMA writable_schema = RESET;
-- Other connections look whether the schema's number has changed: this changes it.
CREATE TABLE algorithms_changed (one INTEGER);
DROP TABLE algorithms_changed;
