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
    /// If the string is not 20 hex digits. (The original takes other bytes for the digit 0, with a
    /// warning.)
    #[inline(always)]
    pub fn parse(text: &[u8]) -> Result<Self, ClientIdError> {
        let digits: &[u8; Self::LEN] = text.try_into().map_err(|_| ClientIdError::Length(text.len()))?;
        let parts = (eight_digits(digits, 0), eight_digits(digits, 8), eight_digits(digits, 12));
        match parts {
            (Some(ip), Some(middle), Some(connection)) => {
                Ok(Self { ip, port: (middle >> 16) as u16, connection })
            }
            _ => Err(bad_digit(digits)),
        }
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
pub struct ClientIdPrefix {
    first_eight: [u8; 8],
    next_four: [u8; 4],
}

impl ClientIdPrefix {
    /// The prefix of the gateway at this internal address.
    #[must_use]
    pub fn new(ip: u32, port: u16) -> Self {
        let [.., a, b, c, d] = hex(u32::from(port));
        Self { first_eight: hex(ip), next_four: [a, b, c, d] }
    }

    /// The whole id of one connection of that gateway.
    #[must_use]
    #[inline]
    pub fn with(self, connection: u32) -> [u8; ClientId::LEN] {
        let mut digits = [0; ClientId::LEN];
        digits[..8].copy_from_slice(&self.first_eight);
        digits[8..12].copy_from_slice(&self.next_four);
        digits[12..].copy_from_slice(&hex(connection));
        digits
    }
}

/// Each of eight bytes.
const EACH: u64 = 0x0101_0101_0101_0101;

#[cold]
fn bad_digit(text: &[u8; ClientId::LEN]) -> ClientIdError {
    ClientIdError::Digit(text.iter().position(|digit| !digit.is_ascii_hexdigit()).unwrap_or(0))
}

/// A number as eight lower-case hex digits, all of which are made at once.
#[inline(always)]
fn hex(number: u32) -> [u8; 8] {
    // The first byte becomes the lowest one, with a byte of room behind each for its second digit.
    let bytes = u64::from(number.swap_bytes());
    let pairs = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (bytes >> 4 | bytes << 8) & (0x0f * EACH);
    let letters = (digits + 0x06 * EACH) >> 4 & EACH;
    (digits + u64::from(b'0') * EACH + letters * u64::from(b'a' - b'0' - 10)).to_le_bytes()
}

/// The number that eight hex digits from this place on are, in either case; all are read at once.
/// `None`: one is none.
#[inline(always)]
fn eight_digits(text: &[u8; ClientId::LEN], start: usize) -> Option<u32> {
    const HIGH: u64 = 0x80 * EACH;
    let text = u64::from_le_bytes(*text[start..].first_chunk()?);
    let lower = text | (0x20 * EACH);
    // The highest bit of each byte that lies between two. None is high to begin with, so that no
    // sum carries into the next.
    let low = text & !HIGH;
    let between = |bytes: u64, from: u8, to: u8| {
        let (from, to) = (u64::from(0x80 - from) * EACH, u64::from(0x7f - to) * EACH);
        (bytes + from) & !(bytes + to)
    };
    let letters = between(lower & !HIGH, b'a', b'f') & HIGH;
    if (between(low, b'0', b'9') | letters) & !text & HIGH != HIGH {
        return None;
    }
    let digits = (text & (0x0f * EACH)) + 9 * (letters >> 7);
    let bytes = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    Some(((pairs | pairs >> 16) as u32).swap_bytes())
}

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
    fn writes_and_reads_every_digit_at_every_place() {
        for place in 0..ClientId::LEN {
            for (value, digit) in b"0123456789abcdef".iter().enumerate() {
                let mut text = *b"123456789abcdef01234";
                text[place] = *digit;
                let id = ClientId::parse(&text).expect("an id");
                assert_eq!(id.to_hex(), text);
                let all = u128::from(id.ip) << 48 | u128::from(id.port) << 32 | u128::from(id.connection);
                assert_eq!((all >> (4 * (ClientId::LEN - 1 - place)) & 0xf) as usize, value);
                text[place] = digit.to_ascii_uppercase();
                assert_eq!(ClientId::parse(&text), Ok(id));
            }
        }
    }

    #[test]
    fn refuses_what_is_not_twenty_hex_digits() {
        assert_eq!(ClientId::parse(b"bad"), Err(ClientIdError::Length(3)));
        assert_eq!(ClientId::parse(b""), Err(ClientIdError::Length(0)));
        assert_eq!(ClientId::parse(b"7f004d010b54ffffffffx"), Err(ClientIdError::Length(21)));
        for at in 0..20 {
            for bad in (0..=255u8).filter(|byte| !byte.is_ascii_hexdigit()) {
                let mut text = *b"7f004d010b5400000001";
                text[at] = bad;
                assert_eq!(ClientId::parse(&text), Err(ClientIdError::Digit(at)));
            }
        }
    }
}
