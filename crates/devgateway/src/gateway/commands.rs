//! The commands that a gateway carries out.

use gatewayworker_wire::frame::Frame;
use gatewayworker_wire::php::value::OwnedKey;
use gatewayworker_wire::{Command, Head};
use serde_json::Value as Json;

use super::index::{members, remove};
use super::state::Gateway;
use crate::log::complain;
use crate::payload::Body;
use crate::php_json::{connection_id, has_key, is_empty, parse, values};
use crate::session;

impl Gateway {
    /// Carries out a command that is neither an introduction nor unknown. A query has a reply: a
    /// serialized value.
    pub(crate) fn execute(&mut self, command: Command, frame: &Frame<'_>) -> Option<Vec<u8>> {
        let id = frame.head.connection;
        let ext = frame.ext;
        match command {
            Command::SendToOne => self.deliver([id], frame),
            Command::SendToAll => self.send_to_all(frame),
            Command::SendToUid => self.send_to_uids(frame),
            Command::SendToGroup => self.send_to_groups(frame),
            Command::Kick => self.kick(id, frame),
            Command::Destroy => self.destroy(id),
            Command::BindUid => self.bind_uid(id, ext),
            Command::UnbindUid => self.unbind_uid(id),
            Command::JoinGroup => self.join_group(id, ext),
            Command::LeaveGroup => self.leave_group(id, ext),
            Command::Ungroup => self.ungroup(ext),
            Command::SetSession => self.set_session(id, ext),
            Command::UpdateSession => self.update_session(id, ext),
            Command::IsOnline => return Some(self.is_online(id)),
            Command::GetSessionByClientId => return Some(self.session(id)),
            Command::GetAllClientSessions => return Some(self.all_sessions()),
            Command::GetClientSessionsByGroup => return Some(self.sessions_by_group(ext)),
            Command::GetClientCountByGroup => return Some(self.count_by_group(ext)),
            Command::BatchGetClientCountByGroup => return Some(self.counts_by_group(ext)),
            Command::GetClientIdByUid => return Some(self.ids_by_uid(ext)),
            Command::BatchGetClientIdByUid => return Some(self.ids_by_uids(ext)),
            Command::GetGroupIdList => return Some(self.group_list()),
            Command::Select => return Some(self.select(ext)),
            Command::OnConnect
            | Command::OnMessage
            | Command::OnClose
            | Command::OnWebSocketConnect
            | Command::Ping
            | Command::WorkerConnect
            | Command::GatewayClientConnect => {
                complain(format_args!("command {} is not for a gateway", frame.head.command));
            }
        }
        None
    }

    /// Puts a frame's body into the queues of clients, repeatedly where a client is named
    /// repeatedly.
    fn deliver(&self, ids: impl IntoIterator<Item = u32>, frame: &Frame<'_>) {
        let raw = frame.head.flag & Head::RAW != 0;
        let body = Body::read(frame);
        let mut dropped = 0;
        for client in ids.into_iter().filter_map(|id| self.clients.get(&id)) {
            match body.outgoing(client.protocol, raw) {
                Some(outgoing) => client.queue(outgoing),
                None => dropped += 1,
            }
        }
        if dropped > 0 {
            complain(format_args!("a message that is not a scalar is not sent to {dropped} clients"));
        }
    }

    fn send_to_all(&self, frame: &Frame<'_>) {
        let ext = parse(frame.ext);
        match &ext["connections"] {
            Json::Null => {
                let excluded = &ext["exclude"];
                self.deliver(self.clients.keys().copied().filter(|id| !has_key(excluded, *id)), frame);
            }
            connections => self.deliver(values(connections).filter_map(connection_id), frame),
        }
    }

    fn send_to_uids(&self, frame: &Frame<'_>) {
        self.deliver(members(&self.uids, &parse(frame.ext)), frame);
    }

    fn send_to_groups(&self, frame: &Frame<'_>) {
        let ext = parse(frame.ext);
        let excluded = &ext["exclude"];
        let ids = members(&self.groups, &ext["group"]);
        self.deliver(ids.into_iter().filter(|id| !has_key(excluded, *id)), frame);
    }

    fn kick(&mut self, id: u32, frame: &Frame<'_>) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        if !client.ready {
            // Nothing can be sent before the handshake, and nothing is waited for.
            return self.destroy(id);
        }
        match Body::read(frame) {
            Body::Null => {}
            // `$raw` is not honoured here, as in the original.
            body => match body.outgoing(client.protocol, false) {
                Some(outgoing) => client.queue(outgoing),
                None => complain(format_args!("a message that is not a scalar is not sent to client {id}")),
            },
        }
        self.disconnect(id);
    }

    fn bind_uid(&mut self, id: u32, uid: &[u8]) {
        if is_empty(uid) {
            return complain(format_args!("client {id} cannot be bound to an empty uid"));
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Some(bound) = client.uid.replace(uid.to_vec()) {
            remove(&mut self.uids, &OwnedKey::from_bytes(&bound), id);
        }
        self.uids.entry(OwnedKey::from_bytes(uid)).or_default().insert(id);
    }

    /// Unbinds a client, whichever uid the frame names: the original does not look at it.
    fn unbind_uid(&mut self, id: u32) {
        if let Some(uid) = self.clients.get_mut(&id).and_then(|client| client.uid.take()) {
            remove(&mut self.uids, &OwnedKey::from_bytes(&uid), id);
        }
    }

    fn join_group(&mut self, id: u32, group: &[u8]) {
        if is_empty(group) {
            return complain(format_args!("client {id} cannot join an empty group"));
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let key = OwnedKey::from_bytes(group);
        client.groups.get_or_insert_default().insert(key.clone(), group.to_vec());
        self.groups.entry(key).or_default().insert(id);
    }

    fn leave_group(&mut self, id: u32, group: &[u8]) {
        if is_empty(group) {
            return complain(format_args!("client {id} cannot leave an empty group"));
        }
        let key = OwnedKey::from_bytes(group);
        let groups = self.clients.get_mut(&id).and_then(|client| client.groups.as_mut());
        if groups.and_then(|groups| groups.shift_remove(&key)).is_some() {
            remove(&mut self.groups, &key, id);
        }
    }

    fn ungroup(&mut self, group: &[u8]) {
        if is_empty(group) {
            return complain("an empty group cannot be dissolved");
        }
        let key = OwnedKey::from_bytes(group);
        for id in self.groups.shift_remove(&key).into_iter().flatten() {
            if let Some(groups) = self.clients.get_mut(&id).and_then(|client| client.groups.as_mut()) {
                groups.shift_remove(&key);
            }
        }
    }

    fn set_session(&mut self, id: u32, session: &[u8]) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.session = session.to_vec();
        }
    }

    fn update_session(&mut self, id: u32, update: &[u8]) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if is_empty(&client.session) {
            client.session = update.to_vec();
        } else if let Some(session) = session::merge(&client.session, update) {
            client.session = session;
        } else {
            complain(format_args!(
                "the session of client {id} is kept, it or its update is no serialized array"
            ));
        }
    }
}
