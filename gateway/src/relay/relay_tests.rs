use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LONG: Bounds = Bounds {
    idle: Duration::from_secs(30),
    whole: None,
    rest: None,
};

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    (one, listener.accept().await.unwrap().0)
}

/// The far ends of a relay, and the relay itself, counting.
async fn bench(
    bounds: Bounds,
) -> (
    TcpStream,
    TcpStream,
    tokio::task::JoinHandle<(End, u64, u64)>,
) {
    let (application, caller) = pair().await;
    let (upstream, origin) = pair().await;
    let relaying = tokio::spawn(async move {
        let traffic = Traffic::new();
        let presence = Presence::from(&caller);
        let [caller, upstream] = [caller, upstream].map(|stream| Side {
            stream,
            read: Vec::new(),
        });
        let end = relay(caller, upstream, &presence, &traffic, bounds).await;
        (end, traffic.up(), traffic.down())
    });
    (application, origin, relaying)
}

#[tokio::test]
async fn a_side_that_has_said_all_still_hears_the_other() {
    let (mut application, mut origin, relaying) = bench(LONG).await;
    application.write_all(b"question").await.unwrap();
    application.shutdown().await.unwrap();
    let mut heard = Vec::new();
    origin.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"question");
    let answer = vec![b'.'; 300_000];
    let answering = tokio::spawn(async move { origin.write_all(&answer).await });
    let mut heard = Vec::new();
    application.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard.len(), 300_000);
    answering.await.unwrap().unwrap();
    assert_eq!(relaying.await.unwrap(), (End::Finished, 8, 300_000));
}

#[tokio::test]
async fn it_ends_when_nothing_moves() {
    let bounds = Bounds {
        idle: Duration::from_millis(20),
        ..LONG
    };
    let (_application, _origin, relaying) = bench(bounds).await;
    assert_eq!(relaying.await.unwrap(), (End::Idle, 0, 0));
}

#[tokio::test]
async fn it_ends_when_it_has_stood_long_enough_though_bytes_move() {
    let bounds = Bounds {
        whole: Some(Duration::from_millis(50)),
        ..LONG
    };
    let (mut application, mut origin, relaying) = bench(bounds).await;
    let talking = tokio::spawn(async move {
        let mut byte = [0];
        while application.write_all(b".").await.is_ok()
            && origin.read_exact(&mut byte).await.is_ok()
        {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(relaying.await.unwrap().0, End::Expired);
    talking.await.unwrap();
}

#[tokio::test]
async fn what_moves_puts_the_end_off() {
    let (limit, traffic) = (Duration::from_secs(1), Traffic::new());
    let moving = async {
        sleep(limit / 10).await;
        traffic.moved(&traffic.up, 1);
        Instant::now()
    };
    let (moved, ()) = tokio::join!(moving, traffic.idle_for(limit));
    // Times are kept in whole milliseconds.
    assert!(moved.elapsed() >= limit - Duration::from_millis(1));
}

#[tokio::test]
async fn it_says_which_side_broke_off() {
    for (whose, expected) in [("caller", Failure::ClientGone), ("origin", Failure::Closed)] {
        let (application, origin, relaying) = bench(LONG).await;
        let (gone, mut left) = match whose {
            "caller" => (application, origin),
            _ => (origin, application),
        };
        // A reset, not an end.
        gone.set_zero_linger().unwrap();
        drop(gone);
        let mut rest = Vec::new();
        let _ = left.read_to_end(&mut rest).await;
        assert_eq!(relaying.await.unwrap().0, End::Broken(expected), "{whose}");
    }
}
