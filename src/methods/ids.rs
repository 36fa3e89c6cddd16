//! Client ids in the results of queries, where the loaded `Context` makes them in a way of its own.
//! A query makes the ids of the original class; here they are replaced.

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::ClientId;

use crate::call::{Call, Failure, Result};
use crate::context::Context;
use crate::engine::array::entries;
use crate::engine::key::Key;
use crate::engine::{ArrayBuilder, PhpString, Zv};

/// Where the client ids are in a result.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A list of ids.
    Values,
    /// id ⇒ id
    KeysAndValues,
    /// key ⇒ list of ids
    ListsOfValues,
    /// key ⇒ (id ⇒ id)
    ListsOfKeysAndValues,
}

/// Replaces the client ids in the return value of a call, where the `Context` has its own.
///
/// # Errors
/// Where the `Context` throws.
#[inline]
pub fn replace(call: &mut Call<'_>, shape: Shape) -> Result {
    match Context::with_own_ids(call) {
        None => Ok(()),
        Some(context) => {
            *call.return_value = own(context, call.return_value, shape)?;
            Ok(())
        }
    }
}

#[cold]
fn own(context: Context, plain: &Zval, shape: Shape) -> Result<Zval> {
    let Some(plain) = plain.array() else { return Ok(plain.shallow_clone()) };
    let mut result = ArrayBuilder::with_capacity(plain.len());
    for (key, value) in entries(plain) {
        match shape {
            Shape::Values => result.push(id(context, value)?),
            Shape::KeysAndValues => {
                let id = id(context, value)?;
                set(&mut result, &id, id.shallow_clone())?;
            }
            Shape::ListsOfValues => result.set_key(key, own(context, value, Shape::Values)?),
            Shape::ListsOfKeysAndValues => {
                result.set_key(key, own(context, value, Shape::KeysAndValues)?);
            }
        }
    }
    Ok(result.into_zval())
}

/// The sessions of clients, keyed by the ids of the `Context`; `current` is that of its current client.
///
/// # Errors
/// Where the `Context` throws.
#[cold]
pub fn sessions(context: Context, plain: &Zval, current: impl Fn() -> Zval) -> Result<Zval> {
    let mut result = ArrayBuilder::with_capacity(0);
    for (key, session) in plain.array().into_iter().flat_map(entries) {
        let Key::Str(key) = key else { continue };
        let id = id_of(context, key)?;
        let session = if context.is_current(&id) { current() } else { session.shallow_clone() };
        set(&mut result, &id, session)?;
    }
    Ok(result.into_zval())
}

fn id(context: Context, plain: &Zval) -> Result<Zval> {
    let text = plain.zend_str().map(|text| text.as_bytes()).unwrap_or_default();
    id_of(context, text)
}

fn id_of(context: Context, plain: &[u8]) -> Result<Zval> {
    let client = ClientId::parse(plain)
        .map_err(|error| Failure::Exception(format!("a client id of the extension: {error}")))?;
    context.id_of(client)
}

/// `$array[$id] = $value`
fn set(array: &mut ArrayBuilder, id: &Zval, value: Zval) -> Result {
    let key: PhpString = id.to_php_string().ok_or(Failure::Thrown)?;
    array.set_key(Key::from(key.as_bytes()), value);
    Ok(())
}
