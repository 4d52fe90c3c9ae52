//! Uses of limited keys, set aside in blocks before they are spent: a crash burns the rest of a
//! block, and the total stays under the limit on all nodes together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::lock::Mutex as AsyncMutex;

use crate::error::OpError;
use crate::ids::VersionId;
use crate::noun::key::UseLimit;
use crate::port::registry::{Registry, Reservation};

/// Uses in a block: 2^20, less for small limits, so that a crash burns at most a 64th.
const BLOCK_USES: i64 = 1 << 20;
/// Bytes in a block: 64 MiB for each 2^20 uses would be too few for large messages; 64 GiB.
const BLOCK_BYTES: i64 = 1 << 36;

/// What is left of the blocks of this node.
#[derive(Default)]
pub(crate) struct Reservations {
    left: Mutex<HashMap<VersionId, Arc<AsyncMutex<Reservation>>>>,
}

impl Reservations {
    /// Spends one use and some bytes of a version; false when its limit is reached.
    pub(crate) async fn spend(
        &self,
        registry: &dyn Registry,
        version: VersionId,
        limit: UseLimit,
        bytes: i64,
    ) -> Result<bool, OpError> {
        let slot = {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            left.entry(version)
                .or_insert_with(|| Arc::new(AsyncMutex::new(Reservation { uses: 0, bytes: 0 })))
                .clone()
        };
        let mut left = slot.lock().await;
        if left.uses < 1 || left.bytes < bytes {
            let wanted = Reservation {
                uses: if left.uses < 1 {
                    block(limit.uses, BLOCK_USES)
                } else {
                    0
                },
                bytes: if left.bytes < bytes {
                    block(limit.bytes, BLOCK_BYTES).max(bytes - left.bytes)
                } else {
                    0
                },
            };
            let given = registry.reserve_uses(version, limit, wanted).await?;
            left.uses += given.uses;
            left.bytes += given.bytes;
        }
        if left.uses < 1 || left.bytes < bytes {
            return Ok(false);
        }
        left.uses -= 1;
        left.bytes -= bytes;
        Ok(true)
    }
}

fn block(limit: i64, most: i64) -> i64 {
    (limit / 64).clamp(1, most)
}
