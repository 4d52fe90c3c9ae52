//! Access decisions: roles and restrictions behind core's [`Decide`] port.
//!
//! Pure: everything a decision needs is in its arguments. Knows nothing of tokens, storage, HTTP
//! or time, and allocates nothing.
//!
//! [`Decide`]: keyward_core::port::decide::Decide

pub mod builtin;
mod decider;
mod table;

pub use decider::RoleDecider;
pub use table::role_table_markdown;
