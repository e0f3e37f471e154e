//! The head of an HTTP/1.1 request, judged before a parser may repair it.

use gateway::fuzzing;
use httparse::{EMPTY_HEADER, Request, Status};

/// A head that is taken is read by another parser to the same end, in the same
/// parts; and it says in one way how the message is framed.
pub fn target(data: &[u8]) {
    let end = fuzzing::head_end(data, data.len());
    for piece in [1, 2, 3, 7] {
        // Found as soon as it is there, however it comes.
        assert_eq!(fuzzing::head_end(data, piece), end, "in pieces of {piece}");
    }
    let Some(head) = end.map(|end| data.get(..end).expect("it ends within")) else {
        return;
    };
    if fuzzing::check_head(head).is_ok() {
        check(head);
    }
}

fn check(head: &[u8]) {
    let mut fields = [EMPTY_HEADER; 128];
    let mut request = Request::new(&mut fields);
    let parsed = request.parse(head);
    assert_eq!(
        parsed,
        Ok(Status::Complete(head.len())),
        "{}",
        head.escape_ascii()
    );

    let text = head.strip_suffix(b"\r\n\r\n").expect("an empty line");
    let mut lines = text.split(|b| *b == b'\n');
    let first = lines.next().unwrap_or_default();
    let line = format!(
        "{} {} HTTP/1.1",
        request.method.unwrap_or_default(),
        request.path.unwrap_or_default()
    );
    assert_eq!(line.as_bytes(), first.strip_suffix(b"\r").unwrap_or(first));
    assert_eq!(
        lines.count(),
        request.headers.len(),
        "{}",
        head.escape_ascii()
    );

    let all = |name: &str| -> Vec<&[u8]> {
        let fields = request.headers.iter();
        let named = fields.filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    assert_eq!(all("host").len(), 1, "{}", head.escape_ascii());
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    assert!(
        lengths.len() + codings.len() <= 1,
        "{}",
        head.escape_ascii()
    );
    for length in lengths {
        assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit));
        let length = std::str::from_utf8(length).expect("digits");
        let number: u64 = length.parse().expect("a length");
        assert_eq!(number.to_string(), length);
    }
    for coding in codings {
        assert!(
            coding.eq_ignore_ascii_case(b"chunked"),
            "{}",
            coding.escape_ascii()
        );
    }
}

/// The vectors.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut all = super::seeds::texts(&[
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade, x\r\nUpgrade: websocket\r\nExpect: 100-continue\r\n\r\n",
    ]);
    all.extend(super::seeds::requests());
    all
}
