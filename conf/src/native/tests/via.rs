//! `via`: the proxy before an upstream, and every mistake.

use policy::destination::{UpstreamTls, Via};

use super::*;

fn via(written: &str) -> Via {
    let text = format!("destinations: [{{ host: a.example, upstream: {{ via: {written} }} }}]\n");
    let via = admission(&text).upstreams()[0].via.clone();
    Via::clone(&via.unwrap())
}

#[test]
fn a_proxy_is_a_name_and_a_port_spoken_to_in_clear_unless_it_is_said() {
    let proxy = via("{ proxy: Proxy.Corp:3128 }");
    assert_eq!((&*proxy.host, proxy.port), ("proxy.corp", 3128));
    assert_eq!(proxy.tls, UpstreamTls::Off);
    assert_eq!(proxy.credentials, None);
    let proxy = via("{ proxy: 'proxy.corp:443', tls: { min: '1.3' }, credentials: /etc/proxy }");
    assert!(matches!(proxy.tls, UpstreamTls::On(_)));
    assert_eq!(proxy.credentials.unwrap().to_str(), Some("/etc/proxy"));
}

#[test]
fn a_proxys_addresses_are_its_own() {
    let text = "destinations:
  - host: a.example
    allowAddresses: [10.0.0.0/8]
    upstream: { via: { proxy: 'proxy.corp:3128', addresses: [192.168.1.2], allowAddresses: [192.168.1.2] } }
";
    let upstream = admission(text).upstreams()[0].clone();
    let proxy = upstream.via.as_ref().unwrap();
    let is_admitted = |address: &str| {
        let address = address.parse().unwrap();
        (upstream.reach.admits(address), proxy.reach.admits(address))
    };
    assert_eq!(is_admitted("10.1.2.3"), (true, false));
    assert_eq!(is_admitted("192.168.1.2"), (false, true));
    assert_eq!(proxy.addresses, ["192.168.1.2:3128".parse().unwrap()]);
}

#[test]
fn a_way_that_cannot_be_meant_is_refused() {
    let wrong = |written: &str| {
        let text = format!("destinations:\n- host: a.example\n  upstream: {written}\n");
        problem(&text)
    };
    assert_eq!(
        wrong("{ via: { credentials: /etc/proxy } }"),
        "5:20 error: `proxy` is missing: write such as `proxy: proxy.example.com:3128`"
    );
    assert_eq!(
        wrong("{ via: { proxy: proxy.corp } }"),
        "5:29 error: `proxy.corp` names no port: write such as `proxy.example.com:3128`"
    );
    assert_eq!(
        wrong("{ via: { proxy: '10.1.2.3:3128' } }"),
        "5:29 error: `10.1.2.3` is private and never dialled: write `allowAddresses: [10.1.2.3]` in `via`"
    );
    assert_eq!(
        wrong("{ addresses: [192.0.9.1], via: { proxy: 'proxy.corp:3128' } }"),
        "5:15 error: the proxy of `via` looks the name up: delete `addresses`, or `via`"
    );
}
