//! Client ids: text and numbers say the same, and no other text is one.

use gatewayworker_client::address::GatewayKey;
use gatewayworker_client::{AddressMap, GatewayAddress};
use gatewayworker_wire::ClientId;
use gatewayworker_wire::client_id::{ClientIdError, ClientIdPrefix};

use crate::memory::bounded;

/// Takes `data` for the text of an id, for what nearly is one, and for the numbers in one.
pub fn check(data: &[u8]) {
    text(data);
    // Mostly digits, so that whole ids are often tried.
    const DIGITS: &[u8; 22] = b"0123456789abcdefABCDEF";
    let near: Vec<u8> =
        data.iter().map(|byte| *DIGITS.get(usize::from(*byte) % 23).unwrap_or(byte)).collect();
    text(&near);
    text(&near[..near.len().min(ClientId::LEN)]);
    if let Some([a, b, c, d, e, f, g, h, i, j]) = data.first_chunk() {
        numbers(ClientId {
            ip: u32::from_be_bytes([*a, *b, *c, *d]),
            port: u16::from_be_bytes([*e, *f]),
            connection: u32::from_be_bytes([*g, *h, *i, *j]),
        });
    }
}

fn text(text: &[u8]) {
    match bounded(0, || ClientId::parse(text)) {
        Ok(id) => {
            assert_eq!(text.len(), ClientId::LEN);
            let digits = std::str::from_utf8(text).unwrap();
            let number = u128::from_str_radix(digits, 16).unwrap();
            let numbers = u128::from(id.ip) << 48 | u128::from(id.port) << 32 | u128::from(id.connection);
            assert_eq!(numbers, number, "pack('NnN', ip, port, connection)");
            assert!(id.to_hex().eq_ignore_ascii_case(text));
            numbers_of(id);
        }
        Err(ClientIdError::Length(len)) => assert!(len == text.len() && len != ClientId::LEN),
        Err(ClientIdError::Digit(at)) => {
            assert_eq!(text.len(), ClientId::LEN);
            assert_eq!(text.iter().position(|byte| !byte.is_ascii_hexdigit()), Some(at), "the first one");
        }
    }
}

fn numbers(id: ClientId) {
    assert_eq!(ClientId::parse(&id.to_hex()), Ok(id));
    assert_eq!(ClientId::parse(&id.to_hex().to_ascii_uppercase()), Ok(id));
    numbers_of(id);
}

fn numbers_of(id: ClientId) {
    assert_eq!(id.to_string().as_bytes(), id.to_hex());
    assert_eq!(ClientIdPrefix::new(id.ip, id.port).with(id.connection), id.to_hex());
    let address = GatewayAddress::from_client_id(id, &AddressMap::EMPTY);
    assert_eq!((address.ip, address.port, address.key()), (id.ip, id.port, GatewayKey::from(id)));
    assert_eq!(GatewayAddress::from_literal(&address.text, &AddressMap::EMPTY).unwrap().key(), address.key());
}
