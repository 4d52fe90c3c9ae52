//! What a store says, in the words of the port: what happened, whether the next attempt may
//! succeed, and whether this one may have taken effect although it failed. Texts of stores and of
//! the library name paths and key ids; only statuses and codes are shown.

use keyward_core::port::storage::StorageError;

use super::wire::Heard;
use crate::backend::{misconfigured, unavailable};

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// Whether the next attempt may well succeed.
    pub(super) passing: bool,
    /// Whether this one may have taken effect.
    pub(super) doubtful: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no such object.
    Missing,
    /// The condition of the request did not hold.
    ConditionFailed,
    /// Anything else.
    Failed(StorageError),
}

impl Fault {
    pub(super) fn into_error(self) -> StorageError {
        match self.kind {
            Kind::Missing => StorageError::Missing,
            Kind::ConditionFailed => StorageError::Conflict,
            Kind::Failed(error) => error,
        }
    }

    fn settled(kind: Kind) -> Self {
        Self {
            kind,
            passing: false,
            doubtful: false,
        }
    }

    fn passing(error: StorageError, doubtful: bool) -> Self {
        Self {
            kind: Kind::Failed(error),
            passing: true,
            doubtful,
        }
    }
}

/// The attempt was cut off by the deadline.
pub(super) fn late() -> Fault {
    Fault {
        kind: Kind::Failed(crate::backend::turns::too_late()),
        passing: false,
        doubtful: true,
    }
}

/// Refusals that come of two at once and undo this one: to be tried again.
const COLLISIONS: &[&str] = &["ConditionalRequestConflict", "OperationAborted"];
/// Requests to slow down.
const THROTTLES: &[&str] = &[
    "SlowDown",
    "ServerBusy",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "RequestLimitExceeded",
    "RequestThrottled",
];
/// Buckets, containers and accounts that are not there.
const NO_BUCKET: &[&str] = &[
    "NoSuchBucket",
    "ContainerNotFound",
    "ContainerBeingDeleted",
    "AccountBeingCreated",
    "ResourceNotFound",
];
/// No room.
const FULL: &[&str] = &[
    "InsufficientStorage",
    "QuotaExceeded",
    "XMinioStorageFull",
    "AccountLimitExceeded",
];
/// Refused credentials with a status other than 401 and 403.
const DENIALS: &[&str] = &[
    "ExpiredToken",
    "InvalidToken",
    "InvalidAccessKeyId",
    "AccountIsDisabled",
];

pub(super) fn fault(error: &object_store::Error, heard: &Heard) -> Fault {
    let code = heard.code.as_str();
    let is = |codes: &[&str]| codes.contains(&code);
    let said = described(heard);
    match heard.status {
        Some(404) if is(NO_BUCKET) => Fault::settled(Kind::Failed(misconfigured(format!(
            "there is no such bucket ({said})"
        )))),
        _ if is(FULL) => Fault::settled(Kind::Failed(StorageError::NotWritable { cause: said })),
        Some(404) => Fault::settled(Kind::Missing),
        Some(409) if is(COLLISIONS) => Fault::passing(unavailable(said), false),
        Some(409 | 412 | 304) => Fault::settled(Kind::ConditionFailed),
        Some(401 | 403) => Fault::settled(Kind::Failed(StorageError::Denied { cause: said })),
        _ if is(DENIALS) => Fault::settled(Kind::Failed(StorageError::Denied { cause: said })),
        Some(429) => Fault::passing(StorageError::Throttled { cause: said }, false),
        Some(503) if is(THROTTLES) => Fault::passing(StorageError::Throttled { cause: said }, true),
        Some(507) => Fault::settled(Kind::Failed(StorageError::NotWritable { cause: said })),
        Some(408 | 500..) => Fault::passing(unavailable(said), true),
        Some(300..=399) => Fault::settled(Kind::Failed(misconfigured(format!(
            "the bucket is in another region or at another endpoint ({said})"
        )))),
        Some(400..=499) => Fault::settled(Kind::Failed(misconfigured(format!(
            "the store refuses the request ({said})"
        )))),
        // Nothing was sent; or an answer came that is not an error of the whole request (one of
        // Azure's batch, in which the library deletes), or that broke off.
        _ => by_kind(error, heard.sent),
    }
}

/// Where the answer's status does not say it.
fn by_kind(error: &object_store::Error, sent: bool) -> Fault {
    use object_store::Error as E;
    match error {
        E::Precondition { .. } | E::AlreadyExists { .. } => Fault::settled(Kind::ConditionFailed),
        E::NotFound { .. } => Fault::settled(Kind::Missing),
        E::NotImplemented { .. } | E::NotSupported { .. } | E::InvalidPath { .. } => {
            Fault::settled(Kind::Failed(misconfigured("the store cannot do this")))
        }
        _ => Fault::passing(unavailable("the store cannot be reached"), sent),
    }
}

fn described(heard: &Heard) -> String {
    match (heard.status, heard.code.as_str()) {
        (Some(status), "") => format!("status {status}"),
        (Some(status), code) => format!("status {status}, {code}"),
        (None, _) => "no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: &str) -> Fault {
        let heard = Heard {
            status: Some(status),
            code: code.to_owned(),
            sent: true,
        };
        let error = object_store::Error::Generic {
            store: "test",
            source: "test".into(),
        };
        fault(&error, &heard)
    }

    fn error_of(status: u16, code: &str) -> StorageError {
        of(status, code).into_error()
    }

    #[test]
    fn answers_of_the_stores_are_told_apart() {
        assert_eq!(of(404, "NoSuchKey").kind, Kind::Missing);
        assert_eq!(of(404, "BlobNotFound").kind, Kind::Missing);
        assert!(matches!(
            error_of(404, "NoSuchBucket"),
            StorageError::Misconfigured { .. }
        ));
        assert_eq!(of(409, "BlobAlreadyExists").kind, Kind::ConditionFailed);
        assert_eq!(of(412, "PreconditionFailed").kind, Kind::ConditionFailed);
        assert!(matches!(
            error_of(403, "SignatureDoesNotMatch"),
            StorageError::Denied { .. }
        ));
        assert!(matches!(
            error_of(400, "ExpiredToken"),
            StorageError::Denied { .. }
        ));
        assert!(matches!(
            error_of(503, "SlowDown"),
            StorageError::Throttled { .. }
        ));
        assert!(matches!(
            error_of(503, "ServerBusy"),
            StorageError::Throttled { .. }
        ));
        assert!(matches!(error_of(429, ""), StorageError::Throttled { .. }));
        assert!(matches!(
            error_of(500, "InternalError"),
            StorageError::Unavailable { .. }
        ));
        assert!(matches!(
            error_of(507, ""),
            StorageError::NotWritable { .. }
        ));
        assert!(matches!(
            error_of(301, "PermanentRedirect"),
            StorageError::Misconfigured { .. }
        ));
        assert!(matches!(
            error_of(400, "InvalidRequest"),
            StorageError::Misconfigured { .. }
        ));
    }

    #[test]
    fn a_collision_is_tried_again_and_a_refusal_is_not() {
        let collision = of(409, "ConditionalRequestConflict");
        assert!(collision.passing && !collision.doubtful);
        assert!(of(500, "").passing && of(500, "").doubtful);
        assert!(!of(403, "AccessDenied").passing);
        assert!(!of(412, "").passing && !of(412, "").doubtful);
    }
}
