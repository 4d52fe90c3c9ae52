//! What PostgreSQL calls the connections of a program, so that others can be told from its own.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// How the names of all nodes' connections begin; an older release has no more.
pub(crate) const CALLED: &str = "keyward";

/// A name that no other node has, nor an earlier start of this one.
pub(crate) fn own_name() -> String {
    // Keyed by the operating system's random bytes.
    let chance = RandomState::new().build_hasher().finish();
    format!("{CALLED} {chance:016x}")
}
