//! `dns.vips`: addresses that stand for hosts where the mesh dials them,
//! `ADDRESS` to `HOST`.

use std::net::IpAddr;

use super::tls::host_name;
use crate::fields::{Fields, parsed};
use crate::node::Value;
use crate::snapshot::Vips;

/// Reads all of them.
pub(super) fn vips(fields: &Fields<'_>) -> Vips {
    let mut vips = Vips::default();
    let Some(node) = fields.take("vips") else {
        return vips;
    };
    let Value::Map(entries) = &node.value else {
        let kind = node.kind();
        let message = format!("found {kind} where a map `ADDRESS: HOST` belongs");
        fields.report.error(&node.origin, message);
        return vips;
    };
    for entry in entries {
        let host = parsed(&entry.node, fields.report, host_name);
        let message = match (entry.key.parse::<IpAddr>(), host) {
            (Err(_), _) => format!(
                "`{}` is no address: write such as `240.240.0.10: api.example.com`",
                entry.key
            ),
            (Ok(address), Some(host)) if !vips.add(address, &host) => {
                format!("`{address}` is given twice: delete one of them")
            }
            (Ok(_), _) => continue,
        };
        fields.report.error(&entry.origin, message);
    }
    vips
}
