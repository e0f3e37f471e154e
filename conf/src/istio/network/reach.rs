//! Which addresses the endpoints of an object open.

use std::net::IpAddr;

use ipnet::IpNet;

use policy::address::{AddressClass, classify};
use policy::destination::Reach;

use super::super::scope::Scope;

/// An endpoint written as a private address is meant, where whoever runs the
/// gateway wrote it: in its own namespace, or the mesh's root. Other namespaces
/// would open the cluster's network to whom they like. An address of this
/// machine or of a cloud's metadata service takes the word of a native document
/// (`defaults: { addresses: { allow: … } }`).
pub(super) fn reach(
    scope: &Scope<'_>,
    namespace: &str,
    addresses: impl IntoIterator<Item = IpAddr>,
) -> Reach {
    let mut reach = scope.reach.clone();
    if scope.is_of_operator(namespace) {
        let private = |address: &IpAddr| is_private(classify(*address));
        let meant = addresses.into_iter().filter(private);
        reach.allowed.extend(meant.map(IpNet::from));
    }
    reach
}

/// Of a network that somebody runs for himself.
pub(super) fn is_private(class: AddressClass) -> bool {
    matches!(
        class,
        AddressClass::Private | AddressClass::UniqueLocal | AddressClass::CarrierGradeNat
    )
}
