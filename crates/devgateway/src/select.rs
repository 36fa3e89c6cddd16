//! Command 25: fields of the clients that match.

use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};
use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;

use crate::gateway::{Client, State, json_keys, values};

/// Answers a question such as `{"fields":["uid"],"where":{"groups":["g"]}}`: connection id ⇒ fields.
pub(crate) fn select(state: &State, question: &[u8]) -> Value {
    let question: Json = serde_json::from_slice(question).unwrap_or_default();
    if !question.is_object() {
        return Value::list([]);
    }
    let fields: Vec<&str> =
        question["fields"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let mut found: IndexSet<u32> = IndexSet::new();
    match question["where"].as_object() {
        Some(conditions) if !conditions.is_empty() => {
            for (name, wanted) in conditions {
                match name.as_str() {
                    "connection_id" => found.extend(values(wanted)),
                    "groups" => found.extend(of_keys(&state.groups, wanted)),
                    "uid" => found.extend(of_keys(&state.uids, wanted)),
                    _ => {}
                }
            }
        }
        _ => found.extend(state.clients.keys()),
    }
    Value::Array(
        found
            .into_iter()
            .filter_map(|id| Some((OwnedKey::Int(i64::from(id)), row(state.clients.get(&id)?, &fields))))
            .collect(),
    )
}

fn of_keys(index: &IndexMap<OwnedKey, IndexSet<u32>>, wanted: &Json) -> Vec<u32> {
    json_keys(wanted).iter().filter_map(|key| index.get(key)).flatten().copied().collect()
}

fn row(client: &Client, fields: &[&str]) -> Value {
    let field = |name: &str| match name {
        "uid" => client.uid.clone().map_or(Value::Null, Value::Str),
        "session" => Value::Str(client.session.clone()),
        "groups" if !client.groups.is_empty() => {
            let groups = client.groups.iter();
            Value::Array(groups.map(|(key, text)| (key.clone(), Value::Str(text.clone()))).collect())
        }
        _ => Value::Null,
    };
    let row: Array =
        fields.iter().map(|name| (OwnedKey::Str(name.as_bytes().to_vec()), field(name))).collect();
    Value::Array(row)
}
