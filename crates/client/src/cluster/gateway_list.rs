//! A list of gateways, and what became of it.

use std::sync::Arc;

use crate::address::is_named;
use crate::gateway::Gateway;

/// A list of gateways as the register or the caller gave it, and what became of each entry.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The list as it was given, to notice at once that nothing has changed.
    pub(super) followed: Vec<String>,
    /// Gateways with the same ip are neighbours: this is the order of results in the original.
    pub(super) gateways: Vec<Arc<Gateway>>,
    /// Names without an address yet, and names whose last address stopped working. The latter keep
    /// that address until a new one is found.
    pub(super) named: Vec<UnresolvedName>,
}

/// The name of a gateway that has to be looked up.
#[derive(Clone, Debug)]
pub(super) struct UnresolvedName {
    pub(super) name: String,
    /// Why it was not found, or is looked up again; none before the first look-up.
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

    /// The gateway of the ids with this port and the ip 0. Gateways whose `lanIp` is a name have
    /// such ids: `ip2long()` takes no names. Of several, it is the one on this machine, as the
    /// original connects to 0.0.0.0; none if that leaves a choice.
    pub(super) fn by_name(&self, port: u16) -> Option<&Arc<Gateway>> {
        let named = || {
            let is_it =
                |gateway: &&Arc<Gateway>| gateway.address.port == port && is_named(&gateway.address.text);
            self.gateways.iter().filter(is_it)
        };
        let here = |gateway: &&Arc<Gateway>| gateway.address.reach.ip().is_loopback();
        match named().count() {
            1 => named().next(),
            _ if named().filter(here).count() == 1 => named().find(here),
            _ => None,
        }
    }

    /// Adds a gateway unless it is in the list, perhaps under another name. Call
    /// [`List::group_by_ip`] afterwards.
    pub(super) fn add(&mut self, gateway: &Arc<Gateway>) {
        if !self.gateways.iter().any(|known| known.address.is_same(&gateway.address)) {
            self.gateways.push(Arc::clone(gateway));
        }
    }

    /// Makes gateways with the same ip neighbours, in the order in which each ip comes first.
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
