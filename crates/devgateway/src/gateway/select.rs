//! The query with fields and conditions: which clients there are, and what is wanted of each.

use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};
use indexmap::IndexSet;
use serde_json::Value as Json;

use super::index::{key_value, members};
use super::state::Gateway;
use crate::client::Client;
use crate::log::complain;
use crate::php_json::{connection_id, is_falsy, parse, values};

impl Gateway {
    pub(super) fn select(&self, ext: &[u8]) -> Vec<u8> {
        let ext = parse(ext);
        let fields: IndexSet<&str> = values(&ext["fields"]).filter_map(Json::as_str).collect();
        let write = |client: &Client, to: &mut Vec<u8>| write_fields(client, &fields, to);
        if is_falsy(&ext) {
            complain("a selection without fields and conditions finds nothing");
            return Value::Array(Array::new()).to_bytes();
        }
        if is_falsy(&ext["where"]) {
            // Without a field, the original's loop adds no client.
            return self.by_id(self.clients.keys().copied().filter(|_| !fields.is_empty()), write);
        }
        // The conditions add up: a client that meets any one is found.
        let mut found = IndexSet::new();
        for (name, items) in ext["where"].as_object().into_iter().flatten() {
            match &name[..] {
                "groups" => found.extend(members(&self.groups, items)),
                "uid" => found.extend(members(&self.uids, items)),
                "connection_id" => found.extend(values(items).filter_map(connection_id)),
                _ => complain(format_args!("nothing can be selected by {name:?}")),
            }
        }
        self.by_id(found.into_iter(), write)
    }
}

/// Appends an array of these fields of a client.
fn write_fields(client: &Client, fields: &IndexSet<&str>, to: &mut Vec<u8>) {
    to.extend_from_slice(format!("a:{}:{{", fields.len()).as_bytes());
    for field in fields {
        key_value(&OwnedKey::from_bytes(field.as_bytes())).write(to);
        let value = match *field {
            "session" => Value::Str(client.session.clone()),
            "uid" => client.uid.clone().map_or(Value::Null, Value::Str),
            "groups" => client.groups.as_ref().map_or(Value::Null, |groups| {
                Value::Array(
                    groups.iter().map(|(key, group)| (key.clone(), Value::Str(group.clone()))).collect(),
                )
            }),
            _ => Value::Null,
        };
        value.write(to);
    }
    to.push(b'}');
}
