//! What can be said of a record without opening it: which it is, its digest, under which key.

use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::Digest;
use keyward_crypto::record::{self, KekRef, OUTER_LENGTH};

/// What an object says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A record, whole.
    Whole {
        record: RecordId,
        digest: Digest,
        kek: KekRef,
    },
    /// The core of a large record.
    Core { record: RecordId, digest: Digest },
    /// The outer header of a large record.
    Outer { kek: KekRef },
    /// Not a record.
    Other,
}

/// Looks at an object.
pub(crate) fn look(bytes: &[u8]) -> Seen {
    let core = |bytes: &[u8]| {
        let (label, digest) = record::peek_core(bytes).ok()?;
        Some((RecordId::from_uuid(label.record_id), Digest(digest)))
    };
    if let Some((record, digest)) = core(bytes) {
        return Seen::Core { record, digest };
    }
    let Some((outer, rest)) = bytes.split_at_checked(OUTER_LENGTH) else {
        return Seen::Other;
    };
    let Ok(kek) = record::peek_outer(outer) else {
        return Seen::Other;
    };
    if rest.is_empty() {
        return Seen::Outer { kek };
    }
    match core(rest) {
        Some((record, digest)) => Seen::Whole {
            record,
            digest,
            kek,
        },
        None => Seen::Other,
    }
}
