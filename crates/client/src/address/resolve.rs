//! How names of registers and gateways are looked up, and how often.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Looks up the addresses of a `name:port`. It may be slow: only calling threads wait for it.
pub type Resolver = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// The resolver of the system: hosts file, DNS, and whatever else is configured.
///
/// # Errors
/// When the name is unknown, or the resolver cannot be reached.
pub fn system_resolver(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(name.to_socket_addrs()?.collect())
}

/// Whether it has a name instead of an ip, so that the address may change.
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

/// When names may be looked up again. The call that does so waits for the resolver.
#[derive(Debug, Default)]
pub(crate) struct LookUpPause {
    until: Option<Instant>,
}

impl LookUpPause {
    /// The shortest pause after a look-up. A resolver that is down may take many seconds to fail,
    /// so no more than a tenth of a caller's time is spent on it.
    const SHORTEST: Duration = Duration::from_secs(1);
    const SHARE: u32 = 9;

    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    /// Records a look-up that took from `began` until now.
    pub(crate) fn begin(&mut self, began: Instant) {
        let now = Instant::now();
        self.until = Some(now + Self::after(now - began));
    }

    fn after(took: Duration) -> Duration {
        took.saturating_mul(Self::SHARE).max(Self::SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_takes_long_is_asked_less_often() {
        let seconds = |took: f64| LookUpPause::after(Duration::from_secs_f64(took)).as_secs_f64();
        assert_eq!([seconds(0.0), seconds(0.1), seconds(10.0)], [1.0, 1.0, 90.0]);
    }
}
