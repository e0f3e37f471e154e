//! ext_authz over gRPC: `envoy.service.auth.v3.Authorization/Check`, a unary
//! call, on the gateway's own HTTP/2.

use std::collections::HashMap;

use ::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::{BufMut, Bytes, BytesMut};
use pingora_http::RequestHeader;
use policy::authoriser::Authoriser;
use prost::Message;

use super::call::{Call, Heard};
use super::inquiry::Inquiry;
use super::proto::{
    Address, AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption,
    HttpRequest, OkHttpResponse, Peer, Request, SocketAddress, Timestamp,
};
use super::{Answer, Denial, fields};
use crate::headers::{Changes, UpstreamVersion, is_grpc, may_be_changed, name_host};

const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";
/// A flag for compression and four bytes of length.
const PREFIX: usize = 5;
const NANOS: i128 = 1_000_000_000;

pub(super) async fn ask(
    call: &Call<'_>,
    authoriser: &Authoriser,
    inquiry: &Inquiry,
) -> Result<Answer, String> {
    let message = framed(&check(inquiry))?;
    let heard = call
        .ask(|version| head(call, version), Some(message))
        .await?;
    understand(authoriser, &response(heard)?)
}

fn head(call: &Call<'_>, version: UpstreamVersion) -> pingora_error::Result<Box<RequestHeader>> {
    let mut head = RequestHeader::build_no_case("POST", METHOD.as_bytes(), Some(4))?;
    let host = format!("{}:{}", call.host(), call.target.upstream().port);
    name_host(&mut head, &host, METHOD, version)?;
    head.insert_header(header::CONTENT_TYPE, "application/grpc")?;
    head.insert_header(header::TE, "trailers")?;
    head.insert_header("grpc-timeout", format!("{}m", call.time.as_millis()))?;
    Ok(Box::new(head))
}

fn check(inquiry: &Inquiry) -> CheckRequest {
    let peer = |address: std::net::SocketAddr, principal: Option<&str>| Peer {
        address: Some(Address {
            socket_address: Some(SocketAddress {
                address: address.ip().to_canonical().to_string(),
                port_value: address.port().into(),
            }),
        }),
        principal: principal.unwrap_or_default().to_owned(),
    };
    let http = HttpRequest {
        id: inquiry.request_id.to_string(),
        method: inquiry.method.to_string(),
        headers: told(inquiry),
        path: inquiry.target(),
        host: inquiry.authority(),
        scheme: inquiry.scheme().to_owned(),
        size: inquiry.content_length.unwrap_or(-1),
        protocol: if inquiry.is_http2 {
            "HTTP/2"
        } else {
            "HTTP/1.1"
        }
        .to_owned(),
    };
    let time = Timestamp {
        seconds: i64::try_from(inquiry.time.div_euclid(NANOS)).unwrap_or(0),
        nanos: i32::try_from(inquiry.time.rem_euclid(NANOS)).unwrap_or(0),
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer(inquiry.source, inquiry.principal.as_deref())),
            destination: Some(peer(inquiry.destination, None)),
            request: Some(Request {
                time: Some(time),
                http: Some(http),
            }),
        }),
    }
}

/// Fields by name, several of one name joined, with Envoy's pseudo fields.
fn told(inquiry: &Inquiry) -> HashMap<String, String> {
    let mut told = HashMap::from([
        (":authority".to_owned(), inquiry.authority()),
        (":method".to_owned(), inquiry.method.to_string()),
        (":path".to_owned(), inquiry.target()),
        (":scheme".to_owned(), inquiry.scheme().to_owned()),
    ]);
    for name in inquiry.fields.keys() {
        let values = inquiry.fields.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let between = if name == header::COOKIE { "; " } else { "," };
        told.insert(name.as_str().to_owned(), values.join(between));
    }
    told
}

fn framed(request: &CheckRequest) -> Result<Bytes, String> {
    let length = request.encoded_len();
    let short = u32::try_from(length).map_err(|_| "the question is too long".to_owned())?;
    let mut message = BytesMut::with_capacity(PREFIX + length);
    message.put_u8(0);
    message.put_u32(short);
    request
        .encode(&mut message)
        .map_err(|_| "the question is too long".to_owned())?;
    Ok(message.freeze())
}

