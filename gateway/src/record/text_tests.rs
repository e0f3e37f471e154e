use std::time::Duration;

use super::super::samples::{Dice, World};
use super::*;

fn written(record: &Record<'_>, format: &str) -> String {
    let mut out = Vec::new();
    let format = TextFormat::preset(format).or_else(|| TextFormat::parse(format).ok());
    line(&mut out, record, &format.unwrap());
    String::from_utf8(out).unwrap()
}

#[test]
fn writes_the_line_of_2018() {
    let world = World::new();
    // The line that Istio 1.0's page on egress shows.
    let record = Record {
        start_nanos: 1_533_814_378_171_000_000,
        duration: Duration::from_millis(264),
        path: Some("/books/v1/volumes?q=isbn:0486424618".into()),
        bytes_sent: 1050,
        upstream_service_time: Some(Duration::from_millis(264)),
        user_agent: Some(b"Ruby"),
        request_id: Some(b"b993bae7-4288-9241-81a5-4cde93b2e3a6"),
        authority: Some("www.googleapis.com:80".into()),
        upstream_host: Some("172.217.20.74:80".parse().unwrap()),
        ..world.allowed()
    };
    assert_eq!(
        written(&record, "envoy-2018"),
        concat!(
            r#"[2018-08-09T11:32:58.171Z] "GET /books/v1/volumes?q=isbn:0486424618 HTTP/1.1" "#,
            r#"200 - 0 1050 264 264 "-" "Ruby" "b993bae7-4288-9241-81a5-4cde93b2e3a6" "#,
            r#""www.googleapis.com:80" "172.217.20.74:80""#
        )
    );
}

#[test]
fn writes_todays_line() {
    let world = World::new();
    let record = Record {
        upstream_transport_failure_reason: Some("TLS_error: certificate expired".into()),
        ..world.allowed()
    };
    assert_eq!(
        written(&record, "istio"),
        concat!(
            r#"[2026-11-20T18:02:04.533Z] "GET /politics?page=2 HTTP/1.1" 200 - via_upstream - "#,
            r#""TLS_error: certificate expired" 0 1883355 264 261 "-" "curl/7.88.1" "#,
            r#""d6ca4391-9749-4ef8-a2ee-147f77fddf97" "edition.cnn.com" "151.101.3.5:443" "#,
            r#"outbound|443||edition.cnn.com 10.10.0.7:51514 10.10.0.7:8443 10.10.0.21:34567 "#,
            r#"edition.cnn.com default"#
        )
    );
}

#[test]
fn absent_is_a_dash_everywhere() {
    let world = World::new();
    assert_eq!(
        written(&world.handshake(), "istio"),
        concat!(
            r#"[2026-11-20T18:02:04.533Z] "- - -" 0 - - certificate_expired "-" 0 0 0 - "#,
            r#""-" "-" "-" "-" "-" - - 10.10.0.7:8443 10.10.0.21:34567 - -"#
        )
    );
}

/// Fields as a reader of the log splits them: by spaces, but not within quotes.
fn fields(line: &str) -> usize {
    let mut quoted = false;
    let spaces = line.chars().filter(|c| {
        quoted ^= *c == '"';
        *c == ' ' && !quoted
    });
    let count = spaces.count() + 1;
    assert!(!quoted, "{line}");
    count
}

#[test]
fn any_bytes_give_one_line_with_the_same_fields() {
    let world = World::new();
    let mut dice = Dice::new();
    for _ in 0..3_000 {
        let bytes: Vec<Vec<u8>> = (0..3).map(|_| dice.bytes(300)).collect();
        let texts: Vec<String> = (0..5)
            .map(|_| String::from_utf8_lossy(&dice.bytes(300)).into_owned())
            .collect();
        let record = Record {
            method: Some((&*texts[0]).into()),
            path: Some((&*texts[1]).into()),
            authority: Some((&*texts[2]).into()),
            requested_server_name: Some(&texts[3]),
            upstream_transport_failure_reason: Some((&*texts[4]).into()),
            x_forwarded_for: Some(&bytes[0]),
            user_agent: Some(&bytes[1]),
            request_id: Some(&bytes[2]),
            ..world.allowed()
        };
        for (format, expected) in [("envoy-2018", 13), ("istio-1.1", 19), ("istio", 22)] {
            let line = written(&record, format);
            assert!(line.bytes().all(|byte| (b' '..0x7f).contains(&byte)));
            // The request line is one quoted field of three words.
            assert_eq!(fields(&line), expected, "{line}");
            let request = line.split('"').nth(1).unwrap();
            assert_eq!(request.split(' ').count(), 3, "{request}");
        }
    }
}

#[test]
fn an_operator_is_cut_and_asks_elsewhere_when_nothing_is_there() {
    let world = World::new();
    let allowed = world.allowed();
    for (format, expected) in [
        ("%REQ(USER-AGENT):4%", "curl"),
        ("%REQ(x-none?:METHOD)%", "GET"),
        ("%REQ(x-none)% %%", "- %"),
        ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/politics?page=2"),
        ("<%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%>", "<10.10.0.21>"),
        ("%DYNAMIC_METADATA(istio.mixer:status)%", "-"),
    ] {
        assert_eq!(written(&allowed, format), expected, "{format}");
    }
}

#[test]
fn whatever_a_format_divides_its_fields_by_callers_begin_none() {
    let world = World::new();
    let record = Record {
        user_agent: Some(b"curl,200;10.9.9.9:1|x=\"y\" z]"),
        ..world.allowed()
    };
    for (format, expected) in [
        (
            "%REQ(:METHOD)%,%REQ(USER-AGENT)%,%RESPONSE_CODE%",
            r"GET,curl\x2c200;10.9.9.9:1|x=\x22y\x22\x20z],200",
        ),
        (
            "m=%REQ(:METHOD)%;a=%REQ(USER-AGENT)%",
            r"m=GET;a=curl,200\x3b10.9.9.9:1|x=\x22y\x22\x20z]",
        ),
        (
            "[%REQ(USER-AGENT)%]|%REQ(:METHOD)%|",
            r"[curl,200;10.9.9.9:1\x7cx=\x22y\x22\x20z\x5d]|GET|",
        ),
        // Within quotes they stand for themselves.
        (
            "%REQ(:METHOD)%,\"%REQ(USER-AGENT)%\"",
            r#"GET,"curl,200;10.9.9.9:1|x=\x22y\x22 z]""#,
        ),
    ] {
        assert_eq!(written(&record, format), expected, "{format}");
    }
}

#[test]
fn however_long_the_format_a_line_is_bounded() {
    let world = World::new();
    let path = "/x".repeat(4096);
    let record = Record {
        path: Some((&*path).into()),
        ..world.allowed()
    };
    let line = written(&record, &"%REQ(:PATH)% ".repeat(600));
    assert!(line.len() <= LINE_BYTES + 600 * 2, "{}", line.len());
}
