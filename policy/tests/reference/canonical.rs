//! The canonical form of a request, written to be read rather than to be fast.
//!
//! One rule after the other, in the order of their numbers, over whole copies of
//! the text. It shares no code with the crate: the two are compared on millions
//! of requests, so a mistake has to be made twice to stay unseen. A rule that is
//! broken is named by its code.

use std::net::{Ipv4Addr, Ipv6Addr};
use unicode_normalization::UnicodeNormalization;

pub(crate) type Verdict<T> = Result<T, &'static str>;

/// What a destination opts in to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Profile {
    pub(crate) keeps_encoded_slashes: bool,
    pub(crate) keeps_double_encoding: bool,
    pub(crate) keeps_duplicate_slashes: bool,
}

fn refuse_if(broken: bool, code: &'static str) -> Verdict<()> {
    if broken { Err(code) } else { Ok(()) }
}

fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn is_visible(byte: &u8) -> bool {
    (0x21..=0x7e).contains(byte)
}

// --- the method: M12 ---

pub(crate) fn method(raw: &[u8]) -> Verdict<String> {
    const LETTERS: fn(char) -> bool = |c| "ABCDEFGHIJKLMNOPQRSTUVWXYZ".contains(c);
    let name = text_of(raw);
    let length_is_lawful = (1..=32).contains(&name.len());
    let begins_with_a_letter = name.starts_with(LETTERS);
    let letters_and_hyphens = name.chars().all(|c| c == '-' || LETTERS(c));
    let lawful = length_is_lawful && begins_with_a_letter && letters_and_hyphens;
    refuse_if(!lawful, "method_token")?;
    refuse_if(
        ["CONNECT", "TRACE", "TRACK"].contains(&name.as_str()),
        "method_refused",
    )?;
    Ok(name)
}

// --- the host: H2 to H4 ---

pub(crate) type HostAndPort = (String, Option<u16>);

pub(crate) fn host(raw: &[u8]) -> Verdict<HostAndPort> {
    refuse_if(raw.is_empty(), "host_empty")?;
    refuse_if(!raw.iter().all(is_visible), "host_byte")?;
    let text = text_of(raw);
    refuse_if(
        text.chars().any(|c| "@,%/\\?#".contains(c)),
        "host_delimiter",
    )?;
    if text.starts_with('[') {
        literal(&text)
    } else {
        named(&text)
    }
}

fn literal(text: &str) -> Verdict<HostAndPort> {
    let parts: Vec<&str> = text.splitn(2, ']').collect();
    let [bracketed, rest] = parts.as_slice() else {
        return Err("host_ipv6");
    };
    refuse_if(!rest.is_empty() && !rest.starts_with(':'), "host_ipv6")?;
    let Ok(address) = bracketed.replace('[', "").parse::<Ipv6Addr>() else {
        return Err("host_ipv6");
    };
    refuse_if(bracketed.matches('[').count() > 1, "host_ipv6")?;
    let number = if rest.is_empty() {
        None
    } else {
        Some(port(&rest.replacen(':', "", 1))?)
    };
    Ok((format!("[{}]", shortest(address)), number))
}

/// RFC 5952: the longest run of two or more zero groups, the first among equals,
/// becomes `::`.
fn shortest(address: Ipv6Addr) -> String {
    let groups: Vec<String> = address
        .segments()
        .iter()
        .map(|group| format!("{group:x}"))
        .collect();
    for length in (2..=8).rev() {
        for start in 0..=8 - length {
            let run: Vec<&String> = groups.iter().skip(start).take(length).collect();
            if run.iter().all(|group| *group == "0") {
                let before: Vec<String> = groups.iter().take(start).cloned().collect();
                let behind: Vec<String> = groups.iter().skip(start + length).cloned().collect();
                return format!("{}::{}", before.join(":"), behind.join(":"));
            }
        }
    }
    groups.join(":")
}

