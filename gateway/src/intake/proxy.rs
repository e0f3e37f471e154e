//! What a forward proxy is asked: CONNECT, or a request for an `http://` URL (RFC
//! 9112, section 3.2).

use conf::snapshot::Limits;
use policy::canonical::{Authority, Malformed};
use policy::refusal::Refusal;

use super::head::{self, HOST, Head, Version};

const CONNECT: &[u8] = b"CONNECT";
const HTTP: &[u8] = b"http://";

/// What a head asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A request.
    Request(Head),
    /// A tunnel.
    Tunnel(Connect),
}

/// A head that asks for a tunnel; beside what it asks, what records tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    /// Host and port, as sent.
    pub(crate) authority: Box<str>,
    /// `HTTP/1.1`, and its like; `None`: nobody said CONNECT, it was said for him.
    pub(crate) protocol: Option<&'static str>,
    pub(crate) user_agent: Option<Box<[u8]>>,
    pub(crate) request_id: Option<Box<[u8]>>,
}

impl Connect {
    /// As a peer has said of a connection whose caller says nothing of it.
    pub(crate) fn introduced(authority: Box<str>) -> Self {
        Self {
            authority,
            protocol: None,
            user_agent: None,
            request_id: None,
        }
    }
}

/// Judges a whole head.
///
/// # Errors
/// The first rule it breaks.
pub(crate) fn check(head: &[u8], limits: &Limits) -> Result<Asked, Refusal> {
    let (line, fields) = head::split(head, limits)?;
    if line.method == CONNECT {
        return connect(line.target, line.version, fields, limits).map(Asked::Tunnel);
    }
    if line.version == Version::Http10 {
        return Err(Refusal::HttpVersion);
    }
    let mut host = None;
    let framing = head::gather(fields, limits, |name, value| {
        if name.eq_ignore_ascii_case(HOST) {
            host = Some(value);
        }
    })?;
    let head = framing.check()?;
    // `https://` is no URL for us: the caller would have us read what he means to
    // hide.
    let start = line.target.get(..HTTP.len());
    if !start.is_some_and(|start| start.eq_ignore_ascii_case(HTTP)) {
        return Err(Refusal::ProxyTarget);
    }
    let named_before_path = head::absolute(line.target, host.unwrap_or_default())?;
    Ok(Asked::Request(Head {
        named_before_path,
        ..head
    }))
}

/// Python before 3.12 and others say CONNECT in HTTP/1.0, without `Host`.
fn connect<'h>(
    target: &[u8],
    version: Version,
    fields: impl Iterator<Item = &'h [u8]>,
    limits: &Limits,
) -> Result<Connect, Refusal> {
    let (mut host, mut user_agent, mut request_id) = (None, None, None);
    let framing = head::gather(fields, limits, |name, value| {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if name.eq_ignore_ascii_case(HOST) {
            host = Some(value);
        } else if is("user-agent") {
            user_agent = Some(value.into());
        } else if is("x-request-id") {
            request_id = Some(value.into());
        }
    })?;
    framing.check_connect(version == Version::Http11)?;
    let authority = str::from_utf8(target).map_err(|_| Refusal::MalformedRequestLine)?;
    check_host(authority, host)?;
    Ok(Connect {
        authority: authority.into(),
        protocol: Some(match version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }),
        user_agent,
        request_id,
    })
}

/// Judges the head of a CONNECT over HTTP/2 (RFC 9113, section 8.5), whose framing
/// the library has judged.
///
/// # Errors
/// The first rule it breaks; what is no such head.
pub(crate) fn check_http2(
    head: &http::request::Parts,
    limits: &Limits,
) -> Result<Connect, Refusal> {
    let is_plain = head.extensions.get::<h2::ext::Protocol>().is_none();
    if head.method != http::Method::CONNECT || !is_plain {
        return Err(Refusal::ProxyTarget);
    }
    head::check_http2(&head.headers, limits)?;
    let value = |name: &str| head.headers.get(name).map(http::HeaderValue::as_bytes);
    if value("content-length").is_some() {
        return Err(Refusal::ConnectBody);
    }
    if value("expect").is_some() {
        return Err(Refusal::Expectation);
    }
    let missing = Refusal::Malformed(Malformed::HostMissing);
    let authority = head.uri.authority().ok_or(missing)?.as_str();
    check_host(authority, value("host"))?;
    Ok(Connect {
        authority: authority.into(),
        protocol: Some("HTTP/2"),
        user_agent: value("user-agent").map(Into::into),
        request_id: value("x-request-id").map(Into::into),
    })
}

