//! Clients that are about in the world: curl, Python's libraries, Node.js.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use integration_tests::client::Curl;
use integration_tests::mesh::Mesh;
use integration_tests::origin::LARGE;
use integration_tests::peers;
use integration_tests::record::assert_has;

use super::*;

const GOOGLE: &str = "www.googleapis.com:443";

fn url(mesh: &Mesh, listener: &str) -> String {
    let scheme = if listener == "open" { "http" } else { "https" };
    format!("{scheme}://{}", mesh.egret.listener(listener))
}

/// curl as a workload, over mutual TLS to the proxy.
fn curl(mesh: &Mesh, account: &str, target: &str) -> Curl {
    let who = mesh.pki.workload(account);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    Curl::by_proxy(target)
        .roots(&mesh.pki.origin_roots())
        .args(&["--proxy", &url(mesh, "proxy")])
        .args(&["--proxy-cert", &path(&who.chain)])
        .args(&["--proxy-key", &path(&who.key)])
        // The gateway's certificate names a workload, and no host.
        .args(&["--proxy-insecure"])
}

#[track_caller]
fn tunnels(mesh: &Mesh, number: usize) -> Vec<Value> {
    mesh.egret
        .wait_for_records("tunnels", number, |record| record["method"] == "CONNECT")
}

#[test]
fn curl_is_served_over_mutual_tls_and_its_tunnel_is_on_record() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, SLEEP]);
    let reply = curl(&mesh, "sleep", "https://www.googleapis.com/large").send();
    assert_eq!(
        (reply.status, reply.body.len(), &*reply.error),
        (200, LARGE, ""),
        "{}",
        mesh.egret.said()
    );
    assert_eq!(mesh.nginx.wait_for("/large")["sni"], "www.googleapis.com");
    let told = &tunnels(&mesh, 1)[0];
    assert_has(
        told,
        &json!({
            "method": "CONNECT", "authority": GOOGLE, "path": null, "protocol": "HTTP/1.1",
            "response_code": 200, "response_flags": "-", "decision": "allow", "rule": "sleepers",
            "refusal": null, "failure": null,
            "source_principal": "cluster.local/ns/default/sa/sleep",
            "inner_server_name": "www.googleapis.com",
            "upstream_cluster": "outbound|443||www.googleapis.com",
            "upstream_host": mesh.nginx.address().to_string(),
        }),
    );
    assert!(told["bytes_sent"].as_u64() > Some(LARGE as u64), "{told:#}");
    assert!(told["bytes_received"].as_u64() > Some(300), "{told:#}");
    assert!(told["user_agent"].as_str().unwrap().starts_with("curl/"));
    assert_eq!(mesh.egret.metric("istio_tcp_connections_closed_total"), 1);
    assert!(mesh.egret.metric("istio_tcp_sent_bytes_total") > LARGE as u64);
    let metrics = mesh.egret.admin("/metrics").text();
    let counted = metrics.lines().any(|line| {
        line.starts_with("egret_requests_total{")
            && line.contains("sa/sleep")
            && line.contains("destination=\"*.googleapis.com\"")
            && line.contains("response_code=\"200\"")
    });
    assert!(counted, "{metrics}");
}

#[test]
fn another_principal_is_told_no_before_anything_is_dialled() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, SLEEP]);
    let reply = curl(&mesh, "intruder", "https://www.googleapis.com/x").send();
    assert_eq!(reply.status, 0);
    assert!(reply.error.contains("403"), "{}", reply.error);
    let told = &tunnels(&mesh, 1)[0];
    assert_has(
        told,
        &json!({
            "response_code": 403, "decision": "deny", "refusal": "not_allowed",
            "authority": GOOGLE, "upstream_host": null, "bytes_sent": 0,
            "source_principal": "cluster.local/ns/default/sa/intruder",
        }),
    );
    assert_eq!(mesh.egret.metric("egret_upstream_connections_total"), 0);
    assert!(mesh.nginx.settled_requests().is_empty());
}

#[test]
fn an_http_url_is_a_request_like_any_other_and_the_proxys_fields_stay_here() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, SLEEP]);
    let reply = curl(&mesh, "sleep", "http://httpbin.org/by-url?a=1")
        .args(&["--proxy-user", "who:secret"])
        .send();
    assert_eq!(reply.status, 200, "{}", mesh.egret.said());
    let seen = mesh.recorder.wait_for("/by-url?a=1").message;
    assert_eq!(seen.values("host"), ["httpbin.org"]);
    for field in [
        "proxy-authorization",
        "proxy-connection",
        "via",
        "forwarded",
    ] {
        assert_eq!(seen.value(field), None, "{field}");
    }
    assert_has(
        &mesh.egret.record_of("/by-url?a=1"),
        &json!({
            "method": "GET", "authority": "httpbin.org", "rule": "sleepers",
            "source_principal": "cluster.local/ns/default/sa/sleep", "response_code": 200,
        }),
    );
    let refused = curl(&mesh, "intruder", "http://httpbin.org/other").send();
    assert_eq!(
        (refused.status, &*refused.text()),
        (403, "RBAC: access denied")
    );
    // One connection to the proxy serves several hosts.
    let mut raw = connect(&mesh, "sleep");
    for (host, path) in [("httpbin.org", "/one"), ("edition.cnn.com", "/two")] {
        let request = format!("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(raw.exchange(&request).unwrap().status(), 200, "{host}");
    }
    let client = raw.local_address().to_string();
    for path in ["/one", "/two"] {
        assert_eq!(
            mesh.egret.record_of(path)["downstream_remote_address"],
            client
        );
    }
}

