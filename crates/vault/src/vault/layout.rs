//! A sealed record as one object (`outer ‖ core`), or as two when it is larger than 64 KiB, so
//! that replacing an outer header never rewrites a large payload. What comes in pieces is cut into
//! parts: see `streams`.

use keyward_core::ids::RecordId;
use keyward_core::port::storage::{ObjectName, StorageError};
use keyward_crypto::record::{self, OUTER_LENGTH, RecordError, SealedRecord};

use super::refused;
use crate::object_names;

/// Largest record that is one object, in bytes.
pub(super) const SINGLE_OBJECT_SIZE_MAX_BYTES: usize = 64 * 1024;
/// What a core begins with; an outer header begins otherwise.
const CORE_MAGIC: &[u8] = b"KWR1";

/// Whether the record is small enough to be one object.
fn is_single(sealed: &SealedRecord) -> bool {
    sealed.outer.len() + sealed.core.len() <= SINGLE_OBJECT_SIZE_MAX_BYTES
}

/// A record as one object.
pub(super) fn join(sealed: SealedRecord) -> Vec<u8> {
    let SealedRecord {
        mut outer, core, ..
    } = sealed;
    outer.reserve_exact(core.len());
    outer.extend_from_slice(&core);
    outer
}

/// The objects that keep a record.
pub(super) fn objects(
    id: RecordId,
    sealed: SealedRecord,
) -> Result<Vec<(ObjectName, Vec<u8>)>, StorageError> {
    if is_single(&sealed) {
        return Ok(vec![(object_names::record(id)?, join(sealed))]);
    }
    Ok(vec![
        (object_names::outer(id)?, sealed.outer),
        (object_names::record(id)?, sealed.core),
    ])
}

/// Whether an object is the core of a large record, its outer header being another object.
pub(crate) fn is_core(object: &[u8]) -> bool {
    object.starts_with(CORE_MAGIC)
}

/// Undoes [`join`].
pub(super) fn split(object: &[u8]) -> Result<(&[u8], &[u8]), StorageError> {
    match object.split_at_checked(OUTER_LENGTH) {
        Some((outer, core)) => Ok((outer, core)),
        // Says what is wrong with a header that is too short to be one.
        None => match record::peek_outer(object) {
            Err(error) => Err(refused(error)),
            Ok(_) => Err(refused(RecordError::Truncated)),
        },
    }
}
