//! The lines of a register: any bytes are taken apart within bounds, whatever way they come; a list
//! is read as it was written.

use arbitrary::Unstructured;
use gatewayworker_client::{AddressMap, GatewayAddress};
use gatewayworker_wire::register::{self, LineError, LineTooLong, Lines, MOST_ADDRESSES};
use serde_json::Value as Json;

use crate::memory::bounded;

/// What a line may take for each of its bytes: a string for `"",` in a list that grows.
const PER_BYTE: usize = 64;

/// Takes `data` for a line, for a stream of lines, for a list of addresses, and for a secret key.
pub fn check(data: &[u8]) {
    line(data);
    stream(data);
    list(data);
    let hello = register::hello(data);
    assert_eq!(hello.last(), Some(&b'\n'));
    if let Ok(key) = std::str::from_utf8(data) {
        let line = &hello[..hello.len() - 1];
        assert!(!line.contains(&b'\n'), "one line");
        let told: Json = serde_json::from_slice(line).unwrap();
        assert_eq!(told["secret_key"], key);
    }
}

fn line(data: &[u8]) {
    let json = serde_json::from_slice::<Json>(data);
    match bounded(PER_BYTE * data.len() + 1024, || register::addresses(data)) {
        Ok(None) => {
            if let Ok(json) = json {
                assert_ne!(json["event"], "broadcast_addresses");
            }
        }
        Ok(Some(addresses)) => {
            assert!(addresses.len() <= MOST_ADDRESSES);
            for address in &addresses {
                if let Some(literal) = GatewayAddress::from_literal(address, &AddressMap::EMPTY) {
                    assert_eq!(*literal.text, **address);
                    assert_eq!(literal.reach.port(), literal.port);
                }
            }
            // What is passed over unread may be what the general reader refuses: a number such as
            // 1e999.
            if let Ok(json) = json {
                assert_eq!(json["event"], "broadcast_addresses");
                assert_eq!(addresses, in_order(&json["addresses"]));
            }
        }
        Err(error) => {
            assert!(error.to_string().len() < 80, "the line is not quoted");
            match error {
                LineError::NotJson { at } => {
                    assert!(at <= data.len());
                    assert!(json.is_err(), "it is JSON");
                }
                LineError::Shape { at } => assert!(at <= data.len()),
                LineError::NoAddresses => {
                    if let Ok(json) = json {
                        assert!(json["addresses"].is_null());
                    }
                }
            }
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(map) = AddressMap::parse(&text) {
        assert_eq!(map == AddressMap::EMPTY, text.split(',').all(|pair| pair.trim().is_empty()));
    }
}

fn in_order(addresses: &Json) -> Vec<String> {
    let text = |address: &Json| address.as_str().unwrap().to_owned();
    match addresses {
        Json::Array(list) => list.iter().map(text).collect(),
        Json::Object(map) => {
            let mut listed: Vec<_> = map.iter().collect();
            listed.sort_by_key(|(index, _)| (index.parse().unwrap_or(u32::MAX), index.as_bytes()));
            listed.into_iter().map(|(_, address)| text(address)).collect()
        }
        other => panic!("{other} was read as a list"),
    }
}

type Taken = (Vec<Vec<u8>>, Result<(), LineTooLong>);

fn take<'a>(longest: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Taken {
    let (mut lines, mut taken) = (Lines::new(longest), Vec::new());
    for piece in pieces {
        lines.tail().extend_from_slice(piece);
        loop {
            match lines.take() {
                Ok(Some(line)) => taken.push(line),
                Ok(None) => break,
                Err(error) => return (taken, Err(error)),
            }
        }
    }
    (taken, Ok(()))
}

fn stream(data: &[u8]) {
    let longest = usize::from(data.first().copied().unwrap_or(0));
    let mut expected: Taken = (Vec::new(), Ok(()));
    let mut lines = data.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if line.len() > longest {
            expected.1 = Err(LineTooLong);
            break;
        }
        if lines.peek().is_some() {
            expected.0.push(line.to_vec());
        }
    }
    assert_eq!(take(longest, std::iter::once(data)), expected, "at once");
    assert_eq!(take(longest, data.chunks(1)), expected, "byte by byte");
    let size = usize::from(data.last().copied().unwrap_or(0)) + 1;
    assert_eq!(take(longest, data.chunks(size)), expected, "in pieces of {size}");
}

fn list(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let Ok(addresses) = from.arbitrary::<Vec<String>>() else { return };
    let mut line = serde_json::json!({"event": "broadcast_addresses", "addresses": addresses}).to_string();
    assert_eq!(register::addresses(line.as_bytes()), Ok(Some(addresses.clone())));
    let gaps: serde_json::Map<String, Json> = (0..)
        .map(|index: usize| (index * 3).to_string())
        .zip(addresses.iter().cloned().map(Json::from))
        .collect();
    line = serde_json::json!({"event": "broadcast_addresses", "addresses": gaps}).to_string();
    assert_eq!(register::addresses(line.as_bytes()), Ok(Some(addresses)));
}
