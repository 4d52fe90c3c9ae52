//! Uses of limited keys after a restore. How many were set aside since the backup is in no change,
//! so the worst is assumed: all of them. What a version protected stays readable; to protect again
//! its key is rotated. Otherwise a limit that stands for a bound of the cipher (SP 800-38D, section
//! 8.3: 2^32 messages with random nonces) could be passed by as much as was used since.

use keyward_core::port::registry::{Registry, RegistryError, Reservation};

/// Keys read at once.
const PAGE: usize = 500;

/// Sets every use aside that limited versions have left. How many versions have such a limit; doing
/// it again changes nothing.
pub(crate) async fn spend_all(registry: &dyn Registry) -> Result<u64, RegistryError> {
    let (mut versions, mut after) = (0, None);
    loop {
        let page = registry.all_keys(after, PAGE).await?;
        after = page.rows.last().map(|last| last.key.id);
        for found in &page.rows {
            let Some(limit) = found.key.restrictions.use_limit else {
                continue;
            };
            let all = Reservation {
                uses: limit.uses,
                bytes: limit.bytes,
            };
            // Whatever its state: one that was replaced can be rolled back to.
            for version in &found.versions {
                registry.reserve_uses(version.id, limit, all).await?;
                versions += 1;
            }
        }
        if !page.more {
            return Ok(versions);
        }
    }
}
