//! Idle connections to upstreams, kept for the next request.
//!
//! Each worker thread puts into and takes from its own shelf first, so that
//! the lock on a shelf is practically never contended; a thread whose shelf is
//! empty looks at the others without waiting. A connection is kept under a key
//! that covers everything it was made with: address, name and the whole TLS
//! policy. INVARIANT(pool-key): no connection serves a policy it was not made
//! under.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Idle connections kept under one key by one thread.
const PER_KEY: usize = 128;

/// What a connection was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey(pub(super) u64);

/// How carefully a connection is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Other threads' shelves without waiting for them.
    Glance,
    /// Every shelf: whoever waits for a connection must not overlook one.
    Thorough,
}

/// See the module. `C` is a connection.
#[derive(Debug)]
pub struct Pool<C> {
    shelves: Box<[Mutex<Shelf<C>>]>,
}

type Shelf<C> = HashMap<PoolKey, Vec<Idle<C>>>;

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    until: Instant,
}

impl<C> Pool<C> {
    /// A pool for `threads` worker threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let shelf = || Mutex::new(Shelf::new());
        Self {
            shelves: std::iter::repeat_with(shelf).take(threads.max(1)).collect(),
        }
    }

    /// The connection used last under `key`, if there is one.
    #[must_use]
    pub fn take(&self, key: PoolKey, search: Search) -> Option<C> {
        let own = thread_number() % self.shelves.len();
        let found = take_from(&mut lock(self.shelves.get(own)?), key);
        // Its own lock is given up before another is waited for.
        found.or_else(|| {
            let others = self.shelves.iter().enumerate().filter(|(n, _)| *n != own);
            others
                .filter_map(|(_, shelf)| match search {
                    Search::Glance => shelf.try_lock().ok(),
                    Search::Thorough => Some(lock(shelf)),
                })
                .find_map(|mut shelf| take_from(&mut shelf, key))
        })
    }

    /// Keeps a connection for `idle`.
    pub fn put(&self, key: PoolKey, connection: C, idle: Duration) {
        let own = thread_number() % self.shelves.len();
        let Some(shelf) = self.shelves.get(own) else {
            return;
        };
        let mut shelf = lock(shelf);
        let kept = shelf.entry(key).or_default();
        if kept.len() < PER_KEY {
            let until = Instant::now() + idle;
            kept.push(Idle { connection, until });
        }
    }

    /// Closes one connection that may give way; whether there was one.
    pub fn evict(&self, may_give_way: impl Fn(PoolKey, &C) -> bool) -> bool {
        let evict_from = |shelf: &mut Shelf<C>| {
            shelf.iter_mut().find_map(|(key, kept)| {
                let may = |idle: &Idle<C>| may_give_way(*key, &idle.connection);
                let place = kept.iter().position(may)?;
                Some(kept.remove(place))
            })
        };
        let mut shelves = self.shelves.iter();
        let evicted = shelves.find_map(|shelf| evict_from(&mut lock(shelf)));
        evicted.is_some()
    }

    /// Closes what has been idle for too long. To be called every few seconds.
    pub fn sweep(&self, now: Instant) {
        for shelf in &self.shelves {
            let mut expired = Vec::new();
            let mut shelf = lock(shelf);
            for kept in shelf.values_mut() {
                expired.extend(kept.extract_if(.., |idle| idle.until <= now));
            }
            shelf.retain(|_, kept| !kept.is_empty());
            // Closing a connection is a system call: not under the lock.
            drop(shelf);
            drop(expired);
        }
    }
}

fn take_from<C>(shelf: &mut Shelf<C>, key: PoolKey) -> Option<C> {
    let now = Instant::now();
    let idle = shelf.get_mut(&key)?.pop()?;
    (idle.until > now).then_some(idle.connection)
}

/// A panic elsewhere leaves a shelf as it was: every change is one step.
fn lock<C>(shelf: &Mutex<Shelf<C>>) -> MutexGuard<'_, Shelf<C>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers threads in order of their first use of a pool.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: PoolKey = PoolKey(1);

    #[test]
    fn gives_back_the_connection_used_last() {
        let pool = Pool::new(2);
        pool.put(KEY, "first", Duration::from_secs(60));
        pool.put(KEY, "second", Duration::from_secs(60));
        assert_eq!(pool.take(KEY, Search::Glance), Some("second"));
        assert_eq!(pool.take(PoolKey(2), Search::Glance), None);
        assert_eq!(pool.take(KEY, Search::Glance), Some("first"));
        assert_eq!(pool.take(KEY, Search::Glance), None);
    }

    #[test]
    fn another_thread_finds_what_one_has_put_away() {
        let pool = Pool::new(4);
        std::thread::scope(|scope| {
            scope.spawn(|| pool.put(KEY, "connection", Duration::from_secs(60)));
        });
        assert_eq!(pool.take(KEY, Search::Glance), Some("connection"));
    }

    #[test]
    fn threads_that_search_thoroughly_do_not_wait_for_each_other_for_ever() {
        let pool = Pool::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        assert_eq!(pool.take(KEY, Search::Thorough), None::<&str>);
                    }
                });
            }
        });
    }

    #[test]
    fn what_gives_way_is_closed() {
        let pool = Pool::new(2);
        pool.put(KEY, "here", Duration::from_secs(60));
        pool.put(PoolKey(2), "there", Duration::from_secs(60));
        assert!(!pool.evict(|key, _| key == PoolKey(3)));
        assert!(pool.evict(|key, connection| key != KEY && *connection == "there"));
        assert_eq!(pool.take(PoolKey(2), Search::Thorough), None);
        assert_eq!(pool.take(KEY, Search::Thorough), Some("here"));
    }

    #[test]
    fn closes_what_was_idle_too_long() {
        let pool = Pool::new(1);
        pool.put(KEY, "stale", Duration::ZERO);
        assert_eq!(pool.take(KEY, Search::Glance), None);
        pool.put(KEY, "stale", Duration::from_secs(5));
        pool.sweep(Instant::now() + Duration::from_secs(6));
        assert_eq!(pool.take(KEY, Search::Glance), None);
    }
}
