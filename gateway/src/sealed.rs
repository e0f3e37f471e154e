//! The process's memory is its own: it holds private keys.
//!
//! Must be called before the first key is read.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From here on a crash leaves no core file, and no process of the same user
/// may read this one's memory or trace it (Linux, prctl(2): `PR_SET_DUMPABLE`).
/// What is handed on to children is the limit alone; there are none.
///
/// # Errors
/// When the system will not have it.
pub(crate) fn seal() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn a_sealed_process_leaves_no_core_and_is_read_by_none() {
        seal().unwrap();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
