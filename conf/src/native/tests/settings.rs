//! Documents and their sections; gateway, identity, trust, listeners, limits.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::snapshot::{Drain, Families, Limits, ListenerMode};

fn alone(text: &str) -> Vec<String> {
    compiled(&[SourceFile::new("f.yaml", text)]).unwrap_err()
}

#[test]
fn a_document_says_its_version_and_is_native() {
    let missing = "1:1 error: `version` is missing: write such as `version: 1`";
    assert_eq!(alone("listeners: [{ port: 1 }]\n"), [missing]);
    assert_eq!(
        alone("version: 2\nlisteners: [{ port: 1 }]\n"),
        ["1:10 error: unknown word `2`: write `1`"]
    );
    assert_eq!(
        alone("apiVersion: networking.istio.io/v1\nkind: VirtualService\n"),
        [
            "1:1 error: the object has no name: write `metadata: { name: … }`",
            "1:1 error: `listeners` is missing: write such as `listeners: [{ port: 8443 }]`",
        ]
    );
    assert_eq!(
        alone("- a\n"),
        [
            "1:1 error: found a list where a map `key: value` belongs",
            "1:1 error: `listeners` is missing: write such as `listeners: [{ port: 8443 }]`",
        ]
    );
    assert_eq!(
        alone("# nothing\n"),
        ["1:1 error: there is no configuration: write a document that begins `version: 1`",]
    );
    assert_eq!(
        compiled(&[]).unwrap_err(),
        ["1:1 error: there is no configuration: write a document that begins `version: 1`",]
    );
}

#[test]
fn an_unknown_field_is_refused_with_the_one_that_was_meant() {
    assert_eq!(
        problem("polices: []\n"),
        "3:1 error: unknown field `polices`: did you mean `policies`?"
    );
    assert_eq!(
        problem("gateway: { x: 1 }\n"),
        "3:12 error: unknown field `x`: write `name`, `namespace`, `rootNamespace` or `labels`",
    );
    assert_eq!(
        problem("policies:\n"),
        "3:1 error: `policies` has no value: write one, or delete the key"
    );
    assert_eq!(
        problem("policies: []\n"),
        "3:1 error: `policies` is an empty list: write an entry, or delete the key"
    );
}

#[test]
fn documents_and_files_are_one_configuration() {
    let one = SourceFile::new(
        "a.yaml",
        "version: 1\nlisteners: [{ port: 1 }]\nlists: { a: [/a] }\n",
    );
    let two = "version: 1\nlisteners: [{ port: 2 }]\n---\nversion: 1\nlisteners: [{ port: 3 }]\nlists: { b: [/b] }\n";
    let snapshot = compiled(&[one.clone(), SourceFile::new("b.yaml", two)]).unwrap();
    let ports: Vec<u16> = snapshot
        .settings()
        .listeners
        .iter()
        .map(|l| l.port)
        .collect();
    assert_eq!(ports, [1, 2, 3]);
    let twice = "version: 1\nlists: { a: [/b] }\ngateway: { name: x }\n---\nversion: 1\ngateway: { name: y }\n";
    assert_eq!(
        compiled(&[one, SourceFile::new("b.yaml", twice)]).unwrap_err(),
        [
            "2:10 error: `a` is given twice: it also stands at a.yaml:3",
            "6:1 error: `gateway` is given twice: it also stands at b.yaml:3",
        ]
    );
}

#[test]
fn problems_are_told_by_file_then_line() {
    let wrong =
        |name: &str| SourceFile::new(name, "version: 1\nb: 1\na: 1\nlisteners: [{ port: 1 }]\n");
    let problems = compile(&[wrong("z.yaml"), wrong("a.yaml")], &environment()).unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .map(|p| format!("{}:{}", p.origin.file, p.origin.line))
        .collect();
    assert_eq!(
        places,
        ["z.yaml:2", "z.yaml:3", "a.yaml:2", "a.yaml:3", "a.yaml:4"]
    );
    assert_eq!(problems[0].source_line.as_deref(), Some("b: 1"));
}

