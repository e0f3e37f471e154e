//! HTTP/2 from the mesh: one task a stream, bounded in number and in patience;
//! callers who flood a connection, or do not read from it, lose it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use conf::snapshot::ListenerMode;
use h2::server::{Connection as ServerConnection, SendResponse};
use pingora_core::protocols::http::server::Session;
use pingora_core::protocols::http::v2::server::{
    H2Accept, HttpSession, default_h2_options, handshake,
};
use pingora_core::protocols::{Digest, Stream};
use pingora_error::{ErrorType, OrErr};
use policy::refusal::Refusal;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::clock::Moment;
use crate::connection::Connection;
use crate::exchange::{Ending, Exchange, Served, record_abandoned, record_cut, record_unparsed};
use crate::hbone;
use crate::intake::head::Sketch;
use crate::intake::streams::{self, Untold};
use crate::socket::Observed;

/// Streams that are no requests, malformed or larger than may be, before the
/// connection ends: each is decoded to its end, which costs us and not the caller.
const MAX_MALFORMED: u32 = 32;
/// Bytes a caller may send unread, for one stream and for all of them.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The same of HBONE, where a stream may stand still for hours because its server
/// does not read: no number of them takes the others' window.
const PASSING_WINDOW: u32 = 64 * 1024;
/// Bytes of answers that wait in the library for one stream, while the caller
/// does not read: with a hundred streams, all of what he can make us hold.
const WAITING: usize = 64 * 1024;
/// Time for a last word to a caller who is sent away.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long streams have to end once the connection may take no more.
const LINGER: Duration = Duration::from_secs(30);

const CALM: h2::Reason = h2::Reason::ENHANCE_YOUR_CALM;

