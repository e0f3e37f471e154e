//! Destinations, their upstreams, and the defaults of both.

use std::time::Duration;

use policy::destination::*;

use super::*;

fn upstreams(text: &str) -> Vec<Upstream> {
    admission(text).upstreams().to_vec()
}

fn destination(text: &str) -> Destination {
    admission(text).destinations().next().unwrap().clone()
}

fn tls(upstream: &Upstream) -> TlsPolicy {
    match &upstream.tls {
        UpstreamTls::On(policy) => policy.clone(),
        UpstreamTls::Off => panic!("plain text"),
    }
}

#[test]
fn a_host_alone_is_https_verified_with_one_route() {
    let text = "destinations: [{ host: API.example.com }]\n";
    let upstream = upstreams(text).remove(0);
    assert_eq!(upstream.host, UpstreamHost::Named("api.example.com".into()));
    assert_eq!(
        (
            upstream.port,
            upstream.connect_timeout,
            upstream.idle_timeout
        ),
        (443, Duration::from_secs(5), Duration::from_secs(60))
    );
    assert_eq!(tls(&upstream), TlsPolicy::default());
    assert_eq!(upstream.protocol, UpstreamProtocol::Http1);
    let destination = destination(text);
    assert_eq!(
        (destination.ports.as_slice(), &*destination.name),
        (&[80, 443][..], "API.example.com")
    );
    let [route] = destination.routes.as_slice() else {
        panic!("{:?}", destination.routes)
    };
    assert_eq!(
        (&*route.name, route.timeout, route.retries),
        ("default", None, Retries::default())
    );
    assert_eq!((route.origin.line, route.origin.column), (3, 16));
    assert!(
        matches!(route.action, Action::Forward(ref to) if to.len() == 1 && to[0].upstream.0 == 0)
    );
}

#[test]
fn a_wildcard_leads_to_the_requested_name() {
    let text = "destinations:\n  - { host: '*.a.example', upstream: { resolve: dynamic } }\n  - { host: '*b.example', upstream: { host: c.example } }\n";
    let upstreams = upstreams(text);
    assert_eq!(upstreams[0].host, UpstreamHost::Requested);
    assert_eq!(upstreams[1].host, UpstreamHost::Named("c.example".into()));
}

#[test]
fn an_upstream_says_how_it_is_reached_and_proves_itself() {
    let upstream = upstreams(
        "destinations:
  - host: a.example
    allowAddresses: [192.0.2.0/24, 10.0.0.1]
    upstream:
      host: b.example
      port: 8443
      addresses: [192.0.2.1, '10.0.0.1:9443']
      tls: { ca: ca.pem, sni: C.example, san: [d.example], min: '1.3', cert: c.pem, key: /k.pem }
      protocol: h2
      connectTimeout: 1s
      pool: { idle: 90s }
",
    )
    .remove(0);
    assert_eq!(upstream.host, UpstreamHost::Named("b.example".into()));
    let addresses: Vec<_> = upstream.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.1:8443", "10.0.0.1:9443"]);
    assert_eq!(
        (upstream.connect_timeout, upstream.idle_timeout),
        (Duration::from_secs(1), Duration::from_secs(90))
    );
    assert_eq!(upstream.protocol, UpstreamProtocol::Http2);
    assert!(
        upstream.reach.admits("192.0.2.9".parse().unwrap())
            && !upstream.reach.admits("10.0.0.2".parse().unwrap())
    );
    assert_eq!(
        tls(&upstream),
        TlsPolicy {
            ca: Some(Pem::File("etc/ca.pem".into())),
            server_name: Some("c.example".into()),
            names: vec!["d.example".into()],
            min_version: TlsVersion::Tls13,
            client: Some(ClientCertificate {
                chain: Pem::File("etc/c.pem".into()),
                key: Pem::File("/k.pem".into())
            }),
        }
    );
    let plain =
        upstreams("destinations: [{ host: a.example, upstream: { tls: off } }]\n").remove(0);
    assert_eq!((plain.tls, plain.port), (UpstreamTls::Off, 80));
}

