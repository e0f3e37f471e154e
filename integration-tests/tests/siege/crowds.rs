//! More connections than there may be.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;

use integration_tests::raw::Raw;

use crate::besieged::{KIB, MIB, Siege};

/// How many of these the gateway has closed; others are silent.
fn closed(crowd: &mut [TcpStream]) -> usize {
    let closed = |tcp: &mut TcpStream| {
        tcp.set_read_timeout(Some(Duration::from_millis(10)))
            .unwrap();
        match tcp.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    crowd
        .iter_mut()
        .filter_map(|tcp| closed(tcp).then_some(()))
        .count()
}

fn connect_from(source: &str, gateway: SocketAddr) -> TcpStream {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(source.parse().unwrap(), 0))
            .unwrap();
        let tcp = socket.connect(gateway).await.unwrap().into_std().unwrap();
        tcp.set_nonblocking(false).unwrap();
        tcp
    })
}

#[test]
fn beyond_the_bound_on_all_connections_others_are_closed_at_once() {
    let siege = Siege::lay("connections: 21");
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
    siege.until_connections(1);
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
