//! Addresses by which a mesh names external hosts: what HBONE's callers dialled.

use std::collections::HashMap;
use std::net::IpAddr;

/// Canonical hosts by their virtual addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vips(HashMap<IpAddr, Box<str>>);

impl Vips {
    /// Adds the address of a host. Tells whether it is the first to have it.
    pub(crate) fn add(&mut self, address: IpAddr, host: &str) -> bool {
        match self.0.entry(address) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(host.into());
                true
            }
        }
    }

    /// The host that an address stands for.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<&str> {
        self.0.get(&address).map(|host| &**host)
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> Vec<(IpAddr, &str)> {
        let mut all: Vec<_> = self.0.iter().map(|(vip, host)| (*vip, &**host)).collect();
        all.sort_unstable();
        all
    }
}
