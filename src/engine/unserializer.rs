//! Serialized values from a gateway: plain ones are built right from the bytes, without the engine's unserializer;
//! the rest (objects, references) goes to it.

use ext_php_rs::types::Zval;
use gatewayworker_client::ReplyError;
use gatewayworker_client::wire::php::reader::ReadError;
use gatewayworker_client::wire::php::{Key, Reader, Scalar, Token};

use super::{ArrayBuilder, PhpString, object, serializer};

/// The value of serialized bytes.
///
/// # Errors
/// Where they are not serialized PHP data; and where an object's own code threw, see
/// [`object::exception_pending`].
pub fn unserialize(bytes: &[u8]) -> Result<Zval, ReplyError> {
    let mut reader = Reader::new(bytes);
    match plain(&mut reader) {
        Ok(Some(value)) => {
            reader.finish()?;
            return Ok(value);
        }
        Ok(None) => {
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
    Ok(value)
}

/// The next value; `None` where only the engine can build it. The recursion is bounded by the reader's depth.
fn plain(reader: &mut Reader<'_>) -> Result<Option<Zval>, ReplyError> {
    Ok(Some(match reader.token()? {
        Token::Scalar(value) => scalar(value),
        Token::Engine(_) => return Ok(None),
        Token::Array(len) => {
            let mut array = ArrayBuilder::with_capacity(len);
            for _ in 0..len {
                let key = reader.key()?;
                let Some(value) = plain(reader)? else { return Ok(None) };
                match key {
                    Key::Int(key) => array.set_int(key, value),
                    Key::Str(key) => array.set(key, value),
                }
            }
            reader.end()?;
            array.into_zval()
        }
    }))
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
