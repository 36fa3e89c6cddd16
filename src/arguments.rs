//! What arguments mean: client ids, messages, uids and groups, with PHP's conversions.

use std::collections::HashSet;

use ext_php_rs::types::{ZendHashTable, Zval};
use gatewayworker_client::Message;
use gatewayworker_client::wire::{ClientId, json};

use crate::call::{Call, Failure, Result};
use crate::classes::GatewayClass;
use crate::context::Context;
use crate::engine::array;
use crate::engine::key::Key;
use crate::engine::serializer::Serialized;
use crate::engine::{PhpString, Zv, serializer};
use crate::overrides::overridden;
use crate::statics::Statics;
use crate::worker::Worker;

/// No more than this of a bad value is shown in the log.
const SHOWN: usize = 64;

/// What a method does with an argument that it cannot use.
pub const REFUSED: &str = "refused";

/// The client that the running callback is about. `None`: there is none, which is complained about.
///
/// # Errors
/// Outside of a BusinessWorker, where there is none: the original cannot connect to its address then.
#[inline(always)]
pub fn current_client(call: &Call<'_>) -> Result<Option<ClientId>> {
    match Context::of(call).and_then(|context| context.current()) {
        Some(current) => Ok(Some(current)),
        None => no_current_client(call),
    }
}

#[cold]
fn no_current_client(call: &Call<'_>) -> Result<Option<ClientId>> {
    let reason = "there is no current client outside of a callback, pass a client id";
    if Worker::of(&Statics::of(call)).is_some_and(|worker| worker.sends()) {
        call.complain(REFUSED, reason);
        return Ok(None);
    }
    Err(Failure::Exception(format!("{}(): {reason}", call.name())).into())
}

/// The client that an argument names: null and the current client's id mean the one in `Context`.
/// `None`: it is no client id, and that has been complained about.
///
/// # Errors
/// Where the type cannot be one of an id; in `GatewayClient\Gateway`, where it is no id; and as
/// [`current_client`].
#[inline(always)]
pub fn client(call: &Call<'_>, index: usize) -> Result<Option<ClientId>> {
    let value = call.arg_or_null(index);
    if value.is_null() {
        return current_client(call);
    }
    let Some(context) = Context::of(call) else { return plain_client(call, index, value) };
    if context.is_current(value)
        && let Some(current) = context.current()
    {
        return Ok(Some(current));
    }
    if context.has_own_ids() { context.client(value) } else { plain_client(call, index, value) }
}

/// The client that an argument, or an element of one, names; the current client has no part in it.
///
/// # Errors
/// As [`client`].
#[inline(always)]
pub fn listed_client(call: &Call<'_>, index: usize, value: &Zval) -> Result<Option<ClientId>> {
    match Context::with_own_ids(call) {
        Some(context) => context.client(value),
        None => plain_client(call, index, value),
    }
}

/// As [`listed_client`], where ids have the form of the original class.
#[inline(always)]
fn plain_client(call: &Call<'_>, index: usize, value: &Zval) -> Result<Option<ClientId>> {
    if let Some(id) = value.zend_str()
        && let Ok(id) = ClientId::parse(id.as_bytes())
    {
        return Ok(Some(id));
    }
    bad_client(call, index, value)
}

#[cold]
fn bad_client(call: &Call<'_>, index: usize, value: &Zval) -> Result<Option<ClientId>> {
    let text = string(index, value)?;
    match ClientId::parse(text.as_bytes()) {
        Ok(id) => Ok(Some(id)),
        Err(_) if call.class() == GatewayClass::Client => {
            let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
            Err(Failure::Exception(format!("client_id {text} is invalid")).into())
        }
        Err(reason) => {
            call.complain(REFUSED, &format!("client_id \"{}\" is invalid: {reason}", shown(text.as_bytes())));
            Ok(None)
        }
    }
}

/// A list of clients: an array of ids or a single one. Bad ids are left out, and complained about.
///
/// # Errors
/// As [`client`].
pub fn clients(call: &Call<'_>, index: usize) -> Result<Vec<ClientId>> {
    let value = call.arg_or_null(index);
    match value.array() {
        Some(list) => clients_of(call, index, list, |_| true),
        None => Ok(listed_client(call, index, value)?.into_iter().collect()),
    }
}

/// As [`clients`], without those that the second value names, an id or an array of ids. They are
/// compared as they are written, as the original compares them: what is no id excludes nobody.
///
/// # Errors
/// As [`client`].
#[cold]
pub fn clients_except(call: &Call<'_>, index: usize, excluded: &Zval) -> Result<Vec<ClientId>> {
    let text = |value: &Zval| -> Option<Box<[u8]>> {
        let text = value.zend_str().map(|text| text.as_bytes().into());
        text.or_else(|| value.long().map(|number| number.to_string().into_bytes().into()))
    };
    let excluded: HashSet<Box<[u8]>> = match excluded.array() {
        Some(list) => array::entries(list).filter_map(|(_, value)| text(value.deref_php())).collect(),
        None => text(excluded).into_iter().collect(),
    };
    let Some(list) = call.arg_or_null(index).array() else { return Ok(Vec::new()) };
    clients_of(call, index, list, |value| text(value).is_none_or(|text| !excluded.contains(&text)))
}

