//! The gateway's own answers: one file turns refusals and failures into
//! status and body, as Envoy words them.
//!
//! The caller learns the status and Envoy's sentence; why, the record says.

use bytes::Bytes;
use http::header::{self, HeaderMap};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::server::Session;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use policy::expr::Attributes;
use policy::refusal::{Failure, Refusal};
use policy::rule::{Answer, TemplatePart};

/// Longer messages would not fit into the heads callers take.
const GRPC_MESSAGE: usize = 1024;

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) location: Option<String>,
    /// Other fields; a `content-type` among them is the body's.
    pub(crate) fields: HeaderMap,
    /// For gRPC callers, who read no HTTP status.
    pub(crate) grpc_status: u16,
    /// Whether the connection ends with it.
    pub(crate) close: bool,
}

impl Reply {
    /// The answer to a refused request.
    pub(crate) fn refusal(refusal: Refusal) -> Self {
        let status = match refusal.status() {
            // Of a connection too many there is somebody to answer where it is a
            // stream.
            0 => 503,
            status => status,
        };
        let body: &'static str = match status {
            404 if refusal == Refusal::NoTunnel => {
                "no tunnel leads there: what the gateway encrypts itself is asked for as http://"
            }
            400 => "Bad Request",
            403 => "RBAC: access denied",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            413 => "Payload Too Large",
            414 => "URI Too Long",
            417 => "Expectation Failed",
            421 => "Misdirected Request",
            426 => "Upgrade Required",
            431 => "Request Header Fields Too Large",
            501 => "Not Implemented",
            503 => "overloaded",
            _ => "",
        };
        Self {
            status,
            body: Bytes::from_static(body.as_bytes()),
            location: None,
            fields: HeaderMap::new(),
            grpc_status: grpc_status(status),
            // After bytes we did not understand there is no telling where the
            // next request begins.
            close: !matches!(status, 403 | 404 | 421),
        }
    }

    /// The answer when the upstream failed.
    pub(crate) fn failure(failure: Failure) -> Self {
        let body: &'static str = match failure {
            Failure::Dns | Failure::NoAddress | Failure::Ejected => "no healthy upstream",
            Failure::Connect
            | Failure::ConnectTimeout
            | Failure::TlsHandshake
            | Failure::TlsVerification
            | Failure::TlsVersion
            | Failure::ProxyRefused
            | Failure::ProxyProtocol => {
                "upstream connect error or disconnect/reset before headers. \
                 reset reason: remote connection failure"
            }
            Failure::Closed => {
                "upstream connect error or disconnect/reset before headers. \
                 reset reason: connection termination"
            }
            Failure::Reset => {
                "upstream connect error or disconnect/reset before headers. \
                 reset reason: remote reset"
            }
            Failure::Protocol => {
                "upstream connect error or disconnect/reset before headers. \
                 reset reason: protocol error"
            }
            Failure::Overflow => {
                "upstream connect error or disconnect/reset before headers. \
                 reset reason: overflow"
            }
            Failure::RouteTimeout => "upstream request timeout",
            Failure::ClientGone | Failure::Internal => "",
        };
        let grpc_status = match failure {
            Failure::RouteTimeout => 4,
            _ => grpc_status(failure.status()),
        };
        Self {
            status: failure.status(),
            body: Bytes::from_static(body.as_bytes()),
            location: None,
            fields: HeaderMap::new(),
            grpc_status,
            close: false,
        }
    }

    /// An answer an operator wrote.
    pub(crate) fn written(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
            location: None,
            fields: HeaderMap::new(),
            grpc_status: grpc_status(status),
            close: false,
        }
    }

    /// The answer to what a rule denies, as the operator wrote it.
    pub(crate) fn denial(answer: &Answer, asked: &dyn Attributes) -> Self {
        let parts = &answer.body.0;
        if parts.is_empty() {
            return Self::written(answer.status, Self::refusal(Refusal::Denied).body);
        }
        let mut body = String::new();
        for part in parts {
            match part {
                TemplatePart::Text(text) => body.push_str(text),
                TemplatePart::Value(expr) => {
                    if let Ok(value) = expr.eval(asked) {
                        body.push_str(&value.to_string());
                    }
                }
            }
        }
        Self::written(answer.status, body)
    }

    /// Sends it, in gRPC's own form to those who call by it. A request whose body
    /// was not read ends its connection: the rest could be mistaken for the next
    /// request.
    pub(crate) async fn send(mut self, session: &mut Session, grpc: bool) -> Result<()> {
        if self.close || !session.is_body_done() {
            session.set_keepalive(None);
        }
        if grpc {
            return self.send_grpc(session).await;
        }
        let mut head = ResponseHeader::build_no_case(self.status, Some(5))?;
        head.insert_header(header::SERVER, super::headers::SERVER)?;
        if !self.body.is_empty() {
            head.insert_header(header::CONTENT_TYPE, "text/plain")?;
        }
        if let Some(kind) = self.fields.remove(header::CONTENT_TYPE)
            && !self.body.is_empty()
        {
            head.insert_header(header::CONTENT_TYPE, kind)?;
        }
        for (name, value) in &self.fields {
            head.append_header(name.clone(), value.clone())?;
        }
        head.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        if let Some(location) = self.location {
            head.insert_header(header::LOCATION, location)?;
        }
        let bodiless = self.body.is_empty() || session.req_header().method == http::Method::HEAD;
        let head = HttpTask::Header(Box::new(head), bodiless);
        let tasks = if bodiless {
            vec![head]
        } else {
            vec![head, HttpTask::Body(Some(self.body), true)]
        };
        session.response_duplex_vec(tasks).await.map(|_| ())
    }

    /// Trailers only (gRPC over HTTP/2): status 200, the verdict in the head.
    async fn send_grpc(self, session: &mut Session) -> Result<()> {
        let mut head = ResponseHeader::build_no_case(200_u16, Some(5))?;
        head.insert_header(header::SERVER, super::headers::SERVER)?;
        head.insert_header(header::CONTENT_TYPE, "application/grpc")?;
        head.insert_header("grpc-status", self.grpc_status.to_string())?;
        if !self.body.is_empty() {
            let message = self.body.get(..GRPC_MESSAGE).unwrap_or(&self.body);
            head.insert_header("grpc-message", percent_encode(message))?;
        }
        if !session.is_http2() {
            head.insert_header(header::CONTENT_LENGTH, 0)?;
        }
        let task = HttpTask::Header(Box::new(head), true);
        session.response_duplex_vec(vec![task]).await.map(|_| ())
    }

    /// The same as bytes, for heads that never became a session.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let status = http::StatusCode::from_u16(self.status).unwrap_or_default();
        let reason = status.canonical_reason().unwrap_or_default();
        let mut bytes = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            self.status,
            self.body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Envoy's mapping.
