//! One GET of one list. Its server is an upstream like any other: resolved,
//! vetted and verified by the same code, and trusted with nothing but text.
//!
//! No redirect is followed, nothing is decompressed, and an answer whose end
//! could be cut off unnoticed is no answer: half a denylist allows the rest.

use std::time::Duration;

use conf::remote::RemoteList;
use http::{StatusCode, header};
use pingora_error::Error;
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::time::timeout;

use crate::gateway::Gateway;
use crate::live::Live;
use crate::resolve::NoAddress;
use crate::upstream::{Freshness, Part, Target, UpstreamSession, Wanted};

/// Largest content.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Time for all of it: name, connection, question and answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A longer entity tag is not sent back.
const MOST_TAG: usize = 256;

/// What a list server said.
#[derive(Debug)]
pub(super) enum Fetched {
    /// This is the content, and its entity tag.
    Content(String, Option<Box<str>>),
    /// It is what it was under the entity tag we named.
    Unchanged,
}

/// Fetches a list; `tag` is the entity tag of what is known of it.
///
/// # Errors
/// Why there is no content, in words.
pub(super) async fn fetch(
    gateway: &Gateway,
    live: &Live,
    list: &RemoteList,
    tag: Option<&str>,
) -> Result<Fetched, String> {
    let target = live.list(list).ok_or("it is not configured any more")?;
    match timeout(PATIENCE, exchange(gateway, target, list, tag)).await {
        Ok(fetched) => fetched,
        Err(_) => Err(format!("no whole answer within {PATIENCE:?}")),
    }
}

async fn exchange(
    gateway: &Gateway,
    target: &Target,
    list: &RemoteList,
    tag: Option<&str>,
) -> Result<Fetched, String> {
    // The upstream of a list has a name of its own; it is never "as requested".
    let host = target.host("");
    let found = target.addresses(&gateway.resolver, host, |_| Ok(())).await;
    let addresses = found.map_err(|why| match why {
        NoAddress::Refused(refusal) => refusal.code(),
        NoAddress::Failed(failure) => failure.code(),
    })?;
    let dialled = gateway
        .dialler
        .open(target, host, &addresses, Freshness::New, Wanted::Http1)
        .await
        .map_err(|error| error.to_string())?;
    gateway.metrics.upstream_connected();
    let mut session = dialled.session;
    session.set_write_timeout(PATIENCE);
    let answer = ask(&mut session, list, tag).await;
    session.abort().await;
    answer
}

async fn ask(
    session: &mut UpstreamSession,
    list: &RemoteList,
    tag: Option<&str>,
) -> Result<Fetched, String> {
    let head = question(list, tag).map_err(|error| describe(&error))?;
    let sent = session.send_head(Box::new(head), true).await;
    sent.map_err(|error| describe(&error))?;
    let mut body: Option<(Vec<u8>, Option<Box<str>>)> = None;
    loop {
        let part = session.next().await.map_err(|error| describe(&error))?;
        let (data, end) = match (part, &mut body) {
            (Part::Head(head, _), None) if head.status == StatusCode::NOT_MODIFIED => {
                // Without a question, "not modified" is no answer.
                return tag.map(|_| Fetched::Unchanged).ok_or_else(unexpected);
            }
            (Part::Head(head, end), None) => {
                judge(&head)?;
                body = Some((Vec::new(), entity_tag(&head)));
                (None, end)
            }
            (Part::Body(data, end), Some(_)) => (Some(data), end),
            (Part::Trailers(_) | Part::End, Some(_)) => (None, true),
            _ => return Err(unexpected()),
        };
        let Some((content, _)) = &mut body else {
            return Err(unexpected());
        };
        content.extend_from_slice(&data.unwrap_or_default());
        if content.len() > MOST_BYTES {
            return Err(too_large());
        }
        if end {
            break;
        }
    }
    let (content, tag) = body.ok_or_else(unexpected)?;
    let text = String::from_utf8(content).map_err(|_| "its content is not UTF-8")?;
    // A file caught while it is written anew must not lift every denial.
    if text.trim().is_empty() {
        return Err("its content is empty: a list without entries says so, `# none`".to_owned());
    }
    Ok(Fetched::Content(text, tag))
}

fn question(list: &RemoteList, tag: Option<&str>) -> Result<RequestHeader, Box<Error>> {
    let mut head = RequestHeader::build("GET", list.target.as_bytes(), None)?;
    head.insert_header(header::HOST, &*list.authority)?;
    head.insert_header(header::USER_AGENT, "egret")?;
    head.insert_header(header::ACCEPT, "text/plain, */*;q=0.1")?;
    head.insert_header(header::ACCEPT_ENCODING, "identity")?;
    head.insert_header(header::CONNECTION, "close")?;
    if let Some(tag) = tag {
        head.insert_header(header::IF_NONE_MATCH, tag)?;
    }
    Ok(head)
}

/// Whether the content that follows can be the list.
fn judge(head: &ResponseHeader) -> Result<(), String> {
    let status = head.status;
    if status.is_redirection() {
        let status = status.as_u16();
        return Err(format!("it answers {status}: redirects are not followed"));
    }
    if status != StatusCode::OK {
        return Err(format!("it answers {}", status.as_u16()));
    }
    let encoding = head.headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err("its content is compressed".to_owned());
    }
    let length = head.headers.get(header::CONTENT_LENGTH);
    match length.map(|length| length.to_str().unwrap_or_default().parse::<usize>()) {
        Some(Ok(..=MOST_BYTES)) => Ok(()),
        Some(Ok(_)) => Err(too_large()),
        Some(Err(_)) => Err(unexpected()),
        None if head.headers.contains_key(header::TRANSFER_ENCODING) => Ok(()),
        None => Err("its answer does not say where it ends".to_owned()),
    }
}

fn entity_tag(head: &ResponseHeader) -> Option<Box<str>> {
    let tag = head.headers.get(header::ETAG)?.to_str().ok()?;
    (tag.len() <= MOST_TAG).then(|| tag.into())
}

fn too_large() -> String {
    format!("its content is larger than {} MiB", MOST_BYTES >> 20)
}

fn unexpected() -> String {
    "its answer is not what HTTP promises".to_owned()
}

/// The kind of an error. Its text may quote what the server sent.
fn describe(error: &Error) -> String {
    format!("the exchange broke off: {}", error.etype().as_str())
}