fn named(text: &str) -> Verdict<HostAndPort> {
    refuse_if(text.matches(':').count() > 1, "host_colon")?;
    let parts: Vec<&str> = text.split(':').collect();
    let mut name = parts
        .first()
        .map(|name| name.to_lowercase())
        .unwrap_or_default();
    if name.ends_with('.') {
        name.pop();
    }
    refuse_if(name.is_empty() || name.len() > 253, "host_length")?;

    let labels: Vec<&str> = name.split('.').collect();
    for label in &labels {
        let letters: Vec<char> = label.chars().collect();
        let known = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(*c);
        refuse_if(letters.is_empty() || letters.len() > 63, "host_label")?;
        refuse_if(!letters.iter().all(known), "host_label")?;
        refuse_if(letters.first() == Some(&'-'), "host_label")?;
        refuse_if(letters.last() == Some(&'-'), "host_label")?;
    }

    let last = labels.last().copied().unwrap_or_default();
    let decimal = last.chars().all(|c| c.is_ascii_digit());
    let hexadecimal = last.starts_with("0x") && last.chars().skip(2).all(|c| c.is_ascii_hexdigit());
    if decimal || hexadecimal {
        // Written back and compared: only the plain spelling survives.
        let octets: Vec<Option<u8>> = labels.iter().map(|label| label.parse().ok()).collect();
        let [Some(a), Some(b), Some(c), Some(d)] = octets.as_slice() else {
            return Err("host_ipv4");
        };
        refuse_if(
            Ipv4Addr::new(*a, *b, *c, *d).to_string() != name,
            "host_ipv4",
        )?;
    }

    let number = match parts.get(1) {
        Some(digits) => Some(port(digits)?),
        None => None,
    };
    Ok((name, number))
}

/// Read as a number, written back and compared: only the plain spelling survives.
fn port(digits: &str) -> Verdict<u16> {
    match digits.parse::<u16>() {
        Ok(number) if number > 0 && number.to_string() == digits => Ok(number),
        _ => Err("host_port"),
    }
}

// --- the target: T1 to T13 ---

pub(crate) type PathAndQuery = (String, Option<String>);

pub(crate) fn target(raw: &[u8], host: &HostAndPort, profile: Profile) -> Verdict<PathAndQuery> {
    refuse_if(raw.len() > 8192, "target_too_long")?;
    refuse_if(raw.is_empty(), "target_empty")?;
    // T1
    refuse_if(!raw.iter().all(is_visible), "target_byte")?;
    refuse_if(raw.contains(&b'#'), "target_fragment")?;
    // T2
    let origin_form = origin_form(&text_of(raw), host)?;
    // T3
    let parts: Vec<&str> = origin_form.splitn(2, '?').collect();
    let path = parts.first().copied().unwrap_or_default();
    let query = parts.get(1).map(|query| query.to_string());
    Ok((canonical_path(path, profile)?, query))
}

fn origin_form(target: &str, host_field: &HostAndPort) -> Verdict<String> {
    if target.starts_with('/') {
        return Ok(target.to_string());
    }
    for scheme in ["http://", "https://"] {
        let begins: String = target.chars().take(scheme.len()).collect();
        if begins.to_lowercase() == scheme {
            let rest: String = target.chars().skip(scheme.len()).collect();
            let authority: String = rest.chars().take_while(|c| !"/?".contains(*c)).collect();
            let origin_form: String = rest.chars().skip(authority.len()).collect();
            let same = host(authority.as_bytes())? == *host_field;
            refuse_if(!same, "target_authority")?;
            let slash = if origin_form.starts_with('/') {
                ""
            } else {
                "/"
            };
            return Ok(format!("{slash}{origin_form}"));
        }
    }
    Err("target_form")
}

const HEXADECIMAL: &str = "0123456789abcdefABCDEF";
const UNRESERVED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
const OTHERS_IN_A_PATH: &str = "!$&'()*+,;=:@%/";
const CONFUSABLE: &str = "\u{ff0e}\u{ff0f}\u{ff3c}\u{2024}\u{2025}\u{fe52}\u{fe68}\u{ff1b}\u{ff05}";

