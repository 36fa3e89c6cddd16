//! The replies to queries: serialized values.

use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};
use indexmap::IndexSet;

use super::index::key_value;
use super::state::Gateway;
use crate::client::Client;
use crate::php_json::{array_key, is_empty, parse, values};

impl Gateway {
    pub(super) fn is_online(&self, id: u32) -> Vec<u8> {
        count(self.clients.contains_key(&id).into()).to_bytes()
    }

    /// The reply is the session as it is stored, which is serialized.
    pub(super) fn session(&self, id: u32) -> Vec<u8> {
        match self.clients.get(&id) {
            None => Value::Null.to_bytes(),
            Some(client) if is_empty(&client.session) => Value::Array(Array::new()).to_bytes(),
            Some(client) => client.session.clone(),
        }
    }

    pub(super) fn all_sessions(&self) -> Vec<u8> {
        self.sessions(self.clients.keys().copied())
    }

    pub(super) fn sessions_by_group(&self, group: &[u8]) -> Vec<u8> {
        let ids = self.groups.get(&OwnedKey::from_bytes(group)).into_iter().flatten();
        self.sessions(ids.copied())
    }

    fn sessions(&self, ids: impl Iterator<Item = u32>) -> Vec<u8> {
        self.by_id(ids, |client, to| Value::Str(client.session.clone()).write(to))
    }

    /// Without a group, all clients are counted.
    pub(super) fn count_by_group(&self, group: &[u8]) -> Vec<u8> {
        let clients = match group {
            b"" => self.clients.len(),
            group => self.group_len(&OwnedKey::from_bytes(group)),
        };
        count(clients).to_bytes()
    }

    pub(super) fn counts_by_group(&self, ext: &[u8]) -> Vec<u8> {
        let groups = parse(ext);
        let counts = values(&groups).filter_map(array_key).map(|group| {
            let clients = self.group_len(&group);
            (group, count(clients))
        });
        Value::Array(counts.collect()).to_bytes()
    }

    fn group_len(&self, group: &OwnedKey) -> usize {
        self.groups.get(group).map_or(0, IndexSet::len)
    }

    pub(super) fn ids_by_uid(&self, uid: &[u8]) -> Vec<u8> {
        self.ids_of_uid(&OwnedKey::from_bytes(uid)).to_bytes()
    }

    pub(super) fn ids_by_uids(&self, ext: &[u8]) -> Vec<u8> {
        let uids = parse(ext);
        let ids = values(&uids).filter_map(array_key).map(|uid| {
            let ids = self.ids_of_uid(&uid);
            (uid, ids)
        });
        Value::Array(ids.collect()).to_bytes()
    }

    fn ids_of_uid(&self, uid: &OwnedKey) -> Value {
        Value::list(self.uids.get(uid).into_iter().flatten().map(|id| Value::Int((*id).into())))
    }

    pub(super) fn group_list(&self) -> Vec<u8> {
        Value::list(self.groups.keys().map(key_value)).to_bytes()
    }

    /// An array with something of each client, by connection id. It is written element by element:
    /// a tree of values for thousands of clients takes longer to build than to send.
    pub(super) fn by_id(
        &self,
        ids: impl Iterator<Item = u32>,
        write: impl Fn(&Client, &mut Vec<u8>),
    ) -> Vec<u8> {
        let clients: Vec<_> = ids.filter_map(|id| Some((id, self.clients.get(&id)?))).collect();
        let mut array = format!("a:{}:{{", clients.len()).into_bytes();
        for (id, client) in clients {
            Value::Int(id.into()).write(&mut array);
            write(client, &mut array);
        }
        array.push(b'}');
        array
    }
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
