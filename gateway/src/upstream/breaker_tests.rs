use std::num::NonZeroU32;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

fn breaker(bounds: Bounds) -> Breaker {
    Breaker::new(bounds).unwrap()
}

fn connections(most: u32) -> Bounds {
    Bounds {
        connections: NonZeroU32::new(most),
        ..Bounds::default()
    }
}

fn state(breaker: &Breaker) -> UpstreamState {
    let mut state = UpstreamState::default();
    breaker.tell(&mut state);
    state
}

#[test]
fn nothing_is_counted_where_nothing_is_bounded() {
    assert!(Breaker::new(Bounds::default()).is_none());
}

#[test]
fn a_place_is_given_back_when_it_is_dropped() {
    let breaker = breaker(connections(2));
    let held = [breaker.connection(), breaker.connection()];
    assert!(held.iter().all(Option::is_some));
    assert!(breaker.connection().is_none());
    assert_eq!(
        breaker.connection_at_once().unwrap_err(),
        Overflow("maxConnections")
    );
    assert_eq!(state(&breaker).connections, 2);
    drop(held);
    assert_eq!(state(&breaker).connections, 0);
    assert!(breaker.connection().is_some());
    // A look is no overflow, a refusal is.
    assert_eq!(state(&breaker).overflows, 1);
}

#[test]
fn each_bound_is_one_of_its_own() {
    let breaker = breaker(Bounds {
        pending: Some(0),
        requests: NonZeroU32::new(1),
        retries: Some(1),
        ..Bounds::default()
    });
    assert_eq!(
        breaker.pending().unwrap_err(),
        Overflow("maxPendingRequests")
    );
    let _request = breaker.request().unwrap();
    assert_eq!(breaker.request().unwrap_err(), Overflow("maxRequests"));
    let _retry = breaker.retry().unwrap();
    assert!(breaker.retry().is_none());
    assert!(breaker.connection().is_some());
}

#[test]
fn a_queue_has_an_end_though_nobody_named_one() {
    let breaker = breaker(connections(1));
    let waiting: Vec<_> = (0..PENDING).map(|_| breaker.pending()).collect();
    assert!(waiting.iter().all(Result::is_ok));
    assert!(breaker.pending().is_err());
}

#[test]
fn many_threads_never_hold_more_than_there_is() {
    let breaker = breaker(connections(3));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let place = breaker.connection();
                    assert!(state(&breaker).connections <= 3);
                    drop(place);
                }
            });
        }
    });
    assert_eq!(state(&breaker).connections, 0);
}

#[tokio::test]
async fn whoever_waits_is_woken_by_what_becomes_free() {
    let breaker = breaker(connections(1));
    let place = breaker.connection().unwrap();
    let _pending = breaker.pending().unwrap();
    let mut freed = pin!(breaker.load().freed());
    freed.as_mut().enable();
    assert!(breaker.connection().is_none());
    drop(place);
    timeout(Duration::from_secs(10), freed).await.unwrap();
    assert!(breaker.connection().is_some());
}

#[test]
fn what_is_open_is_counted_on_by_the_one_that_comes_after() {
    let old = breaker(connections(1));
    let held = old.connection().unwrap();
    let mut new = breaker(connections(2));
    new.succeed(&old);
    let more = new.connection();
    assert!(more.is_some());
    assert!(new.connection().is_none());
    drop(held);
    assert!(new.connection().is_some());
}