#[test]
fn the_gateway_is_istios_unless_it_says_otherwise() {
    let gateway = settings("").gateway;
    assert_eq!(
        gateway.reporter_uid(),
        "kubernetes://istio-egressgateway-node-1.istio-system"
    );
    let gateway = settings("gateway: { name: out, namespace: edge }\n").gateway;
    assert_eq!(gateway.reporter_uid(), "kubernetes://out-node-1.edge");
    let environment = Environment {
        pod_name: Some("pod-7".to_owned()),
        hostname: "h".to_owned(),
        namespace: None,
        lists: Default::default(),
    };
    let snapshot = compile(&[document("")], &environment).unwrap();
    assert_eq!(
        snapshot.settings().gateway.reporter_uid(),
        "kubernetes://pod-7.istio-system"
    );
    assert_eq!(
        problem("gateway: { name: 'a b' }\n"),
        "3:18 error: `a b` is no name: write letters, digits, `-`, `.` and `_`",
    );
    assert_eq!(
        problem("gateway: { labels: [istio] }\n"),
        "3:20 error: found a list where a map `label: value` belongs",
    );
}

#[test]
fn identity_is_what_istio_mounts_or_the_files_that_are_named() {
    let identity = settings("").identity.unwrap();
    assert_eq!(
        identity.chain,
        Path::new("/var/run/secrets/workload-spiffe-credentials/cert-chain.pem")
    );
    let identity = settings(
        "identity: { files: { chain: c.pem, key: /k.pem, roots: ../r.pem, crl: x/l.pem } }\n",
    )
    .identity
    .unwrap();
    assert_eq!(identity.chain, Path::new("etc/c.pem"));
    assert_eq!(identity.key, Path::new("/k.pem"));
    assert_eq!(identity.roots, Path::new("etc/../r.pem"));
    assert_eq!(identity.crl.as_deref(), Some(Path::new("etc/x/l.pem")));
    assert_eq!(
        problems("identity: { files: { chain: '', key: k } }\n"),
        [
            "3:20 error: `roots` is missing: write such as `roots: /etc/certs/root-cert.pem`",
            "3:29 error: an empty path: write the name of a file",
        ]
    );
    assert_eq!(
        problem("identity: { workloadApi: unix:///x }\n"),
        "3:13 error: not supported yet: `workloadApi`: write `files: { chain: …, key: …, roots: … }`",
    );
}

#[test]
fn a_gateway_that_speaks_no_tls_needs_no_identity() {
    let file = SourceFile::new(
        "f",
        "version: 1\nlisteners: [{ port: 80, mode: plaintext }]\n",
    );
    assert_eq!(compiled(&[file]).unwrap().settings().identity, None);
}

#[test]
fn the_meshs_own_trust_domain_comes_first_and_alone_has_no_roots() {
    let own = settings("").trust;
    assert_eq!((&*own[0].domain, own.len()), ("cluster.local", 1));
    let trust =
        settings("trust: [{ domain: p.example, roots: p.pem }, { domain: own, aliases: [old] }]\n")
            .trust;
    assert_eq!((&*trust[0].domain, &*trust[0].aliases[0]), ("own", "old"));
    assert_eq!(
        (&*trust[1].domain, trust[1].roots.as_deref()),
        ("p.example", Some(Path::new("etc/p.pem")))
    );
    assert_eq!(
        problems(
            "trust: [{ domain: A }, { domain: b, aliases: [b] }, { domain: c }, { aliases: [x] }]\n"
        ),
        [
            "3:19 error: a trust domain is 1 to 255 bytes of `a-z 0-9 . _ -`",
            "3:47 error: `b` is given twice: it also stands at etc/egress.yaml:3",
            "3:53 error: `roots` is missing: only the mesh's own domain goes without, the one at etc/egress.yaml:3",
            "3:68 error: `domain` is missing: write such as `domain: cluster.local`",
        ]
    );
}

fn listener(text: &str) -> (String, u16, String, ListenerMode) {
    let file = SourceFile::new("f", format!("version: 1\nlisteners: [{text}]\n"));
    let listener = compiled(&[file]).unwrap().settings().listeners[0].clone();
    (
        listener.bind.to_string(),
        listener.port,
        listener.name.to_string(),
        listener.mode,
    )
}

