//! HTTP/1.1 from the mesh: whole heads within their time, then exchanges, one
//! after the other, until one side has had enough.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::server::Session;
use policy::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock::Moment;
use crate::connection::Connection;
use crate::drain::Phase;
use crate::exchange::{Ending, Exchange, Served};
use crate::intake::chunks::Chunks;
use crate::intake::head;
use crate::intake::proxy::{self, Asked};
use crate::reply::Reply;
use crate::socket::Observed;
use crate::tunnel;

/// Reads from the wire at once.
const READ: usize = 4096;
/// Time for the end of TLS to be told; a client that does not read never takes it.
const PARTING: Duration = Duration::from_secs(1);

/// Serves the connection to its end.
pub(crate) async fn serve(connection: Arc<Connection>, mut stream: Stream) {
    let mut buffer = BytesMut::new();
    loop {
        let (begun, length) = match read_head(&connection, &mut stream, &mut buffer).await {
            Ok(Some(read)) => read,
            Ok(None) => break,
            Err((refusal, begun)) => {
                refuse(&connection, &mut stream, &buffer, refusal, begun).await;
                break;
            }
        };
        if let Err(lost) = connection.may_begin() {
            let head = head::sketch(buffer.get(..length).unwrap_or_default());
            crate::exchange::record_unparsed(&connection, &head, lost, begun);
            break;
        }
        let head = buffer.get(..length).unwrap_or_default();
        let head = match asked(&connection, head) {
            Ok(Asked::Request(head)) => head,
            Ok(Asked::Tunnel(connect)) => {
                let early = buffer.split_off(length);
                let caller = tunnel::OverHttp1(stream);
                let tunnel = tunnel::connect(&connection, caller, connect, &early, begun);
                return Box::pin(tunnel).await;
            }
            Err(refusal) => {
                refuse(&connection, &mut stream, head, refusal, begun).await;
                break;
            }
        };
        match exchange(&connection, stream, &mut buffer, head, length, begun).await {
            Some(next) => stream = next,
            None => return,
        }
    }
    part(&mut stream).await;
}

/// Judges a head by what its listener is for.
fn asked(connection: &Connection, head: &[u8]) -> Result<Asked, Refusal> {
    match connection.listener.mode.is_proxy() {
        true => proxy::check(head, &connection.limits),
        false => head::check(head, &connection.limits).map(Asked::Request),
    }
}

/// Says that nothing more comes. The client may be gone already, or not read.
async fn part(stream: &mut Stream) {
    let _ = timeout(PARTING, stream.shutdown()).await;
}

/// Reads until a head is whole. `None`: the client left between requests, or
/// was idle too long, or we are draining.
async fn read_head(
    connection: &Connection,
    stream: &mut Stream,
    buffer: &mut BytesMut,
) -> Result<Option<(Moment, usize)>, (Refusal, Moment)> {
    let limits = &connection.limits;
    let longest = usize::try_from(limits.head_bytes).unwrap_or(usize::MAX);
    if buffer.is_empty() && !wait_for_first_byte(connection, stream, buffer).await {
        return Ok(None);
    }
    let begun = Moment::now();
    let deadline = Instant::now() + limits.head_timeout;
    let mut seen = 0;
    let mut may_be_empty = true;
    loop {
        // One empty line before a request is none of it (RFC 9112, section 2.2).
        if may_be_empty && buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            may_be_empty = false;
            seen = 0;
        }
        if let Some(length) = head::end(buffer, seen) {
            if length > longest {
                return Err((Refusal::HeadTooLarge, begun));
            }
            return Ok(Some((begun, length)));
        }
        if buffer.len() > longest {
            return Err((Refusal::HeadTooLarge, begun));
        }
        seen = buffer.len();
        match timeout_at(deadline, read_more(stream, buffer)).await {
            Ok(Ok(0)) | Ok(Err(_)) => return Err((Refusal::MalformedRequestLine, begun)),
            Ok(Ok(_)) => {}
            Err(_) => return Err((Refusal::HeadTimeout, begun)),
        }
    }
}

async fn wait_for_first_byte(
    connection: &Connection,
    stream: &mut Stream,
    buffer: &mut BytesMut,
) -> bool {
    tokio::select! {
        biased;
        read = timeout_at(connection.deadline_for_idle().into(), read_more(stream, buffer)) => {
            matches!(read, Ok(Ok(1..)))
        }
        // An idle connection is the first to go.
        over = connection.idle_until(Phase::Closing) => {
            over.unwrap_or_else(|lost| connection.record_lost(lost));
            false
        }
    }
}

/// Reads what there is. Until there is something it takes no room: most
/// connections are idle most of the time.
async fn read_more(stream: &mut Stream, buffer: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut room = [MaybeUninit::uninit(); READ];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut room))?;
        buffer.extend_from_slice(room.filled());
        Poll::Ready(Ok(room.filled().len()))
    })
    .await
}

