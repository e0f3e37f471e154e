//! The head of a request to a forward proxy: CONNECT, or an `http://` URL.

use gateway::fuzzing;
use httparse::{EMPTY_HEADER, Request, Status};
use policy::canonical::Authority;

/// A head that is taken is read by another parser to the same end, says nothing of
/// a body where it asks for a tunnel, and names one host.
pub fn target(data: &[u8]) {
    let Some(head) = fuzzing::head_end(data, data.len()).and_then(|end| data.get(..end)) else {
        return;
    };
    let Ok(asked) = fuzzing::check_proxy_head(head) else {
        return;
    };
    let mut fields = [EMPTY_HEADER; 128];
    let mut request = Request::new(&mut fields);
    let parsed = request.parse(head);
    assert_eq!(
        parsed,
        Ok(Status::Complete(head.len())),
        "{}",
        head.escape_ascii()
    );
    let has = |name: &str| {
        let mut fields = request.headers.iter();
        fields.any(|field| field.name.eq_ignore_ascii_case(name))
    };
    match asked {
        Some(authority) => {
            assert_eq!(request.method, Some("CONNECT"));
            assert_eq!(request.path, Some(&*authority));
            assert!(Authority::parse(authority.as_bytes()).is_ok());
            assert!(!has("content-length") && !has("transfer-encoding"));
        }
        None => {
            assert_ne!(request.method, Some("CONNECT"));
            let url = request.path.unwrap_or_default().to_ascii_lowercase();
            assert!(url.starts_with("http://"), "{url}");
        }
    }
}

/// As clients say it, and nearly.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut all = super::seeds::texts(&[
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Connection: keep-alive\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.0\r\n\r\n",
        "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n",
        "CONNECT a@b.test:443 HTTP/1.1\r\nHost: b.test\r\nContent-Length: 0\r\n\r\n",
        "GET http://a.test/b?c HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET HTTP://A.test:80?c HTTP/1.1\r\nHost: a.test:80\r\n\r\n",
        "POST https://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n",
    ]);
    all.extend(super::seeds::requests());
    all
}
