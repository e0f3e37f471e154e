//! How many files the process may have open: each connection is one.

use std::io;

use conf::snapshot::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside connections: sockets that listen, logs, name servers, pipes,
/// and what the runtime has.
const RESERVE: u64 = 256;

/// Raises the bound as far as the process may by itself. Service managers and
/// container engines leave it at what old programs could bear.
///
/// # Errors
/// When the system will not have it; the bound stays what it was.
pub(crate) fn raise() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// What an operator is to know when so many are too few: a request may need one for
/// its caller and one for its upstream.
pub(crate) fn too_few(limits: &Limits) -> Option<String> {
    let needed = u64::from(limits.connections) * 2 + RESERVE;
    let most = getrlimit(Resource::Nofile).current?;
    (most < needed).then(|| {
        format!(
            "the process may open {most} files, and `limits.connections: {}` may need {needed}: \
             raise its hard limit, or lower `limits.connections` to {}",
            limits.connections,
            most.saturating_sub(RESERVE) / 2
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_raised_as_far_as_it_goes_and_told_if_that_is_not_enough() {
        raise().unwrap();
        let bound = getrlimit(Resource::Nofile);
        assert_eq!(bound.current, bound.maximum);
        let limits = |connections| Limits {
            connections,
            ..Limits::default()
        };
        assert_eq!(too_few(&limits(1)), None);
        if bound.maximum.is_some_and(|most| most < 8_000_000_000) {
            assert!(too_few(&limits(u32::MAX)).is_some());
        }
    }
}
