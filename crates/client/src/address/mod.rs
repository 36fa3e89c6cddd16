//! The address of a gateway: what it is called, and where it is reached.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewayworker_wire::ClientId;

/// A gateway's internal address as the register or a client id tells it, and where it is reached from here.
#[derive(Clone, Debug)]
pub struct GatewayAddress {
    /// As the register advertises it: `ip:port`.
    pub text: Arc<str>,
    /// The IPv4 address that stands in the ids of its clients.
    pub ip: u32,
    /// The port that stands in the ids of its clients.
    pub port: u16,
    /// Where to connect to: the same, or what the [`AddressMap`] has for it.
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

    /// An `ip:port` text, without asking anybody; `None` where a name stands for the ip.
    #[must_use]
    pub fn from_literal(text: &str, map: &AddressMap) -> Option<Self> {
        let address: SocketAddr = text.parse().ok()?;
        Some(Self::new(text, address, map))
    }

    /// An `ip:port` or `name:port` text. May ask the resolver, so never to be called in the background thread.
    ///
    /// # Errors
    /// Where the text is no address, or the name is unknown.
    pub fn resolve(text: &str, resolver: Resolver, map: &AddressMap) -> io::Result<Self> {
        Ok(Self::new(text, resolve(text, resolver)?, map))
    }

    fn new(text: &str, address: SocketAddr, map: &AddressMap) -> Self {
        let ip = match address {
            SocketAddr::V4(address) => address.ip().to_bits(),
            // Client ids have room for IPv4 only; the original writes 0 there too.
            SocketAddr::V6(_) => 0,
        };
        Self { text: text.into(), ip, port: address.port(), reach: map.reach(address) }
    }

    /// Whether it is the same gateway, whatever it is called. Those with IPv6 have nothing but their port in client ids.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.key() == other.key() && self.reach == other.reach
    }

    /// The two numbers of a client id in one: what clusters look gateways up by.
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

/// Looks up the addresses of a `name:port`. It may take its time: only calling threads wait for it.
pub type Resolver = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// The resolver of the system: hosts file, DNS, and whatever else it is set to.
///
/// # Errors
/// Where the name is unknown, or nobody is there to tell.
pub fn system_resolver(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(name.to_socket_addrs()?.collect())
}

/// Whether a name stands for the ip, so that the address may become another one.
pub(crate) fn is_named(text: &str) -> bool {
    text.parse::<SocketAddr>().is_err()
}

/// Resolves `host:port`; IPv4 is preferred, as in the original.
pub(crate) fn resolve(text: &str, resolver: Resolver) -> io::Result<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let addresses = resolver(text)?;
    addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .copied()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

/// When names may be looked up once more: the call that does it waits for the resolver.
#[derive(Debug, Default)]
pub(crate) struct LookUpPause {
    until: Option<Instant>,
}

impl LookUpPause {
    /// The pause after names were looked up. A resolver that is not there may take many seconds to say so: no more than a
    /// tenth of a caller's time is spent on it.
    const SHORTEST: Duration = Duration::from_secs(1);
    const SHARE: u32 = 9;

    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    /// Names have been looked up, from `began` until now.
    pub(crate) fn begin(&mut self, began: Instant) {
        let now = Instant::now();
        self.until = Some(now + Self::after(now - began));
    }

    fn after(took: Duration) -> Duration {
        took.saturating_mul(Self::SHARE).max(Self::SHORTEST)
    }
}

/// Advertised address → reachable address, for gateways in containers or behind NAT (`gatewayworker.address_map`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap {
    hosts: BTreeMap<Ipv4Addr, Ipv4Addr>,
    exact: BTreeMap<SocketAddrV4, SocketAddrV4>,
}

/// A part of an address map that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not of the form advertised-ip[:port]=reachable-ip[:port]")]
pub struct AddressMapError(pub String);

impl AddressMap {
    /// Maps nothing.
    pub const EMPTY: Self = Self { hosts: BTreeMap::new(), exact: BTreeMap::new() };

    /// Reads `172.25.0.2=10.0.0.5,172.25.0.3:2900=10.0.0.5:12900`. A pair without ports maps every port of that ip to
    /// the same port of the other; a pair with ports maps just that one and goes before.
    ///
    /// # Errors
    /// Where a pair has another form.
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

    fn reach(&self, advertised: SocketAddr) -> SocketAddr {
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
    fn maps_advertised_addresses_and_keeps_the_numbers_of_client_ids() {
        let map = AddressMap::parse("172.25.0.2=10.0.0.5, 172.25.0.2:2901=10.0.0.6:12901,").expect("a map");
        let reach = |text: &str| {
            let address = GatewayAddress::from_literal(text, &map).expect("a literal");
            (address.reach.to_string(), Ipv4Addr::from_bits(address.ip).to_string(), address.port)
        };
        assert_eq!(reach("172.25.0.2:2900"), ("10.0.0.5:2900".into(), "172.25.0.2".into(), 2900));
        assert_eq!(reach("172.25.0.2:2901"), ("10.0.0.6:12901".into(), "172.25.0.2".into(), 2901));
        assert_eq!(reach("172.25.0.3:2900"), ("172.25.0.3:2900".into(), "172.25.0.3".into(), 2900));
    }

    #[test]
    fn a_resolver_that_takes_long_is_asked_less_often() {
        let seconds = |took: f64| LookUpPause::after(Duration::from_secs_f64(took)).as_secs_f64();
        assert_eq!([seconds(0.0), seconds(0.1), seconds(10.0)], [1.0, 1.0, 90.0]);
    }

    #[test]
    fn refuses_a_map_it_cannot_read() {
        for bad in ["172.25.0.2", "a=b", "1.2.3.4=1.2.3.4:5", "1.2.3.4:5=1.2.3.4"] {
            assert_eq!(AddressMap::parse(bad), Err(AddressMapError(bad.into())));
        }
    }
}
