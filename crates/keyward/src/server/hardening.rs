//! What the process does for its own secrets before it holds any.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Files are the owner's only, and a crash leaves no picture of memory behind. Says how far it came.
pub fn harden() -> Vec<String> {
    umask(Mode::from_raw_mode(0o077));
    let mut shortfalls = Vec::new();
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        shortfalls.push(format!("core dumps could not be disabled: {error}"));
    }
    // In debug builds debuggers and profilers may attach.
    #[cfg(not(debug_assertions))]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        shortfalls.push(format!("the process could not be made undumpable: {error}"));
    }
    shortfalls
}