/// A character of the path, or the byte that an escape stands for.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Plain(char),
    Escaped(u8),
}

/// Splits at escapes; a `%` that begins none is a plain character.
fn pieces(path: &str) -> Vec<Piece> {
    let mut left: Vec<char> = path.chars().collect();
    let mut pieces = Vec::new();
    while let Some(first) = left.first().copied() {
        let digits: String = left.iter().skip(1).take(2).collect();
        let valid = digits.len() == 2 && digits.chars().all(|c| HEXADECIMAL.contains(c));
        match u8::from_str_radix(&digits, 16) {
            Ok(byte) if first == '%' && valid => {
                pieces.push(Piece::Escaped(byte));
                left.drain(..3);
            }
            _ => {
                pieces.push(Piece::Plain(first));
                left.drain(..1);
            }
        }
    }
    pieces
}

/// Every escape decoded. A character of the text stands for the byte of the same
/// number, before and behind.
fn decoded(text: &str) -> String {
    let as_character = |piece| match piece {
        Piece::Plain(c) => c,
        Piece::Escaped(byte) => char::from(byte),
    };
    pieces(text).into_iter().map(as_character).collect()
}

fn decoded_three_times(text: &str) -> String {
    decoded(&decoded(&decoded(text)))
}

fn bytes_of(text: &str) -> Vec<u8> {
    text.chars()
        .filter_map(|c| u8::try_from(u32::from(c)).ok())
        .collect()
}

