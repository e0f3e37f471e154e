use std::time::Duration;

use policy::destination::{Reach, UpstreamTls as TlsChoice};
use policy::origin::Origin;
use tokio::time::timeout;

use super::*;

fn proxy(credentials: Option<&str>) -> Proxy {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("credentials");
    if let Some(text) = credentials {
        std::fs::write(&path, text).unwrap();
    }
    let via = Via {
        host: "proxy.test".into(),
        port: 3128,
        addresses: Vec::new(),
        reach: Reach::default(),
        tls: TlsChoice::Off,
        credentials: credentials.map(|_| path),
        origin: Origin::new("egret.yaml", 1, 1).into(),
    };
    Proxy::load(&via, None).unwrap()
}

/// What is sent to a proxy that gives `answer`, and what comes of it; what is left
/// of the answer then.
async fn asked(proxy: &Proxy, answer: &[u8]) -> (String, Result<(), (Failure, String)>, Vec<u8>) {
    let (mut ours, mut theirs) = tokio::io::duplex(64 * 1024);
    theirs.write_all(answer).await.unwrap();
    let opening = proxy.open(&mut ours, "api.test", 443);
    let opened = timeout(Duration::from_secs(10), opening).await.unwrap();
    let mut request = vec![0; 4096];
    let length = theirs.read(&mut request).await.unwrap();
    drop(theirs);
    let mut rest = Vec::new();
    ours.read_to_end(&mut rest).await.unwrap();
    (
        String::from_utf8(request[..length].to_vec()).unwrap(),
        opened,
        rest,
    )
}

#[tokio::test]
async fn a_tunnel_is_asked_for_by_name_with_credentials() {
    let proxy = proxy(Some("Aladdin:open sesame\n"));
    let (request, opened, rest) = asked(&proxy, b"HTTP/1.0 200 OK\r\nx: y\r\n\r\nabc").await;
    assert_eq!(
        request,
        "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
    assert_eq!(opened, Ok(()));
    assert_eq!(rest, b"abc", "what follows the head is the upstream's");
    assert!(!format!("{proxy:?}").contains("QWxh"));
}

#[tokio::test]
async fn an_answer_that_is_no_yes_is_a_failure_without_a_word_of_the_proxys() {
    let proxy = proxy(None);
    for (answer, failure) in [
        ("HTTP/1.1 407 Evil\r\n\r\n", Failure::ProxyRefused),
        ("HTTP/1.1 403 Evil\r\n\r\n", Failure::ProxyRefused),
        ("HTTP/1.1 100 Evil\r\n\r\n", Failure::ProxyRefused),
        ("HTTP/2 200 Evil\r\n\r\n", Failure::ProxyProtocol),
        ("HTTP/1.1 2000 Evil\r\n\r\n", Failure::ProxyProtocol),
        ("HTTP/1.1  200 Evil\r\n\r\n", Failure::ProxyProtocol),
        ("Evil\r\n\r\n", Failure::ProxyProtocol),
    ] {
        let (request, opened, _) = asked(&proxy, answer.as_bytes()).await;
        assert!(!request.contains("Authorization"));
        let (what, why) = opened.unwrap_err();
        assert_eq!(what, failure, "{answer}");
        assert!(!why.contains("Evil"), "{why}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'a'; MOST_HEAD]].concat();
    let (_, opened, _) = asked(&proxy(None), &endless).await;
    assert_eq!(opened.unwrap_err().0, Failure::ProxyProtocol);
}

#[test]
fn credentials_are_one_printable_line_with_a_user() {
    assert!(basic(b"user:").is_some());
    assert!(basic(b"user:pass:word\r\n").is_some());
    for bad in [
        &b""[..],
        b"user",
        b":password",
        b"a:b\nc:d\n",
        b"a:\xff",
        b"a:b\0",
    ] {
        assert!(basic(bad).is_none(), "{bad:?}");
    }
}
