//! Reading access records in the default layout.

use serde_json::Value;

/// Keys of a line in the default layout: Istio's 24 and ours, in the order of the alphabet.
pub const KEYS: [&str; 33] = [
    "audit_rule",
    "authority",
    "bytes_received",
    "bytes_sent",
    "connection_termination_details",
    "decision",
    "downstream_local_address",
    "downstream_remote_address",
    "duration",
    "failure",
    "method",
    "path",
    "protocol",
    "refusal",
    "request_id",
    "requested_server_name",
    "response_code",
    "response_code_details",
    "response_flags",
    "route_name",
    "rule",
    "rule_origin",
    "shadow_rule",
    "snapshot",
    "source_principal",
    "start_time",
    "upstream_cluster",
    "upstream_host",
    "upstream_local_address",
    "upstream_service_time",
    "upstream_transport_failure_reason",
    "user_agent",
    "x_forwarded_for",
];

/// The code that tells why an attempt got no answer of the origin's: a refusal
/// of ours or a failure of the upstream's; empty when it got one.
#[must_use]
pub fn reason(record: &Value) -> &str {
    let field = |name: &str| record.get(name).and_then(Value::as_str);
    field("refusal")
        .or_else(|| field("failure"))
        .unwrap_or_default()
}

/// Asserts that `record` has each field of the object `expected` with its value.
///
/// # Panics
/// When one differs; with the whole record.
#[track_caller]
pub fn assert_has(record: &Value, expected: &Value) {
    for (name, value) in expected.as_object().expect("an object of expectations") {
        assert_eq!(record.get(name), Some(value), "`{name}` in {record:#}");
    }
}

/// Whether `text` is a time of the form `form`, such as `YYYY-MM-DDTHH:MM:SS.fffZ`:
/// `Y`, `M`, `D`, `H`, `S` and `f` stand for digits, all else for itself.
#[must_use]
pub fn is_time(text: &str, form: &str) -> bool {
    let fits = |(byte, meant): (u8, u8)| match meant {
        b'Y' | b'M' | b'D' | b'H' | b'S' | b'f' => byte.is_ascii_digit(),
        itself => byte == itself,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}
