//! The configuration istiod would give a sidecar for external hosts that leave
//! by the egress gateway, written for Envoy 1.40.
//!
//! istiod's Envoy has filters the plain one lacks. What they do on this path
//! is done by other means here: the protocols `istio.alpn` would set stand in
//! the TLS context, the headers of the metadata exchange are added by the route.

use serde_json::{Value, json};

use crate::pki::GATEWAY_PRINCIPAL;
use crate::sidecar::{External, Protocol, Setup, TCP_ALPN};

const SERVICE: &str = "istio-egressgateway.istio-system.svc.cluster.local";
const TLS: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const HTTP: &str = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.\
                       http_connection_manager.v3.HttpConnectionManager";
const TCP: &str = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const FILE_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const PREVIOUS_HOSTS: &str = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.\
                              PreviousHostsPredicate";
const UNBOUNDED: u32 = u32::MAX;

/// The whole bootstrap.
pub(crate) fn bootstrap(setup: &Setup<'_>, access_log: &str) -> Value {
    let clusters = setup.externals.iter();
    let clusters = clusters.map(|e| cluster(setup, e, &setup.protocol.alpn()));
    let filter = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": connection_manager(setup, access_log),
    });
    whole(setup, &filter, clusters.collect())
}

/// The whole bootstrap of a `tcp` or `tls` route that leads to the gateway.
pub(crate) fn tcp_bootstrap(setup: &Setup<'_>, external: &External, access_log: &str) -> Value {
    let filter = json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": TCP,
            "stat_prefix": "outbound_tcp",
            "cluster": cluster_name(external),
            "access_log": file_log(access_log),
        },
    });
    whole(setup, &filter, vec![cluster(setup, external, &TCP_ALPN)])
}

/// The whole bootstrap of what ztunnel does: bytes within HBONE, to `authority`.
pub(crate) fn hbone_bootstrap(setup: &Setup<'_>, authority: &str, access_log: &str) -> Value {
    let external = External::new("hbone");
    let filter = json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": TCP,
            "stat_prefix": "outbound_hbone",
            "cluster": cluster_name(&external),
            "tunneling_config": { "hostname": authority },
            "access_log": file_log(access_log),
        },
    });
    let mut cluster = cluster(setup, &external, &["h2"]);
    let tls = &mut cluster["transport_socket"]["typed_config"];
    tls["sni"] = Value::Null;
    let versions = &mut tls["common_tls_context"]["tls_params"];
    versions["tls_minimum_protocol_version"] = "TLSv1_3".into();
    whole(setup, &filter, vec![cluster])
}

fn whole(setup: &Setup<'_>, filter: &Value, clusters: Vec<Value>) -> Value {
    json!({
        "node": { "id": node(setup.account), "cluster": format!("{}.default", setup.account) },
        "admin": { "address": loopback() },
        "static_resources": { "listeners": [listener(filter)], "clusters": clusters },
    })
}

fn node(account: &str) -> String {
    format!("sidecar~10.10.0.21~{account}-6f5c9d7b8-abcde.default~default.svc.cluster.local")
}

fn loopback() -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } })
}

fn listener(filter: &Value) -> Value {
    json!({
        "name": "0.0.0.0_80",
        "address": loopback(),
        "traffic_direction": "OUTBOUND",
        "filter_chains": [{ "filters": [filter] }],
    })
}

fn file_log(path: &str) -> Value {
    json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": { "@type": FILE_LOG, "path": path },
    }])
}

fn connection_manager(setup: &Setup<'_>, access_log: &str) -> Value {
    json!({
        "@type": MANAGER,
        "stat_prefix": "outbound_0.0.0.0_80",
        "codec_type": "AUTO",
        "route_config": route_configuration(setup),
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": { "@type": ROUTER } }],
        "access_log": file_log(access_log),
        "use_remote_address": false,
        "normalize_path": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
    })
}

