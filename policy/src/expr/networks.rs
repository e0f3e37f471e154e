//! Networks: the right side of `source.ip in cidr("…")`.
//!
//! They are constants, so that membership is a comparison of bits.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::error::{Located, Problem};
use super::syntax::{Form, Kind, Syntax};

/// `cidr("…")`, or `ip("…")` as a network of one address.
pub(super) fn network(syntax: &Syntax) -> Result<IpNet, Located> {
    let (function, text) = constructor(syntax).ok_or_else(|| {
        let instead = "`cidr(\"10.0.0.0/8\")` or `ip(\"192.0.2.1\")`";
        let what = "a network";
        Problem::NotConstant { what, instead }.at(syntax.at)
    })?;
    let network = match function {
        "ip" => text.parse().ok().map(|address: IpAddr| address.into()),
        _ => text.parse().ok(),
    };
    let network = network.map(canonical);
    network.ok_or_else(|| Problem::NotANetwork(text.to_owned()).at(syntax.at))
}

/// The function and its constant text.
fn constructor(syntax: &Syntax) -> Option<(&str, &str)> {
    let Kind::Call(call) = &syntax.kind else {
        return None;
    };
    let constructs = matches!(call.function.as_str(), "cidr" | "ip");
    match call.operands.as_slice() {
        [operand] if constructs && call.form == Form::Function => match &operand.kind {
            Kind::Text(text) => Some((&call.function, text)),
            _ => None,
        },
        _ => None,
    }
}

/// IPv4 written as IPv6 is IPv4, as it is in the addresses compared.
pub(super) fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) => v6
            .addr()
            .to_ipv4_mapped()
            .zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let v4 = mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    v4.map_or(network, IpNet::V4)
}
