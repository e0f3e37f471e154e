//! HTTP/1.1: heads and bodies no decent origin would send.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use integration_tests::pki::Pki;
use integration_tests::wait::{until, within};

use crate::bench::{Bench, Expected, GOOD, HOST};
use crate::origin::{LONG, Origin, Wire};
use crate::tls;

/// Whether `/late-stray` has sent what nobody asked for.
static STRAY_SENT: AtomicBool = AtomicBool::new(false);

const CLOSED: Expected = Expected {
    status: 503,
    reason: "upstream_closed",
    flags: "UC",
};
const PROTOCOL: Expected = Expected {
    status: 502,
    reason: "upstream_protocol",
    flags: "UPE",
};
const TIMEOUT: Expected = Expected {
    status: 504,
    reason: "route_timeout",
    flags: "UT",
};
const CUT: Expected = Expected {
    status: 200,
    reason: "upstream_closed",
    flags: "UC",
};
const BROKEN: Expected = Expected {
    status: 200,
    reason: "upstream_protocol",
    flags: "UPE",
};
const FINE: Expected = Expected {
    status: 200,
    reason: "",
    flags: "-",
};

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn answer(fields: &str, body: &str) -> Vec<u8> {
    format!("{OK}{fields}\r\n{body}").into_bytes()
}

