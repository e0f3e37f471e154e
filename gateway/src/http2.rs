//! HTTP/2 from the mesh: one task a stream, bounded in number and in patience.

use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::http::server::Session;
use pingora_core::protocols::http::v2::server::{
    H2Accept, HttpSession, default_h2_options, handshake,
};
use pingora_core::protocols::{Digest, Stream};
use policy::refusal::Refusal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Moment;
use crate::connection::Connection;
use crate::drain::Phase;
use crate::exchange::{Ending, Exchange};
use crate::intake::head::Sketch;

/// Streams whose requests broke the protocol, before the connection ends.
const MAX_MALFORMED: u32 = 32;
/// Bytes a caller may send unread, for one stream and for all of them.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How long streams have to end once the connection may take no more.
const LINGER: Duration = Duration::from_secs(30);

/// Serves the connection to its end.
pub(crate) async fn serve(connection: Arc<Connection>, stream: Stream) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: Vec::new(),
        proxy_digest: None,
        socket_digest: stream.get_socket_digest(),
    });
    let limits = &connection.limits;
    // Pingora's bounds first: options without them are open to header bombs.
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let shaking = handshake(stream, Some(options));
    let Ok(Ok(mut http2)) = timeout(limits.head_timeout, shaking).await else {
        let sketch = Sketch::default();
        let begun = Moment::now();
        let refusal = Refusal::MalformedStream;
        crate::exchange::record_unparsed(&connection, &sketch, refusal, begun);
        return;
    };
    let mut streams = JoinSet::new();
    let mut malformed = 0;
    let mut drain = connection.drain.clone();
    // A connection made while we drain has its first request served.
    let mut last_call = drain.has_begun();
    let mut draining = false;
    let idle = sleep_until(connection.deadline_for_idle().into());
    tokio::pin!(idle);
    loop {
        tokio::select! {
            accepted = HttpSession::from_h2_conn(&mut http2, Arc::clone(&digest)) => {
                match accepted {
                    Ok(Some(H2Accept::Session(session))) => {
                        let connection = Arc::clone(&connection);
                        streams.spawn(exchange(connection, session, Moment::now()));
                        if std::mem::take(&mut last_call) {
                            draining = true;
                            http2.graceful_shutdown();
                        }
                    }
                    Ok(Some(H2Accept::Rejected)) => {
                        let sketch = Sketch::default();
                        let refusal = Refusal::MalformedStream;
                        crate::exchange::record_unparsed(&connection, &sketch, refusal, Moment::now());
                        malformed += 1;
                        if malformed >= MAX_MALFORMED {
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        // A caller who merely went away broke no rule.
                        if !is_disconnect(&error) {
                            let sketch = Sketch::default();
                            let refusal = Refusal::MalformedStream;
                            crate::exchange::record_unparsed(&connection, &sketch, refusal, Moment::now());
                        }
                        break;
                    }
                }
            }
            Some(_) = streams.join_next(), if !streams.is_empty() => {
                idle.as_mut().reset(connection.deadline_for_idle().into());
            }
            () = drain.reached(Phase::Draining), if !draining && !last_call => {
                draining = true;
                http2.graceful_shutdown();
            }
            () = &mut idle, if streams.is_empty() => {
                if draining {
                    break;
                }
                draining = true;
                http2.graceful_shutdown();
                idle.as_mut().reset(Instant::now() + LINGER);
            }
        }
    }
    // Streams still open have lost their connection; each records its end.
    while streams.join_next().await.is_some() {}
}

/// Whether an error is the connection's end rather than the caller's fault.
fn is_disconnect(error: &pingora_error::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    cause.is_none_or(|cause| cause.is_io() || (cause.is_go_away() && cause.is_remote()))
}

async fn exchange(connection: Arc<Connection>, session: HttpSession, begun: Moment) {
    let mut session = Session::new_http2(session);
    let limit = connection.limits.body_idle_timeout;
    session.set_write_timeout(Some(limit));
    session.set_total_drain_timeout(Some(limit));
    let ending = Exchange::new(&connection, begun)
        .run(&mut session, false)
        .await;
    match ending {
        // A client that goes on uploading after its answer is told to stop.
        Ending::Finish => {
            let _ = session.finish().await;
        }
        Ending::Abort => session.shutdown().await,
    }
}
