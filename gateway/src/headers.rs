//! Which header fields cross the boundary.
//!
//! INVARIANT(mesh-stays-in): fields by which a mesh talks to itself never
//! reach an external host, and never come back from one: Istio's gateway sends
//! the caller's certificate, identity, pod and namespace to the whole world
//! (istio#17635), and a sidecar would take an origin's word for a peer's.
//! `x-request-id` is kept, so that sidecar and gateway lines join, and `via` of
//! answers, by which an origin's own proxies name themselves.

mod names;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use policy::destination::Edits;

pub(crate) use names::{Nominated, alike, is_hop_by_hop, is_mesh, is_override};

/// What the gateway calls itself, as the one whose place it takes.
pub(crate) const SERVER: &str = "istio-envoy";

pub(crate) const WEBSOCKET: &str = "websocket";

/// What is sent to the upstream.
pub(crate) struct Outgoing<'a> {
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    pub(crate) edits: &'a Edits,
    /// An authoriser's, which the operator's come after.
    pub(crate) changes: &'a Changes,
    pub(crate) body: RequestBody,
    pub(crate) version: UpstreamVersion,
    /// Whether a WebSocket is asked for.
    pub(crate) websocket: bool,
}

/// What an authoriser would have changed in a request it allows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// In the place of what the caller sent under these names.
    pub(crate) set: HeaderMap,
    pub(crate) remove: Vec<HeaderName>,
}

/// HTTP towards the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamVersion {
    Http1,
    /// With `:scheme`, which is the hop's and not the caller's.
    Http2 {
        scheme: &'static str,
    },
}

/// Whether a request has a body, and how it is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestBody {
    None,
    /// `content-length` says how long.
    Sized,
    /// As long as it takes.
    Streamed,
}