/// How the origin answers, by path.
fn conduct(wire: &mut Wire, path: &str) -> io::Result<()> {
    let number = wire.number.to_string();
    let stolen = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen";
    match path {
        "fine" => wire.send(&answer(
            &format!("content-length: {}\r\n", number.len()),
            &number,
        )),
        "endless-head" => {
            wire.send(OK.as_bytes())?;
            wire.flood(b"x-more: and more of it\r\n")
        }
        "endless-line" => wire.flood(&[b'x'; 4096]),
        "endless-field" => {
            wire.send(b"HTTP/1.1 200 OK\r\nx: ")?;
            wire.flood(&[b'x'; 4096])
        }
        "many-fields" => wire.last(&answer(&"x: y\r\n".repeat(10_000), "")),
        "reset-in-head" => wire.reset_after(b"HTTP/1.1 200 OK\r\nx"),
        "reset-after-head" => wire.reset_after(&answer("content-length: 9\r\n", "")),
        "reset-in-body" => wire.reset_after(&answer("content-length: 9\r\n", "1234")),
        "reset-in-chunk" => wire.reset_after(&answer("transfer-encoding: chunked\r\n", "9\r\n12")),
        "half-close" => wire.half_close(b""),
        "half-close-in-body" => wire.half_close(&answer("content-length: 9\r\n", "1234")),
        "half-close-after" => wire.half_close(&answer("content-length: 4\r\n", "1234")),
        "another-version" => wire.last(b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n"),
        "no-status" => wire.last(b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n"),
        "two-lengths" => wire.last(&answer(
            "content-length: 4\r\ncontent-length: 5\r\n",
            "12345",
        )),
        "signed-length" => wire.last(&answer("content-length: +4\r\n", "1234")),
        "large-length" => wire.last(&answer("content-length: 99999999999999999999\r\n", "1234")),
        "both-framings" => {
            let fields = "content-length: 4\r\ntransfer-encoding: chunked\r\n";
            wire.send(&answer(fields, &format!("4\r\n1234\r\n0\r\n\r\n{stolen}")))?;
            wire.hold()
        }
        "late-stray" => {
            wire.send(&answer("content-length: 4\r\n", "1234"))?;
            std::thread::sleep(std::time::Duration::from_millis(3));
            let sent = wire.send(stolen.as_bytes());
            STRAY_SENT.store(true, Ordering::SeqCst);
            sent
        }
        "same-lengths" => wire.last(&answer(
            "content-length: 4\r\ncontent-length: 4\r\n",
            "1234",
        )),
        "listed-lengths" => wire.last(&answer("content-length: 4, 4\r\n", "1234")),
        "nominated-length" => wire.last(&answer(
            "connection: content-length\r\ncontent-length: 100\r\n",
            "1234",
        )),
        "mesh-fields" => wire.send(&answer(
            "x-istio-attributes: a\r\nx-forwarded-client-cert: URI=spiffe://a/ns/b/sa/c\r\n\
             baggage: a=b\r\nx-envoy-peer-metadata: Cg==\r\nx_envoy_overloaded: true\r\n\
             via: 1.1 cdn\r\nx-kept: 1\r\ncontent-length: 4\r\n",
            "1234",
        )),
        "two-codings" => wire.last(&answer(
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "4\r\n1234\r\n0\r\n\r\n",
        )),
        "framed-no-content" => {
            wire.send(b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n")?;
            wire.send(b"4\r\n1234\r\n0\r\n\r\n")
        }
        "folded" => wire.last(&answer(
            "x: a\r\n set-cookie: b\r\ncontent-length: 4\r\n",
            "1234",
        )),
        "space-before-colon" => wire.last(&answer("content-length : 4\r\n", "1234")),
        "bare-line-feeds" => wire.last(b"HTTP/1.1 200 OK\ncontent-length: 4\nx: y\n\n1234"),
        "bare-return" => wire.last(&answer(
            "x: a\rset-cookie: b\r\ncontent-length: 4\r\n",
            "1234",
        )),
        "nul" => wire.last(&answer("x: a\0b\r\ncontent-length: 4\r\n", "1234")),
        "unknown-coding" => wire.last(&answer("transfer-encoding: gzip\r\n", "1234")),
        "no-chunk" => wire.last(&answer(
            "transfer-encoding: chunked\r\n",
            "zz\r\n1234\r\n0\r\n\r\n",
        )),
        "large-chunk" => wire.last(&answer(
            "transfer-encoding: chunked\r\n",
            "fffffffffffffffff\r\n1234\r\n0\r\n\r\n",
        )),
        "endless-trailers" => {
            wire.send(&answer(
                "transfer-encoding: chunked\r\n",
                "4\r\n1234\r\n0\r\n",
            ))?;
            wire.flood(b"x-more: and more of it\r\n")
        }
        "endless-chunk-size" => {
            wire.send(&answer("transfer-encoding: chunked\r\n", ""))?;
            wire.flood(b"00000000000000000000")
        }
        "interim-flood" => wire.flood(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        "switched" => {
            wire.send(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            )?;
            wire.hold()
        }
        "early" => {
            // It answers and reads nothing of the body.
            wire.send(&answer("content-length: 5\r\n", "early"))?;
            wire.hold()
        }
        "never-reads" => {
            std::thread::sleep(LONG);
            wire.hold()
        }
        "body-to-head" => wire.send(&answer("content-length: 6\r\n", stolen)),
        "no-content" => {
            let head = "HTTP/1.1 204 No Content\r\n\r\n";
            wire.send(format!("{head}{stolen}").as_bytes())
        }
        "stray" => wire.send(&answer("content-length: 4\r\n", &format!("1234{stolen}"))),
        _ => wire.last(b"?"),
    }
}

fn bench() -> Bench {
    Bench::start(Origin::http1(conduct), "tls: off")
}

/// Each in turn, and a new connection after it.
fn each(cases: &[(&str, Expected)]) {
    let bench = bench();
    for (name, expected) in cases {
        bench.get(name, expected);
        bench.assert_new_connection(name);
    }
}

#[test]
fn heads_without_end_are_refused_in_little_memory() {
    each(&[
        ("endless-head", PROTOCOL),
        ("endless-line", PROTOCOL),
        ("endless-field", PROTOCOL),
        ("many-fields", PROTOCOL),
        ("interim-flood", PROTOCOL),
    ]);
}

#[test]
fn a_reset_at_any_stage_is_told_and_never_looks_whole() {
    each(&[
        ("reset-in-head", CLOSED),
        ("reset-after-head", CUT),
        ("reset-in-body", CUT),
        ("reset-in-chunk", CUT),
        ("half-close", CLOSED),
        ("half-close-in-body", CUT),
        ("half-close-after", FINE),
    ]);
}

#[test]
fn what_is_no_http_is_refused() {
    each(&[
        ("another-version", PROTOCOL),
        ("no-status", PROTOCOL),
        ("switched", PROTOCOL),
    ]);
}

#[test]
fn fields_reach_the_caller_in_one_form_or_not_at_all() {
    let bench = bench();
    let folded = bench.get("folded", &FINE);
    assert_eq!(folded.header("x"), Some("a set-cookie: b"));
    assert_eq!(folded.header("set-cookie"), None);
    for name in ["space-before-colon", "bare-line-feeds"] {
        let reply = bench.get(name, &FINE);
        assert_eq!(
            (reply.header("content-length"), &*reply.text()),
            (Some("4"), "1234")
        );
    }
    bench.get("bare-return", &PROTOCOL);
    bench.get("nul", &PROTOCOL);
}

#[test]
fn what_an_origin_says_in_the_meshs_name_is_taken_off() {
    let reply = bench().get("mesh-fields", &FINE);
    let names = [
        "x-istio-",
        "x-forwarded-",
        "baggage",
        "x-envoy-",
        "x_envoy_",
    ];
    let of_the_mesh = |name: &str| names.iter().any(|mesh| name.starts_with(mesh));
    let left = reply.headers.iter().filter(|(name, _)| of_the_mesh(name));
    // Ours.
    let left: Vec<_> = left.map(|(name, _)| name).collect();
    assert_eq!(left, ["x-envoy-upstream-service-time"]);
    let kept = (reply.header("via"), reply.header("x-kept"));
    assert_eq!(kept, (Some("1.1 cdn"), Some("1")));
}

#[test]
fn a_body_of_two_lengths_or_none_is_never_guessed() {
    each(&[
        ("two-lengths", PROTOCOL),
        ("signed-length", PROTOCOL),
        ("large-length", PROTOCOL),
        ("same-lengths", PROTOCOL),
        ("listed-lengths", PROTOCOL),
        ("nominated-length", PROTOCOL),
        ("both-framings", PROTOCOL),
        ("two-codings", PROTOCOL),
        ("unknown-coding", PROTOCOL),
        ("no-chunk", BROKEN),
        ("large-chunk", BROKEN),
    ]);
}

#[test]
fn bodies_whose_end_never_comes_are_cut_in_little_memory() {
    each(&[("endless-trailers", BROKEN), ("endless-chunk-size", BROKEN)]);
}

#[test]
fn an_answer_before_the_body_is_the_callers_and_ends_the_connection() {
    let bench = bench();
    let body = vec![b'u'; 8_000_000];
    let curl = bench.curl("/early").body(&body).header("expect:");
    let reply = bench.ask("/early", curl, &FINE);
    assert_eq!(reply.text(), "early");
    bench.assert_new_connection("early");
}

#[test]
fn an_origin_that_takes_nothing_costs_a_deadline_and_no_connection() {
    let pki = Pki::create();
    let acceptor = tls::acceptor(&pki.origin(&[HOST]));
    let take_nothing = move |stream| {
        let stream = acceptor.accept(stream);
        std::thread::sleep(LONG);
        drop(stream);
    };
    let secure = Origin::start(move |stream, _| take_nothing(stream));
    let roots = pki.origin_roots();
    let secured = format!("tls: {{ ca: {} }}", roots.display());
    for bench in [bench(), Bench::start(secure, &secured)] {
        let before = bench.descriptors();
        let curl = bench.curl("/never-reads").body(&vec![b'u'; 20_000_000]);
        let reply = bench.ask("/never-reads", curl.header("expect:"), &TIMEOUT);
        assert!(reply.elapsed < LONG, "{:?}", reply.elapsed);
        // Before the origin ends them itself.
        let over = within(LONG / 3, || (bench.descriptors() <= before).then_some(()));
        assert!(
            over.is_some(),
            "{} descriptors, not {before}",
            bench.descriptors()
        );
    }
}

#[test]
fn bytes_behind_an_answer_are_nobodys() {
    let bench = bench();
    for name in ["stray", "late-stray", "no-content", "framed-no-content"] {
        let status = if name.ends_with("content") { 204 } else { 200 };
        let reply = bench.get(name, &Expected { status, ..FINE });
        assert!(!reply.text().contains("stolen"), "{name}");
        if name == "late-stray" {
            until("the stray bytes", || {
                STRAY_SENT.load(Ordering::SeqCst).then_some(())
            });
            // Meanwhile they arrive.
            assert_eq!(bench.mesh.fetch("politics", GOOD, "/sport").status, 200);
        }
        bench.assert_new_connection(name);
    }
    let curl = bench.curl("/body-to-head").args(&["--head"]);
    bench.ask("/body-to-head", curl, &FINE);
    bench.assert_new_connection("body-to-head");
}
