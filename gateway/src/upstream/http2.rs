//! HTTP/2 with an external server: its set-up, and its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora_core::connectors::http::v2::ConnectionRef;
use pingora_core::protocols::http::v2::client::drive_connection;
use pingora_core::protocols::{Digest, Stream};
use tokio::sync::watch;
use tokio::time::sleep;

/// Streams we open on one HTTP/2 connection.
pub(super) const MAX_STREAMS: usize = 100;
/// What an upstream may make us hold: decoded header list, windows.
const HEADER_LIST: u32 = 64 * 1024;
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Time to say farewell in. A server that takes nothing more would keep the
/// connection for ever otherwise.
const FAREWELL: Duration = Duration::from_secs(1);

/// Our own bounds instead of the library's, which trust the server; `most` streams
/// where the operator says so.
pub(super) async fn http2(stream: Stream, most: usize) -> Result<ConnectionRef, h2::Error> {
    let id = stream.id();
    let digest = Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: Vec::new(),
        proxy_digest: None,
        socket_digest: stream.get_socket_digest(),
    };
    let (requests, connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_max_send_streams(most.min(MAX_STREAMS))
        .max_header_list_size(HEADER_LIST)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake::<_, Bytes>(stream)
        .await?;
    let most = most.min(MAX_STREAMS);
    let streams = most.min(connection.max_concurrent_send_streams());
    let (closed, watch_closed) = watch::channel(false);
    let ping_timed_out = Arc::default();
    let driver = Arc::clone(&ping_timed_out);
    let users = closed.clone();
    let driving = drive_connection(connection, id, closed, None, driver);
    tokio::spawn(async move {
        tokio::select! {
            () = driving => {}
            () = abandoned(users) => {}
        }
    });
    Ok(ConnectionRef::new(
        requests,
        watch_closed,
        ping_timed_out,
        id,
        streams,
        digest,
    ))
}

/// Waits until no exchange and no pool has the connection any more, and a little.
async fn abandoned(users: watch::Sender<bool>) {
    users.closed().await;
    sleep(FAREWELL).await;
}
