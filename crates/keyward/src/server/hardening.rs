//! What the process does for its own secrets before it holds any.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Files are the owner's only, a crash leaves no picture of memory behind, other processes of the
/// same user cannot read it, and keys have pages that are never swapped. Says how far it came.
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
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        shortfalls.push(format!("the process could not be made undumpable: {error}"));
    }
    let locked = keyward_memory::report();
    if locked.capacity == 0 {
        shortfalls.push(
            "no memory could be locked: keys may be swapped to disk; raise the limit of locked \
             memory (`ulimit -l`, LimitMEMLOCK= of systemd) or use encrypted swap"
                .to_owned(),
        );
    } else if !(locked.guarded && locked.undumped && locked.wiped_on_fork) {
        shortfalls.push(format!(
            "locked memory is not fully protected: guard pages {}, left out of dumps {}, wiped for \
             children {}",
            locked.guarded, locked.undumped, locked.wiped_on_fork
        ));
    }
    shortfalls
}