#[test]
fn an_upstream_that_cannot_be_reached_or_verified_is_refused() {
    let wrong = |text: &str| {
        problem(&format!(
            "destinations:\n- host: a.example\n  upstream: {text}\n"
        ))
    };
    assert_eq!(
        wrong("{ tls: none }"),
        "5:20 error: unknown word `none`: write `off` or `on`"
    );
    assert_eq!(
        wrong("{ tls: { min: '1.0' } }"),
        "5:27 error: unknown word `1.0`: write `1.2` or `1.3`"
    );
    assert_eq!(
        wrong("{ tls: { cert: c } }"),
        "5:20 error: `key` is missing: write such as `key: /etc/certs/client.key`"
    );
    assert_eq!(
        wrong("{ tls: { sni: 192.0.2.1 } }"),
        "5:27 error: `192.0.2.1` is an address: write the name in the certificate"
    );
    assert_eq!(
        wrong("{ tls: { san: ['*.x'] } }"),
        "5:28 error: `*.x` is a pattern where one name belongs: write such as `api.example.com`"
    );
    assert_eq!(
        wrong("{ tls: { verify: false } }"),
        "5:22 error: unknown field `verify`: write `san`, `ca`, `sni`, `min`, `cert` or `key`"
    );
    assert_eq!(
        wrong("{ host: 'b.example:8443' }"),
        "5:21 error: `b.example:8443` holds a port: write `b.example`, and the port under `port`"
    );
    assert_eq!(
        wrong("{ host: 192.0.2.1 }"),
        "5:13 error: `192.0.2.1` is no name a certificate can show: write `tls: { sni: NAME }`"
    );
    assert_eq!(
        wrong("{ port: 0 }"),
        "5:21 error: `0` is no number from 1 to 65535: write one"
    );
    assert_eq!(
        wrong("{ addresses: [169.254.169.254] }"),
        "5:27 error: `169.254.169.254` is metadata and never dialled: write `allowAddresses: [169.254.169.254]` in the destination"
    );
    assert_eq!(
        wrong("{ host: b.example, resolve: dynamic }"),
        "5:41 error: `dynamic` asks for the requested name, `host` for another: delete one of them"
    );
    assert_eq!(
        wrong("{ outlier: { maxEjectionPercent: 101 } }"),
        "5:46 error: `101` is no number from 0 to 100: write one"
    );
    assert_eq!(
        wrong("{ pool: { maxConnections: 0 } }"),
        "5:39 error: `0` is no number from 1 to 4294967295: write one"
    );
    assert_eq!(
        wrong("{ protocol: auto, tls: off }"),
        "5:25 error: `auto` is agreed on in TLS, and there is none: write `http1` or `h2`"
    );
}

#[test]
fn a_destination_that_contradicts_itself_or_another_is_refused() {
    assert_eq!(
        problem("destinations: [{ ports: 80 }]\n"),
        "3:16 error: `host` is missing: write such as `host: api.example.com`"
    );
    assert_eq!(
        problem("destinations:\n- host: A.example\n- host: a.example\n"),
        "5:9 error: this host has two destinations: write its routes into the one at etc/egress.yaml:4"
    );
    assert_eq!(
        problem("destinations: [{ host: a.example, routes: [] }]\n"),
        "3:35 error: `routes` is an empty list: write an entry, or delete the key"
    );
    assert_eq!(
        problem("destinations: [{ host: a.example, allowAddresses: 10.0.0.1/8 }]\n"),
        "3:51 error: `10.0.0.1/8` begins before what it says: write `10.0.0.0/8`"
    );
    assert_eq!(
        problem("destinations: [{ host: a.example, allowAddresses: '::/0' }]\n"),
        "3:51 warning: this admits every address, those of the metadata service and of the gateway itself: name the ranges",
    );
}

