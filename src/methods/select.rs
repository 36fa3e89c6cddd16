//! Queries with fields of clients, and lists of uids and groups: what several topics share.

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::client_id::ClientIdPrefix;
use gatewayworker_client::wire::php::{Key, Scalar};
use gatewayworker_client::{Fields, ReplyError};

use crate::arguments;
use crate::call::{Call, Failure, Result};
use crate::engine::ArrayBuilder;
use crate::engine::array::entries;
use crate::engine::key::Key as ArrayKey;
use crate::engine::unserializer::scalar;
use crate::target::Target;

/// What is wrong with a uid of another type.
pub const INVALID_UID: &str = "a uid is neither an int nor a string";

/// Queries every gateway for fields of its clients, or of those of the groups in the first
/// argument. `each` gets a gateway's reply, and how many rows all replies have together.
pub fn select(
    call: &Call<'_>,
    fields: Fields,
    by_group: bool,
    each: impl FnMut(ClientIdPrefix, &[u8], usize) -> Result<(), ReplyError>,
) -> Result {
    let groups = if by_group {
        let json = arguments::json_list(call.arg_or_null(0))?;
        Some(json.ok_or_else(|| {
            let name = call.name();
            Failure::Exception(format!("{name}(): the group cannot be written as JSON (invalid UTF-8?)"))
        })?)
    } else {
        None
    };
    let mut target = Target::of(call)?;
    target.ensure_known_for_query(call)?;
    target.queried().select(fields, groups.as_deref(), target.options, each)?;
    Ok(())
}

/// A list of uids or groups for the batch commands, whose replies the gateway keys by them.
pub struct ListArgument {
    /// The list as JSON.
    pub json: Vec<u8>,
    /// How many elements it has.
    pub count: usize,
}

pub fn list_argument(call: &Call<'_>) -> Result<ListArgument> {
    let value = call.arg_or_null(0);
    let count = value.array().ok_or(Failure::Type(0, "array"))?.len();
    let json = arguments::json_list(value)?.ok_or_else(|| {
        Failure::Exception(format!("{}(): the list cannot be written as JSON (invalid UTF-8?)", call.name()))
    })?;
    Ok(ListArgument { json, count })
}

pub fn key_of(key: Key<'_>) -> ArrayKey<'_> {
    match key {
        Key::Int(number) => ArrayKey::Int(number),
        Key::Str(text) => ArrayKey::from(text),
    }
}

pub fn empty_list(call: &mut Call<'_>) -> Result {
    *call.return_value = ArrayBuilder::with_capacity(0).into_zval();
    Ok(())
}

/// The lengths of lists, by their keys.
pub fn counts_of(lists: &Zval) -> Zval {
    let mut counts = ArrayBuilder::with_capacity(8);
    if let Some(lists) = lists.array() {
        for (group, list) in entries(lists) {
            let count = scalar(Scalar::Int(list.dereference().array().map_or(0, |list| list.len()) as i64));
            counts.set_key(group, count);
        }
    }
    counts.into_zval()
}
