//! More handshakes from one address than it may begin.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use integration_tests::mesh::Mesh;
use integration_tests::raw::Hello;
use integration_tests::record::assert_has;

use crate::besieged::{HOST, KIB, MIB, Siege, closed, connect_from, with};

/// A record of a `ClientHello`, which does not end.
const HELLO: [u8; 6] = [22, 3, 1, 2, 0, 1];
const HANDS: usize = 4;
/// Handshakes of each of them.
const EACH: usize = 150;

/// Begins a handshake and leaves it there.
fn begin(gateway: SocketAddr) -> TcpStream {
    let mut tcp = connect_from("127.0.0.2", gateway);
    // It may be closed already.
    let _ = tcp.write_all(&HELLO);
    tcp
}

/// The end without a word of TLS.
fn is_turned_away(tcp: &mut TcpStream) -> bool {
    tcp.set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    match tcp.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_source_that_shakes_hands_too_often_is_turned_away_and_no_other() {
    let siege = Siege::lay("handshakesPerSource: 10, handshakeBurst: 40");
    let gateway = siege.mesh.gateway();
    let begun = Instant::now();
    let mut crowd = thread::scope(|scope| {
        let hand = || (0..EACH).map(|_| begin(gateway)).collect::<Vec<_>>();
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(hand)).collect();
        // New connections of others are made meanwhile, and served.
        while hands.iter().any(|hand| !hand.is_finished()) {
            let reply = siege.mesh.fetch("politics", HOST, "/bytes/1");
            assert_eq!(reply.status, 200, "{}", siege.mesh.egret.said());
        }
        let crowds = hands.into_iter().map(|hand| hand.join().unwrap());
        crowds.flatten().collect::<Vec<_>>()
    });
    // The burst, and what the rate gave since.
    let most = 40 + 10 * (begun.elapsed().as_secs() as usize + 1);
    assert!(most < HANDS * EACH / 2, "too slow to be a flood");
    let records = siege.records(HANDS * EACH - most, "too_many_handshakes");
    let away = closed(&mut crowd);
    let records = siege.records(away.max(records.len()), "too_many_handshakes");
    assert_eq!(records.len(), away);
    let taken = crowd.len() - away;
    assert!((40..=most).contains(&taken), "{taken} of at most {most}");
    for record in &records {
        let remote = record["downstream_remote_address"].as_str().unwrap();
        assert!(remote.starts_with("127.0.0.2:"), "{record}");
    }
    assert_has(
        &records[0],
        &json!({
            "decision": "refuse", "response_code": 0, "response_flags": "RL",
            "source_principal": null, "connection_termination_details": "too_many_handshakes",
        }),
    );
    let counted =
        format!("egret_handshake_refusals_total{{reason=\"too_many_handshakes\"}} {away}\n");
    assert!(siege.mesh.egret.admin("/metrics").text().contains(&counted));
    siege.stands(taken * 64 * KIB + MIB);
    drop(crowd);
    let _ = siege.lift();
}

#[test]
fn to_turn_a_handshake_away_costs_a_part_of_one() {
    let number = 40;
    let limits = format!("handshakesPerSource: 1, handshakeBurst: {number}");
    let mesh = Mesh::start(&with(&limits));
    let gateway = mesh.gateway();
    let worked = || mesh.egret.processor_time();
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    let before = worked();
    let made: Vec<_> = (0..number)
        .map(|_| hello.connect(gateway).unwrap())
        .collect();
    let handshakes = worked() - before;
    drop(made);
    // The burst of another.
    let _spent: Vec<_> = (0..number).map(|_| begin(gateway)).collect();
    let before = worked();
    let away = (0..number).filter(|_| is_turned_away(&mut begin(gateway)));
    assert!(away.count() > number - 10);
    let refusals = worked() - before;
    assert!(2 * refusals < handshakes, "{refusals:?} and {handshakes:?}");
}
