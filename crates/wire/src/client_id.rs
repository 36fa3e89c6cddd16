//! The id by which PHP code names a client: 20 hex digits of `pack('NnN', ip, port, connection_id)`
//! (`Context::addressToClientId` in the original).

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Where a client is connected: its gateway's internal address, and its number on that gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId {
    /// The gateway's internal IPv4 address.
    pub ip: u32,
    /// The gateway's internal port.
    pub port: u16,
    /// The connection's number on that gateway.
    pub connection: u32,
}

/// A string that is not 20 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// Not 20 bytes long.
    #[error("{0} bytes long, a client id has 20")]
    Length(usize),
    /// A byte that is no hex digit.
    #[error("byte {0} is not a hex digit")]
    Digit(usize),
}

impl ClientId {
    /// The length of an id in hex digits.
    pub const LEN: usize = 20;

    /// Reads an id, in either case.
    ///
    /// # Errors
    /// Where the string is not 20 hex digits. (The original takes other bytes for the digit 0, with a warning.)
    pub fn parse(text: &[u8]) -> Result<Self, ClientIdError> {
        let digits: &[u8; Self::LEN] = text.try_into().map_err(|_| ClientIdError::Length(text.len()))?;
        let mut bytes = [0u8; Self::LEN / 2];
        let mut bad = 0u8;
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (HEX_VALUE[pair[0] as usize], HEX_VALUE[pair[1] as usize]);
            bad |= high | low;
            *byte = high << 4 | low;
        }
        if bad > 0x0f {
            let at = digits.iter().position(|digit| HEX_VALUE[*digit as usize] > 0x0f);
            return Err(ClientIdError::Digit(at.unwrap_or(0)));
        }
        let [a, b, c, d, e, f, g, h, i, j] = bytes;
        Ok(Self {
            ip: u32::from_be_bytes([a, b, c, d]),
            port: u16::from_be_bytes([e, f]),
            connection: u32::from_be_bytes([g, h, i, j]),
        })
    }

    /// The id in lower-case hex digits.
    #[must_use]
    pub fn to_hex(self) -> [u8; Self::LEN] {
        ClientIdPrefix::new(self.ip, self.port).with(self.connection)
    }

    /// The gateway's internal address.
    #[must_use]
    pub fn gateway(self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::from_bits(self.ip), self.port)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:04x}{:08x}", self.ip, self.port, self.connection)
    }
}

/// The first 12 hex digits, which all clients of one gateway share: long lists write them once.
#[derive(Clone, Copy, Debug)]
pub struct ClientIdPrefix([u8; ClientId::LEN]);

impl ClientIdPrefix {
    /// The prefix of the gateway at this internal address.
    #[must_use]
    pub fn new(ip: u32, port: u16) -> Self {
        let mut digits = [b'0'; ClientId::LEN];
        write_hex(&mut digits[..8], &ip.to_be_bytes());
        write_hex(&mut digits[8..12], &port.to_be_bytes());
        Self(digits)
    }

    /// The whole id of one connection of that gateway.
    #[must_use]
    pub fn with(self, connection: u32) -> [u8; ClientId::LEN] {
        let mut digits = self.0;
        write_hex(&mut digits[12..], &connection.to_be_bytes());
        digits
    }
}

fn write_hex(to: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in to.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0x0f)];
    }
}

/// The value of each hex digit; 0xff for every other byte.
static HEX_VALUE: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i] = i as u8;
        i += 1;
    }
    let mut i = 0;
    while i < 6 {
        table[b'a' as usize + i] = 10 + i as u8;
        table[b'A' as usize + i] = 10 + i as u8;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ClientId = ClientId { ip: 0x7f00_4d01, port: 2900, connection: 0xffff_ffff };

    #[test]
    fn reads_and_writes_the_documented_form() {
        assert_eq!(ClientId::parse(b"7f004d010b54ffffffff"), Ok(ID));
        assert_eq!(&ID.to_hex(), b"7f004d010b54ffffffff");
        assert_eq!(ID.to_string(), "7f004d010b54ffffffff");
        assert_eq!(ID.gateway().to_string(), "127.0.77.1:2900");
    }

    #[test]
    fn reads_upper_case_digits() {
        assert_eq!(ClientId::parse(b"7F004D010B54FFFFFFFF"), Ok(ID));
    }

    #[test]
    fn refuses_what_is_not_twenty_hex_digits() {
        assert_eq!(ClientId::parse(b"bad"), Err(ClientIdError::Length(3)));
        assert_eq!(ClientId::parse(b""), Err(ClientIdError::Length(0)));
        assert_eq!(ClientId::parse(b"7f004d010b54ffffffffx"), Err(ClientIdError::Length(21)));
        for at in 0..20 {
            for bad in [b'g', b'/', b':', b'@', b'`', b'G', b' ', 0, 0x80, 0xff] {
                let mut text = *b"7f004d010b5400000001";
                text[at] = bad;
                assert_eq!(ClientId::parse(&text), Err(ClientIdError::Digit(at)));
            }
        }
    }
}
