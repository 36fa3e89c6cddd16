//! Serialized values from a gateway: plain ones are built right from the bytes, without the engine's unserializer;
//! the rest (objects, references) goes to it.

use ext_php_rs::types::Zval;
use gatewayworker_client::ReplyError;
use gatewayworker_client::wire::php::reader::ReadError;
use gatewayworker_client::wire::php::value::integer_key;
use gatewayworker_client::wire::php::{Key, Reader, Scalar, Token};

use super::{ArrayBuilder, PhpString, object, serializer};

/// How many keys are remembered.
const KEYS: usize = 64;

/// Builds values from serialized bytes. It remembers the string keys it has met: the sessions of a list have the same
/// ones, which are then made, and hashed, once.
#[derive(Debug)]
pub struct Unserializer {
    keys: [Option<PhpString>; KEYS],
}

impl Unserializer {
    /// One that has met no key.
    pub fn new() -> Self {
        Self { keys: [const { None }; KEYS] }
    }

    /// The value of serialized bytes.
    ///
    /// # Errors
    /// Where they are not serialized PHP data, or data that PHP's unserializer refuses; and where an object's own code
    /// threw, see [`object::exception_pending`].
    pub fn read(&mut self, bytes: &[u8]) -> Result<Zval, ReplyError> {
        let mut reader = Reader::new(bytes);
        let mut value = Zval::new();
        match self.plain(&mut reader, &mut value) {
            Ok(true) => {
                reader.finish()?;
                return Ok(value);
            }
            Ok(false) => {
                // Malformed data is found here, so that the engine has nothing to warn about.
                let mut reader = Reader::new(bytes);
                reader.skip()?;
                reader.finish()?;
            }
            // The engine goes deeper than our reader.
            Err(ReplyError::Read(ReadError::Depth { .. })) => {}
            Err(error) => return Err(error),
        }
        let value = serializer::unserialize(bytes);
        if object::exception_pending() {
            return Err(ReplyError::Shape("an object in it threw an exception"));
        }
        // A false among them is plain, and was built above. This one stands for a case that an enum does not have, a
        // reference to nothing and the like; the engine has warned of it.
        if value.is_false() {
            return Err(ReplyError::Shape("PHP's unserializer refuses an object or a reference in it"));
        }
        Ok(value)
    }

    /// The next value; false where only the engine can build it.
    fn plain(&mut self, reader: &mut Reader<'_>, to: &mut Zval) -> Result<bool, ReplyError> {
        match reader.token()? {
            Token::Scalar(value) => *to = scalar(value),
            Token::Engine(_) => return Ok(false),
            Token::Array(len) => return self.elements(reader, len, to),
        }
        Ok(true)
    }

    /// As [`Unserializer::plain`], an array of which the start was read. The recursion is bounded by the reader's depth.
    fn elements(&mut self, reader: &mut Reader<'_>, len: usize, to: &mut Zval) -> Result<bool, ReplyError> {
        let mut array = ArrayBuilder::with_capacity(len);
        for _ in 0..len {
            let key = reader.key()?;
            let value = match reader.token()? {
                Token::Scalar(value) => scalar(value),
                Token::Engine(_) => return Ok(false),
                Token::Array(len) => {
                    let mut value = Zval::new();
                    if !self.elements(reader, len, &mut value)? {
                        return Ok(false);
                    }
                    value
                }
            };
            match key {
                Key::Int(key) => array.set_int(key, value),
                Key::Str(key) => match integer_key(key) {
                    Some(key) => array.set_int(key, value),
                    None => array.set_str(self.key(key), value),
                },
            }
        }
        reader.end()?;
        *to = array.into_zval();
        Ok(true)
    }

    /// A key's string, the same one as the last time unless another took its place.
    #[inline]
    fn key(&mut self, key: &[u8]) -> &PhpString {
        let place = match key {
            [first, .., last] => usize::from(*first) + 5 * usize::from(*last) + 17 * key.len(),
            _ => key.len(),
        };
        let slot = &mut self.keys[place % KEYS];
        if slot.as_ref().is_some_and(|known| known.as_bytes() != key) {
            *slot = None;
        }
        slot.get_or_insert_with(|| PhpString::new(key))
    }
}

/// A scalar as a zval.
#[inline]
pub fn scalar(value: Scalar<'_>) -> Zval {
    let mut zval = Zval::new();
    match value {
        Scalar::Null => {}
        Scalar::Bool(flag) => zval.set_bool(flag),
        Scalar::Int(number) => zval.set_long(number),
        Scalar::Float(number) => zval.set_double(number),
        Scalar::Str(bytes) => return PhpString::new(bytes).into_zval(),
    }
    zval
}
