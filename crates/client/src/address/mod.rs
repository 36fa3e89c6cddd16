//! The address of a gateway: its name, and where it can be reached.

mod map;
mod resolve;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gatewayworker_wire::ClientId;

pub use crate::address::map::{AddressMap, AddressMapError};
pub(crate) use crate::address::resolve::{LookUpPause, is_named, resolve};
pub use crate::address::resolve::{Resolver, system_resolver};

/// A gateway's internal address as the register or a client id gives it, and where it can be
/// reached from here.
#[derive(Clone, Debug)]
pub struct GatewayAddress {
    /// As the register advertises it: `ip:port`.
    pub text: Arc<str>,
    /// The IPv4 address in the ids of its clients.
    pub ip: u32,
    /// The port in the ids of its clients.
    pub port: u16,
    /// Where to connect to: the same address, or the one that the [`AddressMap`] maps it to.
    pub reach: SocketAddr,
}

impl GatewayAddress {
    /// The address in a client id.
    #[must_use]
    pub fn from_client_id(id: ClientId, map: &AddressMap) -> Self {
        let address = id.gateway();
        Self {
            text: address.to_string().into(),
            ip: id.ip,
            port: id.port,
            reach: map.reach(SocketAddr::V4(address)),
        }
    }

    /// Parses `ip:port` without a resolver; `None` if it has a name instead of an ip.
    #[must_use]
    pub fn from_literal(text: &str, map: &AddressMap) -> Option<Self> {
        let address: SocketAddr = text.parse().ok()?;
        Some(Self::new(text, address, map))
    }

    /// Parses `ip:port` or `name:port`. It may call the resolver, so the background thread must not
    /// use it.
    ///
    /// # Errors
    /// When the text is not an address, or the name is unknown.
    pub fn resolve(text: &str, resolver: Resolver, map: &AddressMap) -> io::Result<Self> {
        Ok(Self::new(text, resolve(text, resolver)?, map))
    }

    fn new(text: &str, address: SocketAddr, map: &AddressMap) -> Self {
        let ip = match address {
            SocketAddr::V4(address) => address.ip().to_bits(),
            // Client ids have room for IPv4 only; the original writes 0 here too.
            SocketAddr::V6(_) => 0,
        };
        Self { text: text.into(), ip, port: address.port(), reach: map.reach(address) }
    }

    /// Whether it is the same gateway under any name. Client ids hold only the port of a gateway
    /// with IPv6.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.key() == other.key() && self.reach == other.reach
    }

    /// The gateway's part of a client id as one number, by which clusters look gateways up.
    #[must_use]
    pub fn key(&self) -> GatewayKey {
        GatewayKey::new(self.ip, self.port)
    }
}

impl fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A gateway's ip and port in one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GatewayKey(u64);

impl GatewayKey {
    /// The key of a gateway's internal address.
    #[must_use]
    pub fn new(ip: u32, port: u16) -> Self {
        Self(u64::from(ip) << 16 | u64::from(port))
    }
}

impl From<ClientId> for GatewayKey {
    fn from(id: ClientId) -> Self {
        Self::new(id.ip, id.port)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Maps advertised addresses and keeps the numbers of client ids.
    #[test]
    fn map_changes_reach_and_keeps_the_numbers_of_client_ids() {
        let map = AddressMap::parse("172.25.0.2=10.0.0.5, 172.25.0.2:2901=10.0.0.6:12901,").expect("a map");
        let reach = |text: &str| {
            let address = GatewayAddress::from_literal(text, &map).expect("a literal");
            (address.reach.to_string(), Ipv4Addr::from_bits(address.ip).to_string(), address.port)
        };
        assert_eq!(reach("172.25.0.2:2900"), ("10.0.0.5:2900".into(), "172.25.0.2".into(), 2900));
        assert_eq!(reach("172.25.0.2:2901"), ("10.0.0.6:12901".into(), "172.25.0.2".into(), 2901));
        assert_eq!(reach("172.25.0.3:2900"), ("172.25.0.3:2900".into(), "172.25.0.3".into(), 2900));
    }
}