#[test]
fn a_listener_has_the_port_callers_mean_and_a_place_to_bind() {
    let mtls = ListenerMode::MutualTls;
    for (text, bind, port, name) in [
        ("{ port: 8443 }", "0.0.0.0:8443", 8443, "mtls-8443"),
        ("{ port: 443, bind: 8443 }", "0.0.0.0:8443", 443, "mtls-443"),
        (
            "{ port: 443, bind: '127.0.0.1:0' }",
            "127.0.0.1:0",
            443,
            "mtls-443",
        ),
        ("{ port: 443, bind: '::', name: a }", "[::]:443", 443, "a"),
        ("{ bind: '[::1]:9443' }", "[::1]:9443", 9443, "mtls-9443"),
        ("{ port: 0 }", "0.0.0.0:0", 443, "mtls-443"),
        (
            "{ bind: '127.0.0.1:0', as: gateway, mode: mtls }",
            "127.0.0.1:0",
            443,
            "mtls-443",
        ),
    ] {
        assert_eq!(
            listener(text),
            (bind.to_owned(), port, name.to_owned(), mtls),
            "{text}"
        );
    }
    let plaintext = listener("{ port: 80, mode: plaintext }");
    assert_eq!(
        (plaintext.2.as_str(), plaintext.3),
        ("plaintext-80", ListenerMode::Plaintext)
    );
    for (text, name, mode) in [
        (
            "{ port: 443, mode: passthrough, hosts: '*.a.test' }",
            "passthrough-443",
            ListenerMode::Passthrough,
        ),
        (
            "{ port: 443, mode: passthrough, tls: off }",
            "passthrough-443",
            ListenerMode::Passthrough,
        ),
        (
            "{ port: 443, mode: passthrough, tls: mutual, hosts: a.test }",
            "passthrough-443",
            ListenerMode::InnerTls,
        ),
        ("{ port: 5432, mode: tcp }", "tcp-5432", ListenerMode::Tcp),
        (
            "{ port: 5432, mode: tcp, tls: mutual, hosts: a.test }",
            "tcp-5432",
            ListenerMode::Tcp,
        ),
        (
            "{ port: 5432, mode: tcp, tls: off }",
            "tcp-5432",
            ListenerMode::PlainTcp,
        ),
        (
            "{ port: 3128, mode: forward-proxy, hosts: proxy.test }",
            "forward-proxy-3128",
            ListenerMode::Proxy,
        ),
        (
            "{ port: 3128, mode: forward-proxy, as: mesh, tls: mutual }",
            "forward-proxy-3128",
            ListenerMode::Proxy,
        ),
        (
            "{ port: 3128, mode: forward-proxy, tls: off }",
            "forward-proxy-3128",
            ListenerMode::PlainProxy,
        ),
        (
            "{ port: 15008, mode: hbone }",
            "hbone-15008",
            ListenerMode::Hbone,
        ),
    ] {
        let read = listener(text);
        assert_eq!((read.2.as_str(), read.3), (name, mode), "{text}");
    }
}

#[test]
fn a_listener_that_cannot_be_bound_or_meant_is_refused() {
    let wrong = |text: &str| alone(&format!("version: 1\nlisteners:\n  {text}\n"));
    assert_eq!(
        wrong("- {}"),
        ["3:5 error: `port` is missing: write such as `port: 8443`"]
    );
    assert_eq!(
        wrong("- { port: 70000 }"),
        ["3:13 error: `70000` is no number from 0 to 65535: write one"]
    );
    assert_eq!(
        wrong("- { bind: here }"),
        [
            "3:13 error: `here` is no place to bind: write such as `0.0.0.0:8443`, `[::]:8443`, `127.0.0.1` or `8443`",
        ]
    );
    assert_eq!(
        wrong("- { bind: 127.0.0.1 }"),
        ["3:5 error: `port` is missing: write such as `port: 8443`"]
    );
    assert_eq!(
        wrong("- { port: 1, mode: forward-proxy, as: gateway }"),
        ["3:37 error: this mode takes the sidecars' part, whatever is written: delete `as`",]
    );
    assert_eq!(
        wrong("- { port: 1, mode: forward-proxy, tls: off, hosts: a.example }"),
        ["3:47 error: `hosts` has no effect here, where no server name is shown: delete it"]
    );
    assert_eq!(
        wrong("- { port: 1, mode: plaintext, hosts: a.example }"),
        ["3:33 error: `hosts` has no effect here, where no server name is shown: delete it"]
    );
    assert_eq!(
        wrong("- { port: 1, mode: tls }"),
        [
            "3:22 error: unknown word `tls`: write `mtls`, `plaintext`, `passthrough`, `tcp`, `forward-proxy` or `hbone`",
        ]
    );
    assert_eq!(
        wrong("- { port: 1, as: sidecar }"),
        ["3:20 error: unknown word `sidecar`: write `gateway` or `mesh`"]
    );
    assert_eq!(
        wrong("- { port: 1 }\n  - { port: 2, bind: 1 }\n  - { port: 1, bind: 9 }"),
        [
            "4:5 error: `0.0.0.0:1` is bound twice: it is also bound at f.yaml:3",
            "5:5 error: two listeners are named `mtls-1`: write another `name`, or mend the one at f.yaml:3",
        ]
    );
}

