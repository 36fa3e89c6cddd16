//! The operations that send, one per call of the PHP class. They return as soon as the frame is
//! queued.
//!
//! All of them fail with the same errors. [`Error::Unreachable`] and [`Error::Rejected`] in client
//! mode, when the gateway cannot be connected to (for a fan-out: when no gateway can);
//! [`Error::QueueFull`]; [`Error::FrameTooLong`]. Call [`Cluster::discover`] before a fan-out.

use gatewayworker_wire::{ClientId, Command, Head, json};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::settings::CallOptions;

/// A message for clients.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The bytes.
    pub body: &'a [u8],
    /// Whether the bytes are the message itself (a scalar); otherwise they are PHP-serialized.
    pub scalar: bool,
    /// Whether the gateway sends them without its protocol's encoder.
    pub raw: bool,
}

impl<'a> Message<'a> {
    /// A message that the gateway's encoder sends unchanged.
    #[must_use]
    pub fn text(body: &'a [u8]) -> Self {
        Self { body, scalar: true, raw: false }
    }

    fn head(&self, command: Command, connection: u32) -> Head {
        let mut head = Head::new(command, connection);
        head.flag = if self.scalar { Head::SCALAR } else { 0 } | if self.raw { Head::RAW } else { 0 };
        head
    }
}

type Result = std::result::Result<(), Error>;

impl Cluster {
    /// Sends to one client (`sendToClient`, command 5).
    #[inline]
    pub fn send_to_client(&self, id: ClientId, message: Message<'_>, options: CallOptions) -> Result {
        self.send_to(id, message.head(Command::SendToOne, id.connection), b"", message.body, options)
    }

    /// Sends to all clients (`sendToAll`, command 6).
    pub fn send_to_all(&self, message: Message<'_>, options: CallOptions) -> Result {
        self.send_to_every(message.head(Command::SendToAll, 0), b"", message.body, options)
    }

    /// Sends to these clients (`sendToAll` with a list, command 6): one frame per gateway
    /// concerned.
    pub fn send_to_clients(&self, ids: &[ClientId], message: Message<'_>, options: CallOptions) -> Result {
        let ids = self.with_addresses(ids, options)?;
        let frames = by_gateway(&ids, |connections| connections_json(b"{\"connections\":", connections));
        self.send_to_some(message.head(Command::SendToAll, 0), &frames, message.body, options)
    }

    /// Sends to all clients except these (`sendToAll` with exclusions, command 6).
    pub fn send_to_all_except(
        &self,
        excluded: &[ClientId],
        message: Message<'_>,
        options: CallOptions,
    ) -> Result {
        let excluded = self.with_addresses(excluded, options)?;
        let special = by_gateway(&excluded, |connections| connections_json(b"{\"exclude\":", connections));
        self.send_to_each(message.head(Command::SendToAll, 0), b"", &special, message.body, options)
    }

    /// Sends to the clients of uids (`sendToUid`, command 14). `uids` is the output of PHP's
    /// `json_encode` for the list.
    #[inline]
    pub fn send_to_uids(&self, uids: &[u8], message: Message<'_>, options: CallOptions) -> Result {
        self.send_to_every(message.head(Command::SendToUid, 0), uids, message.body, options)
    }

    /// Sends to the clients of groups except these (`sendToGroup`, command 22). `groups` is the
    /// output of PHP's `json_encode` for the list, or `None` if that failed: ext is then empty, as
    /// in the original.
    pub fn send_to_groups(
        &self,
        groups: Option<&[u8]>,
        excluded: &[ClientId],
        message: Message<'_>,
        options: CallOptions,
    ) -> Result {
        let head = message.head(Command::SendToGroup, 0);
        let ext = |connections: Option<&[u32]>| {
            let Some(groups) = groups else { return Vec::new() };
            let room = JSON_ROOM + groups.len() + connections.map_or(0, |ids| ids.len() * JSON_ROOM_OF_ID);
            let mut ext = Vec::with_capacity(room);
            ext.extend_from_slice(b"{\"group\":");
            ext.extend_from_slice(groups);
            ext.extend_from_slice(b",\"exclude\":");
            match connections {
                Some(connections) => json::write_connection_map(&mut ext, connections),
                None => ext.extend_from_slice(b"null"),
            }
            ext.push(b'}');
            ext
        };
        if excluded.is_empty() {
            return self.send_to_every(head, &ext(None), message.body, options);
        }
        let excluded = self.with_addresses(excluded, options)?;
        let special = by_gateway(&excluded, |connections| ext(Some(connections)));
        self.send_to_each(head, &ext(None), &special, message.body, options)
    }

