//! `at` and `ports` of a destination: by which way requests come to it.

use policy::door::Door;

use crate::fields::{Fields, number};
use crate::node::Value;

/// What callers may name beside a host: plain HTTP that the gateway encrypts
/// comes as either (Istio's own examples use both).
pub(super) const PORTS: [u16; 2] = [80, 443];

/// `at: gateway:443` or `at: mesh:80`: only listeners of that part (`as:`) and
/// port lead here. Without a word every listener does.
pub(super) fn at(fields: &Fields<'_>) -> Option<Door> {
    fields.parsed("at", |text| {
        let (view, port) = text.split_once(':').unwrap_or((text, ""));
        let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
        let port = port.parse().ok().filter(|_| plain);
        match (view, port) {
            ("gateway", Some(port)) => Ok(Door::gateway(port)),
            ("mesh", Some(port)) => Ok(Door::mesh(port)),
            _ => Err(format!(
                "`{text}` is no way in: write such as `gateway:443` or `mesh:80`"
            )),
        }
    })
}

/// The ports a `Host` may name; none in the list: any (`ports: any`).
pub(super) fn ports(fields: &Fields<'_>) -> Vec<u16> {
    let any = |node: &crate::node::Node| matches!(&node.value, Value::Scalar(word) if &*word.text == "any");
    match fields.many("ports") {
        [] => PORTS.to_vec(),
        [only] if any(only) => Vec::new(),
        nodes => nodes
            .iter()
            .filter_map(|node| number(node, fields.report, 1..=u16::MAX))
            .collect(),
    }
}
