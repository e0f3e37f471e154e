//! One question and its answer on a connection of the gateway's own: pooled,
//! vetted and verified like any other, and bounded in time and size.

use std::time::Duration;

use ::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use pingora_error::Error;
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::time::{Instant, timeout_at};

use crate::gateway::Gateway;
use crate::headers::UpstreamVersion;
use crate::resolve::NoAddress;
use crate::upstream::{Freshness, Part, Target, UpstreamSession, Wanted};

/// The largest answer, head and body each.
const MOST: usize = 64 * 1024;

/// Where to ask, and until when to wait.
pub(super) struct Call<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) target: &'a Target,
    pub(super) time: Duration,
    pub(super) deadline: Instant,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    /// Body and trailers; none when they are too large, broke off or took too
    /// long. The status is still a word: silence after a no is no yes.
    pub(super) rest: Option<(Bytes, HeaderMap)>,
}

/// A connection that has been asked and has begun to answer.
struct Answering {
    session: UpstreamSession,
    head: Box<ResponseHeader>,
    ended: bool,
}

impl Call<'_> {
    /// The authoriser's own name.
    pub(super) fn host(&self) -> &str {
        self.target.host("")
    }

    /// Asks with the head that `head` makes for the version spoken.
    ///
    /// # Errors
    /// In words, why there is no answer.
    pub(super) async fn ask(
        &self,
        head: impl Fn(UpstreamVersion) -> pingora_error::Result<Box<RequestHeader>>,
        body: Option<Bytes>,
    ) -> Result<Heard, String> {
        let begun = timeout_at(self.deadline, self.begin(&head, body.as_ref())).await;
        let mut answering = begun.map_err(|_| format!("no answer within {:?}", self.time))??;
        let status = answering.head.status.as_u16();
        let fields = answering.head.headers.clone();
        let sizes = fields.iter().map(|(n, v)| n.as_str().len() + v.len());
        if sizes.sum::<usize>() > MOST {
            answering.session.abort().await;
            return Err(format!("a head of more than {MOST} bytes"));
        }
        let rest = match timeout_at(self.deadline, answering.rest()).await {
            Ok(Ok(rest)) => rest,
            Ok(Err(_)) | Err(_) => None,
        };
        if rest.is_some() {
            self.gateway.dialler.release(answering.session).await;
        } else {
            answering.session.abort().await;
        }
        Ok(Heard {
            status,
            fields,
            rest,
        })
    }

    async fn begin(
        &self,
        head: &impl Fn(UpstreamVersion) -> pingora_error::Result<Box<RequestHeader>>,
        body: Option<&Bytes>,
    ) -> Result<Answering, String> {
        let host = self.host();
        let resolver = &self.gateway.resolver;
        let addresses = self.target.addresses(resolver, host, |_| Ok(())).await;
        let addresses = addresses.map_err(|none| match none {
            NoAddress::Refused(refusal) => refusal.code().to_owned(),
            NoAddress::Failed(failure) => failure.code().to_owned(),
        })?;
        let mut freshness = Freshness::Any;
        loop {
            let dialler = &self.gateway.dialler;
            let dialled = dialler
                .open(self.target, host, &addresses, freshness, Wanted::Http1)
                .await
                .map_err(|error| error.reason)?;
            if !dialled.reused {
                self.gateway.metrics.upstream_connected();
            }
            let mut session = dialled.session;
            session.set_write_timeout(self.time);
            match put(&mut session, head, body).await {
                Ok((head, ended)) => {
                    return Ok(Answering {
                        session,
                        head,
                        ended,
                    });
                }
                // It may have been closed while it was idle. A question may be
                // asked twice.
                Err(_) if dialled.reused && self.target.retry().is_some() => {
                    freshness = Freshness::New;
                }
                Err(error) => return Err(describe(&error)),
            }
        }
    }
}

async fn put(
    session: &mut UpstreamSession,
    head: &impl Fn(UpstreamVersion) -> pingora_error::Result<Box<RequestHeader>>,
    body: Option<&Bytes>,
) -> pingora_error::Result<(Box<ResponseHeader>, bool)> {
    let head = head(session.version())?;
    session.send_head(head, body.is_none()).await?;
    if let Some(body) = body {
        session.send_body(body.clone()).await?;
        session.finish_request().await?;
    }
    loop {
        if let Part::Head(head, ended) = session.next().await? {
            return Ok((head, ended));
        }
    }
}

impl Answering {
    /// Body and trailers, unless there is too much of them.
    async fn rest(&mut self) -> pingora_error::Result<Option<(Bytes, HeaderMap)>> {
        let mut body = BytesMut::new();
        let mut trailers = HeaderMap::new();
        while !self.ended {
            match self.session.next().await? {
                Part::Body(data, end) => {
                    if body.len() + data.len() > MOST {
                        return Ok(None);
                    }
                    body.extend_from_slice(&data);
                    self.ended = end;
                }
                Part::Trailers(fields) => {
                    trailers = fields;
                    self.ended = true;
                }
                Part::Head(..) | Part::Switched(_) | Part::End => self.ended = true,
            }
        }
        Ok(Some((body.freeze(), trailers)))
    }
}

/// The kind of an error; its text may hold bytes of the authoriser's.
fn describe(error: &Error) -> String {
    format!("broke off: {}", error.etype().as_str())
}
