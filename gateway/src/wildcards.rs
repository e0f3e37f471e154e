//! How many different hosts a caller asks for, of those that only wildcards
//! admit. Such a host is looked up as he wrote it, and whoever answers for the
//! domain reads what he wrote: every new name carries data out. So each caller
//! may have a number of them in a minute; a name he had already is free.
//!
//! A look at a name takes no lock. New names are added to a copy, which their
//! number, small by its purpose, makes cheap.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use policy::principal::Principal;
use policy::refusal::Refusal;

/// The time over which names are counted.
const SPAN: Duration = Duration::from_secs(60);

/// The names of all callers.
#[derive(Debug, Default)]
pub(crate) struct Wildcards {
    callers: Mutex<HashMap<Who, Arc<Names>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Principal(Principal),
    Source(IpAddr),
}

/// The names of one caller, over all of his connections.
#[derive(Debug)]
pub(crate) struct Names {
    hashing: RandomState,
    now: ArcSwap<Minute>,
}

#[derive(Debug)]
struct Minute {
    ends: Instant,
    /// Hashes: what a name is does not matter, and a hash is small.
    names: HashSet<u64>,
}

impl Wildcards {
    /// Those of a caller. Asked once for a connection.
    pub(crate) fn of(&self, principal: Option<&Principal>, source: IpAddr) -> Arc<Names> {
        let who = principal.map_or(Who::Source(source), |p| Who::Principal(p.clone()));
        Arc::clone(self.lock().entry(who).or_default())
    }

    /// Forgets callers without connections whose minute is over.
    pub(crate) fn sweep(&self, now: Instant) {
        self.lock()
            .retain(|_, names| Arc::strong_count(names) > 1 || names.now.load().ends > now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Who, Arc<Names>>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            hashing: RandomState::new(),
            now: ArcSwap::from_pointee(Minute::new(Instant::now())),
        }
    }
}

impl Names {
    /// Counts a canonical host, of which there may be `most`.
    ///
    /// # Errors
    /// When it is one too many.
    pub(crate) fn admit(&self, host: &str, most: u32) -> Result<(), Refusal> {
        self.admit_at(host, most, Instant::now())
    }

    fn admit_at(&self, host: &str, most: u32, now: Instant) -> Result<(), Refusal> {
        let name = self.hashing.hash_one(host);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if self.now.load().has(name, now) {
            return Ok(());
        }
        let mut admitted = false;
        self.now.rcu(|minute| {
            let next = minute.with(name, most, now);
            admitted = next.is_some();
            next.map_or_else(|| Arc::clone(minute), Arc::new)
        });
        match admitted {
            true => Ok(()),
            false => Err(Refusal::TooManyNames),
        }
    }
}

impl Minute {
    fn new(begins: Instant) -> Self {
        Self {
            ends: begins + SPAN,
            names: HashSet::new(),
        }
    }

    fn has(&self, name: u64, now: Instant) -> bool {
        now < self.ends && self.names.contains(&name)
    }

    /// This minute, or the next one, with one name more; `None`: it has enough.
    fn with(&self, name: u64, most: usize, now: Instant) -> Option<Self> {
        let mut minute = match now < self.ends {
            true if self.names.len() >= most && !self.names.contains(&name) => return None,
            true => Self {
                ends: self.ends,
                names: self.names.clone(),
            },
            false => Self::new(now),
        };
        minute.names.insert(name);
        Some(minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str) -> Principal {
        Principal::from_name(&format!("td/ns/default/sa/{name}")).unwrap()
    }

    #[test]
    fn a_caller_has_so_many_names_in_a_minute_and_the_same_ones_as_often_as_he_likes() {
        let (names, now) = (Names::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(names.admit_at("a.example", 2, now), Ok(()));
            assert_eq!(names.admit_at("b.example", 2, now), Ok(()));
        }
        let refused = Err(Refusal::TooManyNames);
        assert_eq!(names.admit_at("c.example", 2, now), refused);
        assert_eq!(names.admit_at("a.example", 2, now), Ok(()));
        let later = now + SPAN + Duration::from_secs(1);
        assert_eq!(names.admit_at("c.example", 2, later), Ok(()));
        assert_eq!(names.admit_at("a.example", 2, later), Ok(()));
        assert_eq!(names.admit_at("b.example", 2, later), refused);
    }

    #[test]
    fn connections_of_one_caller_share_his_names_and_callers_do_not() {
        let wildcards = Wildcards::default();
        let (here, there) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let sleep = Some(&principal("sleep"));
        wildcards.of(sleep, here).admit("a.example", 1).unwrap();
        assert!(wildcards.of(sleep, there).admit("b.example", 1).is_err());
        let other = wildcards.of(Some(&principal("politics")), here);
        assert!(other.admit("b.example", 1).is_ok());
        assert!(wildcards.of(None, here).admit("b.example", 1).is_ok());
        assert!(wildcards.of(None, here).admit("c.example", 1).is_err());
        assert!(wildcards.of(None, there).admit("c.example", 1).is_ok());
    }

    #[test]
    fn a_caller_is_remembered_while_he_is_connected_and_to_the_end_of_his_minute() {
        let wildcards = Wildcards::default();
        let held = wildcards.of(Some(&principal("sleep")), [10, 0, 0, 1].into());
        wildcards.of(None, [10, 0, 0, 2].into());
        let callers = || wildcards.lock().len();
        wildcards.sweep(Instant::now());
        assert_eq!(callers(), 2);
        let later = Instant::now() + SPAN + Duration::from_secs(1);
        wildcards.sweep(later);
        assert_eq!(callers(), 1);
        drop(held);
        wildcards.sweep(later);
        assert_eq!(callers(), 0);
    }

    #[test]
    fn threads_cannot_add_more_than_there_may_be() {
        let names = Names::default();
        let admitted = std::thread::scope(|scope| {
            let ask = |thread: u32| {
                let names = &names;
                scope.spawn(move || {
                    let hosts = (0..100).map(|n| format!("{thread}-{n}.example"));
                    hosts.filter(|h| names.admit(h, 50).is_ok()).count()
                })
            };
            let threads: Vec<_> = (0..4).map(ask).collect();
            threads
                .into_iter()
                .map(|t| t.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(admitted, 50);
    }
}
