//! The cluster's shared key, which must never be shown.

use std::fmt;
use std::sync::Arc;

use gatewayworker_wire::{Command, Head, json};

/// `Gateway::$secretKey`. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// A key of any bytes; the empty one means that none is used.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(key.into())
    }

    /// Whether connections have to authenticate.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.0.is_empty()
    }

    /// The key itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The frame that authenticates a connection to a gateway (command 202); empty without a key.
    #[must_use]
    pub fn auth_frame(&self) -> Vec<u8> {
        if !self.is_set() {
            return Vec::new();
        }
        let mut body = b"{\"secret_key\":".to_vec();
        if json::write_string(&mut body, &self.0).is_ok() {
            body.push(b'}');
        } else {
            // json_encode() returns false for a key that is not UTF-8, and false is sent as an
            // empty body.
            body.clear();
        }
        // No key is too long for the frame's 32-bit length.
        Head::new(Command::GatewayClientConnect, 0).frame(b"", &body).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "Secret(set)" } else { "Secret(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2")), "Secret(set)");
    }

    #[test]
    fn authenticates_with_the_bytes_of_the_original() {
        let frame = Secret::new("s3\"cr/et é".as_bytes()).auth_frame();
        assert_eq!(&frame[Head::LEN..], br#"{"secret_key":"s3\"cr\/et \u00e9"}"#);
        assert_eq!(frame[4], 202);
        assert!(Secret::new(b"").auth_frame().is_empty());
    }
}