#[test]
fn defaults_hold_where_nothing_nearer_is_said() {
    let text = "defaults: { timeout: 30s, connectTimeout: 2s, retries: { attempts: 1, on: connect-failure }, paths: { encodedSlashes: keep }, headers: { remove: cookie }, addresses: { deny: [private, 203.0.114.0/24] } }
destinations:
  - host: a.example
    timeout: off
    paths: { duplicateSlashes: keep }
    routes:
      - { path: /x, timeout: 3s, retries: { attempts: 0 } }
      - { path: /y }
  - host: b.example
";
    let admission = admission(text);
    let all: Vec<&Destination> = admission.destinations().collect();
    let retries = Retries {
        attempts: 1,
        connect_failure: true,
        refused_stream: false,
    };
    assert_eq!(
        (all[0].routes[0].timeout, all[0].routes[0].retries.attempts),
        (Some(Duration::from_secs(3)), 0)
    );
    assert_eq!(
        (all[0].routes[1].timeout, all[0].routes[1].retries),
        (None, retries)
    );
    assert_eq!(
        (all[1].routes[0].timeout, all[1].routes[0].retries),
        (Some(Duration::from_secs(30)), retries)
    );
    assert_eq!(
        &*all[1].routes[0].changes().headers.request.remove[0],
        "cookie"
    );
    let keep = policy::canonical::Encoded::Keep;
    assert_eq!(
        (
            all[0].profile.encoded_slashes,
            all[1].profile.encoded_slashes
        ),
        (keep, keep)
    );
    assert_ne!(
        all[0].profile.duplicate_slashes,
        all[1].profile.duplicate_slashes
    );
    let reach = &admission.upstreams()[0].reach;
    assert!(
        !reach.admits("203.0.114.9".parse().unwrap())
            && reach.admits("203.0.115.9".parse().unwrap())
    );
    assert_eq!(
        admission.upstreams()[0].connect_timeout,
        Duration::from_secs(2)
    );
}

#[test]
fn defaults_are_checked_like_the_rest() {
    let wrong = |text: &str| problem(&format!("defaults: {{ {text} }}\n"));
    assert_eq!(
        wrong("policy: permit"),
        "3:21 error: unknown word `permit`: write `deny` or `allow`"
    );
    assert_eq!(
        wrong("timeout: 30"),
        "3:22 error: `30` has no unit: write `30s` or `30ms`"
    );
    assert_eq!(
        wrong("timeout: 0s"),
        "3:22 error: `0s` is no time at all: write such as `5s`"
    );
    assert_eq!(
        wrong("conect_timeout: 5s"),
        "3:13 error: unknown field `conect_timeout`: did you mean `connectTimeout`?"
    );
    assert_eq!(
        wrong("retries: { on: [5xx] }"),
        "3:29 error: unknown word `5xx`: write `connect-failure` or `refused-stream`"
    );
    assert_eq!(
        wrong("addresses: { deny: public }"),
        "3:32 error: `public` is every origin there is: write ranges such as `198.51.100.0/24`"
    );
    assert!(wrong("addresses: { deny: lan }").starts_with("3:32 error: `lan` is no class and no range: write a range such as `198.51.100.0/24`, or `private`, "));
}

#[test]
fn certificates_may_stand_in_the_text() {
    let text = "destinations:
  - host: a.example
    upstream:
      tls:
        ca:
          pem: |
            -----BEGIN CERTIFICATE-----
            MIIB
            -----END CERTIFICATE-----
";
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    assert_eq!(tls(&upstreams(text)[0]).ca, Some(Pem::Text(pem.into())));
    let wrong = "destinations:\n- { host: a.example, upstream: { tls: { cert: c.pem, key: { pem: secret } } } }\n";
    assert_eq!(
        problem(wrong),
        "4:66 error: this is no PEM: write the text from `-----BEGIN` to `-----END` on"
    );
}

