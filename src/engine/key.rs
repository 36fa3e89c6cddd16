//! Keys of arrays.

use gatewayworker_client::wire::php::value::integer_key;

/// An array key.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// An integer.
    Int(i64),
    /// A string that is no decimal integer.
    Str(&'a [u8]),
}

impl<'a> From<&'a [u8]> for Key<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        integer_key(bytes).map_or(Self::Str(bytes), Self::Int)
    }
}