/// One virtual host for each external host; all others are outside the registry.
fn route_configuration(setup: &Setup<'_>) -> Value {
    let mut hosts: Vec<Value> = setup
        .externals
        .iter()
        .map(|e| virtual_host(setup, e))
        .collect();
    hosts.push(json!({
        "name": "block_all",
        "domains": ["*"],
        "routes": [{ "match": { "prefix": "/" }, "direct_response": { "status": 502 } }],
    }));
    json!({ "name": "80", "validate_clusters": false, "virtual_hosts": hosts })
}

fn virtual_host(setup: &Setup<'_>, external: &External) -> Value {
    let host = &external.host;
    json!({
        "name": format!("{host}:80"),
        "domains": [host, format!("{host}:*")],
        "include_request_attempt_count": true,
        "routes": [{
            "match": { "prefix": "/" },
            "route": {
                "cluster": cluster_name(external),
                "timeout": "0s",
                "retry_policy": retry_policy(),
            },
            "request_headers_to_add": added_headers(setup.account),
        }],
    })
}

/// Istio's default retries.
fn retry_policy() -> Value {
    json!({
        "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        "num_retries": 2,
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": { "@type": PREVIOUS_HOSTS },
        }],
        "host_selection_retry_max_attempts": "5",
        "retry_back_off": { "base_interval": "0.025s" },
    })
}

/// What the sidecar says of itself: a hint, never evidence.
fn added_headers(account: &str) -> Value {
    let add = |key: &str, value: &str| {
        json!({
            "header": { "key": key, "value": value },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        })
    };
    json!([
        add("x-envoy-decorator-operation", &format!("{SERVICE}:443/*")),
        add("x-envoy-peer-metadata-id", &node(account)),
        // A protobuf Struct { NAME: "sleep" } in base64.
        add("x-envoy-peer-metadata", "Cg8KBE5BTUUSBxoFc2xlZXA="),
    ])
}

/// `outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local`
fn cluster_name(external: &External) -> String {
    format!("outbound|443|{}|{SERVICE}", external.subset)
}

fn cluster(setup: &Setup<'_>, external: &External, alpn: &[&str]) -> Value {
    let name = cluster_name(external);
    let address = json!({ "socket_address": {
        "address": setup.gateway.ip().to_string(), "port_value": setup.gateway.port(),
    }});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": { "thresholds": [{
            "max_connections": UNBOUNDED, "max_pending_requests": UNBOUNDED,
            "max_requests": UNBOUNDED, "max_retries": UNBOUNDED, "track_remaining": true,
        }]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http_options(setup.protocol),
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": tls_context(setup, external, alpn),
        },
    })
}

fn http_options(protocol: Protocol) -> Value {
    let version = match protocol {
        Protocol::Http1 => json!({ "http_protocol_options": {} }),
        Protocol::Http2 => json!({ "http2_protocol_options": {} }),
    };
    json!({ "@type": HTTP, "explicit_http_config": version })
}

fn tls_context(setup: &Setup<'_>, external: &External, alpn: &[&str]) -> Value {
    let file = |path: &std::path::Path| json!({ "filename": path });
    let gateway = format!("spiffe://{GATEWAY_PRINCIPAL}");
    json!({
        "@type": TLS,
        "sni": external.server_name(SERVICE),
        "common_tls_context": {
            "alpn_protocols": alpn,
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_2",
                "tls_maximum_protocol_version": "TLSv1_3",
                "ecdh_curves": ["X25519MLKEM768", "X25519", "P-256"],
            },
            "tls_certificates": [{
                "certificate_chain": file(&setup.credential.chain),
                "private_key": file(&setup.credential.key),
            }],
            "validation_context": {
                "trusted_ca": file(setup.roots),
                "match_typed_subject_alt_names": [
                    { "san_type": "URI", "matcher": { "exact": gateway } },
                ],
            },
        },
    })
}