#[test]
fn an_upstream_reaches_what_its_destination_does_and_more() {
    let text = "defaults: { addresses: { deny: [198.51.100.0/24] } }
destinations:
  - host: a.example
    allowAddresses: 10.0.0.0/8
    denyAddresses: 10.1.0.0/16
    upstream: { allowAddresses: 192.168.0.0/16, denyAddresses: 10.2.0.0/16 }
";
    let reach = upstreams(text).remove(0).reach;
    let admitted = [
        "10.0.0.1",
        "10.1.0.1",
        "10.2.0.1",
        "192.168.0.1",
        "198.51.100.1",
        "172.16.0.1",
    ]
    .map(|address| reach.admits(address.parse().unwrap()));
    assert_eq!(admitted, [true, false, false, true, false, false]);
}

#[test]
fn a_field_is_added_several_times_and_set_once() {
    let text = "destinations: [{ host: a.example, headers: { add: { x-a: [one, two] } } }]\n";
    let added = destination(text).routes[0]
        .changes()
        .headers
        .request
        .add
        .clone();
    assert_eq!(
        added,
        [("x-a".into(), "one".into()), ("x-a".into(), "two".into())]
    );
    assert_eq!(
        problem("destinations: [{ host: a.example, headers: { set: { x-a: [one] } } }]\n"),
        "3:58 error: found a list where a single value belongs"
    );
}

/// A class that is named is refused as a range is, and an address within another
/// is where that one leads.
#[test]
fn what_is_denied_is_so_under_every_name() {
    let reach = |more: &str| {
        let text = format!("destinations: [{{ host: a.example, {more} }}]\n");
        upstreams(&text).remove(0).reach
    };
    let mapped = "allowAddresses: ['::ffff:0.0.0.0/96']";
    let nat64 = "allowAddresses: ['64:ff9b::/96']";
    for (more, address, expected) in [
        (
            "allowAddresses: [127.0.0.0/8], denyAddresses: [loopback]",
            "127.0.0.1",
            false,
        ),
        (
            "allowAddresses: [127.0.0.0/8], denyAddresses: [metadata]",
            "127.0.0.1",
            true,
        ),
        ("denyAddresses: [loopback]", "93.184.216.34", true),
        (mapped, "::ffff:127.0.0.1", false),
        (mapped, "::ffff:93.184.216.34", true),
        (
            "allowAddresses: ['::ffff:0.0.0.0/96', 127.0.0.0/8]",
            "::ffff:127.0.0.1",
            true,
        ),
        (
            "allowAddresses: ['::ffff:127.0.0.0/104']",
            "::ffff:127.0.0.1",
            true,
        ),
        (
            "allowAddresses: ['::ffff:127.0.0.0/104'], denyAddresses: [127.0.0.0/8]",
            "::ffff:127.0.0.1",
            false,
        ),
        (
            "allowAddresses: ['::ffff:127.0.0.0/104'], denyAddresses: [loopback]",
            "::ffff:127.0.0.1",
            false,
        ),
        (nat64, "64:ff9b::169.254.169.254", false),
        (nat64, "64:ff9b::93.184.216.34", true),
        ("allowAddresses: ['2002::/16']", "2002:a9fe:a9fe::1", false),
        ("allowAddresses: ['2002::/16']", "2002:5db8:d822::1", true),
        ("", "64:ff9b::93.184.216.34", false),
    ] {
        let admits = reach(more).admits(address.parse().unwrap());
        assert_eq!(admits, expected, "{more} {address}");
    }
    assert_eq!(
        problem(
            "destinations: [{ host: a.example, denyAddresses: [loopback], allowAddresses: [127.0.0.0/8], upstream: { addresses: ['[::ffff:127.0.0.1]:443'] } }]\n"
        ),
        "3:117 error: `::ffff:127.0.0.1` is embedded-ipv4 and never dialled: delete what denies it, in `denyAddresses` or `defaults`"
    );
}
