//! JSON as PHP code reads it: what `json_decode` makes of it, what is empty, which array key a
//! value becomes.

use gatewayworker_wire::php::value::OwnedKey;
use serde_json::Value as Json;

/// PHP's `empty()` for a string.
pub(crate) fn is_empty(bytes: &[u8]) -> bool {
    matches!(bytes, b"" | b"0")
}

/// `json_decode`: null where it is no JSON.
pub(crate) fn parse(ext: &[u8]) -> Json {
    serde_json::from_slice(ext).unwrap_or_default()
}

/// What `foreach` goes through.
pub(crate) fn values(json: &Json) -> Box<dyn Iterator<Item = &Json> + '_> {
    match json {
        Json::Array(items) => Box::new(items.iter()),
        Json::Object(items) => Box::new(items.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Whether `!$value`.
pub(crate) fn is_falsy(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Bool(value) => !value,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => is_empty(text.as_bytes()),
        Json::Array(items) => items.is_empty(),
        Json::Object(items) => items.is_empty(),
    }
}

/// The array key that PHP makes of a value; `None` where it makes none.
pub(crate) fn array_key(json: &Json) -> Option<OwnedKey> {
    match json {
        Json::Null => Some(OwnedKey::Str(Vec::new())),
        Json::Bool(value) => Some(OwnedKey::Int((*value).into())),
        // A fraction is cut off.
        Json::Number(number) => number.as_i64().or_else(|| Some(number.as_f64()? as i64)).map(OwnedKey::Int),
        Json::String(text) => Some(OwnedKey::from_bytes(text.as_bytes())),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// A connection id, if it is one.
pub(crate) fn connection_id(json: &Json) -> Option<u32> {
    match array_key(json)? {
        OwnedKey::Int(id) => id.try_into().ok(),
        OwnedKey::Str(_) => None,
    }
}

/// `isset($array[$id])`
pub(crate) fn has_key(array: &Json, id: u32) -> bool {
    let item = match array {
        Json::Object(items) => items.get(&id.to_string()),
        Json::Array(items) => items.get(id as usize),
        _ => None,
    };
    item.is_some_and(|item| !item.is_null())
}
