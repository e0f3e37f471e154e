use std::cell::Cell;

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const FAILURES: [Failure; 2] = [Failure::ClientGone, Failure::Closed];

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

thread_local! {
    /// Whether this thread gets no pipe any more.
    pub(super) static NONE_LEFT: Cell<bool> = const { Cell::new(false) };
}

#[tokio::test]
async fn without_a_pipe_bytes_are_copied() {
    NONE_LEFT.set(true);
    all_of_it().await;
}

#[tokio::test]
async fn every_byte_passes_once_and_in_order_and_the_end_after_them() {
    all_of_it().await;
}

async fn all_of_it() {
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (mut source, from) = pair().await;
    let (to, mut sink) = pair().await;
    let count = Cell::new(0);
    let (read, rest) = bytes.split_at(1_000_000);
    let writing = async {
        source.write_all(rest).await.unwrap();
        source.shutdown().await.unwrap();
    };
    let reading = async {
        let mut all = Vec::new();
        sink.read_to_end(&mut all).await.unwrap();
        all
    };
    let splicing = splice(read.to_vec(), &from, &to, FAILURES, |n| {
        count.set(count.get() + n)
    });
    let ((), spliced, seen) = tokio::join!(writing, splicing, reading);
    spliced.unwrap();
    assert!(seen == bytes);
    assert_eq!(count.get(), bytes.len());
}

#[tokio::test]
async fn a_pipe_that_still_holds_something_serves_nobody_else() {
    let (mut source, from) = pair().await;
    let (to, sink) = pair().await;
    // More than the reader, who never reads, and the sockets take.
    let flood = tokio::spawn(async move {
        let _ = source.write_all(&vec![b'x'; 64 << 20]).await;
        source
    });
    let idle = tokio::time::Duration::from_millis(500);
    let stuck = tokio::time::timeout(idle, splice(Vec::new(), &from, &to, FAILURES, |_| {})).await;
    assert!(stuck.is_err(), "somebody read it all");
    drop((from, to, sink));
    flood.await.unwrap();
    // The next on this thread hears its own bytes alone.
    let (mut source, from) = pair().await;
    let (to, mut sink) = pair().await;
    source.write_all(b"its own").await.unwrap();
    source.shutdown().await.unwrap();
    splice(Vec::new(), &from, &to, FAILURES, |_| {})
        .await
        .unwrap();
    let mut heard = Vec::new();
    sink.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"its own");
}

#[tokio::test]
async fn whose_failure_it_was_is_told() {
    let (mut source, from) = pair().await;
    let (to, sink) = pair().await;
    sink.set_zero_linger().unwrap();
    drop(sink);
    let writing = async {
        while source.write_all(&[0; 1024]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        spliced = splice(Vec::new(), &from, &to, FAILURES, |_| {}) => assert_eq!(spliced, Err(Failure::Closed)),
        () = writing => panic!("the gateway closed nothing"),
    }
    let (source, from) = pair().await;
    let (to, _sink) = pair().await;
    source.set_zero_linger().unwrap();
    drop(source);
    let spliced = splice(Vec::new(), &from, &to, FAILURES, |_| {}).await;
    assert_eq!(spliced, Err(Failure::ClientGone));
}