/// Serves the connection to its end.
pub(crate) async fn serve(connection: Arc<Connection>, stream: Stream) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: Vec::new(),
        proxy_digest: None,
        socket_digest: stream.get_socket_digest(),
    });
    let limits = &connection.limits;
    let (stream_window, connection_window) = match connection.listener.mode {
        ListenerMode::Hbone => (
            PASSING_WINDOW,
            PASSING_WINDOW.saturating_mul(limits.streams),
        ),
        _ => (STREAM_WINDOW, CONNECTION_WINDOW),
    };
    // Pingora's bounds first: options without them are open to header bombs.
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        .max_send_buffer_size(WAITING)
        .initial_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        // WebSockets (RFC 8441); whether they pass, routes say.
        .enable_connect_protocol();
    let (frames, mut untold) = streams::follow(limits);
    let stream: Stream = Box::new(Observed::new(stream, frames));
    let shaking = handshake(stream, Some(options));
    let Ok(Ok(mut http2)) = timeout(limits.head_timeout, shaking).await else {
        record_lost(&connection, Refusal::MalformedStream);
        return;
    };
    let mut streams = JoinSet::new();
    let mut malformed = 0;
    let ending = connection.parting();
    tokio::pin!(ending);
    // A connection made while we part has its first request served.
    let mut last_call = connection.is_parting();
    let mut draining = false;
    let idle = sleep_until(connection.deadline_for_idle().into());
    tokio::pin!(idle);
    let looking = sleep(limits.body_idle_timeout);
    let heads = sleep(limits.head_timeout);
    tokio::pin!(looking, heads);
    loop {
        tokio::select! {
            accepted = accept(&mut http2, &digest, &mut untold, &connection) => {
                let is_full = is_full(&mut streams, connection.limits.streams).await;
                match accepted {
                    Accepted::Tunnel(mut stream) if is_full => {
                        untold.turned_away();
                        stream.1.send_reset(h2::Reason::REFUSED_STREAM);
                        record_lost(&connection, Refusal::TooManyStreams);
                    }
                    Accepted::Request(session) if connection.may_begin().is_err() => {
                        turn_away(&connection, session);
                        if !std::mem::replace(&mut draining, true) {
                            http2.graceful_shutdown();
                        }
                    }
                    Accepted::Request(session) if is_full => {
                        untold.turned_away();
                        refuse(&connection, session, Refusal::TooManyStreams);
                    }
                    Accepted::Request(session) => {
                        let connection = Arc::clone(&connection);
                        streams.spawn(exchange(connection, session, Moment::now()));
                        if std::mem::take(&mut last_call) {
                            draining = true;
                            http2.graceful_shutdown();
                        }
                    }
                    Accepted::Tunnel(stream) => {
                        let (request, mut respond) = *stream;
                        if let Err(lost) = connection.may_begin() {
                            respond.send_reset(h2::Reason::REFUSED_STREAM);
                            record_lost(&connection, lost);
                            if !std::mem::replace(&mut draining, true) {
                                http2.graceful_shutdown();
                            }
                        } else {
                            let connection = Arc::clone(&connection);
                            let begun = Moment::now();
                            streams.spawn(hbone::serve(connection, request, respond, begun));
                        }
                    }
                    Accepted::Malformed(streams) => {
                        malformed += streams;
                        if malformed >= MAX_MALFORMED {
                            dismiss(&mut http2).await;
                            break;
                        }
                    }
                    Accepted::Flood(refusal) => {
                        record_cut(&connection, refusal);
                        dismiss(&mut http2).await;
                        break;
                    }
                    Accepted::Over => break,
                }
            }
            Some(_) = streams.join_next(), if !streams.is_empty() => {
                idle.as_mut().reset(connection.deadline_for_idle().into());
            }
            // A head holds up its whole connection, of which it is the end.
            () = &mut heads => {
                if untold.has_slow_head() {
                    record_cut(&connection, Refusal::HeadTimeout);
                    dismiss(&mut http2).await;
                    break;
                }
                heads.as_mut().reset(Instant::now() + connection.limits.head_timeout);
            }
            // Exchanges look after themselves; what has been left to the library
            // waits for the caller's reading here.
            () = &mut looking => {
                if untold.has_stopped_reading() {
                    record_cut(&connection, Refusal::ReaderTimeout);
                    break;
                }
                looking.as_mut().reset(Instant::now() + connection.limits.body_idle_timeout);
            }
            over = &mut ending, if !draining && !last_call => {
                over.unwrap_or_else(|lost| connection.record_lost(lost));
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
    // Those that waited behind one too many go with it.
    (0..untold.left()).for_each(|_| record_lost(&connection, Refusal::MalformedStream));
    // Streams still open lose their connection; each records its end.
    drop(http2);
    while streams.join_next().await.is_some() {}
}

/// What came of waiting for a stream.
#[expect(clippy::large_enum_variant, reason = "nearly always the large one")]
enum Accepted {
    /// A request.
    Request(HttpSession),
    /// What should be an application's connection.
    Tunnel(Box<Tunnel>),
    /// So many streams that are no requests; each is recorded.
    Malformed(u32),
    /// More than the caller may ask of a connection.
    Flood(Refusal),
    /// The connection is over; what was left of it is recorded.
    Over,
}

/// A stream of HBONE.
type Tunnel = (http::Request<h2::RecvStream>, SendResponse<Bytes>);

/// A stream as it comes up.
#[expect(clippy::large_enum_variant, reason = "nearly always the large one")]
enum Upcoming {
    Request(HttpSession),
    Tunnel(Box<Tunnel>),
    Rejected,
}

/// The next stream: of HBONE as it is, of all else as Pingora takes it up.
async fn next(
    http2: &mut ServerConnection<Stream, Bytes>,
    digest: &Arc<Digest>,
    connection: &Connection,
) -> pingora_error::Result<Option<Upcoming>> {
    if connection.listener.mode == ListenerMode::Hbone {
        let accepted = http2.accept().await.transpose();
        let accepted = accepted.or_err(ErrorType::H2Error, "while accepting a stream")?;
        return Ok(accepted.map(|stream| Upcoming::Tunnel(Box::new(stream))));
    }
    let accepted = HttpSession::from_h2_conn(http2, Arc::clone(digest)).await?;
    Ok(accepted.map(|accepted| match accepted {
        H2Accept::Session(session) => Upcoming::Request(session),
        H2Accept::Rejected => Upcoming::Rejected,
    }))
}

/// The next stream, those not forgotten that the library keeps to itself.
async fn accept(
    http2: &mut ServerConnection<Stream, Bytes>,
    digest: &Arc<Digest>,
    untold: &mut Untold,
    connection: &Connection,
) -> Accepted {
    let mut accepting = pin!(next(http2, digest, connection));
    poll_fn(|cx| {
        let accepted = match accepting.as_mut().poll(cx) {
            Poll::Ready(Ok(Some(Upcoming::Request(session)))) => {
                untold.came_up();
                Accepted::Request(session)
            }
            Poll::Ready(Ok(Some(Upcoming::Tunnel(stream)))) => {
                untold.came_up();
                Accepted::Tunnel(stream)
            }
            Poll::Ready(Ok(Some(Upcoming::Rejected))) => {
                untold.came_up();
                record_lost(connection, Refusal::MalformedStream);
                Accepted::Malformed(1)
            }
            // A caller who merely went away broke no rule.
            Poll::Ready(accepted) if accepted.as_ref().err().is_none_or(is_disconnect) => {
                (0..untold.left()).for_each(|_| record_abandoned(connection, Moment::now()));
                Accepted::Over
            }
            // The library has budgets of its own, and has said good-bye.
            Poll::Ready(accepted) if accepted.as_ref().err().is_some_and(is_flood) => {
                record_cut(connection, Refusal::FrameFlood);
                Accepted::Over
            }
            Poll::Ready(_) => {
                (0..untold.left().max(1))
                    .for_each(|_| record_lost(connection, Refusal::MalformedStream));
                Accepted::Over
            }
            // All that was read is looked at.
            Poll::Pending => {
                if let Some(refusal) = untold.flood() {
                    return Poll::Ready(Accepted::Flood(refusal));
                }
                let losses = untold.found();
                losses
                    .refusals()
                    .for_each(|refusal| record_lost(connection, refusal));
                match losses.malformed + losses.too_large {
                    0 => return Poll::Pending,
                    streams => Accepted::Malformed(streams),
                }
            }
        };
        Poll::Ready(accepted)
    })
    .await
}

/// Whether as many requests are under way as a connection may have streams. Some may
/// outlive theirs; without a bound a caller could begin any number of them by
/// resetting one after the other.
async fn is_full(streams: &mut JoinSet<()>, most: u32) -> bool {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if streams.len() < most {
        return false;
    }
    // Those whose streams have just ended have their turn to end, too.
    yield_now().await;
    while streams.try_join_next().is_some() {}
    streams.len() >= most
}

/// Resets a stream whose caller has lost the right to ask.
fn turn_away(connection: &Connection, session: HttpSession) {
    if let Err(lost) = connection.may_begin() {
        refuse(connection, session, lost);
    }
}

/// Resets a stream of which nothing has been done; its caller may try again.
fn refuse(connection: &Connection, session: HttpSession, refusal: Refusal) {
    let mut session = Session::new_http2(session);
    let head = session.req_header();
    let sketch = Sketch {
        method: Some(head.method.as_str().as_bytes()),
        target: Some(head.raw_path()),
        host: head.uri.authority().map(|host| host.as_str().as_bytes()),
        is_http2: true,
    };
    record_unparsed(connection, &sketch, refusal, Moment::now());
    session.shutdown_with_reason(h2::Reason::REFUSED_STREAM);
}

/// Records a stream of which nothing but its refusal is known.
fn record_lost(connection: &Connection, refusal: Refusal) {
    record_unparsed(connection, &Sketch::default(), refusal, Moment::now());
}

/// Whether an error is the connection's end rather than the caller's fault.
fn is_disconnect(error: &pingora_error::BError) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    cause.is_none_or(|cause| cause.is_io() || (cause.is_go_away() && cause.is_remote()))
}

/// Whether an error is the library's own end of a flood.
fn is_flood(error: &pingora_error::BError) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    cause.is_some_and(|cause| cause.is_library() && cause.reason() == Some(CALM))
}

/// Says why, if the caller listens, and reads no more.
async fn dismiss(http2: &mut ServerConnection<Stream, Bytes>) {
    http2.abrupt_shutdown(CALM);
    // He may not listen.
    let _ = timeout(FAREWELL, poll_fn(|cx| http2.poll_closed(cx))).await;
}

async fn exchange(connection: Arc<Connection>, session: HttpSession, begun: Moment) {
    let mut session = Session::new_http2(session);
    let limit = connection.limits.body_idle_timeout;
    session.set_write_timeout(Some(limit));
    session.set_total_drain_timeout(Some(limit));
    let served = Exchange::new(&connection, begun)
        .run(&mut session, false)
        .await;
    match served {
        // A client that goes on uploading after its answer is told to stop.
        Served::Ended(Ending::Finish) => {
            let _ = session.finish().await;
        }
        Served::Ended(Ending::Abort) => session.shutdown().await,
        Served::Switched(conversation) => Box::pin(conversation.hold(session)).await,
    }
}