/// The one message of a call that went well.
fn response(heard: Heard) -> Result<CheckResponse, String> {
    if heard.status != 200 {
        return Err(format!("status {}", heard.status));
    }
    if !is_grpc(&heard.fields) {
        return Err("an answer that is no gRPC".to_owned());
    }
    let Some((body, trailers)) = heard.rest else {
        return Err("an answer that broke off or is too large".to_owned());
    };
    let status = trailers
        .get("grpc-status")
        .or_else(|| heard.fields.get("grpc-status"))
        .ok_or("an answer without `grpc-status`")?;
    if status != "0" {
        let status = String::from_utf8_lossy(status.as_bytes());
        return Err(format!("grpc-status {}", status.escape_default()));
    }
    let message = match body.split_first_chunk::<PREFIX>() {
        Some(([0, length @ ..], message))
            if usize::try_from(u32::from_be_bytes(*length)) == Ok(message.len()) =>
        {
            message
        }
        _ => return Err("an answer that is not one plain message".to_owned()),
    };
    CheckResponse::decode(message).map_err(|_| "an answer that is no CheckResponse".to_owned())
}

/// To Envoy a missing status is a yes, and one beside a denial too. Here a yes
/// is said, and not contradicted.
fn understand(authoriser: &Authoriser, response: &CheckResponse) -> Result<Answer, String> {
    let code = response.status.as_ref().map(|status| status.code);
    match (code, &response.denied, &response.ok) {
        (_, Some(denied), _) => no(authoriser, denied),
        (Some(0), None, ok) => yes(authoriser, ok.as_ref()),
        (Some(_), None, _) => Ok(Answer::No(Denial::new(403, HeaderMap::new(), Bytes::new()))),
        (None, None, Some(ok)) => yes(authoriser, Some(ok)),
        (None, None, None) => Err("an answer without a verdict".to_owned()),
    }
}

fn yes(authoriser: &Authoriser, ok: Option<&OkHttpResponse>) -> Result<Answer, String> {
    let Some(ok) = ok else {
        return Ok(Answer::Yes(Changes::default()));
    };
    if !ok.query_parameters_to_set.is_empty() || !ok.query_parameters_to_remove.is_empty() {
        return Err("a yes to another query than the one that is sent".to_owned());
    }
    let set = fields::granted(&map(&ok.headers)?, &authoriser.upstream_fields);
    let names = ok.headers_to_remove.iter().map(|name| field_name(name));
    let mut remove = names.collect::<Result<Vec<_>, _>>()?;
    remove.retain(|name| may_be_changed(name.as_str()));
    Ok(Answer::Yes(Changes { set, remove }))
}

fn no(authoriser: &Authoriser, denied: &DeniedHttpResponse) -> Result<Answer, String> {
    // A no with a malformed field is still a no.
    let given = map(&denied.headers).unwrap_or_default();
    let given = fields::of_denial(&given, &authoriser.denial_fields);
    let status = denied.status.as_ref().map(|status| status.code);
    let status = status.and_then(|code| u16::try_from(code).ok());
    let body = Bytes::copy_from_slice(denied.body.as_bytes());
    Ok(Answer::No(Denial::new(status.unwrap_or(403), given, body)))
}

/// Envoy would append to, or keep, what the caller sent under a name, by the
/// option's word. Here the authoriser's values stand alone, so that a caller
/// cannot add his own.
fn map(options: &[HeaderValueOption]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for header in options.iter().filter_map(|option| option.header.as_ref()) {
        let name = field_name(&header.key)?;
        let value = match header.raw_value.as_slice() {
            [] => HeaderValue::from_bytes(header.value.as_bytes()),
            raw => HeaderValue::from_bytes(raw),
        };
        let value = value.map_err(|_| format!("a malformed value of `{name}`"))?;
        map.append(name, value);
    }
    Ok(map)
}

fn field_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "a malformed name of a header field".to_owned())
}

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;
