//! A list of gateways, and what became of it.

use std::sync::Arc;

use crate::gateway::Gateway;

/// A list of gateways, as somebody has told it, and what became of it.
#[derive(Debug, Default)]
pub(super) struct List {
    /// As it was told, to see at once that nothing has changed.
    pub(super) followed: Vec<String>,
    /// Those with the same ip next to each other: the original's order of results.
    pub(super) gateways: Vec<Arc<Gateway>>,
    /// Listed with a name instead of an ip, and still without an address; or without an answer at the address that they had,
    /// which they keep until another one is found.
    pub(super) named: Vec<UnresolvedName>,
}

/// The name of a gateway that has to be looked up.
#[derive(Clone, Debug)]
pub(super) struct UnresolvedName {
    pub(super) name: String,
    /// Why it was not found, or is looked up again; none as long as nobody has looked.
    pub(super) trouble: Option<String>,
}

impl List {
    pub(super) fn is_of<T: AsRef<str>>(&self, addresses: &[T]) -> bool {
        self.followed.len() == addresses.len()
            && self.followed.iter().zip(addresses).all(|(a, b)| a == b.as_ref())
    }

    /// Whether a gateway of this name has an address.
    pub(super) fn has(&self, name: &str) -> bool {
        self.gateways.iter().any(|gateway| *gateway.address.text == *name)
    }

    pub(super) fn named(&self, name: &str) -> Option<&UnresolvedName> {
        self.named.iter().find(|named| named.name == name)
    }

    /// Adds a gateway, unless it is there, perhaps with another name; [`List::group_by_ip`] has to follow.
    pub(super) fn add(&mut self, gateway: &Arc<Gateway>) {
        if !self.gateways.iter().any(|known| known.address.is_same(&gateway.address)) {
            self.gateways.push(Arc::clone(gateway));
        }
    }

    /// Puts gateways with the same ip next to each other, in the order in which each ip stands first.
    pub(super) fn group_by_ip(&mut self) {
        let mut order: Vec<u32> = Vec::new();
        for gateway in &self.gateways {
            if !order.contains(&gateway.address.ip) {
                order.push(gateway.address.ip);
            }
        }
        self.gateways.sort_by_key(|gateway| order.iter().position(|ip| *ip == gateway.address.ip));
    }
}
