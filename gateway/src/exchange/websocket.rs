//! WebSockets (RFC 6455): an exchange whose sides agree to go on in another
//! protocol. What asks for one is judged like any request; after the 101, bytes
//! go both ways unread, as in a tunnel, and within a tunnel's times.

use http::Method;
use http::header::{CONTENT_LENGTH, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING};
use pingora_core::protocols::http::server::Session;
use policy::destination::{Route, Upgrades};
use policy::refusal::{Failure, Refusal};
use tokio::time::{Instant, sleep_until};

use super::{Ending, Exchange};
use crate::headers::names_websocket;
use crate::upstream::{Part, UpstreamSession};

/// Envoy's words for both.
const IDLE: &str = "stream_idle_timeout";
const EXPIRED: &str = "max_duration_timeout";

/// Whether a request asks for a WebSocket, and its route lets it through.
pub(super) fn is_asked_for(session: &Session, route: &Route) -> bool {
    let head = session.req_header();
    route.upgrades == Upgrades::WebSocket
        && head.method == Method::GET
        && names_websocket(&head.headers)
        && head.headers.contains_key(SEC_WEBSOCKET_KEY)
        && !head.headers.contains_key(CONTENT_LENGTH)
        && !head.headers.contains_key(TRANSFER_ENCODING)
}

/// How a conversation ends.
enum End {
    /// One side has closed.
    Closed,
    /// Nothing moved for too long, or it stood as long as it may.
    Over(&'static str),
    Broken(Failure),
    Lost(Refusal),
}

impl Exchange<'_> {
    /// Bytes both ways until a side closes.
    pub(super) async fn converse(
        &mut self,
        session: &mut Session,
        mut upstream: UpstreamSession,
    ) -> Ending {
        // Silence is usual here, and bounded below.
        session.set_read_timeout(None);
        match self.relay(session, &mut upstream).await {
            End::Closed => {}
            End::Over(details) => self.trace.details = details.into(),
            End::Broken(Failure::ClientGone) => self.trace.client_gone(),
            End::Broken(failure) => drop(self.trace.failed(failure)),
            End::Lost(refusal) => drop(self.trace.refused(refusal)),
        }
        upstream.abort().await;
        Ending::Abort
    }

    async fn relay(&self, session: &mut Session, upstream: &mut UpstreamSession) -> End {
        let connection = self.trace.connection;
        let limits = &connection.limits;
        let idle = limits.tunnel_idle_timeout;
        let whole = async {
            match limits.tunnel_timeout {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let lost = connection.over(None);
        let quiet = sleep_until(Instant::now() + idle);
        tokio::pin!(whole, lost, quiet);
        let mut moved = Instant::now();
        loop {
            tokio::select! {
                part = upstream.next() => match part {
                    Ok(Part::Body(data, end)) => {
                        let written = session.write_response_body(data, end).await;
                        match written {
                            Err(_) => return End::Broken(Failure::ClientGone),
                            Ok(()) if end => return End::Closed,
                            Ok(()) => moved = Instant::now(),
                        }
                    }
                    Ok(_) => return End::Closed,
                    Err(_) => return End::Broken(Failure::Closed),
                },
                data = session.read_body_or_idle(false) => match data {
                    Ok(Some(data)) => match upstream.send_body(data).await {
                        Err(_) => return End::Broken(Failure::Closed),
                        Ok(()) => moved = Instant::now(),
                    },
                    Ok(None) => return End::Closed,
                    Err(_) => return End::Broken(Failure::ClientGone),
                },
                () = &mut quiet => {
                    let until = moved + idle;
                    if until <= Instant::now() {
                        return End::Over(IDLE);
                    }
                    quiet.as_mut().reset(until);
                }
                () = &mut whole => return End::Over(EXPIRED),
                lost = &mut lost => return lost.map_or_else(End::Lost, |()| End::Closed),
            }
        }
    }
}
