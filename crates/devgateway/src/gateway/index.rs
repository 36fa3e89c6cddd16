//! Connection ids by uid or by group, and the keys that they are found by.

use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::OwnedKey;
use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;

use crate::php_json::{array_key, values};

/// Connection ids by uid or by group, in the order in which they were bound or joined.
pub(super) type Index = IndexMap<OwnedKey, IndexSet<u32>>;

/// Removes an id, and its uid or group where it was the last one.
pub(super) fn remove(index: &mut Index, key: &OwnedKey, id: u32) {
    if let Some(ids) = index.get_mut(key) {
        ids.shift_remove(&id);
        if ids.is_empty() {
            index.shift_remove(key);
        }
    }
}

/// The ids behind uids or groups, in the order named; an id comes as often as it is meant.
pub(super) fn members(index: &Index, keys: &Json) -> Vec<u32> {
    values(keys).filter_map(array_key).filter_map(|key| index.get(&key)).flatten().copied().collect()
}

/// An array key as a value.
pub(super) fn key_value(key: &OwnedKey) -> Value {
    match key {
        OwnedKey::Int(number) => Value::Int(*number),
        OwnedKey::Str(bytes) => Value::Str(bytes.clone()),
    }
}
