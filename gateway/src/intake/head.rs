//! The head of an HTTP/1.1 request, as bytes (security design, rules M1 to M6).

use conf::snapshot::Limits;
use policy::canonical::{Authority, Malformed};
use policy::refusal::Refusal;

use super::fields::{self, Framing};

pub(super) const HOST: &[u8] = b"host";
const SCHEMES: [&[u8]; 2] = [b"http://", b"https://"];

/// What the head says about the rest of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) expects_continue: bool,
    pub(crate) is_chunked: bool,
    /// Bytes of the target before its path: an absolute one names scheme and host,
    /// which is the one of `Host`.
    pub(crate) named_before_path: usize,
}

/// Method and target of a head, as far as they can be made out. For records
/// of requests that were refused before they were parsed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sketch<'a> {
    pub(crate) method: Option<&'a [u8]>,
    pub(crate) target: Option<&'a [u8]>,
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) is_http2: bool,
}

/// Where a head ends: behind its empty line. `None`: not all of it is here.
///
/// Lone line feeds end it too, and so does a lone carriage return, so that a head
/// of them is refused and not waited for.
pub(crate) fn end(bytes: &[u8], already_seen: usize) -> Option<usize> {
    let mut from = already_seen.saturating_sub(3);
    loop {
        let rest = bytes.get(from..)?;
        let at = from + rest.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
        let newline = match bytes.get(at..)? {
            [b'\r', b'\n', ..] => at + 1,
            // Of which the other half may come.
            [b'\r'] => return None,
            [b'\r', ..] => return Some(at + 1),
            _ => at,
        };
        match bytes.get(newline + 1..)? {
            [b'\n', ..] => return Some(newline + 2),
            [b'\r', b'\n', ..] => return Some(newline + 3),
            _ => from = newline + 1,
        }
    }
}

/// Judges a whole head.
///
/// # Errors
/// The first rule it breaks.
pub(crate) fn check(head: &[u8], limits: &Limits) -> Result<Head, Refusal> {
    let (line, fields) = split(head, limits)?;
    if line.version == Version::Http10 {
        return Err(Refusal::HttpVersion);
    }
    if line.method == b"CONNECT" {
        // Pingora would say something else of it, or nothing.
        return Err(Refusal::Malformed(Malformed::MethodRefused));
    }
    let mut host = None;
    let framing = gather(fields, limits, |name, value| {
        if name.eq_ignore_ascii_case(HOST) {
            host = Some(value);
        }
    })?;
    let head = framing.check()?;
    let named_before_path = absolute(line.target, host.unwrap_or_default())?;
    Ok(Head {
        named_before_path,
        ..head
    })
}

/// T2: how much of a target comes before its path; nothing, where it names neither
/// scheme nor host. The host it names is the one of `Host`, or it is refused:
/// Pingora compares the two byte for byte, and knows no `HTTP://`.
pub(super) fn absolute(target: &[u8], host: &[u8]) -> Result<usize, Refusal> {
    let starts = |scheme: &&&[u8]| {
        let start = target.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let Some(scheme) = SCHEMES.iter().find(starts) else {
        return Ok(0);
    };
    let rest = target.get(scheme.len()..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let asked = Authority::parse(authority).map_err(Refusal::Malformed)?;
    match Authority::parse(host).map_err(Refusal::Malformed)? == asked {
        true => Ok(scheme.len() + authority.len()),
        false => Err(Refusal::Malformed(Malformed::TargetAuthority)),
    }
}

/// The first line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: Version,
}

/// Of the lines of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// The first line of a head, judged, and its others.
pub(super) fn split<'h>(
    head: &'h [u8],
    limits: &Limits,
) -> Result<(RequestLine<'h>, impl Iterator<Item = &'h [u8]>), Refusal> {
    check_line_endings(head)?;
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    let mut lines = split_lines(text);
    let first = request_line(lines.next().unwrap_or_default(), limits)?;
    Ok((first, lines))
}

/// Judges the fields of a head one by one, and shows each.
pub(super) fn gather<'h>(
    lines: impl Iterator<Item = &'h [u8]>,
    limits: &Limits,
    mut show: impl FnMut(&'h [u8], &'h [u8]),
) -> Result<Framing, Refusal> {
    let mut framing = Framing::default();
    let mut count = 0_u32;
    for line in lines {
        count += 1;
        if count > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        let (name, value) = split_field(line)?;
        framing.take(name, value)?;
        show(name, value);
    }
    Ok(framing)
}

