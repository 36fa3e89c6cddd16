//! What is spoken with the register: lines of JSON (`GatewayWorker\Register`).

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};

/// No list of gateways is longer than this, in bytes.
pub const LONGEST_LINE: usize = 4 << 20;
/// No list of gateways has more addresses than this: each is a connection, and each new one is
/// compared with the others.
pub const MOST_ADDRESSES: usize = 10_000;
/// The line that keeps the connection alive.
pub const PING: &[u8] = b"{\"event\":\"ping\"}\n";

/// The line by which a client introduces itself: the original's bytes wherever those are valid
/// JSON.
#[must_use]
pub fn hello(secret: &[u8]) -> Vec<u8> {
    let mut hello = b"{\"event\":\"worker_connect\",\"secret_key\":".to_vec();
    match std::str::from_utf8(secret).map(serde_json::to_string) {
        Ok(Ok(key)) => hello.extend_from_slice(key.as_bytes()),
        _ => {
            hello.push(b'"');
            hello.extend_from_slice(secret);
            hello.push(b'"');
        }
    }
    hello.extend_from_slice(b"}\n");
    hello
}

/// Why a line is none of a register.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No JSON.
    #[error("a line is not JSON (at its byte {at})")]
    NotJson {
        /// How many bytes of the line were read.
        at: usize,
    },
    /// JSON of another shape, or too many addresses.
    #[error("a line is not one of a register (at its byte {at})")]
    Shape {
        /// How many bytes of the line were read.
        at: usize,
    },
    /// A broadcast without a list of addresses.
    #[error("a broadcast has no addresses")]
    NoAddresses,
}

/// Reads a line, without its end: the addresses of all gateways, as `ip:port` or `name:port`, in
/// the register's order. `None`: the line is about something else.
///
/// # Errors
/// Where it is none of a register. The error never quotes the line.
pub fn addresses(line: &[u8]) -> Result<Option<Vec<String>>, LineError> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        event: std::borrow::Cow<'a, str>,
        addresses: Option<Addresses>,
    }
    let message: Message<'_> = serde_json::from_slice(line).map_err(|error| {
        // serde_json counts lines, and columns from 1 on, where we have bytes.
        let before = line.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
        let at = before.map(<[u8]>::len).sum::<usize>() + error.column();
        if error.is_data() { LineError::Shape { at } } else { LineError::NotJson { at } }
    })?;
    if message.event != "broadcast_addresses" {
        return Ok(None);
    }
    message.addresses.map(|addresses| Some(addresses.0)).ok_or(LineError::NoAddresses)
}

/// A list; or an object with numbers as keys, since `array_unique()` leaves gaps in the register's
/// array and `json_encode()` then makes an object of it.
struct Addresses(Vec<String>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // An untagged enum would do, but it first builds the whole value, whatever it is.
        from.deserialize_any(AddressesVisitor)
    }
}

struct AddressesVisitor;

impl<'de> Visitor<'de> for AddressesVisitor {
    type Value = Addresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("addresses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
        let mut addresses = Vec::new();
        while let Some(address) = list.next_element()? {
            if addresses.len() == MOST_ADDRESSES {
                return Err(A::Error::custom("too many"));
            }
            addresses.push(address);
        }
        Ok(Addresses(addresses))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Addresses, A::Error> {
        let mut listed = BTreeMap::<String, String>::new();
        while let Some((index, address)) = map.next_entry()? {
            if listed.len() == MOST_ADDRESSES {
                return Err(A::Error::custom("too many"));
            }
            listed.insert(index, address);
        }
        let mut listed: Vec<(String, String)> = listed.into_iter().collect();
        listed.sort_by_key(|(index, _)| index.parse().unwrap_or(u32::MAX));
        Ok(Addresses(listed.into_iter().map(|(_, address)| address).collect()))
    }
}

/// Lines out of a stream of bytes, of a bounded length. How the bytes are cut on their way makes no
/// difference.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// How far there is known to be no end of a line, so that no byte is looked at twice.
    searched: usize,
    longest: usize,
}

