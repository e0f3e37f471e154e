//! Address ranges, and which of them an upstream may lie in.

use std::net::IpAddr;

use ipnet::IpNet;

use policy::address::AddressClass;
use policy::destination::Reach;

use crate::fields::{Fields, parsed};
use crate::spelling::listed;

/// What is refused.
#[derive(Clone, Copy)]
enum Denied {
    Range(IpNet),
    Class(AddressClass),
}

/// Adds `defaults.addresses.deny` or `denyAddresses`: ranges refused although they
/// are public, and ranges and classes refused whatever is allowed.
///
/// The special classes are refused whether named or not, but for what
/// `allowAddresses` names: an omission must not open the metadata service.
fn deny(reach: &mut Reach, fields: &Fields<'_>, key: &'static str) {
    for node in fields.many(key) {
        match parsed(node, fields.report, class_or_range) {
            Some(Denied::Range(range)) => reach.denied.push(range),
            Some(Denied::Class(class)) => reach.denied_classes.push(class),
            None => {}
        }
    }
}

fn class_or_range(text: &str) -> Result<Denied, String> {
    match AddressClass::named(text) {
        Some(class) if class.is_public() => Err(
            "`public` is every origin there is: write ranges such as `198.51.100.0/24`".to_owned(),
        ),
        Some(class) => Ok(Denied::Class(class)),
        None if text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':')
            && text.contains(['.', ':']) =>
        {
            range(text).map(Denied::Range)
        }
        None => {
            let special = AddressClass::ALL.iter().filter(|class| !class.is_public());
            let words = listed(special.map(|class| class.as_str()));
            Err(format!(
                "`{text}` is no class and no range: write a range such as `198.51.100.0/24`, or {words}"
            ))
        }
    }
}

/// `defaults.addresses: { deny, allow }`. What is allowed here is allowed to
/// every destination, those of Istio's kinds among them.
pub(super) fn default_reach(fields: &Fields<'_>) -> Reach {
    let mut reach = Reach {
        allowed: allowed(fields, "allow"),
        ..Reach::default()
    };
    deny(&mut reach, fields, "deny");
    reach
}

/// `allowAddresses` and `denyAddresses` of a destination or an upstream, with
/// what is said above.
pub(super) fn reach(fields: &Fields<'_>, above: &Reach) -> Reach {
    let mut reach = above.clone();
    reach.allowed.extend(allowed(fields, "allowAddresses"));
    deny(&mut reach, fields, "denyAddresses");
    reach
}

fn allowed(fields: &Fields<'_>, key: &'static str) -> Vec<IpNet> {
    let nodes = fields.many(key).iter();
    let allowed = nodes.filter_map(|node| {
        let range = parsed(node, fields.report, range)?;
        if range.prefix_len() == 0 {
            let message = "this admits every address, those of the metadata service and of the gateway itself: name the ranges";
            fields.report.warning(&node.origin, message);
        }
        Some(range)
    });
    allowed.collect()
}

/// `10.0.0.0/8` or one address. A range with bits beyond its length is a slip.
pub(super) fn range(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>().map(IpNet::from) {
        return Ok(address);
    }
    let range: IpNet = text.parse().map_err(|_| {
        format!("`{text}` is no range of addresses: write such as `10.0.0.0/8` or `192.0.2.1`")
    })?;
    match range.trunc() {
        net if net == range => Ok(net),
        net => Err(format!(
            "`{text}` begins before what it says: write `{net}`"
        )),
    }
}