/// M1: every line feed follows a carriage return and every carriage return
/// precedes one. A parser that is kinder sees fields another does not.
fn check_line_endings(head: &[u8]) -> Result<(), Refusal> {
    let mut previous = 0;
    for byte in head.iter().copied().chain([0]) {
        if (byte == b'\n') != (previous == b'\r') {
            return Err(Refusal::BareLineEnding);
        }
        previous = byte;
    }
    Ok(())
}

fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// M2: exactly `method SP target SP version`.
fn request_line<'h>(line: &'h [u8], limits: &Limits) -> Result<RequestLine<'h>, Refusal> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::MalformedRequestLine);
    };
    if method.is_empty() || target.is_empty() || !method.iter().all(|b| fields::is_token(*b)) {
        return Err(Refusal::MalformedRequestLine);
    }
    // It begins what is HTTP/2 (RFC 9113, section 11.6).
    if method == b"PRI" {
        return Err(Refusal::MalformedRequestLine);
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(Refusal::MalformedRequestLine),
    };
    check_target_length(target, limits)?;
    // Pingora would cut it off before anybody could see it.
    if target.contains(&b'#') {
        return Err(Refusal::Malformed(Malformed::TargetFragment));
    }
    // Pingora would percent-encode these and go on with another target than
    // the one sent.
    if target.iter().any(|b| !(0x21..=0x7e).contains(b)) {
        return Err(Refusal::Malformed(Malformed::TargetByte));
    }
    // These it would refuse, and not say who asked for what.
    let path = target.iter().take_while(|b| **b != b'?').count();
    let (path, query) = target.split_at_checked(path).unwrap_or_default();
    if path.iter().any(|b| matches!(b, b'<' | b'>' | b'`')) {
        return Err(Refusal::Malformed(Malformed::PathByte));
    }
    if query.iter().any(|b| matches!(b, b'"' | b'<' | b'>')) {
        return Err(Refusal::Malformed(Malformed::TargetByte));
    }
    Ok(RequestLine {
        method,
        target,
        version,
    })
}

/// M3: `name: value`, the name a token, no folding, no control bytes.
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let colon = line.iter().position(|b| *b == b':');
    let (name, value) = colon
        .and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?)))
        .ok_or(Refusal::MalformedHeader)?;
    if name.is_empty() || !name.iter().all(|b| fields::is_token(*b)) {
        return Err(Refusal::MalformedHeader);
    }
    if value
        .iter()
        .any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f)
    {
        return Err(Refusal::MalformedHeader);
    }
    Ok((name, value.trim_ascii()))
}

/// M5, of the target of either version.
///
/// # Errors
/// When it is longer than configured.
pub(crate) fn check_target_length(target: &[u8], limits: &Limits) -> Result<(), Refusal> {
    match target.len() > usize::try_from(limits.target_bytes).unwrap_or(usize::MAX) {
        true => Err(Refusal::Malformed(Malformed::TargetTooLong)),
        false => Ok(()),
    }
}

/// Judges the fields of an HTTP/2 head, whose framing the library has judged:
/// no connection-specific fields (RFC 9113, section 8.2.2), and as few fields
/// as HTTP/1.1 may have; cookie crumbs count.
///
/// # Errors
/// The first rule it breaks.
pub(crate) fn check_http2(headers: &http::HeaderMap, limits: &Limits) -> Result<(), Refusal> {
    if headers.len() > usize::try_from(limits.fields).unwrap_or(usize::MAX) {
        return Err(Refusal::TooManyFields);
    }
    let mut framing = Framing::default();
    for (name, value) in headers {
        // RFC 9113, section 8.2.1: whoever writes it in HTTP/1.1 lets it be cut off.
        if value.as_bytes().trim_ascii() != value.as_bytes() {
            return Err(Refusal::MalformedStream);
        }
        match name.as_str() {
            "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => {
                return Err(Refusal::MalformedStream);
            }
            "te" if !value.as_bytes().eq_ignore_ascii_case(b"trailers") => {
                return Err(Refusal::MalformedStream);
            }
            name => framing.take(name.as_bytes(), value.as_bytes())?,
        }
    }
    framing.check_http2()
}

/// Makes out what it can of a head that was refused.
pub(crate) fn sketch(head: &[u8]) -> Sketch<'_> {
    let mut lines = split_lines(head);
    let first = lines.next().unwrap_or_default();
    let mut parts = first.split(|b| *b == b' ').filter(|p| !p.is_empty());
    let host = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"host:")
            .then(|| value.trim_ascii())
    });
    Sketch {
        is_http2: false,
        method: parts.next(),
        target: parts.next(),
        host,
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