/// A line that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line without an end")]
pub struct LineTooLong;

impl Lines {
    /// Takes lines of at most `longest` bytes, without their ends.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { buffer: Vec::new(), searched: 0, longest }
    }

    /// Where received bytes are to be appended.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Takes the first whole line, without its end; `None` where it is not all there yet.
    ///
    /// # Errors
    /// Where it is too long; nothing is taken then.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        match self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            Some(end) if self.searched + end <= self.longest => {
                let mut line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
                line.pop();
                self.searched = 0;
                Ok(Some(line))
            }
            None if self.buffer.len() <= self.longest => {
                self.searched = self.buffer.len();
                Ok(None)
            }
            _ => Err(LineTooLong),
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(LONGEST_LINE)
    }
}

/// The addresses (`host:port`) in one value of `$registerAddress`, as users write them: several
/// with blanks, commas or semicolons between them, with `text://` or `tcp://` in front, with a
/// slash or a line end behind.
///
/// # Errors
/// The first part that is no address.
pub fn written_addresses(text: &str) -> Result<Vec<String>, InvalidAddress> {
    // Blanks around a colon belong to the address.
    let mut joined = String::with_capacity(text.len());
    for char in text.trim().chars() {
        if char == ':' {
            joined.truncate(joined.trim_end().len());
        }
        if !(char.is_whitespace() && joined.ends_with(':')) {
            joined.push(char);
        }
    }
    let is_between = |char: char| char.is_whitespace() || matches!(char, ',' | ';');
    let parts = joined.split(is_between).filter(|part| !part.is_empty());
    parts.map(|part| address(part).ok_or_else(|| InvalidAddress(part.to_owned()))).collect()
}

fn address(text: &str) -> Option<String> {
    let text = match text.split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|char| char.is_ascii_alphabetic()) => rest,
        _ => text,
    };
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (host, port) = text[..end].rsplit_once(':')?;
    let is_in_name = |char: char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_');
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(literal) => literal.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_in_name),
    };
    // As atoi() reads it: leading digits count.
    let digits = port.strip_prefix('+').unwrap_or(port);
    let digits = &digits[..digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len())];
    let port: u16 = digits.parse().ok().filter(|port| *port > 0)?;
    is_host.then(|| format!("{host}:{port}"))
}

