//! How the keys of one date are spread, so that ten thousand are not due in one second.

use crate::ids::KeyId;
use crate::time::Timestamp;

/// The seconds by which a key comes after its date, below `room`: the same for ever for one key and date, and as good
/// as independent between keys and between dates. No secret, and no randomness: every node computes the same.
pub(super) fn seconds(key: KeyId, planned: Timestamp, room: u32) -> i64 {
    let mut input = [0; 24];
    let (id, date) = input.split_at_mut(16);
    id.copy_from_slice(key.uuid().as_bytes());
    date.copy_from_slice(&planned.as_micros().to_be_bytes());
    let digest = crate::sha256(&input).0;
    let number = digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    // The remainder of 64 bits by 32 is even to a part in four billion.
    number
        .checked_rem(u64::from(room))
        .map_or(0, |seconds| seconds as i64)
}
