//! Whether what came of a vector is what may come of it.

use integration_tests::message::{Framing, Message};

use crate::attempt::Attempt;
use crate::reference::deny_views;
use crate::vector::{Forwarded, Never, Outcome};

/// Whether an attempt had this outcome.
pub(crate) fn fits(outcome: &Outcome, attempt: &Attempt) -> bool {
    let status = attempt.statuses.first();
    let nothing_sent = attempt.requests.is_empty();
    match outcome {
        Outcome::Refused(allowed) => {
            status.is_some_and(|s| allowed.contains(s)) && nothing_sent && attempt.connections == 0
        }
        Outcome::Forwarded(forwarded) => {
            let first = attempt.requests.first();
            status == Some(&200) && first.is_some_and(|r| is_as(r, forwarded))
        }
        Outcome::Aborted => {
            status.is_none_or(|s| [400, 408, 413, 431].contains(s))
                && !attempt.requests.iter().any(is_whole)
        }
        Outcome::Ended => status.is_none() && attempt.ended && nothing_sent,
        Outcome::Silent => status.is_none_or(|s| *s == 408) && nothing_sent,
    }
}

fn is_as(request: &Message, expected: &Forwarded) -> bool {
    request.start_line() == format!("{} {} HTTP/1.1", expected.method, expected.target)
        && request.values("host") == [without_default_port(&expected.host)]
        && expected
            .absent
            .iter()
            .all(|name| request.value(name).is_none())
        && expected
            .body
            .as_ref()
            .is_none_or(|body| request.text() == *body)
        && is_whole(request)
}

fn without_default_port(host: &str) -> &str {
    let bare = host.strip_suffix(":443").or(host.strip_suffix(":80"));
    bare.unwrap_or(host)
}

fn is_whole(request: &Message) -> bool {
    match request.framing() {
        Framing::None => true,
        Framing::Length(length) => request.body.len() == length,
        Framing::Chunked => request.raw_body.ends_with(b"0\r\n\r\n"),
    }
}

/// What is so and may not be: by the vector's word, and for every request.
pub(crate) fn violations(never: &Never, attempt: &Attempt) -> Vec<String> {
    let mut found: Vec<String> = attempt.requests.iter().filter_map(flaw).collect();
    let mut unless = |fine: bool, what: &str| {
        if !fine {
            found.push(what.to_owned());
        }
    };
    let within = |bound: Option<u64>, count: usize| bound.is_none_or(|most| count as u64 <= most);
    unless(
        within(never.more_requests_than, attempt.requests.len()),
        "too many requests at the origin",
    );
    unless(
        within(never.more_connections_than, attempt.connections),
        "too many connections to the origin",
    );
    unless(
        within(never.more_answers_than, attempt.statuses.len()),
        "too many answers",
    );
    for request in &attempt.requests {
        let head = String::from_utf8_lossy(&request.head);
        let is_in = |pattern: &Option<regex::Regex>, text: &str| {
            pattern.as_ref().is_some_and(|p| p.is_match(text))
        };
        let host = request.value("host").unwrap_or_default();
        let target = request.target();
        let path = target.split('?').next().unwrap_or_default();
        unless(!is_in(&never.head, &head), "a forbidden word in a head");
        unless(!is_in(&never.host, &host), "a forbidden host");
        let mut views = deny_views(path).into_iter();
        unless(!views.any(|v| is_in(&never.path, &v)), "a forbidden path");
    }
    found
}

/// What is wrong with any request at an origin: how it is framed, or that
/// anything in it could be read in two ways.
fn flaw(request: &Message) -> Option<String> {
    let head = &request.head;
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let first = lines.next().unwrap_or_default();
    let is_line = first.split(' ').count() == 3
        && first.bytes().all(|b| (0x20..0x7f).contains(&b))
        && first.split(' ').nth(1).is_some_and(|t| t.starts_with('/'));
    let is_field = |line: &str| {
        let name = line.split_once(':').map(|(name, _)| name);
        name.is_some_and(|n| !n.is_empty() && n.bytes().all(is_token))
            && line.bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f))
    };
    let count = |name: &str| request.values(name).len();
    let (sizes, codings) = (count("content-length"), request.values("transfer-encoding"));
    let chunked = codings.iter().all(|coding| coding == "chunked");
    let framed = sizes + codings.len() <= 1 && chunked;
    let sound = [
        (is_line, "request line"),
        (lines.all(is_field), "field"),
        (count("host") == 1, "host"),
        (framed, "framing"),
        (is_framed_plainly(request), "chunk"),
    ];
    let wrong = sound.iter().find(|(fine, _)| !fine);
    wrong.map(|(_, what)| format!("a bad {what} at the origin: {text:?}"))
}

/// Whether chunks are sizes and data: nothing of the caller's framing.
fn is_framed_plainly(request: &Message) -> bool {
    if request.framing() != Framing::Chunked {
        return true;
    }
    let mut rest = &*request.raw_body;
    loop {
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            // Broken off.
            return true;
        };
        let line = String::from_utf8_lossy(&rest[..end]);
        let size = line.strip_suffix('\r').unwrap_or("no size");
        let is_hex = size.bytes().all(|b| b.is_ascii_hexdigit());
        let Ok(size) = usize::from_str_radix(size, 16) else {
            return false;
        };
        let Some(after) = rest.get(end + 1 + size..) else {
            return is_hex;
        };
        if !is_hex || !(after.is_empty() || after.starts_with(b"\r\n")) {
            return false;
        }
        if size == 0 {
            return after == b"\r\n";
        }
        rest = after.get(2..).unwrap_or_default();
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
