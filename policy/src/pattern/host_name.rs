//! Reads the names and addresses of host patterns into the form a canonical
//! request has, or says how to spell them.

use std::net::{Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;

use super::PatternError;

/// The longest name, in bytes, and the longest label (RFC 1035).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A name, or an address exactly as canonical requests spell it.
pub(super) fn name_or_address(text: &str) -> Result<Box<str>, PatternError> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Err(PatternError::new(format!("write `[{address}]`")));
    }
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return bracketed(text, inner);
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Ok(text.into());
    }
    name(text, 0)
}

/// Whether a canonical host is an address: no name ends in a numeric label (H4).
pub(crate) fn is_address(host: &str) -> bool {
    host.starts_with('[') || is_numeric(last_label(host))
}

fn bracketed(text: &str, inner: &str) -> Result<Box<str>, PatternError> {
    let Ok(address) = inner.parse::<Ipv6Addr>() else {
        return Err(PatternError::new(format!(
            "`{text}` is not an IPv6 address; write such as `[2001:db8::1]`"
        )));
    };
    let canonical = format!("[{address}]");
    if canonical == text {
        return Ok(text.into());
    }
    Err(PatternError::new(format!("write `{canonical}`")))
}

/// A whole name that stood `offset` bytes into its pattern.
pub(super) fn name(text: &str, offset: usize) -> Result<Box<str>, PatternError> {
    refuse_other_parts(text, offset)?;
    let name = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY)
        .map_err(|_| PatternError::at(offset, format!("`{text}` is not a valid name (UTS 46)")))?;
    check_length(&name, offset)?;
    name.split('.')
        .try_for_each(|label| check_label(label, offset))?;
    refuse_numeric(&name, offset)?;
    Ok(name.into())
}

/// The end of a name, whose first label may be a part of one.
pub(super) fn tail(text: &str, offset: usize) -> Result<Box<str>, PatternError> {
    refuse_other_parts(text, offset)?;
    if !text.is_ascii() {
        return Err(PatternError::at(
            offset,
            "part of a name is ASCII; write it in A-labels (`xn--…`)",
        ));
    }
    let tail = text.to_ascii_lowercase();
    check_length(&tail, offset)?;
    let mut labels = tail.split('.');
    // `-bar` is the end of a label, though no label.
    let first = labels.next().unwrap_or_default();
    check_label(first.trim_start_matches('-'), offset)?;
    labels.try_for_each(|label| check_label(label, offset))?;
    refuse_numeric(&tail, offset)?;
    Ok(tail.into())
}

fn refuse_other_parts(text: &str, offset: usize) -> Result<(), PatternError> {
    let refuse = |at: usize, message: String| Err(PatternError::at(offset + at, message));
    if text.is_empty() {
        return refuse(0, "an empty host; write `*` for every host".to_owned());
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        return refuse(0, format!("a host has no scheme; write `{host}`"));
    }
    if let Some((host, _)) = text.split_once('/') {
        return refuse(
            host.len(),
            format!("a host has no path; write `{host}`, and the path under `path`"),
        );
    }
    if let Some((user, host)) = text.split_once('@') {
        return refuse(user.len(), format!("a host names no user; write `{host}`"));
    }
    if let Some((host, port)) = text.rsplit_once(':') {
        return refuse(
            host.len(),
            format!("a host has no port; write `{host}`, and `{port}` as the port"),
        );
    }
    if let Some(at) = text.find('*') {
        return refuse(
            at,
            "`*` stands first in a host, `*.b` or `*b`, or alone".to_owned(),
        );
    }
    match text.strip_suffix('.') {
        Some(host) => refuse(host.len(), format!("a host ends in no dot; write `{host}`")),
        None => Ok(()),
    }
}

fn check_length(name: &str, offset: usize) -> Result<(), PatternError> {
    if name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(PatternError::at(
        offset,
        format!("a name has at most {MAX_NAME} bytes"),
    ))
}

/// Letters, digits, `-` inside and `_`: what canonical requests admit (H2).
fn check_label(label: &str, offset: usize) -> Result<(), PatternError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let problem = match label {
        "" => "an empty label; write one dot between labels".to_owned(),
        _ if label.len() > MAX_LABEL => {
            format!("`{label}` is longer than a label, {MAX_LABEL} bytes")
        }
        _ if label.starts_with('-') || label.ends_with('-') => {
            format!("`{label}` begins or ends in `-`, as no label does")
        }
        _ if !label.bytes().all(plain) => {
            format!("`{label}` is no label; it has letters, digits, `-` and `_`")
        }
        _ => return Ok(()),
    };
    Err(PatternError::at(offset, problem))
}

/// `127.1` and `0x7f000001` are addresses to some resolvers (H4).
fn refuse_numeric(name: &str, offset: usize) -> Result<(), PatternError> {
    if !is_numeric(last_label(name)) {
        return Ok(());
    }
    Err(PatternError::at(
        offset,
        format!(
            "`{name}` is neither name nor address; an IPv4 address is written alone and whole, such as `192.0.2.1`"
        ),
    ))
}

fn last_label(host: &str) -> &str {
    host.rsplit('.').next().unwrap_or(host)
}

fn is_numeric(label: &str) -> bool {
    let (digits, hexadecimal) = match label.strip_prefix("0x") {
        Some(digits) => (digits, true),
        None => (label, false),
    };
    let digit = |b: u8| b.is_ascii_digit() || (hexadecimal && b.is_ascii_hexdigit());
    (hexadecimal || !digits.is_empty()) && digits.bytes().all(digit)
}