/// Makes the head for the upstream. Fields are copied one by one; only what is
/// neither hop-by-hop, nor the mesh's own, nor nominated by `connection` goes.
pub(crate) fn request(received: &RequestHeader, out: &Outgoing<'_>) -> Result<Box<RequestHeader>> {
    let fields = received.headers.len() + 2;
    let mut head = RequestHeader::build_no_case(
        received.method.as_str(),
        out.target.as_bytes(),
        Some(fields),
    )?;
    name_host(&mut head, out.host, out.target, out.version)?;
    let nominated = Nominated::of(&received.headers);
    for (name, value) in &received.headers {
        let kept = may_leave(name, value, out) && !nominated.contains(name.as_str());
        if kept && !is_replaced(name.as_str(), out) {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    join_cookies(&received.headers, &mut head)?;
    if out.body == RequestBody::Streamed && out.version == UpstreamVersion::Http1 {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    if out.websocket {
        head.insert_header(header::CONNECTION, "Upgrade")?;
        head.insert_header(header::UPGRADE, WEBSOCKET)?;
    }
    change(&mut head, out.changes)?;
    for name in &out.edits.remove {
        head.remove_header(&**name);
    }
    for (name, value) in &out.edits.set {
        head.insert_header(name.to_string(), &**value)?;
    }
    for (name, value) in &out.edits.add {
        head.append_header(name.to_string(), &**value)?;
    }
    Ok(Box::new(head))
}

/// `Host` or `:authority`, never both: two names are one too many.
pub(crate) fn name_host(
    head: &mut RequestHeader,
    host: &str,
    target: &str,
    version: UpstreamVersion,
) -> Result<()> {
    let scheme = match version {
        UpstreamVersion::Http1 => return head.insert_header(header::HOST, host),
        UpstreamVersion::Http2 { scheme } => scheme,
    };
    let uri = http::Uri::builder()
        .scheme(scheme)
        .authority(host)
        .path_and_query(target)
        .build()
        .or_err(ErrorType::InvalidHTTPHeader, "while naming the upstream")?;
    head.set_uri(uri);
    Ok(())
}

/// Nothing of the caller's stays under a name the authoriser sets: two values
/// would be one too many.
fn change(head: &mut RequestHeader, changes: &Changes) -> Result<()> {
    for name in changes.set.keys().chain(&changes.remove) {
        head.remove_header(name);
    }
    for (name, value) in &changes.set {
        head.append_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// Whether an authoriser may set a field: what frames the message, belongs to
/// the connection, speaks for the mesh or names another request stays ours.
pub(crate) fn may_be_changed(name: &str) -> bool {
    let ours = matches!(name, "host" | "te" | "content-length");
    !ours && !is_hop_by_hop(name) && !is_mesh(name) && !is_override(name)
}

fn may_leave(name: &HeaderName, value: &HeaderValue, out: &Outgoing<'_>) -> bool {
    match name.as_str() {
        "host" | "cookie" => false,
        // Trailers survive only from HTTP/2 to HTTP/2.
        "te" => {
            out.version != UpstreamVersion::Http1
                && value.as_bytes().eq_ignore_ascii_case(b"trailers")
        }
        "content-length" => out.body == RequestBody::Sized,
        name => !is_hop_by_hop(name) && !is_mesh(name) && !is_override(name),
    }
}

/// Whether an operator or an authoriser has the word on what a server takes for
/// this field: of the caller's nothing stays beside it, in no spelling.
fn is_replaced(name: &str, out: &Outgoing<'_>) -> bool {
    let Outgoing { edits, changes, .. } = out;
    let set = edits.set.iter().map(|(known, _)| &**known);
    let mut operators = edits.remove.iter().map(|known| &**known).chain(set);
    let mut authorisers = changes.set.keys().map(HeaderName::as_str);
    // Of those a caller was not to speak by, only what he wrote is meant.
    let mut taken = changes.remove.iter().map(HeaderName::as_str);
    operators.any(|known| alike(name, known))
        || authorisers.any(|known| alike(name, known))
        || taken.any(|known| !known.contains('_') && alike(name, known))
}

/// HTTP/2 may split cookies; HTTP/1.1 servers expect one field (RFC 9113,
/// section 8.2.3).
fn join_cookies(received: &HeaderMap, head: &mut RequestHeader) -> Result<()> {
    let mut crumbs = received.get_all(header::COOKIE).iter();
    let Some(first) = crumbs.next() else {
        return Ok(());
    };
    let mut joined = first.as_bytes().to_vec();
    for crumb in crumbs {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    head.insert_header(header::COOKIE, joined)
}

/// Whether an answer of this status has no body, whatever its fields say (RFC 9112,
/// section 6.3).
pub(crate) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Whether a field of an answer, or of its trailers, stays outside. A server's own
/// proxies say `via` to those who ask it.
fn stays_outside(name: &str) -> bool {
    is_hop_by_hop(name) || (is_mesh(name) && name != "via")
}

/// Makes an upstream's trailers fit for the caller.
pub(crate) fn trailers(trailers: &mut HeaderMap) {
    let unwanted = trailers.keys().filter(|name| stays_outside(name.as_str()));
    for name in unwanted.cloned().collect::<Vec<_>>() {
        trailers.remove(name);
    }
}

/// Makes an upstream's head fit for the caller.
pub(crate) fn response(
    head: &mut ResponseHeader,
    edits: &Edits,
    service_time_ms: u128,
    chunked: bool,
) -> Result<()> {
    let unwanted: Vec<HeaderName> = {
        let nominated = Nominated::of(&head.headers);
        head.headers
            .keys()
            .filter(|name| stays_outside(name.as_str()) || nominated.contains(name.as_str()))
            .cloned()
            .collect()
    };
    for name in &unwanted {
        head.remove_header(name);
    }
    if chunked {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    head.insert_header(header::SERVER, SERVER)?;
    head.insert_header("x-envoy-upstream-service-time", service_time_ms.to_string())?;
    for name in &edits.remove {
        head.remove_header(&**name);
    }
    for (name, value) in &edits.set {
        head.insert_header(name.to_string(), &**value)?;
    }
    for (name, value) in &edits.add {
        head.append_header(name.to_string(), &**value)?;
    }
    Ok(())
}

/// Makes the head of an upstream that agrees to a WebSocket fit for the caller,
/// to whom HTTP/2 says the same by 200 (RFC 8441, section 5).
pub(crate) fn switching(
    head: &mut ResponseHeader,
    edits: &Edits,
    waited_ms: u128,
    is_http2: bool,
) -> Result<()> {
    response(head, edits, waited_ms, false)?;
    // It has no body, whatever the upstream says (RFC 9110, section 15.2).
    head.remove_header(&header::CONTENT_LENGTH);
    if is_http2 {
        return head.set_status(StatusCode::OK);
    }
    head.insert_header(header::CONNECTION, "Upgrade")?;
    head.insert_header(header::UPGRADE, WEBSOCKET)
}

/// Whether a head names WebSocket, and nothing else, as the protocol to switch to
/// (RFC 6455, section 4).
pub(crate) fn names_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(header::UPGRADE).iter();
    let names = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes());
    upgrades.next().is_some_and(names)
        && upgrades.next().is_none()
        && Nominated::of(headers).contains(header::UPGRADE.as_str())
}

/// Whether the media type is gRPC's.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The fields of a request as they came, for records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a>(pub(crate) &'a HeaderMap);

impl policy::Headers for Received<'_> {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        let mut values = self.0.get_all(name).iter();
        values.nth(index).map(HeaderValue::as_bytes)
    }
}

/// The fields of a request as policy asks for them. What the caller nominates in
/// `connection` stays here, and so is not there for policy either: a permission
/// that asks for `x-readonly` would let out a request without it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Onward<'a> {
    received: Received<'a>,
    nominated: Nominated<'a>,
}

impl<'a> Onward<'a> {
    pub(crate) fn of(received: &'a HeaderMap) -> Self {
        Self {
            received: Received(received),
            nominated: Nominated::of(received),
        }
    }
}

impl policy::Headers for Onward<'_> {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        // An upgrade must be nominated, and is sent anew where it is let through.
        if self.nominated.contains(name) && name != header::UPGRADE.as_str() {
            return None;
        }
        self.received.value(name, index)
    }
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
