//! Enumerations by name. The server knows exactly the names listed here; a client keeps a name it
//! does not know yet, so that a newer server's answer still reads.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $summary:literal [$($text:literal),+ $(,)?];)+) => {$(
        $(#[$doc])*
        #[doc = $summary]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// Every name there is.
            pub const ALL: &'static [&'static str] = &[$($text),+];

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&'static str> for $name {
            fn from(name: &'static str) -> Self {
                Self(Cow::Borrowed(name))
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(Cow::Owned(name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::new(Type::String))
                    .description(Some($summary))
                    .enum_values(Some(Self::ALL.iter().copied()))
                    .into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

names! {
    Algorithm "What a key computes." [
        "aes-256-gcm-commit", "aes-256-gcm", "chacha20-poly1305", "hmac-sha-256", "hmac-sha-512",
        "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384", "ed25519", "ml-kem-768",
        "ml-dsa-65", "aes-256-kwp",
        "aes-128-gcm", "aes-192-gcm", "xaes-256-gcm", "aes-128-gcm-siv",
        "aes-256-gcm-siv", "aes-256-gcm-siv-convergent", "aes-128-kw", "aes-256-kw",
        "aes-128-kwp", "hmac-sha-384", "aes-128-cmac", "aes-256-cmac",
        "ecdsa-p521", "ecdsa-secp256k1", "x25519", "ecdh-p256",
        "ecdh-p384", "ecdh-p521", "ml-kem-512", "ml-kem-1024",
        "ml-dsa-44", "ml-dsa-87", "x25519-ml-kem-768",
    ];
    Usage "What a key may be used for." [
        "encrypt", "decrypt", "sign", "verify", "mac", "verify_mac", "wrap", "unwrap", "data_key",
        "derive", "encapsulate", "decapsulate", "agree",
    ];
    SignatureScheme "How a signature is made." [
        "rsa-pss-sha-256", "rsa-pss-sha-384", "rsa-pss-sha-512", "rsa-pkcs1-sha-256",
        "rsa-pkcs1-sha-384", "rsa-pkcs1-sha-512", "ecdsa-sha-256", "ecdsa-sha-384", "ecdsa-sha-512",
        "ed25519", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87",
    ];
    SignatureEncoding "How an ECDSA signature is written." ["der", "raw"];
    OaepHash "The hash of RSA-OAEP, for label and mask." ["sha-256", "sha-384", "sha-512"];
    AlgorithmRegime "Whose rules on algorithms." ["nist-sp-800-131a-r3", "cnsa-2.0"];
    AlgorithmDirection "Protecting something new, or processing something old." [
        "protect", "process",
    ];
    AlgorithmStanding "What a standard says of an algorithm." [
        "acceptable", "deprecated", "disallowed", "legacy",
    ];
    Kdf "How a key is derived." ["keyward", "hkdf", "sp800-108-counter"];
    Provider "Who holds a key's material." [
        "native", "aws-kms", "azure-kv", "gcp-kms", "hashicorp-vault", "pkcs11",
    ];
    KeyOrigin "How a key's material came to be." ["generated", "imported", "adopted"];
    WrapMethod "How a key is wrapped on its way." ["rsa-oaep-256-aes-kwp", "hpke-x-wing"];
    KeyFormat "A container of private keys." ["raw", "pkcs8", "jwk"];
    PublicKeyFormat "A container of public keys." ["spki", "jwk"];
    PublicKeyText "How a public key is shown." ["pem", "der", "jwk", "ssh"];
    ImportMethod "How a key came in." ["rsa-oaep-256-aes-kwp", "hpke-x-wing", "public-key"];
    ImportFormat "In which container a key came in." ["raw", "pkcs8", "jwk", "spki"];
    KeyState "The state of a key version." [
        "pending", "active", "inactive", "rotated", "expired", "compromised",
        "pending_destruction", "destroyed", "destroyed_compromised",
    ];
    TenantState "What a tenant may do." ["active", "suspended", "shredded"];
    AuditDetail "How finely the audit log tells of uses of a tenant's keys." ["each", "counts"];
    TextState "How a tenant's free texts are kept." ["clear", "sealing", "sealed", "opening"];
    PrincipalKind "A person or a service." ["person", "service"];
    RevocationReason "Why a key is revoked." [
        "unspecified", "key_compromise", "affiliation_changed", "superseded",
        "cessation_of_operation", "privilege_withdrawn",
    ];
    SealKind "What a seal is opened with." ["key-file", "shares", "passphrase", "pkcs11", "transit"];
    JobKind "What a job does." ["destroy_material", "shred_tenant", "rewrap_records", "scrub_storage", "create_backup", "seal_text"];
    JobState "Where a job stands." ["queued", "running", "done", "failed"];
    RotationTrigger "What had a rotation by policy done." ["schedule", "run"];
    PolicyStatus "Whether a policy rotates its keys." ["active", "suspended", "archived"];
    ScheduleMove "The kind of window that moved a date." ["blackout", "maintenance"];
    RotationOutcome "What became of a rotation by policy." ["done", "failed"];
    DrillState "Whether a drill passed." ["queued", "passed", "failed"];
    AlertSeverity "How bad a condition is." ["info", "warning", "critical"];
    AlertState "Whether a condition is still so." ["open", "cleared"];
    StorageState "What the storage can do." [
        "healthy", "throttled", "full", "read_only", "denied", "down",
    ];
    StorageOperation "What is asked of the storage." ["read", "write", "delete", "list"];
    StorageMigrationPhase "Where a migration of the storage stands." [
        "planned", "copying", "cut-over", "committed", "rolled-back",
    ];
    AuditOutcome "How an operation ended." ["ok", "refused", "failed"];
    AuditAuthentication "How the actor was known." ["token", "system", "none"];
    AuditFormat "A form in which the audit log is given out." [
        "jsonl", "csv", "cef", "leef", "ocsf", "ecs", "cloudevents",
    ];
    AuditSinkKind "What a stream of the audit log goes to." ["file", "syslog", "http", "splunk", "nats"];
    AuditSinkState "How a stream of the audit log does." ["following", "failing", "refused"];
    AuditCountBy "By what entries of the audit log are counted." ["all", "tenant", "key", "version", "principal", "action", "outcome", "address", "node"];
    AuditCountEvery "For which spans of time entries of the audit log are counted, in UTC." ["all", "hour", "day", "month"];
    AuditWitnessState "How a witness of the audit log does." ["asking", "following", "failing", "refused", "contradicting"];
    AuditMirrorState "How a mirror of the audit log does." ["asking", "following", "failing", "refused", "contradicting"];
    AuditPending "The change is durable; its journal entry follows." ["pending"];
    Permission "An action that a role can allow, as the audit log names it." [
        "system.init", "system.unseal", "system.seal", "seal.list", "seal.prove", "seal.add", "seal.remove", "seal.rewrap", "root_key.rotate", "root_key.rewrap", "system.key_create", "system.start", "system.stop",
        "authentication.refused", "tenant.create", "tenant.list", "tenant.read", "tenant.suspend",
        "tenant.resume", "tenant.shred", "tenant.rotate_kek", "tenant.rewrap", "tenant.seal_text", "tenant.set_audit_detail", "tenant.convert_text", "principal.create", "principal.list", "principal.disable",
        "token.create", "token.list", "token.revoke", "role.refresh", "role.create", "role.list", "role.update",
        "role.assign", "role.unassign", "key.create", "import_key.create", "import_key.read",
        "import_key.destroy", "key.import", "key.search", "key.read", "key.history",
        "key.usage", "key.list_public", "key.import_version", "key.export", "key.update", "key.activate", "key.suspend", "key.resume", "key.rotate",
        "key.emergency_rotate", "key.roll_back", "key.expire", "key.renew", "key.retire",
        "key.revoke", "key.compromise", "key.schedule_destruction", "key.force_destruction",
        "key.cancel_destruction", "key.destroy", "key.encrypt", "key.decrypt", "key.rewrap",
        "key.sign", "key.verify", "key.mac", "key.verify_mac", "key.wrap", "key.unwrap",
        "key.data_key", "key.derive", "key.encapsulate", "key.decapsulate", "key.agree",
        "key.use_compromised",
        "random.bytes", "class.read", "class.assign", "class.revert", "binding.create",
        "binding.list", "binding.release", "policy.create", "policy.list", "policy.update",
        "policy.delete", "rotation.run", "rotation.status", "rotation.read", "secret.put", "secret.get", "secret.read", "secret.list", "secret.delete",
        "secret.destroy", "credential.put", "credential.get", "credential.list",
        "credential.delete", "share.put", "share.get", "share.list", "share.delete",
        "backup.create", "backup.complete", "backup.read", "backup.prune", "backup.drill", "backup.restore",
        "backup.restore_part", "job.list", "alert.list", "alert.raise",
        "alert.clear", "storage.read",
        "storage.scrub", "storage.examine", "storage.repair", "storage.sweep", "storage.confirm",
        "storage.migrate", "storage.commit", "registry.migrate", "registry.commit", "audit.read", "audit.rotate_key",
        "audit.hand_over_key", "audit.heads", "audit.continue", "audit.read_retention", "audit.set_retention",
        "audit.place_hold", "audit.release_hold", "audit.prune", "audit.see_people", "privacy.export", "privacy.erase",
    ];
}

/// A pattern of a key's, principal's or policy's name, or of its id.
pub const NAME_128: &str = "^[a-z0-9._-]{1,128}$";
/// A pattern of a tenant's or role's name, or of its id.
pub const NAME_64: &str = "^[a-z0-9._-]{1,64}$";
/// A pattern of a class of data.
pub const DATA_CLASS: &str = "^[A-Z][A-Z0-9_]{0,63}$";