fn canonical_path(path: &str, profile: Profile) -> Verdict<String> {
    // T4
    let lawful = |c| UNRESERVED.contains(c) || OTHERS_IN_A_PATH.contains(c);
    refuse_if(!path.chars().all(lawful), "path_byte")?;
    // T5
    let pieces = pieces(path);
    let broken = pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Plain('%')));
    refuse_if(broken, "path_escape")?;
    // T6
    let mut canonical = String::new();
    let mut escaped = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Plain(c) => canonical.push(c),
            Piece::Escaped(byte) => {
                escaped.push(byte);
                let c = char::from(byte);
                if UNRESERVED.contains(c) {
                    canonical.push(c);
                } else {
                    canonical.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    // T7
    refuse_if(
        escaped.iter().any(|byte| *byte < 0x20 || *byte == 0x7f),
        "path_control",
    )?;
    // T8
    let slash = escaped.contains(&b'/') || escaped.contains(&b'\\');
    refuse_if(
        slash && !profile.keeps_encoded_slashes,
        "path_encoded_slash",
    )?;
    // T9
    let twice = double_encoded(&canonical);
    refuse_if(
        twice && !profile.keeps_double_encoding,
        "path_double_encoding",
    )?;
    // T10
    let Ok(text) = String::from_utf8(bytes_of(&decoded(path))) else {
        return Err("path_utf8");
    };
    refuse_if(
        text.chars().any(|c| CONFUSABLE.contains(c)),
        "path_confusable",
    )?;
    // T11
    if !profile.keeps_duplicate_slashes {
        canonical = without_duplicate_slashes(&canonical);
    }
    // T12
    for segment in canonical.split('/') {
        let stem = segment.replace("%3B", ";");
        let stem = stem.split(';').next().unwrap_or_default();
        refuse_if(stem == "." || stem == "..", "path_dot_segment")?;
        refuse_if(stem.is_empty() && !segment.is_empty(), "path_empty_segment")?;
    }
    // T13, and the same for what double encoding may hide
    if profile.keeps_encoded_slashes || profile.keeps_double_encoding {
        let virtual_path = decoded_three_times(&canonical).replace('\\', "/");
        for segment in virtual_path.split('/') {
            let stem = segment.split(';').next().unwrap_or_default();
            refuse_if(stem == "." || stem == "..", "path_encoded_dot_segment")?;
        }
    }
    Ok(canonical)
}

fn double_encoded(path: &str) -> bool {
    let characters: Vec<char> = path.chars().collect();
    characters.windows(5).any(|window| {
        let begins: String = window.iter().take(3).collect();
        begins == "%25" && window.iter().skip(3).all(|c| HEXADECIMAL.contains(*c))
    })
}

fn without_duplicate_slashes(path: &str) -> String {
    let mut merged = path.to_string();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

// --- the view for DENY: P3 ---

/// The whole path, and what stands before its first `#` and before its first `?`.
pub(crate) fn deny_views(path: &str) -> Vec<String> {
    let decoded = decoded_three_times(path);
    let mut ends = vec![Some(decoded.len())];
    ends.push(decoded.find('#'));
    ends.push(decoded.find('?'));
    let ends = ends.into_iter().flatten();
    ends.filter_map(|end| decoded.get(..end))
        .map(deny_view)
        .collect()
}

fn deny_view(decoded: &str) -> String {
    let text = String::from_utf8_lossy(&bytes_of(decoded)).replace('\\', "/");
    let normal: String = text.nfkc().collect();
    let folded: String = normal.chars().map(case_folded).collect();

    let mut segments = Vec::new();
    for segment in folded.split('/') {
        let only_dots_and_spaces = segment.chars().all(|c| c == '.' || c == ' ');
        if only_dots_and_spaces {
            segments.push(segment.to_string());
        } else {
            let name = segment.split(';').next().unwrap_or_default();
            segments.push(name.trim_end_matches(['.', ' ']).to_string());
        }
    }
    resolved(&without_duplicate_slashes(&segments.join("/")))
}

/// The lines of CaseFolding.txt (C and F) that differ from lower case, for the
/// characters that NFKC leaves. Cherokee is missing on purpose: it folds upwards
/// there and downwards here, and either way its two cases become one.
const CASE_FOLDING: &str = "\
    \u{df}=ss \u{1f0}=j\u{30c} \u{345}=\u{3b9} \u{390}=\u{3b9}\u{308}\u{301} \
    \u{3b0}=\u{3c5}\u{308}\u{301} \u{3c2}=\u{3c3} \u{1c80}=\u{432} \u{1c81}=\u{434} \
    \u{1c82}=\u{43e} \u{1c83}=\u{441} \u{1c84}=\u{442} \u{1c85}=\u{442} \u{1c86}=\u{44a} \
    \u{1c87}=\u{463} \u{1c88}=\u{a64b} \u{1e96}=h\u{331} \u{1e97}=t\u{308} \u{1e98}=w\u{30a} \
    \u{1e99}=y\u{30a} \u{1e9e}=ss \u{1f50}=\u{3c5}\u{313} \u{1f52}=\u{3c5}\u{313}\u{300} \
    \u{1f54}=\u{3c5}\u{313}\u{301} \u{1f56}=\u{3c5}\u{313}\u{342} \u{1f80}=\u{1f00}\u{3b9} \
    \u{1f81}=\u{1f01}\u{3b9} \u{1f82}=\u{1f02}\u{3b9} \u{1f83}=\u{1f03}\u{3b9} \
    \u{1f84}=\u{1f04}\u{3b9} \u{1f85}=\u{1f05}\u{3b9} \u{1f86}=\u{1f06}\u{3b9} \
    \u{1f87}=\u{1f07}\u{3b9} \u{1f88}=\u{1f00}\u{3b9} \u{1f89}=\u{1f01}\u{3b9} \
    \u{1f8a}=\u{1f02}\u{3b9} \u{1f8b}=\u{1f03}\u{3b9} \u{1f8c}=\u{1f04}\u{3b9} \
    \u{1f8d}=\u{1f05}\u{3b9} \u{1f8e}=\u{1f06}\u{3b9} \u{1f8f}=\u{1f07}\u{3b9} \
    \u{1f90}=\u{1f20}\u{3b9} \u{1f91}=\u{1f21}\u{3b9} \u{1f92}=\u{1f22}\u{3b9} \
    \u{1f93}=\u{1f23}\u{3b9} \u{1f94}=\u{1f24}\u{3b9} \u{1f95}=\u{1f25}\u{3b9} \
    \u{1f96}=\u{1f26}\u{3b9} \u{1f97}=\u{1f27}\u{3b9} \u{1f98}=\u{1f20}\u{3b9} \
    \u{1f99}=\u{1f21}\u{3b9} \u{1f9a}=\u{1f22}\u{3b9} \u{1f9b}=\u{1f23}\u{3b9} \
    \u{1f9c}=\u{1f24}\u{3b9} \u{1f9d}=\u{1f25}\u{3b9} \u{1f9e}=\u{1f26}\u{3b9} \
    \u{1f9f}=\u{1f27}\u{3b9} \u{1fa0}=\u{1f60}\u{3b9} \u{1fa1}=\u{1f61}\u{3b9} \
    \u{1fa2}=\u{1f62}\u{3b9} \u{1fa3}=\u{1f63}\u{3b9} \u{1fa4}=\u{1f64}\u{3b9} \
    \u{1fa5}=\u{1f65}\u{3b9} \u{1fa6}=\u{1f66}\u{3b9} \u{1fa7}=\u{1f67}\u{3b9} \
    \u{1fa8}=\u{1f60}\u{3b9} \u{1fa9}=\u{1f61}\u{3b9} \u{1faa}=\u{1f62}\u{3b9} \
    \u{1fab}=\u{1f63}\u{3b9} \u{1fac}=\u{1f64}\u{3b9} \u{1fad}=\u{1f65}\u{3b9} \
    \u{1fae}=\u{1f66}\u{3b9} \u{1faf}=\u{1f67}\u{3b9} \u{1fb2}=\u{1f70}\u{3b9} \
    \u{1fb3}=\u{3b1}\u{3b9} \u{1fb4}=\u{3ac}\u{3b9} \u{1fb6}=\u{3b1}\u{342} \
    \u{1fb7}=\u{3b1}\u{342}\u{3b9} \u{1fbc}=\u{3b1}\u{3b9} \u{1fc2}=\u{1f74}\u{3b9} \
    \u{1fc3}=\u{3b7}\u{3b9} \u{1fc4}=\u{3ae}\u{3b9} \u{1fc6}=\u{3b7}\u{342} \
    \u{1fc7}=\u{3b7}\u{342}\u{3b9} \u{1fcc}=\u{3b7}\u{3b9} \u{1fd2}=\u{3b9}\u{308}\u{300} \
    \u{1fd6}=\u{3b9}\u{342} \u{1fd7}=\u{3b9}\u{308}\u{342} \u{1fe2}=\u{3c5}\u{308}\u{300} \
    \u{1fe4}=\u{3c1}\u{313} \u{1fe6}=\u{3c5}\u{342} \u{1fe7}=\u{3c5}\u{308}\u{342} \
    \u{1ff2}=\u{1f7c}\u{3b9} \u{1ff3}=\u{3c9}\u{3b9} \u{1ff4}=\u{3ce}\u{3b9} \
    \u{1ff6}=\u{3c9}\u{342} \u{1ff7}=\u{3c9}\u{342}\u{3b9} \u{1ffc}=\u{3c9}\u{3b9}";

pub(crate) fn case_foldings() -> Vec<(char, &'static str)> {
    let pair = |line: &'static str| line.split_once('=');
    let pairs = CASE_FOLDING.split(' ').filter_map(pair);
    pairs
        .filter_map(|(from, to)| Some((from.chars().next()?, to)))
        .collect()
}

fn case_folded(c: char) -> String {
    if c.is_ascii() {
        return c.to_ascii_lowercase().to_string();
    }
    match case_foldings().into_iter().find(|(from, _)| *from == c) {
        Some((_, folded)) => folded.to_string(),
        None => c.to_lowercase().to_string(),
    }
}

fn resolved(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let mut kept: Vec<&str> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
        if is_last && (*segment == "." || *segment == "..") {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}
