-- The algorithms of the spine alone.
-- Only where no key has a later algorithm; the program looks before it runs this.
-- What was deferred is checked now: a table with checks to come cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
-- A type loses no values: it is made anew, and what stands on it with it.
DROP VIEW encryption_keys;
ALTER TYPE key_algorithm RENAME TO key_algorithm_wide;
CREATE TYPE key_algorithm AS ENUM ('aes-256-gcm-commit', 'aes-256-gcm', 'chacha20-poly1305', 'hmac-sha-256', 'hmac-sha-512', 'rsa-2048', 'rsa-3072', 'rsa-4096', 'ecdsa-p256', 'ecdsa-p384', 'ed25519', 'ml-kem-768', 'ml-dsa-65', 'aes-256-kwp');
ALTER TABLE keys ALTER COLUMN algorithm TYPE key_algorithm USING algorithm::text::key_algorithm;
ALTER TABLE key_versions ALTER COLUMN algorithm TYPE key_algorithm USING algorithm::text::key_algorithm;
DROP TYPE key_algorithm_wide;
CREATE VIEW encryption_keys AS
SELECT
    v.id AS id,
    v.tenant_id AS tenant_id,
    k.id AS key_id,
    k.name AS key_name,
    k.data_class AS data_class,
    v.algorithm AS algorithm,
    v.size_bits AS size_bits,
    v.strength_bits AS strength_bits,
    v.provider AS provider,
    v.provider_key_id AS provider_key_id,
    v.region AS region,
    v.endpoint AS endpoint,
    v.state AS state,
    v.version AS version,
    v.parent_version AS parent_version,
    v.version = k.primary_version AS is_primary,
    v.can_roll_back AS can_roll_back,
    v.rollback_expires_at AS rollback_expires_at,
    v.created_at AS created_at,
    v.updated_at AS updated_at,
    v.activated_at AS activated_at,
    v.expires_at AS expires_at,
    v.rotated_at AS rotated_at,
    u.last_used_at AS last_used_at,
    v.compromised_at AS compromised_at,
    v.destroyed_at AS destroyed_at,
    v.created_by AS created_by,
    v.rotated_by AS rotated_by,
    k.purpose AS purpose,
    k.owner AS owner,
    k.authorized_services AS authorized_services,
    k.access_policy AS access_policy,
    k.compliance_tags AS compliance_tags,
    k.tags AS tags,
    v.correlation_id AS correlation_id,
    v.fingerprint AS fingerprint
FROM key_versions v
JOIN keys k ON k.id = v.key_id
LEFT JOIN key_usage u ON u.version_id = v.id;
