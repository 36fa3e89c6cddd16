//! The map from advertised to reachable addresses.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Advertised address → reachable address, for gateways in containers or behind NAT
/// (`gatewayworker.address_map`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap {
    hosts: BTreeMap<Ipv4Addr, Ipv4Addr>,
    exact: BTreeMap<SocketAddrV4, SocketAddrV4>,
}

/// A part of an address map that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not of the form advertised-ip[:port]=reachable-ip[:port]")]
pub struct AddressMapError(pub String);

impl AddressMap {
    /// Maps nothing.
    pub const EMPTY: Self = Self { hosts: BTreeMap::new(), exact: BTreeMap::new() };

    /// Parses `172.25.0.2=10.0.0.5,172.25.0.3:2900=10.0.0.5:12900`. A pair without ports maps every
    /// port of that ip to the same port of the other. A pair with ports maps that port only, and
    /// takes precedence.
    ///
    /// # Errors
    /// When a pair has another form.
    pub fn parse(text: &str) -> Result<Self, AddressMapError> {
        let mut map = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let bad = || AddressMapError(pair.to_owned());
            let (from, to) = pair.split_once('=').ok_or_else(bad)?;
            let (from, to) = (from.trim(), to.trim());
            if let (Ok(from), Ok(to)) = (from.parse(), to.parse()) {
                map.hosts.insert(from, to);
            } else if let (Ok(from), Ok(to)) = (from.parse(), to.parse()) {
                map.exact.insert(from, to);
            } else {
                return Err(bad());
            }
        }
        Ok(map)
    }

    pub(super) fn reach(&self, advertised: SocketAddr) -> SocketAddr {
        let SocketAddr::V4(address) = advertised else {
            return advertised;
        };
        if let Some(exact) = self.exact.get(&address) {
            return SocketAddr::V4(*exact);
        }
        match self.hosts.get(address.ip()) {
            Some(ip) => SocketAddr::V4(SocketAddrV4::new(*ip, address.port())),
            None => advertised,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_map_it_cannot_read() {
        for bad in ["172.25.0.2", "a=b", "1.2.3.4=1.2.3.4:5", "1.2.3.4:5=1.2.3.4"] {
            assert_eq!(AddressMap::parse(bad), Err(AddressMapError(bad.into())));
        }
    }
}
