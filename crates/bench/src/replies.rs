//! The replies, built beforehand.

use std::collections::HashMap;

use gatewayworker_wire::Command;
use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};

/// A reply for each query.
pub struct Replies {
    replies: HashMap<u8, Vec<u8>>,
    /// Command 25 for uids alone.
    uids: Vec<u8>,
}

impl Replies {
    /// The replies of one of several gateways with this many clients each: each has a uid, two of
    /// twenty groups and a session of four keys.
    pub fn new(gateway: usize, clients: usize) -> Self {
        let key = |text: &str| OwnedKey::from_bytes(text.as_bytes());
        let text = |text: String| Value::Str(text.into_bytes());
        let ids = 1..=clients as i64;
        let first = (gateway * clients) as i64;
        let uid = |id: i64| text(format!("user-{}", first + id));
        let groups = |id: i64| {
            let names = [format!("room-{}", id % 20), format!("room-{}", (id + 7) % 20)];
            Value::Array(names.into_iter().map(|name| (key(&name), text(name.clone()))).collect())
        };
        let session = |id: i64| {
            let session: Array = [
                (key("uid"), Value::Int(id)),
                (key("name"), text(format!("Name {id}"))),
                (key("roles"), Value::list([text("admin".into()), text("user".into())])),
                (key("score"), Value::Float(id as f64 / 8.0)),
            ]
            .into_iter()
            .collect();
            Value::Array(session)
        };
        let rows = |fields: &dyn Fn(i64) -> Vec<(OwnedKey, Value)>| {
            Value::Array(
                ids.clone()
                    .map(|id| (OwnedKey::Int(id), Value::Array(fields(id).into_iter().collect())))
                    .collect(),
            )
        };
        let sessions = || {
            Value::Array(
                ids.clone().map(|id| (OwnedKey::Int(id), Value::Str(session(id).to_bytes()))).collect(),
            )
        };
        let replies = [
            (Command::IsOnline, Value::Int(1)),
            (Command::GetSessionByClientId, session(1)),
            (Command::GetClientCountByGroup, Value::Int(clients as i64)),
            (Command::GetClientIdByUid, Value::list(ids.clone().map(Value::Int))),
            (Command::GetAllClientSessions, sessions()),
            (Command::Select, rows(&|id| vec![(key("uid"), uid(id)), (key("groups"), groups(id))])),
        ];
        let reply = |value: Value| {
            let payload = value.to_bytes();
            [&(payload.len() as u32).to_be_bytes()[..], &payload].concat()
        };
        Self {
            uids: reply(rows(&|id| vec![(key("uid"), uid(id))])),
            replies: replies.into_iter().map(|(command, value)| (command as u8, reply(value))).collect(),
        }
    }

    /// The reply to a command, if it is a query.
    pub fn to(&self, command: u8, ext: &[u8]) -> Option<&[u8]> {
        if command == Command::Select as u8 && ext.starts_with(br#"{"fields":["uid"],"#) {
            return Some(&self.uids);
        }
        self.replies.get(&command).map(Vec::as_slice)
    }
}
