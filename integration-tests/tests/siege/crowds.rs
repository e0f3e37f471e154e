//! More connections than there may be.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use integration_tests::raw::Raw;

use crate::besieged::{KIB, MIB, Siege, closed, connect_from};

#[test]
fn beyond_the_bound_on_all_connections_others_are_closed_at_once() {
    let siege = Siege::lay("connections: 21");
    // Those it began with have given back their places.
    siege.until_connections(1);
    let gateway = siege.mesh.gateway();
    let mut crowd: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(gateway).unwrap())
        .collect();
    let records = siege.records(180, "too_many_connections");
    assert_eq!(records.len(), 180);
    assert_eq!(closed(&mut crowd), 180);
    siege.stands(20 * 64 * KIB + MIB);
    // Who is connected is served on; who comes after the crowd, is served again.
    drop(crowd);
    let _ = siege.lift();
}

#[test]
fn a_crowd_that_comes_again_and_again_does_not_bring_work_to_a_halt() {
    let siege = Siege::lay("connections: 21");
    // Those it began with have given back their places.
    siege.until_connections(1);
    let gateway = siege.mesh.gateway();
    // Twenty stay and hold their places; the others are turned away all the time.
    let held: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(gateway).unwrap())
        .collect();
    let alone = siege.pace();
    let stop = AtomicBool::new(false);
    let turned_away = AtomicUsize::new(0);
    let crowded = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut tcp = TcpStream::connect(gateway).unwrap();
                    if !matches!(tcp.read(&mut [0]), Ok(1)) {
                        turned_away.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let crowded = siege.pace();
        stop.store(true, Ordering::Relaxed);
        crowded
    });
    let turned_away = turned_away.into_inner();
    assert!(turned_away > 20, "{turned_away}");
    // The crowd has as many hands as the good caller, on the same processors.
    assert!(
        crowded < 20 * alone,
        "{crowded:?}, and {alone:?} without {turned_away}"
    );
    siege.stands(20 * 64 * KIB + MIB);
    let _ = siege.records(turned_away, "too_many_connections");
    drop(held);
    let _ = siege.lift();
}

#[test]
fn a_source_beyond_its_bound_takes_nothing_from_others() {
    let siege = Siege::lay("connectionsPerSource: 10");
    let gateway = siege.mesh.gateway();
    let mut crowd: Vec<_> = (0..50)
        .map(|_| connect_from("127.0.0.2", gateway))
        .collect();
    let records = siege.records(40, "too_many_connections");
    let from = |address: &str| address.starts_with("127.0.0.2:");
    let remote = |r: &serde_json::Value| r["downstream_remote_address"].as_str().map(from);
    assert!(records.iter().all(|r| remote(r) == Some(true)));
    assert_eq!(closed(&mut crowd), 40);
    siege.stands(10 * 64 * KIB);
    // New connections of others are served all the while.
    let reply = siege
        .mesh
        .fetch("politics", crate::besieged::HOST, "/bytes/1");
    assert_eq!(reply.status, 200);
    let _ = siege.lift();
}

#[test]
fn a_principal_beyond_its_bound_takes_nothing_from_others() {
    let siege = Siege::lay("connectionsPerPrincipal: 10");
    let crowd: Vec<Raw> = (0..30).map(|_| siege.http1()).collect();
    let records = siege.records(20, "too_many_connections");
    let sleep = "cluster.local/ns/default/sa/sleep";
    assert!(records.iter().all(|r| r["source_principal"] == sleep));
    siege.stands(30 * 128 * KIB);
    let reply = siege
        .mesh
        .fetch("politics", crate::besieged::HOST, "/bytes/1");
    assert_eq!(reply.status, 200);
    drop(crowd);
    let _ = siege.lift();
}