/// Answers and records what never became a request.
async fn refuse(
    connection: &Connection,
    stream: &mut Stream,
    head: &[u8],
    refusal: Refusal,
    begun: Moment,
) {
    let reply = Reply::refusal(refusal).to_bytes();
    let writing = async {
        stream.write_all(&reply).await?;
        stream.flush().await
    };
    let deadline = Instant::now() + connection.limits.body_idle_timeout;
    // Whether or not the client is still there, the attempt is recorded.
    let _ = timeout_at(deadline, writing).await;
    crate::exchange::record_unparsed(connection, &head::sketch(head), refusal, begun);
}

/// Cuts off what a target names before its path, which has been compared with
/// `Host`; gives how many bytes are gone.
fn to_origin_form(buffer: &mut BytesMut, named: usize) -> usize {
    let method = buffer.iter().take_while(|byte| **byte != b' ').count() + 1;
    // `http://host?x` has no path, for which `/` stands.
    let gone = match buffer.get_mut(..method + named + 1) {
        _ if named == 0 => return 0,
        Some([.., b'/']) => named,
        Some([.., last, _]) => {
            *last = b'/';
            named - 1
        }
        _ => return 0,
    };
    buffer.copy_within(..method, gone);
    buffer.advance(gone);
    gone
}

/// A copy of a head that Pingora may yet refuse, for the record: its target is
/// no plain path. Ordinary heads are not copied.
fn unusual(head: &[u8]) -> Vec<u8> {
    match head::sketch(head).target {
        Some([b'/', ..]) => Vec::new(),
        _ => head.to_vec(),
    }
}

/// One exchange; gives the stream back when it may carry another.
async fn exchange(
    connection: &Arc<Connection>,
    mut stream: Stream,
    buffer: &mut BytesMut,
    head: head::Head,
    length: usize,
    begun: Moment,
) -> Option<Stream> {
    let length = length - to_origin_form(buffer, head.named_before_path);
    if head.is_chunked {
        let (head, body) = buffer.split_at_checked(length).unwrap_or_default();
        let mut chunks = Chunks::default();
        if let Err(refusal) = chunks.take(body) {
            refuse(connection, &mut stream, head, refusal, begun).await;
            part(&mut stream).await;
            return None;
        }
        stream = Box::new(Observed::new(stream, chunks));
    }
    let sketched = unusual(buffer.get(..length).unwrap_or_default());
    let behind_head = buffer.len() > length;
    let mut session = Session::new_http1(stream);
    session.set_pipelined_prefix(std::mem::take(buffer));
    // Everything it needs is in the prefix already.
    if !matches!(session.read_request().await, Ok(true)) {
        // Recorded before it is answered: who does not read is told of all the same.
        let (sketch, refusal) = (head::sketch(&sketched), Refusal::MalformedRequestLine);
        crate::exchange::record_unparsed(connection, &sketch, refusal, begun);
        let reply = pingora_http::ResponseHeader::build_no_case(400_u16, Some(2));
        if let Ok(reply) = reply {
            let body = bytes::Bytes::from_static(b"Bad Request");
            let answering = session.write_error_response(reply, body);
            let _ = timeout(connection.limits.body_idle_timeout, answering).await;
        }
        let _ = timeout(PARTING, session.shutdown()).await;
        return None;
    }
    drop(sketched);
    session.set_close_on_response_before_downstream_finish(true);
    let limit = connection.limits.body_idle_timeout;
    session.set_read_timeout(Some(limit));
    session.set_write_timeout(Some(limit));
    session.set_total_drain_timeout(Some(limit));
    // A second request behind the first is not served: the answer says so.
    let pipelined = behind_head && session.is_body_empty();
    if connection.is_parting() || pipelined {
        session.set_keepalive(None);
    }
    let served = Exchange::new(connection, begun)
        .run(&mut session, head.expects_continue)
        .await;
    match served {
        Served::Ended(Ending::Finish) => {}
        Served::Ended(Ending::Abort) => {
            let _ = timeout(PARTING, session.shutdown()).await;
            return None;
        }
        Served::Switched(conversation) => {
            Box::pin(conversation.hold(session)).await;
            return None;
        }
    }
    // What is left of his body is read, and what is left of the answer written.
    let finished = timeout(limit, session.finish()).await.ok()?;
    let reusable = finished.ok().flatten()?;
    let (stream, rest) = reusable.into_parts();
    *buffer = rest.unwrap_or_default();
    Observed::<Chunks>::undo(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_loses_what_it_names_before_its_path() {
        for (line, named, left) in [
            ("GET http://a.test/x?y HTTP/1.1", 13, "GET /x?y HTTP/1.1"),
            ("GET HTTP://A.TEST?y HTTP/1.1", 13, "GET /?y HTTP/1.1"),
            ("OPTIONS https://a.test HTTP/1.1", 14, "OPTIONS / HTTP/1.1"),
            ("GET /x HTTP/1.1", 0, "GET /x HTTP/1.1"),
        ] {
            let mut buffer = BytesMut::from(line);
            let gone = to_origin_form(&mut buffer, named);
            assert_eq!(
                (&buffer[..], gone),
                (left.as_bytes(), line.len() - left.len())
            );
        }
    }
}
