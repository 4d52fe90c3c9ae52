//! How a fault of the disk is told: its kind, never a path.

use std::io;

use keyward_core::port::audit_log::AuditError;

/// The journal cannot be used because of this.
pub(crate) fn unavailable(error: &io::Error) -> AuditError {
    AuditError::Unavailable {
        cause: cause(error),
    }
}

/// Reading failed where this entry should be: for its bytes, or for the disk.
pub(crate) fn reading(error: &io::Error, sequence: u64) -> AuditError {
    match error.kind() {
        io::ErrorKind::InvalidData => AuditError::Damaged { sequence },
        _ => unavailable(error),
    }
}

/// The journal has been closed.
pub(crate) fn closed() -> AuditError {
    AuditError::Unavailable {
        cause: "it is closed".to_owned(),
    }
}

/// The thread that writes ended without being asked to.
pub(crate) fn stopped() -> AuditError {
    AuditError::Unavailable {
        cause: "its writer stopped".to_owned(),
    }
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::WriteZero => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::PermissionDenied => "the directory's permissions forbid it".to_owned(),
        io::ErrorKind::NotFound => "a file of it is gone".to_owned(),
        kind => match error.raw_os_error() {
            Some(code) => format!("{kind} (system error {code})"),
            None => kind.to_string(),
        },
    }
}
