//! Backups: the registry and the vault at one revision, in parts sealed to recipients, under a signed
//! manifest. Made while the server serves; verified and restored anywhere, by whoever holds an
//! identity.
//!
//! | to | look at |
//! |---|---|
//! | make and list backups | [`Backups`], core's port `BackupStore` on [`Place`] |
//! | check one | [`verify()`]: with nothing but the public key, or in depth with an identity |
//! | restore one | [`restore()`], into an empty registry and an empty vault of any kind |
//! | restore one tenant or key | [`rewind()`], [`changes_after()`], [`bring_records()`]: the rest is core's |
//! | restore these into an empty place | [`restore_alone()`]; [`plan_alone()`] says what would come |
//! | understand what is written | [`manifest`]; for strangers `docs/formats/backup.md` |
//!
//! Nothing here opens a record, and nothing here knows SQL or HTTP: it copies what the ports give.

mod alone;
mod chain;
mod complete;
mod copies;
mod create;
mod drill;
mod empty_vault;
mod entry;
mod feed_rows;
mod held;
mod latest;
mod learn;
pub mod manifest;
mod move_on;
mod part;
mod parts;
mod place;
mod reading;
mod record_copies;
mod references;
mod restore;
mod restore_error;
mod sealed_record;
pub mod sealing;
mod segment;
pub mod signature;
mod spent;
mod stock;
mod texts_again;
mod tip;
mod under_root;
mod verify;

pub use alone::{Companions, Wanted, plan_alone, restore_alone};
pub use chain::{Chain, ChainError};
pub use copies::BackupCopies;
pub use create::Backups;
pub use drill::{Drills, Ground, Instance, Opened};
pub use manifest::{Manifest, ManifestError};
pub use part::{Records, bring_records, changes_after, rewind};
pub use place::{Listing, Place};
pub use restore::{RestoreError, RestoreOutcome, Source, Target, restore};
pub use sealing::{Identities, Recipients, SealingError};
pub use signature::{BackupKey, SignatureError};
pub use tip::Tip;
pub use verify::{Finding, Verified, verify};
