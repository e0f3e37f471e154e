use conf::snapshot::LINE_BYTES;

use super::super::samples::{Dice, World};
use super::*;

const ISTIO: [&str; 24] = [
    "authority",
    "bytes_received",
    "bytes_sent",
    "connection_termination_details",
    "downstream_local_address",
    "downstream_remote_address",
    "duration",
    "method",
    "path",
    "protocol",
    "request_id",
    "requested_server_name",
    "response_code",
    "response_code_details",
    "response_flags",
    "route_name",
    "start_time",
    "upstream_cluster",
    "upstream_host",
    "upstream_local_address",
    "upstream_service_time",
    "upstream_transport_failure_reason",
    "user_agent",
    "x_forwarded_for",
];

const OURS: [&str; 9] = [
    "audit_rule",
    "decision",
    "failure",
    "refusal",
    "rule",
    "rule_origin",
    "shadow_rule",
    "snapshot",
    "source_principal",
];

fn written(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    line(&mut out, record);
    String::from_utf8(out).unwrap()
}

fn read(record: &Record<'_>) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(&written(record)).unwrap()
}

fn expected_keys(extra: Option<&str>) -> Vec<String> {
    let mut keys: Vec<&str> = ISTIO.into_iter().chain(OURS).chain(extra).collect();
    keys.sort_unstable();
    keys.into_iter().map(str::to_owned).collect()
}

/// Top-level keys in the order written; no value may hold `":`.
fn keys_in_order(line: &str) -> Vec<String> {
    let before_colon = line
        .split("\":")
        .map(|part| part.rsplit('"').next().unwrap());
    let mut keys: Vec<String> = before_colon.map(str::to_owned).collect();
    keys.pop();
    keys
}

#[test]
fn writes_an_allowed_request_byte_for_byte() {
    let world = World::new();
    assert_eq!(
        written(&world.allowed()),
        concat!(
            r#"{"audit_rule":null,"authority":"edition.cnn.com","bytes_received":0,"#,
            r#""bytes_sent":1883355,"connection_termination_details":null,"#,
            r#""decision":"allow","downstream_local_address":"10.10.0.7:8443","#,
            r#""downstream_remote_address":"10.10.0.21:34567","duration":264,"failure":null,"#,
            r#""method":"GET","path":"/politics?page=2","protocol":"HTTP/1.1","#,
            r#""refusal":null,"request_id":"d6ca4391-9749-4ef8-a2ee-147f77fddf97","#,
            r#""requested_server_name":"edition.cnn.com","response_code":200,"#,
            r#""response_code_details":"via_upstream","response_flags":"-","route_name":"default","#,
            r#""rule":"cnn-readers","rule_origin":"egress/policy.yaml:12","shadow_rule":null,"#,
            r#""snapshot":"0123456789ab","source_principal":"cluster.local/ns/default/sa/sleep","#,
            r#""start_time":"2026-11-20T18:02:04.533Z","#,
            r#""upstream_cluster":"outbound|443||edition.cnn.com","upstream_host":"151.101.3.5:443","#,
            r#""upstream_local_address":"10.10.0.7:51514","upstream_service_time":"261","#,
            r#""upstream_transport_failure_reason":null,"user_agent":"curl/7.88.1","#,
            r#""x_forwarded_for":null}"#,
        )
    );
}

#[test]
fn has_istios_keys_and_ours_in_alphabetical_order() {
    let world = World::new();
    assert_eq!(
        keys_in_order(&written(&world.allowed())),
        expected_keys(None)
    );
    let grpc = Record {
        grpc: true,
        grpc_status: Some(7),
        ..world.allowed()
    };
    assert_eq!(
        keys_in_order(&written(&grpc)),
        expected_keys(Some("grpc_status"))
    );
    assert_eq!(read(&grpc)["grpc_status"], 7);
}

#[test]
fn absent_is_null_but_no_flags_are_a_dash() {
    let record = read(&World::new().handshake());
    for key in [
        "authority",
        "method",
        "path",
        "rule",
        "rule_origin",
        "source_principal",
    ] {
        assert!(record[key].is_null(), "{key}");
    }
    assert_eq!(record["response_flags"], "-");
    assert_eq!(record["response_code"], 0);
}

#[test]
fn any_bytes_give_one_line_of_valid_json_with_exactly_our_keys() {
    let world = World::new();
    let mut dice = Dice::new();
    let expected = expected_keys(None);
    for _ in 0..3_000 {
        let bytes: Vec<Vec<u8>> = (0..4).map(|_| dice.bytes(4_000)).collect();
        let texts: Vec<String> = (0..8)
            .map(|_| String::from_utf8_lossy(&dice.bytes(3_000)).into_owned())
            .collect();
        let record = Record {
            method: Some((&*texts[0]).into()),
            path: Some((&*texts[1]).into()),
            authority: Some((&*texts[2]).into()),
            requested_server_name: Some(&texts[3]),
            response_code_details: Some((&*texts[4]).into()),
            upstream_transport_failure_reason: Some((&*texts[5]).into()),
            upstream_cluster: Some((&*texts[6]).into()),
            route_name: Some(&texts[7]),
            x_forwarded_for: Some(&bytes[0]),
            user_agent: Some(&bytes[1]),
            request_id: Some(&bytes[2]),
            ..world.denied()
        };
        let line = written(&record);
        assert!(line.len() <= LINE_BYTES, "{} bytes", line.len());
        assert!(!line.bytes().any(|byte| byte < b' ' || byte == 0x7f));
        let read = read(&record);
        assert_eq!(read.keys().cloned().collect::<Vec<_>>(), expected);
        assert_eq!(read["decision"], "deny");
        assert_eq!(read["source_principal"], world.sleep.as_str());
        let agent = String::from_utf8_lossy(&bytes[1]).into_owned();
        assert!(agent.starts_with(read["user_agent"].as_str().unwrap()));
    }
}

#[test]
fn long_text_is_cut_to_its_fields_limit() {
    let world = World::new();
    let long = "x".repeat(100_000);
    let record = read(&Record {
        path: Some((&*long).into()),
        authority: Some((&*long).into()),
        user_agent: Some(long.as_bytes()),
        ..world.allowed()
    });
    let length = |key: &str| record[key].as_str().unwrap().len();
    assert_eq!(
        (length("path"), length("authority"), length("user_agent")),
        (2048, 1024, 256)
    );
}

#[test]
fn the_longest_principal_is_never_cut() {
    let world = World::new();
    let name = format!("td/ns/a/sa/{}", "b".repeat(2_000));
    let longest = policy::principal::Principal::from_name(&name).unwrap();
    let record = read(&Record {
        source_principal: Some(&longest),
        ..world.allowed()
    });
    assert_eq!(record["source_principal"], longest.as_str());
}
