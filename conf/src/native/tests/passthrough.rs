//! `passthrough` and `dns.hosts`: what they mean, and every mistake.

use policy::destination::{UpstreamHost, UpstreamTls};

use super::{admission, problem, problems, settings, snapshot};

/// Each passage as `host door lead:port*weight …`.
fn passages(text: &str) -> Vec<String> {
    let admission = admission(text);
    let told = admission.passages().iter().map(|passage| {
        let leads = passage.upstreams.iter().map(|lead| {
            let upstream = &admission.upstreams()[lead.upstream.0 as usize];
            assert_eq!(upstream.tls, UpstreamTls::Off);
            let host = match &upstream.host {
                UpstreamHost::Named(name) => name,
                UpstreamHost::Requested => "requested",
            };
            format!(" {host}:{}*{}", upstream.port, lead.weight)
        });
        format!(
            "{} {}{}",
            passage.name,
            passage.door,
            leads.collect::<String>()
        )
    });
    told.collect()
}

#[test]
fn a_passage_leads_to_its_host_or_where_it_says() {
    for (text, expected) in [
        (
            "{ host: a.test, at: mesh:443 }",
            &["a.test mesh:443 a.test:443*1"][..],
        ),
        (
            "{ host: '*.a.test', at: gateway:8443 }",
            &["*.a.test gateway:8443 requested:443*1"],
        ),
        (
            "{ host: a.test, at: [mesh:443, gateway:443] }",
            &[
                "a.test mesh:443 a.test:443*1",
                "a.test gateway:443 a.test:443*1",
            ],
        ),
        (
            "{ host: '*.a.test', at: mesh:443, upstream: { host: b.test, port: 8443 } }",
            &["*.a.test mesh:443 b.test:8443*1"],
        ),
        (
            "{ host: a.test, at: mesh:443, to: [{ upstream: { port: 1 }, weight: 3 }, { upstream: { host: b.test } }] }",
            &["a.test mesh:443 a.test:1*3 b.test:443*1"],
        ),
    ] {
        assert_eq!(
            passages(&format!("passthrough: [{text}]\n")),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_passage_has_the_addresses_it_is_given_and_allowed() {
    let text = "defaults: { addresses: { allow: [127.0.0.0/8] } }
passthrough:
  - host: a.test
    at: mesh:443
    allowAddresses: [10.0.0.0/8]
    upstream: { addresses: [127.0.0.1, '10.0.0.1:8443'], connectTimeout: 1s }
";
    let admission = admission(text);
    let upstream = &admission.upstreams()[0];
    let addresses: Vec<_> = upstream.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["127.0.0.1:443", "10.0.0.1:8443"]);
    assert!(upstream.reach.admits([10, 0, 0, 1].into()));
    assert_eq!(upstream.connect_timeout.as_secs(), 1);
}

#[test]
fn a_passage_that_cannot_be_meant_is_refused() {
    for (text, expected) in [
        (
            "{ at: mesh:443 }",
            "4:5 error: `host` is missing: write such as `host: *.example.com`",
        ),
        (
            "{ host: a.test }",
            "4:5 error: `at` is missing: write such as `at: mesh:443`",
        ),
        (
            "{ host: a.test, at: 443 }",
            "4:25 error: `443` is no door: write such as `mesh:443` or `gateway:443`",
        ),
        (
            "{ host: a.test, at: mesh:0 }",
            "4:25 error: `mesh:0` is no door: write such as `mesh:443` or `gateway:443`",
        ),
        (
            "{ host: a.test, at: mesh:443, upstream: { tls: off } }",
            "4:47 error: unknown field `tls`: write `host`, `resolve`, `port`, `connectTimeout`, `addresses`, `pool`, `outlier` or `via`",
        ),
        (
            "{ host: a.test, at: mesh:443, upstream: { port: 1 }, to: [{ upstream: { port: 2 } }] }",
            "4:45 error: `to` and `upstream` exclude each other: delete one of them",
        ),
        (
            "{ host: a.test, at: mesh:443, to: [{ weight: 1 }] }",
            "4:40 error: `upstream` is missing: write such as `upstream: { host: a.example.com }`",
        ),
        (
            "{ host: a.test, at: mesh:443, to: [{ upstream: {}, weight: 0 }] }",
            "4:39 error: all weights are 0, so nothing is served: write a weight above 0",
        ),
        (
            "{ host: a.test, at: mesh:443, upstream: { addresses: 127.0.0.1 } }",
            "4:58 error: `127.0.0.1` is loopback and never dialled: write `allowAddresses: [127.0.0.1]` in the destination",
        ),
    ] {
        assert_eq!(
            problem(&format!("passthrough:\n  - {text}\n")),
            expected,
            "{text}"
        );
    }
    let twice = "passthrough:
  - { host: a.test, at: [mesh:443, gateway:443] }
  - { host: A.test, at: mesh:443 }
";
    assert_eq!(
        problem(twice),
        "5:5 error: this host has two passages at `mesh:443`: delete one, the other is at etc/egress.yaml:4"
    );
}

#[test]
fn a_rule_for_the_host_of_a_passage_is_no_slip_of_the_pen() {
    let text = "passthrough: [{ host: '*.a.test', at: mesh:443 }]
policies: [{ allow: { host: x.a.test } }]
";
    assert_eq!(problems(text), Vec::<String>::new());
}

#[test]
fn virtual_addresses_stand_for_hosts() {
    let written = snapshot(
        "dns: { vips: { 240.240.0.10: API.example.com, '2001:db8::10': api.example.com } }\n",
    );
    let vips = &written.settings().vips;
    assert_eq!(vips.find([240, 240, 0, 10].into()), Some("api.example.com"));
    let six: std::net::IpAddr = "2001:db8:0::10".parse().unwrap();
    assert_eq!(vips.find(six), Some("api.example.com"));
    assert_eq!(vips.find([240, 240, 0, 11].into()), None);
    for (text, expected) in [
        (
            "dns: { vips: { here: a.example } }",
            "`here` is no address: write such as `240.240.0.10: api.example.com`",
        ),
        (
            "dns: { vips: { '2001:db8::1': a.example, '2001:db8:0::1': b.example } }",
            "`2001:db8::1` is given twice: delete one of them",
        ),
        (
            "dns: { vips: [1] }",
            "found a list where a map `ADDRESS: HOST` belongs",
        ),
        ("dns: { vips: { 10.0.0.1: '*.example' } }", "*.example"),
    ] {
        let problems = problems(&format!("{text}\n"));
        assert!(problems.concat().contains(expected), "{text}: {problems:?}");
    }
}

#[test]
fn pins_are_found_by_host_and_port() {
    let text = "dns:
  hosts:
    edition.cnn.com: [192.0.2.7, '192.0.2.8:8443']
    Edition.CNN.com:80: 192.0.2.9
    www.googleapis.com:443: ['127.0.0.1:34567', '[2001:db8::7]:1']
";
    let settings = settings(text);
    let found = |host, port| {
        let found = settings.pins.find(host, port);
        found.map(|all| {
            all.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
    };
    for (host, port, expected) in [
        ("edition.cnn.com", 443, Some("192.0.2.7:443 192.0.2.8:8443")),
        ("edition.cnn.com", 80, Some("192.0.2.9:80")),
        (
            "www.googleapis.com",
            443,
            Some("127.0.0.1:34567 [2001:db8::7]:1"),
        ),
        ("www.googleapis.com", 80, None),
        ("cnn.com", 443, None),
    ] {
        assert_eq!(found(host, port).as_deref(), expected, "{host}:{port}");
    }
    assert_eq!(
        snapshot("").settings().pins.find("edition.cnn.com", 443),
        None
    );
}

#[test]
fn a_pin_that_cannot_be_meant_is_refused() {
    for (text, expected) in [
        (
            "a.test: here",
            "3:25 error: `here` is no address: write such as `192.0.2.7`, `192.0.2.7:8443` or `[2001:db8::7]:8443`",
        ),
        (
            "a.test: '192.0.2.7:0'",
            "3:25 error: `192.0.2.7:0` is no address: write such as `192.0.2.7`, `192.0.2.7:8443` or `[2001:db8::7]:8443`",
        ),
        (
            "a.test: []",
            "3:17 error: `a.test` has no address: write such as `192.0.2.7`",
        ),
        (
            "'*.a.test': 192.0.2.7",
            "3:17 error: `*.a.test` is no name of a host: write such as `edition.cnn.com` or `edition.cnn.com:443`",
        ),
        (
            "192.0.2.1: 192.0.2.7",
            "3:17 error: `192.0.2.1` is no name of a host: write such as `edition.cnn.com` or `edition.cnn.com:443`",
        ),
        (
            "'a.test:0': 192.0.2.7",
            "3:17 error: `a.test:0` is no name of a host: write such as `edition.cnn.com` or `edition.cnn.com:443`",
        ),
        (
            "a.test: 192.0.2.7, A.test: 192.0.2.8",
            "3:36 error: `A.test` is given twice: delete one of them",
        ),
    ] {
        assert_eq!(
            problem(&format!("dns: {{ hosts: {{ {text} }} }}\n")),
            expected,
            "{text}"
        );
    }
    assert_eq!(
        problem("dns: { hosts: [a.test] }\n"),
        "3:15 error: found a list where a map `HOST: ADDRESSES` belongs"
    );
}
