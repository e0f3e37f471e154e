use std::num::NonZeroU32;
use std::time::Duration;

use policy::destination::Reach;

use super::*;
use crate::resolve::vet;

const NAME: &str = "a.test";

fn addresses(texts: &[&str]) -> Arc<[VettedAddress]> {
    let addresses: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
    vet(&addresses, &Reach::default()).unwrap().into()
}

fn three() -> Arc<[VettedAddress]> {
    addresses(&["192.0.9.1:443", "192.0.9.2:443", "192.0.9.3:443"])
}

fn policy() -> Outlier {
    Outlier {
        server_errors: NonZeroU32::new(2),
        max_ejected: 100,
        ejection: Duration::from_secs(600),
        ..Outlier::default()
    }
}

fn fail(outliers: &Outliers, address: VettedAddress, times: usize, choice: usize) {
    for _ in 0..times {
        outliers.observe(NAME, address.get(), Outcome::NoConnection, choice);
    }
}

fn state(outliers: &Outliers) -> UpstreamState {
    let mut state = UpstreamState::default();
    outliers.tell(&mut state);
    state
}

#[test]
fn an_address_that_fails_in_a_row_is_left_out_and_the_others_are_not() {
    let outliers = Outliers::new(policy());
    let all = three();
    fail(&outliers, all[1], 1, 3);
    outliers.observe(NAME, all[1].get(), Outcome::Answer(404), 3);
    fail(&outliers, all[1], 1, 3);
    assert_eq!(outliers.left(NAME, three()).unwrap().len(), 3);
    fail(&outliers, all[1], 1, 3);
    let left = outliers.left(NAME, three()).unwrap();
    assert_eq!(*left, [all[0], all[2]]);
    assert_eq!(
        (state(&outliers).ejected, state(&outliers).ejections),
        (1, 1)
    );
}

#[test]
fn what_is_known_of_an_address_outlives_an_answer_that_lacks_it() {
    let outliers = Outliers::new(policy());
    let all = three();
    fail(&outliers, all[0], 2, 3);
    let others = addresses(&["192.0.9.2:443", "192.0.9.9:443"]);
    assert_eq!(outliers.left(NAME, others).unwrap().len(), 2);
    assert_eq!(*outliers.left(NAME, three()).unwrap(), all[1..]);
    // And a reload.
    let mut next = Outliers::new(policy());
    next.succeed(&outliers);
    assert_eq!(*next.left(NAME, three()).unwrap(), all[1..]);
}

#[test]
fn one_names_failures_are_not_anothers() {
    let outliers = Outliers::new(policy());
    fail(&outliers, three()[0], 2, 3);
    assert_eq!(outliers.left("b.test", three()).unwrap().len(), 3);
}

#[test]
fn no_more_are_left_out_than_may_be() {
    let tenth = Outlier {
        max_ejected: 10,
        ..policy()
    };
    let outliers = Outliers::new(tenth);
    let all = three();
    fail(&outliers, all[0], 2, 3);
    // As with Envoy, the share is that of those out already: the first always may.
    fail(&outliers, all[1], 9, 2);
    assert_eq!(*outliers.left(NAME, three()).unwrap(), all[1..]);
    let none = Outliers::new(Outlier {
        max_ejected: 0,
        ..policy()
    });
    fail(&none, all[0], 9, 3);
    assert_eq!(none.left(NAME, three()).unwrap().len(), 3);
}

#[test]
fn when_all_are_out_there_is_none_unless_some_must_be_left() {
    let outliers = Outliers::new(policy());
    let panic = Outlier {
        min_healthy: 50,
        ..policy()
    };
    let with_least = Outliers::new(panic);
    for (at, address) in three().iter().enumerate() {
        fail(&outliers, *address, 2, 3 - at);
        fail(&with_least, *address, 2, 3 - at);
    }
    assert_eq!(outliers.left(NAME, three()), Err(Failure::Ejected));
    assert_eq!(with_least.left(NAME, three()).unwrap().len(), 3);
}

#[test]
fn an_address_comes_back_and_the_next_time_stays_out_longer() {
    let outliers = Outliers::new(Outlier {
        ejection: Duration::from_millis(1),
        interval: Duration::from_secs(600),
        ..policy()
    });
    let address = three()[0];
    for times in 1..4 {
        fail(&outliers, address, 2, 3);
        let troubled = outliers.known.troubled.load();
        assert_eq!(troubled[0].times.load(Ordering::Relaxed), times);
        let until = troubled[0].until.load(Ordering::Relaxed);
        while now() <= until {
            std::thread::yield_now();
        }
        assert_eq!(outliers.left(NAME, three()).unwrap().len(), 3);
        assert_eq!(outliers.known.out.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn quiet_intervals_are_forgiven() {
    let address = Address::new(NAME, three()[0].get());
    address.times.store(5, Ordering::Relaxed);
    address.last.store(1_000, Ordering::Relaxed);
    assert_eq!(address.next_times(1_500, 1_000), 6);
    assert_eq!(address.next_times(3_500, 1_000), 4);
    assert_eq!(address.next_times(90_000, 1_000), 1);
}

#[test]
fn errors_of_gateways_and_local_failures_have_counts_of_their_own() {
    let address = three()[0].get();
    let gateways = Outliers::new(Outlier {
        server_errors: None,
        gateway_errors: NonZeroU32::new(2),
        ..policy()
    });
    for status in [500, 503, 500, 503] {
        gateways.observe(NAME, address, Outcome::Answer(status), 3);
    }
    assert_eq!(state(&gateways).ejected, 0);
    gateways.observe(NAME, address, Outcome::Answer(504), 3);
    assert_eq!(state(&gateways).ejected, 1);

    let split = Outliers::new(Outlier {
        local_failures: NonZeroU32::new(3),
        ..policy()
    });
    fail(&split, three()[0], 2, 3);
    assert_eq!(state(&split).ejected, 0, "they are no errors of the server");
    split.observe(NAME, address, Outcome::Connected, 3);
    fail(&split, three()[0], 2, 3);
    assert_eq!(state(&split).ejected, 0, "a connection ends the row");
    fail(&split, three()[0], 1, 3);
    assert_eq!(state(&split).ejected, 1);
}

#[test]
fn what_is_remembered_is_bounded() {
    let outliers = Outliers::new(Outlier {
        server_errors: NonZeroU32::new(1000),
        ..policy()
    });
    for port in 1..=500 {
        let address = SocketAddr::new([192, 0, 9, 1].into(), port);
        outliers.observe(NAME, address, Outcome::NoAnswer, 1);
    }
    let troubled = outliers.known.troubled.load();
    assert_eq!(troubled.len(), MOST);
    assert_eq!(troubled.last().unwrap().address.port(), 500);
}