fn grpc_status(status: u16) -> u16 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// gRPC's `Percent-Encoded`: a message is printable ASCII without `%`.
fn percent_encode(message: &[u8]) -> String {
    message
        .iter()
        .map(|byte| match byte {
            b'%' => "%25".to_owned(),
            0x20..=0x7e => char::from(*byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policys_no_is_envoys_sentence() {
        let reply = Reply::refusal(Refusal::NotAllowed);
        assert_eq!(
            (reply.status, &reply.body[..]),
            (403, &b"RBAC: access denied"[..])
        );
        assert!(!reply.close);
        assert!(Reply::refusal(Refusal::BareLineEnding).close);
    }

    #[test]
    fn no_route_has_no_body() {
        assert!(Reply::refusal(Refusal::NoRoute).body.is_empty());
    }

    #[test]
    fn grpc_callers_get_grpc_statuses() {
        assert_eq!(Reply::refusal(Refusal::Denied).grpc_status, 7);
        assert_eq!(Reply::refusal(Refusal::NoRoute).grpc_status, 12);
        assert_eq!(Reply::failure(Failure::Connect).grpc_status, 14);
        assert_eq!(Reply::failure(Failure::RouteTimeout).grpc_status, 4);
        assert_eq!(percent_encode("50% \u{e9}".as_bytes()), "50%25 %C3%A9");
    }
}