/// T2, for CONNECT: a `Host` names the same host, and no other port.
fn check_host(authority: &str, host: Option<&[u8]>) -> Result<(), Refusal> {
    let asked = Authority::parse(authority.as_bytes()).map_err(Refusal::Malformed)?;
    let Some(host) = host else { return Ok(()) };
    let named = Authority::parse(host).map_err(Refusal::Malformed)?;
    let same =
        named.host() == asked.host() && named.port().is_none_or(|port| Some(port) == asked.port());
    match same {
        true => Ok(()),
        false => Err(Refusal::Malformed(Malformed::TargetAuthority)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(head: &str) -> Result<Asked, &'static str> {
        check(head.as_bytes(), &Limits::default()).map_err(Refusal::code)
    }

    fn connect(head: &str) -> Result<(String, &'static str), &'static str> {
        match checked(head)? {
            Asked::Tunnel(connect) => Ok((connect.authority.into(), connect.protocol.unwrap())),
            Asked::Request(head) => panic!("{head:?}"),
        }
    }

    #[test]
    fn connect_is_understood_as_clients_say_it() {
        for (head, expected) in [
            (
                "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Connection: Keep-Alive\r\n\r\n",
                ("a.test:443", "HTTP/1.1"),
            ),
            (
                "CONNECT a.test:443 HTTP/1.1\r\nhost: A.test\r\n\r\n",
                ("a.test:443", "HTTP/1.1"),
            ),
            (
                "CONNECT a.test:443 HTTP/1.0\r\n\r\n",
                ("a.test:443", "HTTP/1.0"),
            ),
            (
                "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nhost: [2001:db8:0::1]:443\r\n\r\n",
                ("[2001:db8::1]:443", "HTTP/1.1"),
            ),
        ] {
            let expected = (expected.0.to_owned(), expected.1);
            assert_eq!(connect(head), Ok(expected), "{head}");
        }
        let told = checked(
            "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: curl\r\nX-Request-Id: 7\r\n\r\n",
        );
        let Ok(Asked::Tunnel(told)) = told else {
            panic!("{told:?}");
        };
        assert_eq!(told.user_agent.as_deref(), Some(&b"curl"[..]));
        assert_eq!(told.request_id.as_deref(), Some(&b"7"[..]));
    }

    #[test]
    fn connect_that_could_be_read_in_two_ways_is_refused() {
        let host = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n";
        for (head, expected) in [
            (format!("{host}Content-Length: 0\r\n\r\n"), "connect_body"),
            (
                format!("{host}Transfer-Encoding: chunked\r\n\r\n"),
                "connect_body",
            ),
            (format!("{host}Expect: 100-continue\r\n\r\n"), "expectation"),
            (format!("{host}Host: a.test:443\r\n\r\n"), "host_repeated"),
            (
                format!("{host}Content_Length: 5\r\n\r\n"),
                "confusable_header",
            ),
            (format!("{host}X : y\r\n\r\n"), "malformed_header"),
            ("CONNECT a.test:443 HTTP/1.1\r\n\r\n".into(), "host_missing"),
            (
                "CONNECT a.test:443 HTTP/1.1\nHost: a.test\n\n".into(),
                "bare_line_ending",
            ),
            (
                "CONNECT a.test:443 HTTP/2.0\r\nHost: a.test\r\n\r\n".into(),
                "malformed_request_line",
            ),
            (
                "CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n".into(),
                "target_authority",
            ),
            (
                "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:80\r\n\r\n".into(),
                "target_authority",
            ),
            (
                "CONNECT a.test:443 HTTP/1.0\r\nHost: b.test\r\n\r\n".into(),
                "target_authority",
            ),
            (
                "CONNECT u@a.test:443 HTTP/1.0\r\n\r\n".into(),
                "host_delimiter",
            ),
            (
                "CONNECT http://a.test:443/ HTTP/1.0\r\n\r\n".into(),
                "host_delimiter",
            ),
            ("CONNECT a.test:66000 HTTP/1.0\r\n\r\n".into(), "host_port"),
            ("CONNECT a.test:+443 HTTP/1.0\r\n\r\n".into(), "host_port"),
        ] {
            assert_eq!(connect(&head), Err(expected), "{head}");
        }
    }

    #[test]
    fn a_request_is_for_an_http_url() {
        let request =
            |target: &str| checked(&format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let head = Head {
            named_before_path: "http://a.test".len(),
            ..Head::default()
        };
        for target in ["http://a.test/", "HTTP://A.test/x?y", "http://a.test"] {
            assert_eq!(request(target), Ok(Asked::Request(head)), "{target}");
        }
        for target in [
            "/",
            "*",
            "https://a.test/",
            "ftp://a.test/",
            "a.test:80",
            "//a.test/",
            "http:/",
        ] {
            assert_eq!(request(target), Err("proxy_target"), "{target}");
        }
        for (target, code) in [
            ("http://b.test/", "target_authority"),
            ("http://a.test:80/", "target_authority"),
            ("http://a.test?@b.test/", "ok"),
            ("http://a.test@b.test/", "host_delimiter"),
            ("http:///", "host_empty"),
        ] {
            let said = request(target).map_or_else(|code| code, |_| "ok");
            assert_eq!(said, code, "{target}");
        }
        let old = "GET http://a.test/ HTTP/1.0\r\nHost: a.test\r\n\r\n";
        assert_eq!(checked(old), Err("http_version"));
        // A method is spelt in one way, or another would be asked for.
        let lower = "connect a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n";
        assert_eq!(checked(lower), Err("proxy_target"));
    }
}