#[inline(always)]
fn clients_of(
    call: &Call<'_>,
    index: usize,
    list: &ZendHashTable,
    is_wanted: impl Fn(&Zval) -> bool,
) -> Result<Vec<ClientId>> {
    let own = Context::with_own_ids(call);
    let mut ids = Vec::with_capacity(list.len());
    for (_, element) in array::entries(list) {
        let element = element.deref_php();
        if !is_wanted(element) {
            continue;
        }
        ids.extend(match own {
            Some(context) => context.client(element)?,
            None => plain_client(call, index, element)?,
        });
    }
    Ok(ids)
}

/// Whether the first argument can be a group, as the called class sees it.
///
/// # Errors
/// Where an override throws.
#[inline]
pub fn is_valid_group(call: &Call<'_>) -> Result<bool> {
    match overridden(call, "isValidGroupId", &[call.arg_or_null(0)])? {
        Some(valid) => Ok(valid.truthy()),
        None => Ok(is_group(call)),
    }
}

/// Whether the first argument can be a group; complains if not.
pub fn is_group(call: &Call<'_>) -> bool {
    let valid = call.arg_or_null(0).truthy();
    if !valid {
        call.complain(REFUSED, "the group is empty (null, '', 0, '0', false or [])");
    }
    valid
}

/// An argument as a string: what `strlen()` and `.` take. Arrays and the like have no meaning as a
/// uid or a group.
///
/// # Errors
/// Where the type has no string form.
#[inline]
pub fn string(index: usize, value: &Zval) -> Result<PhpString> {
    if !value.has_string_form() {
        return Err(Failure::Type(index, "string").into());
    }
    Ok(value.to_php_string().ok_or(Failure::Thrown)?)
}

/// A message: scalars are sent as their string, everything else is serialized.
pub struct Body {
    bytes: PhpString,
    scalar: bool,
    raw: bool,
}

impl Body {
    /// The message in the argument at `index`; `raw` is the place of the flag, where the method has
    /// one.
    ///
    /// # Errors
    /// Where converting it throws.
    #[inline(always)]
    pub fn of(call: &Call<'_>, index: usize, raw: Option<usize>) -> Result<Self> {
        let value = call.arg_or_null(index);
        let scalar = value.is_php_scalar();
        let bytes = if scalar {
            value.to_php_string()
        } else {
            serializer::serialize(value).map(Serialized::into_string)
        };
        let raw = raw.is_some_and(|raw| call.flag(raw));
        Ok(Self { bytes: bytes.ok_or(Failure::Thrown)?, scalar, raw })
    }

    /// As the core takes it.
    #[inline]
    pub fn message(&self) -> Message<'_> {
        Message { body: self.bytes.as_bytes(), scalar: self.scalar, raw: self.raw }
    }
}

/// What `json_encode` makes of a value, or of the list of one that is no array: uids and groups.
/// `None`: it fails, as for invalid UTF-8; the original then sends an empty text.
///
/// # Errors
/// Where encoding it throws.
#[inline]
pub fn json_list(value: &Zval) -> Result<Option<Vec<u8>>> {
    let mut json = Vec::with_capacity(32);
    let fast = match value.array() {
        Some(list) => {
            let mut next = 0;
            json.push(b'[');
            let plain = array::entries(list).all(|(key, element)| {
                let in_order = matches!(key, Key::Int(key) if key == next);
                if next > 0 {
                    json.push(b',');
                }
                next += 1;
                in_order && write_plain(&mut json, element.deref_php())
            });
            json.push(b']');
            plain
        }
        None => {
            json.push(b'[');
            let plain = write_plain(&mut json, value);
            json.push(b']');
            plain
        }
    };
    if fast {
        return Ok(Some(json));
    }
    json_by_engine(value)
}

#[cold]
fn json_by_engine(value: &Zval) -> Result<Option<Vec<u8>>> {
    let encoded = if value.is_array() {
        serializer::json_encode(value)
    } else {
        let mut list = crate::engine::ArrayBuilder::with_capacity(1);
        list.push(value.shallow_clone());
        serializer::json_encode(&list.into_zval())
    };
    if crate::engine::object::exception_pending() {
        return Err(Failure::Thrown.into());
    }
    Ok(encoded.map(|json| json.as_bytes().to_vec()))
}

/// Writes an int or a string; false for what the engine has to encode.
#[inline]
fn write_plain(json: &mut Vec<u8>, value: &Zval) -> bool {
    if let Some(text) = value.zend_str() {
        return json::write_string(json, text.as_bytes()).is_ok();
    }
    match value.long() {
        Some(number) => {
            json::write_int(json, number);
            true
        }
        None => false,
    }
}

/// The start of a value for a message, without control characters.
pub fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN)];
    let text: String = String::from_utf8_lossy(cut).escape_debug().collect();
    if cut.len() < bytes.len() { format!("{text}…") } else { text }
}