#[test]
fn variables_of_the_environment_lead_to_a_proxy_in_clear() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, NEAR]);
    let fetch = |url_: &str, variable: &str| {
        Curl::by_proxy(url_)
            .roots(&mesh.pki.origin_roots())
            .environment(variable, &url(&mesh, "open"))
            .send()
    };
    let reply = fetch("https://www.googleapis.com/tls", "https_proxy");
    assert_eq!(
        (reply.status, &*reply.error),
        (200, ""),
        "{}",
        mesh.egret.said()
    );
    let reply = fetch("http://edition.cnn.com/clear", "http_proxy");
    assert_eq!(reply.status, 200, "{}", mesh.egret.said());
    for told in [tunnels(&mesh, 1).remove(0), mesh.egret.record_of("/clear")] {
        assert_has(&told, &json!({ "rule": "near", "source_principal": null }));
    }
    assert_eq!(mesh.nginx.wait_for("/clear")["sni"], "edition.cnn.com");
}

#[test]
fn without_a_certificate_rules_on_workloads_hold_for_nobody() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, SLEEP]);
    let reply = Curl::by_proxy("https://www.googleapis.com/x")
        .environment("https_proxy", &url(&mesh, "open"))
        .send();
    assert!(reply.error.contains("403"), "{}", reply.error);
    assert_eq!(tunnels(&mesh, 1)[0]["refusal"], "not_allowed");
    // Nor is anybody heard in clear where callers prove who they are.
    let reply = Curl::by_proxy("https://www.googleapis.com/x")
        .environment("https_proxy", &url(&mesh, "proxy").replace("https", "http"))
        .send();
    assert_eq!(reply.status, 0);
    let told = mesh
        .egret
        .wait_for_record("plain text", |record| record["refusal"] == "plaintext");
    assert_eq!(told["source_principal"], Value::Null);
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).unwrap().trim().to_owned()
}

fn script(name: &str) -> String {
    format!("{}/tests/forward_proxy/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn python_is_served_by_requests_and_by_urllib3() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, NEAR]);
    let python = |arguments: &[&str]| {
        let mut command = Command::new(peers::python());
        command.arg(script("client.py")).args(arguments);
        said(command)
    };
    let roots = mesh.pki.origin_roots();
    let roots = roots.to_str().unwrap();
    let open = url(&mesh, "open");
    assert_eq!(
        python(&[&open, roots, "https://www.googleapis.com/requests"]),
        "200"
    );
    assert_eq!(
        python(&[&open, roots, "http://edition.cnn.com/requests"]),
        "200"
    );
    let who = mesh.pki.workload("sleep");
    let mesh_roots = mesh.pki.mesh_roots();
    let paths = [&mesh_roots, &who.chain, &who.key].map(|path| path.to_str().unwrap());
    let proxy = url(&mesh, "proxy");
    let mutual = |url: &str| python(&[&[&*proxy, roots, url][..], &paths].concat());
    assert_eq!(mutual("https://www.googleapis.com/urllib3"), "200");
    let mut callers = Vec::new();
    for told in tunnels(&mesh, 2) {
        assert_has(&told, &json!({ "authority": GOOGLE, "response_code": 200 }));
        callers.push(told["source_principal"].clone());
    }
    let sleep = json!("cluster.local/ns/default/sa/sleep");
    assert_eq!(callers, [Value::Null, sleep]);
    let refused = python(&[&open, roots, "https://other.test/"]);
    assert!(refused.contains("404"), "{refused}");
}

#[test]
fn node_is_served_over_mutual_tls() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, SLEEP]);
    let node = |account: &str| {
        let who = mesh.pki.workload(account);
        let proxy = mesh.egret.listener("proxy");
        let mut command = Command::new(peers::node());
        command.arg(script("client.js"));
        command.args([proxy.ip().to_string(), proxy.port().to_string()]);
        command.args([&mesh.pki.mesh_roots(), &who.chain, &who.key]);
        command.arg(mesh.pki.origin_roots());
        command.args(["www.googleapis.com", "/node"]);
        said(command)
    };
    assert_eq!(node("sleep"), "200", "{}", mesh.egret.said());
    assert_eq!(mesh.nginx.wait_for("/node")["sni"], "www.googleapis.com");
    assert_eq!(node("intruder"), "403");
    let told = tunnels(&mesh, 2);
    let codes: Vec<_> = told.iter().map(|record| &record["response_code"]).collect();
    assert_eq!(codes, [200, 403]);
}

#[test]
fn istios_objects_serve_connect_as_they_serve_applications() {
    let objects = "defaults: { policy: allow, addresses: { allow: [127.0.0.0/8] } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: googleapis }
spec:
  hosts: [www.googleapis.com]
  ports: [{ number: 443, name: tls, protocol: TLS }, { number: 80, name: http, protocol: HTTP }]
  resolution: DNS
";
    let mesh = start(&[PINNED, objects]);
    let reply = curl(&mesh, "sleep", "https://www.googleapis.com/declared").send();
    assert_eq!(
        (reply.status, &*reply.error),
        (200, ""),
        "{}",
        mesh.egret.said()
    );
    let reply = curl(&mesh, "sleep", "https://edition.cnn.com/undeclared").send();
    assert!(reply.error.contains("404"), "{}", reply.error);
}
