//! The operations that send: one per call of the PHP class. They return as soon as the frame is queued.
//!
//! Errors, the same for all: [`Error::Unreachable`] and [`Error::Rejected`] in client mode, where the gateway (of a
//! fan-out: every gateway) cannot be connected to; [`Error::QueueFull`]; [`Error::FrameTooLong`]. The register is
//! asked by [`Cluster::discover`], which the fan-outs need to be called before.

use gatewayworker_wire::{ClientId, Command, Head, json};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::settings::Patience;

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
    /// A message that is sent as it is, through the gateway's encoder.
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
    pub fn send_to_client(&self, id: ClientId, message: Message<'_>, patience: Patience) -> Result {
        self.send_to(id, message.head(Command::SendToOne, id.connection), b"", message.body, patience)
    }

    /// Sends to all clients (`sendToAll`, command 6).
    pub fn send_to_all(&self, message: Message<'_>, patience: Patience) -> Result {
        self.send_to_every(message.head(Command::SendToAll, 0), b"", message.body, patience)
    }

    /// Sends to these clients (`sendToAll` with a list, command 6): one frame per gateway concerned.
    pub fn send_to_clients(&self, ids: &[ClientId], message: Message<'_>, patience: Patience) -> Result {
        let frames: Vec<_> = by_gateway(ids)
            .into_iter()
            .map(|(first, connections)| (first, connections_json(b"{\"connections\":", &connections)))
            .collect();
        self.send_to_some(message.head(Command::SendToAll, 0), &frames, message.body, patience)
    }

    /// Sends to all clients but these (`sendToAll` with exclusions, command 6).
    pub fn send_to_all_except(
        &self,
        excluded: &[ClientId],
        message: Message<'_>,
        patience: Patience,
    ) -> Result {
        let special: Vec<_> = by_gateway(excluded)
            .into_iter()
            .map(|(first, connections)| (first.into(), connections_json(b"{\"exclude\":", &connections)))
            .collect();
        self.send_to_each(message.head(Command::SendToAll, 0), b"", &special, message.body, patience)
    }

    /// Sends to the clients of uids (`sendToUid`, command 14). `uids` is what PHP's `json_encode` makes of the list.
    #[inline]
    pub fn send_to_uids(&self, uids: &[u8], message: Message<'_>, patience: Patience) -> Result {
        self.send_to_every(message.head(Command::SendToUid, 0), uids, message.body, patience)
    }

    /// Sends to the clients of groups but these (`sendToGroup`, command 22). `groups` is what PHP's `json_encode`
    /// makes of the list; `None` where it fails, which makes the whole of ext empty, as in the original.
    pub fn send_to_groups(
        &self,
        groups: Option<&[u8]>,
        excluded: &[ClientId],
        message: Message<'_>,
        patience: Patience,
    ) -> Result {
        let head = message.head(Command::SendToGroup, 0);
        let ext = |connections: Option<&[u32]>| {
            let Some(groups) = groups else { return Vec::new() };
            let mut ext = [b"{\"group\":", groups, b",\"exclude\":"].concat();
            match connections {
                Some(connections) => json::write_connection_map(&mut ext, connections),
                None => ext.extend_from_slice(b"null"),
            }
            ext.push(b'}');
            ext
        };
        if excluded.is_empty() {
            return self.send_to_every(head, &ext(None), message.body, patience);
        }
        let special: Vec<_> = by_gateway(excluded)
            .into_iter()
            .map(|(first, connections)| (first.into(), ext(Some(&connections))))
            .collect();
        self.send_to_each(head, &ext(None), &special, message.body, patience)
    }

    /// Sends to a client, then closes its connection (`closeClient`, command 7).
    pub fn kick(&self, id: ClientId, message: Message<'_>, patience: Patience) -> Result {
        self.send_to(id, message.head(Command::Kick, id.connection), b"", message.body, patience)
    }

    /// Closes a client's connection at once (`destoryClient`, command 8).
    pub fn destroy(&self, id: ClientId, patience: Patience) -> Result {
        self.about_client(Command::Destroy, id, b"", patience)
    }

    /// Commands 9, 12, 13, 20, 21 and 204: about one client, with a session, a uid or a group
    /// (`updateSession`, `bindUid`, `unbindUid`, `joinGroup`, `leaveGroup`, `setSocketSession`).
    #[inline]
    pub fn about_client(&self, command: Command, id: ClientId, ext: &[u8], patience: Patience) -> Result {
        self.send_to(id, Head::new(command, id.connection), ext, b"", patience)
    }

    /// Dissolves a group (`ungroup`, command 27).
    pub fn ungroup(&self, group: &[u8], patience: Patience) -> Result {
        self.send_to_every(Head::new(Command::Ungroup, 0), group, b"", patience)
    }
}

/// The ids by gateway, in the order in which each gateway stands first: an id that names the gateway, and the connections.
/// There are few gateways, so that looking through them is the fastest way to find one.
fn by_gateway(ids: &[ClientId]) -> Vec<(ClientId, Vec<u32>)> {
    let mut gateways: Vec<(ClientId, Vec<u32>)> = Vec::new();
    for id in ids {
        let known = gateways.iter_mut().find(|(first, _)| (first.ip, first.port) == (id.ip, id.port));
        match known {
            Some((_, connections)) => connections.push(id.connection),
            None => gateways.push((*id, vec![id.connection])),
        }
    }
    gateways
}

fn connections_json(start: &[u8], connections: &[u32]) -> Vec<u8> {
    let mut ext = start.to_vec();
    json::write_connection_map(&mut ext, connections);
    ext.push(b'}');
    ext
}
