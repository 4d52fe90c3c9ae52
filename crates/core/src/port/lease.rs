//! Who acts for all nodes in a role that only one may have at a time. The registry's database is the one
//! judge: it says who holds a lease, and until when by its own time. No node's clock decides anything here.
//!
//! A lease alone keeps nobody from being late: a holder may stand still, come back, and believe that it still
//! holds what another has by then. Therefore each lease has an epoch, a fencing token that only grows, and a
//! commit may carry a [`Fence`]: the registry refuses it, in the same transaction, once another has taken the
//! role. (Kleppmann, "How to do distributed locking", 2016.)

use async_trait::async_trait;

use crate::port::registry::RegistryError;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What only one node does at a time.
    pub enum LeaseRole {
        /// Rotates what is due.
        RotationScheduler => "rotation-scheduler",
    }
}

/// Who has a role, and how often it was taken: what a commit shows to be let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The role.
    pub role: LeaseRole,
    /// Who: a node's name and what tells this start of it from every other, at most 256 characters.
    pub holder: String,
    /// The fencing token: one more each time the role is taken.
    pub epoch: i64,
}

/// A lease as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose it is.
    pub fence: Fence,
    /// When it was taken, by the database's time.
    pub taken_at: Timestamp,
    /// Until when it is held, by the database's time.
    pub expires_at: Timestamp,
    /// Whether that has passed: anybody may take it now.
    pub is_over: bool,
    /// When a holder, this one or one before, last said that it did the role's whole work.
    pub worked_at: Option<Timestamp>,
    /// For how many seconds nobody has said so, nor taken the role: all by the database's time.
    pub idle_seconds: i64,
}

/// The part of the registry that says who acts.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes a role for so many seconds, if nobody holds it: none if somebody does, whoever it is. With each
    /// taking the epoch grows by one, also when the holder is the one before.
    async fn take_lease(
        &self,
        role: LeaseRole,
        holder: &str,
        seconds: i64,
    ) -> Result<Option<Lease>, RegistryError>;

    /// Holds it for so many seconds from now on. No, if another has taken it since. One that is over and that
    /// nobody has taken goes on with its epoch: nobody else can have acted meanwhile.
    async fn renew_lease(&self, fence: &Fence, seconds: i64) -> Result<bool, RegistryError>;

    /// Says that the role's whole work was done now. No, if another has taken it since.
    async fn note_work(&self, fence: &Fence) -> Result<bool, RegistryError>;

    /// Gives it up, so that nobody has to wait until it is over. No, if another has taken it since.
    async fn release_lease(&self, fence: &Fence) -> Result<bool, RegistryError>;

    /// Who holds a role, or held it last; none if nobody ever has.
    async fn lease(&self, role: LeaseRole) -> Result<Option<Lease>, RegistryError>;
}