/// A part of `$registerAddress` that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not of the form host:port, such as 127.0.0.1:1236")]
pub struct InvalidAddress(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_what_array_unique_makes_of_them() {
        let read = |line: &str| addresses(line.as_bytes());
        let list = |addresses: &[&str]| Ok(Some(addresses.iter().map(|text| (*text).to_owned()).collect()));
        assert_eq!(
            read(r#"{"event":"broadcast_addresses","addresses":["1.2.3.4:5","gw:6"]}"#),
            list(&["1.2.3.4:5", "gw:6"])
        );
        assert_eq!(
            read(r#"{"event":"broadcast_addresses","addresses":{"10":"c:3","2":"b:2","0":"a:1"}}"#),
            list(&["a:1", "b:2", "c:3"])
        );
        assert_eq!(read(r#"{"event":"broadcast_addresses","addresses":[]}"#), list(&[]));
        assert_eq!(read(r#"{"event":"ping"}"#), Ok(None));
        assert_eq!(read(r#"{"ev\u0065nt":"p\u0069ng","else":[{}]}"#), Ok(None));
    }

    #[test]
    fn refuses_everything_else_without_quoting_it() {
        for (line, error) in [
            ("", LineError::NotJson { at: 0 }),
            ("HTTP/1.1 400 Bad Request\r", LineError::NotJson { at: 1 }),
            ("{}\n}", LineError::NotJson { at: 4 }),
            (r#"{"event":"broadcast_addresses"}"#, LineError::NoAddresses),
            (r#"{"event":"broadcast_addresses","addresses":null}"#, LineError::NoAddresses),
            (r#"{"event":"broadcast_addresses","addresses":[1]}"#, LineError::Shape { at: 45 }),
            (
                r#"{"event":"ping","addresses":"what a stranger may have logged"}"#,
                LineError::Shape { at: 61 },
            ),
            (r#"{"event":7}"#, LineError::Shape { at: 10 }),
        ] {
            assert_eq!(addresses(line.as_bytes()), Err(error), "{line}");
        }
    }

    #[test]
    fn bounds_the_number_of_addresses() {
        let line = |count: usize| {
            let list: Vec<String> = (0..count).map(|port| format!("1.2.3.4:{port}")).collect();
            let list = serde_json::to_string(&list).expect("JSON");
            let map: Vec<String> = (0..count).map(|port| format!("\"{port}\":\"1.2.3.4:{port}\"")).collect();
            let broadcast = |addresses: &str| {
                format!("{{\"event\":\"broadcast_addresses\",\"addresses\":{addresses}}}").into_bytes()
            };
            [broadcast(&list), broadcast(&format!("{{{}}}", map.join(",")))]
        };
        for most in line(MOST_ADDRESSES) {
            assert_eq!(addresses(&most).map(|list| list.map(|list| list.len())), Ok(Some(MOST_ADDRESSES)));
        }
        for more in line(MOST_ADDRESSES + 1) {
            assert!(matches!(addresses(&more), Err(LineError::Shape { .. })));
        }
    }

    #[test]
    fn introduces_itself_with_any_key() {
        assert_eq!(hello(b"k\"/"), b"{\"event\":\"worker_connect\",\"secret_key\":\"k\\\"/\"}\n");
        assert_eq!(hello(b"\xff"), b"{\"event\":\"worker_connect\",\"secret_key\":\"\xff\"}\n");
    }

    #[test]
    fn takes_lines_however_they_arrive() {
        let mut lines = Lines::new(5);
        let mut taken = Vec::new();
        for byte in b"one\r\n\nthree\nrest" {
            lines.tail().push(*byte);
            taken.extend(lines.take().expect("short lines"));
        }
        assert_eq!(taken, [&b"one\r"[..], b"", b"three"]);
        lines.tail().push(b'.');
        assert_eq!(lines.take(), Ok(None));
        lines.tail().push(b'.');
        assert_eq!(lines.take(), Err(LineTooLong), "however long it will be");
    }

    #[test]
    fn refuses_a_line_that_is_too_long_also_where_its_end_has_come() {
        let mut lines = Lines::new(5);
        lines.tail().extend_from_slice(b"sixsix\n");
        assert_eq!(lines.take(), Err(LineTooLong));
    }

    #[test]
    fn addresses_are_taken_as_users_write_them() {
        let one = ["127.0.0.1:1236".to_owned()];
        for text in [
            "127.0.0.1:1236",
            "127.0.0.1:1236\n",
            "\u{a0} 127.0.0.1:1236\r\n",
            "127.0.0.1:1236/",
            "127.0.0.1:1236/path?query#fragment",
            "127.0.0.1 : 1236",
            "127.0.0.1:01236",
            "127.0.0.1:+1236",
            "127.0.0.1:1236abc",
            "text://127.0.0.1:1236",
            "TCP://127.0.0.1:1236/",
        ] {
            assert_eq!(written_addresses(text), Ok(one.to_vec()), "{text:?}");
        }
        let several = ["register-1:1236", "register_2.example:1238", "[::1]:1236"];
        let text = "register-1:1236, text://register_2.example:1238;\t[::1]:1236";
        assert_eq!(written_addresses(text), Ok(several.map(str::to_owned).to_vec()));
        assert_eq!(written_addresses(" \n"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in [
            "127.0.0.1",
            ":1236",
            "1236",
            "host:",
            "host:x",
            "host:0",
            "host:65536",
            "user:key@host:1236",
            "::1:1236",
            "host\0:1236",
            "127.0.0.1\u{ff1a}1236",
        ] {
            let invalid = Err(InvalidAddress(text.to_owned()));
            assert_eq!(written_addresses(&format!("good:1, {text}")), invalid);
        }
    }
}
