//! Errors on the wire: RFC 9457 problems with a stable code.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal $title:literal;)+) => {
        /// What went wrong, in a word that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = $title] $variant),+ }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// A title for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" 400 "The request is not well formed";
    InvalidCiphertext "invalid_ciphertext" 400 "The ciphertext is not well formed";
    InvalidKeyMaterial "invalid_key_material" 400 "The key material cannot be taken";
    WeakKeyMaterial "weak_key_material" 400 "The key material is too weak";
    BrokenKeyMaterial "broken_key_material" 400 "Anybody can compute the private key";
    NotAuthentic "not_authentic" 400 "The input does not authenticate";
    UnsupportedAlgorithm "unsupported_algorithm" 400 "The algorithm cannot do this";
    UsageNotAllowed "usage_not_allowed" 403 "The key is not meant for this use";
    PublicKeyOnly "public_key_only" 403 "Only the public half of the key is here";
    NotExportable "not_exportable" 403 "The key was not made to be exported";
    Unauthenticated "unauthenticated" 401 "A valid token is needed";
    Forbidden "forbidden" 403 "The caller may not do this";
    NotFound "not_found" 404 "There is no such thing, or it is not yours to see";
    MethodNotAllowed "method_not_allowed" 405 "The resource does not know this method";
    Timeout "timeout" 408 "The request took too long to arrive";
    AlreadyExists "already_exists" 409 "The name is taken";
    AlreadyCreated "already_created" 409 "An earlier request with this Idempotency-Key made it";
    ApprovalRequired "approval_required" 409 "This needs approvals, which this version does not have";
    WrongState "wrong_state" 409 "The present state does not allow this";
    Conflict "conflict" 409 "Another request changed it at the same time";
    TenantSuspended "tenant_suspended" 409 "The tenant is suspended";
    ImportKeyUnusable "import_key_unusable" 409 "The import key was used or has expired";
    KeyInUse "key_in_use" 409 "Live data bindings still need the key";
    RollbackUnavailable "rollback_unavailable" 409 "The rotation cannot be undone";
    ValueTooLarge "value_too_large" 409 "The value is too large to be given out whole";
    LastSeal "last_seal" 409 "It is the last seal";
    SealNotProven "seal_not_proven" 409 "No other seal has been opened just now";
    PreconditionFailed "precondition_failed" 412 "It changed since you read it";
    TooLarge "too_large" 413 "The request is too large";
    UnsupportedMediaType "unsupported_media_type" 415 "The body is of another media type than is taken here";
    IdempotencyMismatch "idempotency_mismatch" 422 "The Idempotency-Key was used for another request";
    LimitReached "limit_reached" 409 "The version has reached its use limit";
    RateLimited "rate_limited" 429 "Too many requests";
    Internal "internal" 500 "The server failed";
    InForceUnread "in_force_unread" 500 "The change is in force, and could not be read again";
    OutcomeUnknown "outcome_unknown" 500 "Whether the change was made is open";
    CanaryFailed "canary_failed" 500 "A new version failed its trial and was not promoted";
    RecordRefused "record_refused" 500 "A stored record is not what it should be";
    Sealed "sealed" 503 "The server is sealed";
    NotReady "not_ready" 503 "The server is not ready";
    AuditUnavailable "audit_unavailable" 503 "The audit log cannot be written";
    StorageUnavailable "storage_unavailable" 503 "The storage cannot be written or read";
    StorageDenied "storage_denied" 503 "The storage denies access to the server";
    StorageThrottled "storage_throttled" 503 "The storage asks for fewer requests";
    StorageNotWritable "storage_not_writable" 503 "The storage is full or read-only";
    NotInBackup "not_in_backup" 503 "The change is made, and in no backup yet";
    BackupUnavailable "backup_unavailable" 503 "Changes are refused while no backup holds them";
    SealUnavailable "seal_unavailable" 503 "A seal cannot be opened";
    RegistryUnavailable "registry_unavailable" 503 "The registry cannot be written or read";
    Overloaded "overloaded" 503 "The server has too much to do";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem as RFC 9457 defines it, sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:keyward:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do next.
    pub detail: String,
    /// The stable code.
    pub code: String,
    /// The request, as the audit log knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The present state, if the problem is one of state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What would be allowed, if the problem is one of state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}