    /// Sends to a client, then closes its connection (`closeClient`, command 7).
    pub fn kick(&self, id: ClientId, message: Message<'_>, options: CallOptions) -> Result {
        self.send_to(id, message.head(Command::Kick, id.connection), b"", message.body, options)
    }

    /// Closes a client's connection at once (`destoryClient`, command 8).
    pub fn destroy(&self, id: ClientId, options: CallOptions) -> Result {
        self.about_client(Command::Destroy, id, b"", options)
    }

    /// Binds a client to a uid (`bindUid`, command 12).
    #[inline]
    pub fn bind_uid(&self, id: ClientId, uid: &[u8], options: CallOptions) -> Result {
        self.about_client(Command::BindUid, id, uid, options)
    }

    /// Unbinds a client from a uid (`unbindUid`, command 13).
    #[inline]
    pub fn unbind_uid(&self, id: ClientId, uid: &[u8], options: CallOptions) -> Result {
        self.about_client(Command::UnbindUid, id, uid, options)
    }

    /// Adds a client to a group (`joinGroup`, command 20).
    #[inline]
    pub fn join_group(&self, id: ClientId, group: &[u8], options: CallOptions) -> Result {
        self.about_client(Command::JoinGroup, id, group, options)
    }

    /// Removes a client from a group (`leaveGroup`, command 21).
    #[inline]
    pub fn leave_group(&self, id: ClientId, group: &[u8], options: CallOptions) -> Result {
        self.about_client(Command::LeaveGroup, id, group, options)
    }

    /// Replaces the session of a client, serialized by PHP (`setSession`, command 204).
    #[inline]
    pub fn set_session(&self, id: ClientId, session: &[u8], options: CallOptions) -> Result {
        self.about_client(Command::SetSession, id, session, options)
    }

    /// Merges into the session of a client, serialized by PHP (`updateSession`, command 9).
    #[inline]
    pub fn update_session(&self, id: ClientId, session: &[u8], options: CallOptions) -> Result {
        self.about_client(Command::UpdateSession, id, session, options)
    }

    /// Dissolves a group (`ungroup`, command 27).
    pub fn ungroup(&self, group: &[u8], options: CallOptions) -> Result {
        self.send_to_every(Head::new(Command::Ungroup, 0), group, b"", options)
    }

    #[inline]
    fn about_client(&self, command: Command, id: ClientId, ext: &[u8], options: CallOptions) -> Result {
        self.send_to(id, Head::new(command, id.connection), ext, b"", options)
    }
}

/// The room for the JSON around groups and connections, and for one connection, at most.
const JSON_ROOM: usize = 32;
const JSON_ROOM_OF_ID: usize = 24;

/// The extension data that `ext` makes of the connections at each gateway, with an id that names
/// the gateway.
fn by_gateway(ids: &[ClientId], ext: impl Fn(&[u32]) -> Vec<u8>) -> Vec<(ClientId, Vec<u8>)> {
    let gateway = |id: &ClientId| (id.ip, id.port);
    // The sort is stable, so connections keep their order at each gateway.
    let mut ids = ids.to_vec();
    ids.sort_by_key(gateway);
    let mut connections = Vec::with_capacity(ids.len());
    ids.chunk_by(|one, next| gateway(one) == gateway(next))
        .map(|ids| {
            connections.clear();
            connections.extend(ids.iter().map(|id| id.connection));
            (ids[0], ext(&connections))
        })
        .collect()
}

fn connections_json(start: &[u8], connections: &[u32]) -> Vec<u8> {
    let mut ext = Vec::with_capacity(JSON_ROOM + connections.len() * JSON_ROOM_OF_ID);
    ext.extend_from_slice(start);
    json::write_connection_map(&mut ext, connections);
    ext.push(b'}');
    ext
}