#[test]
fn limits_have_defaults_and_bounds() {
    assert_eq!(settings("").limits, Limits::default());
    let limits =
        settings("limits: { connections: 5, handshakesPerSource: 20, headTimeout: 3s, headSize: 32KiB, bodySize: 1MiB, bodyRate: 0B, controlFrames: 9, earlyResets: 7, wildcardLabels: 2, wildcardNames: 30, memory: 1GiB }\n")
            .limits;
    let expected = Limits {
        connections: 5,
        handshakes_per_source: 20,
        handshake_burst: 80,
        head_timeout: Duration::from_secs(3),
        head_bytes: 32_768,
        body_bytes: 1_048_576,
        body_rate: 0,
        control_frames: 9,
        early_resets: 7,
        wildcard_labels: 2,
        wildcard_names: 30,
        memory: Some(1 << 30),
        ..Limits::default()
    };
    assert_eq!(limits, expected);
    let limits = settings("limits: { handshakeBurst: 9 }\n").limits;
    assert_eq!(
        (limits.handshakes_per_source, limits.handshake_burst),
        (1000, 9)
    );
    assert_eq!(
        problems(
            "limits: { streams: 0, headSize: 2MiB, fields: 1, idleTimeout: 0s, targetSize: 16KiB, headFields: +1 }\n"
        ),
        [
            "3:20 error: `0` is no number from 1 to 10000000: write one",
            "3:33 error: `2MiB` is out of range: write a size from `64B` to `1MiB`",
            "3:39 error: unknown field `fields`: write `connections`, `connectionsPerPrincipal`, `connectionsPerSource`, \
         `handshakesPerSource`, `handshakeTimeout`, `headTimeout`, `idleTimeout`, `tunnelTimeout`, `bodyIdleTimeout`, `headSize`, `headFields`, \
         `targetSize`, `streams`, `bodySize`, `bodyRate`, `controlFrames`, `earlyResets`, `wildcardLabels`, `wildcardNames`, `memory`, `tunnelIdleTimeout` or `handshakeBurst`",
            "3:63 error: `0s` is no time at all: write such as `5s`",
            "3:79 error: `16KiB` is out of range: write a size from `64B` to `8KiB`",
            "3:98 error: `+1` is no number from 1 to 256: write one",
        ]
    );
    assert_eq!(
        problem("limits: { memory: 1MiB }\n"),
        "3:19 error: `1MiB` is too little: write at least `16MiB`",
    );
    assert_eq!(
        problem("limits: { headSize: 4KiB }\n"),
        "3:9 error: `targetSize` is larger than `headSize`, of which the target is a part: write a smaller one",
    );
}

#[test]
fn dns_admin_and_drain_are_read() {
    let settings = settings(
        "dns: { servers: [192.0.2.1, '[::1]:5353'], timeout: 1s, stale: 0s, families: v4 }\nadmin: { bind: 127.0.0.1 }\ndrain: { serve: 0s, finish: 1m }\n",
    );
    let servers: Vec<_> = settings
        .dns
        .servers
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(servers, ["192.0.2.1:53", "[::1]:5353"]);
    assert_eq!(
        (settings.dns.timeout, settings.dns.stale),
        (Duration::from_secs(1), Duration::ZERO)
    );
    assert_eq!(settings.dns.families, Families::V4);
    assert_eq!(settings.admin.unwrap().to_string(), "127.0.0.1:15021");
    assert_eq!(
        settings.drain,
        Drain {
            serve: Duration::ZERO,
            finish: Duration::from_secs(60)
        }
    );
    assert_eq!(super::settings("admin: off\n").admin, None);
    assert_eq!(
        super::settings("").admin.unwrap().to_string(),
        "0.0.0.0:15021"
    );
    assert_eq!(
        problem("dns: { servers: foo }\n"),
        "3:17 error: `foo` is no address: write such as `192.0.2.1`, `192.0.2.1:53` or `[2001:db8::1]:53`"
    );
    assert_eq!(
        problem("drain: { serve: 5 }\n"),
        "3:17 error: `5` has no unit: write `5s` or `5ms`"
    );
}

#[test]
fn sources_are_folders() {
    assert_eq!(problems("sources: { dir: x }\n"), [""; 0]);
    assert_eq!(
        problem("sources: [{ kubernetes: { namespaces: [a] } }]\n"),
        "3:13 error: not supported yet: `kubernetes`: write `dir: FOLDER`"
    );
    assert_eq!(
        problems("sources: [{ url: x }]\n"),
        [
            "3:11 error: `dir` is missing: write such as `dir: /etc/egress/conf.d`",
            "3:13 error: unknown field `url`: write `kubernetes` or `dir`",
        ]
    );
}
