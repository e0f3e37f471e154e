//! Whether an HTTP/1.1 answer says in one way alone where its body ends.
//!
//! Pingora takes what is ambiguous: the coding over the length, the first of
//! several equal lengths, and an unknown coding as a body until the connection
//! ends. What one reads, another may read otherwise; here it is no HTTP.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

use crate::headers::Nominated;
use crate::intake::fields::PROTECTED;

/// Whether the connection may serve again after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    Reusable,
    /// What has no body was announced with one: its bytes may come yet, and would
    /// be taken for the next answer.
    Over,
}

/// Judges a final head, of which `raw` are the bytes: the head itself has lost
/// a length that stood beside a coding.
pub(super) fn judge(head: &ResponseHeader, raw: impl AsRef<[u8]>) -> Result<Afterwards> {
    let coding = only(&head.headers, &TRANSFER_ENCODING)?;
    let length = only(&head.headers, &CONTENT_LENGTH)?;
    if let Some(coding) = coding {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return no_http("a transfer coding other than `chunked`");
        }
        if names_length(raw.as_ref()) {
            return no_http("both a length and a transfer coding");
        }
    }
    if length.is_some_and(|length| !length.iter().all(u8::is_ascii_digit)) {
        return no_http("a length that is no number");
    }
    // Who obeys loses the length, and takes what has come for the whole.
    let nominated = Nominated::of(&head.headers);
    if PROTECTED.iter().any(|field| nominated.contains(field)) {
        return no_http("a nomination of what the next one relies on");
    }
    let announced = coding.is_some() || length.is_some_and(|length| length != b"0");
    Ok(match head.status == StatusCode::NO_CONTENT && announced {
        true => Afterwards::Over,
        false => Afterwards::Reusable,
    })
}

/// Whether the body of an answer, if it has one, ends with its connection.
pub(super) fn ends_with_connection(head: &ResponseHeader) -> bool {
    let framing = [TRANSFER_ENCODING, CONTENT_LENGTH];
    !framing.iter().any(|name| head.headers.contains_key(name))
}

/// The value of a field that may stand once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return no_http("a field of framing that stands twice");
    }
    Ok(first.map(|value| value.as_bytes().trim_ascii()))
}

fn names_length(raw: &[u8]) -> bool {
    let name = CONTENT_LENGTH.as_str();
    let mut lines = raw.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let begin = line.get(..name.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
    })
}

fn no_http<T>(what: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::InvalidHTTPHeader, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, fields: &[(&'static str, &str)], raw: &str) -> Option<Afterwards> {
        let mut head = ResponseHeader::build(status, None).unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        judge(&head, raw).ok()
    }

    #[test]
    fn a_body_has_one_end() {
        let coded = ("transfer-encoding", "chunked");
        let length = |value| [("content-length", value)];
        let good = Some(Afterwards::Reusable);
        assert_eq!(judged(200, &[], ""), good);
        assert_eq!(judged(200, &length("4"), ""), good);
        assert_eq!(judged(200, &[("transfer-encoding", "Chunked")], ""), good);
        for bad in ["4, 4", "+4", "4 4", "-1", "0x4"] {
            assert_eq!(judged(200, &length(bad), ""), None, "{bad}");
        }
        for bad in ["gzip", "gzip, chunked", "chunked, chunked", "x", ""] {
            assert_eq!(
                judged(200, &[("transfer-encoding", bad)], ""),
                None,
                "{bad}"
            );
        }
        assert_eq!(judged(200, &[coded, coded], ""), None);
        assert_eq!(judged(200, &[length("4"), length("4")].concat(), ""), None);
        for nominated in [
            "content-length",
            "close, Transfer-Encoding",
            "x, Content-Length",
        ] {
            let fields = [("connection", nominated), ("content-length", "4")];
            assert_eq!(judged(200, &fields, ""), None, "{nominated}");
        }
        let fields = [("connection", "close, x-hop"), ("content-length", "4")];
        assert_eq!(judged(200, &fields, ""), good);
        let both = "HTTP/1.1 200 OK\r\nContent-Length : 4\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(judged(200, &[coded], both), None);
    }

    #[test]
    fn an_answer_without_a_body_that_announces_one_is_the_connections_last() {
        let over = Some(Afterwards::Over);
        assert_eq!(judged(204, &[("transfer-encoding", "chunked")], ""), over);
        assert_eq!(judged(204, &[("content-length", "4")], ""), over);
        let good = Some(Afterwards::Reusable);
        assert_eq!(judged(204, &[("content-length", "0")], ""), good);
        assert_eq!(judged(304, &[("content-length", "4")], ""), good);
    }
}
