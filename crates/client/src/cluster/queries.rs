//! The operations that query, one per call of the PHP class.
//!
//! Long replies are not collected but passed on as they are read. `each` gets the prefix of the
//! client ids of the gateway that replied. If it gets whole replies, it also gets the number of
//! rows that all of them announce together, the same number each time, so that an array can be
//! created in its final size. The number is 0 if the replies are not arrays, and never more than
//! their bytes can hold.
//!
//! All of them fail with the same errors: [`Error::Unreachable`], [`Error::TimedOut`],
//! [`Error::Closed`], [`Error::Rejected`], [`Error::BadReply`], [`Error::ReplyTooLong`]. None of
//! them ever reads as "offline" or as an empty list. Call [`Cluster::discover`] before a query to
//! all gateways.

use gatewayworker_wire::client_id::ClientIdPrefix;
use gatewayworker_wire::php::{Key, Scalar};
use gatewayworker_wire::reply::{self, Groups, ReplyError, Uid};
use gatewayworker_wire::{ClientId, Command};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::settings::CallOptions;

/// The fields that [`Cluster::select`] requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// The uid.
    Uid,
    /// The groups.
    Groups,
    /// Both.
    UidAndGroups,
}

impl Fields {
    fn json(self) -> &'static [u8] {
        match self {
            Self::Uid => br#"{"fields":["uid"],"where":"#,
            Self::Groups => br#"{"fields":["groups"],"where":"#,
            Self::UidAndGroups => br#"{"fields":["uid","groups"],"where":"#,
        }
    }
}

impl Cluster {
    /// Whether a client is connected (`isOnline`, command 11): 0 or 1.
    #[inline]
    pub fn is_online(&self, id: ClientId, options: CallOptions) -> Result<i64, Error> {
        let mut online = 0;
        self.query_one(id, Command::IsOnline, options, |payload| {
            online = reply::int(payload)?;
            Ok(())
        })?;
        Ok(online)
    }

    /// The session of a client (`getSession`, command 203) in its serialized form; `N;` if the
    /// client is not connected.
    #[inline]
    pub fn session(
        &self,
        id: ClientId,
        options: CallOptions,
        read: impl FnMut(&[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        self.query_one(id, Command::GetSessionByClientId, options, read)
    }

    /// The uid of a client (`getUidByClientId`, command 25): null if it has none. `each` is not
    /// called if the client is not connected.
    pub fn uid_of_client(
        &self,
        id: ClientId,
        options: CallOptions,
        mut each: impl FnMut(Scalar<'_>),
    ) -> Result<(), Error> {
        let mut ext = Fields::Uid.json().to_vec();
        ext.extend_from_slice(b"{\"connection_id\":");
        gatewayworker_wire::json::write_connection_map(&mut ext, &[id.connection]);
        ext.extend_from_slice(b"}}");
        self.query_one_with(id, Command::Select, ext, options, |payload| {
            reply::selected(payload, |_, uid, _| {
                each(uid.scalar());
                Ok(())
            })
        })
    }

    /// The number of clients of a group, or of all clients for the empty group
    /// (`getClientIdCountByGroup`, command 24).
    pub fn client_count(&self, group: &[u8], options: CallOptions) -> Result<i64, Error> {
        let mut count = 0i64;
        self.query_all(Command::GetClientCountByGroup, group, options, |_, payload, _| {
            count = count.saturating_add(reply::int(payload)?);
            Ok(())
        })?;
        Ok(count)
    }

    /// The number of clients of each of some groups (`batchGetClientIdCountByGroup`, command 28).
    /// `groups` is a JSON list.
    pub fn client_counts(
        &self,
        groups: &[u8],
        options: CallOptions,
        mut each: impl FnMut(Key<'_>, i64),
    ) -> Result<(), Error> {
        self.query_all(Command::BatchGetClientCountByGroup, groups, options, |_, payload, _| {
            reply::counts(payload, &mut each)
        })
    }

    /// The clients of a uid (`getClientIdByUid`, command 15). `each` gets every reply: read it with
    /// [`reply::connections`].
    pub fn clients_of_uid(
        &self,
        uid: &[u8],
        options: CallOptions,
        mut each: impl FnMut(ClientIdPrefix, &[u8], usize) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        self.query_all(Command::GetClientIdByUid, uid, options, &mut each)
    }

    /// The clients of many uids (`batchGetClientIdByUid`, command 16). `uids` is a JSON list.
    /// `each` gets every uid once per gateway with `None`, and then once for each of its clients
    /// there.
    pub fn clients_of_uids(
        &self,
        uids: &[u8],
        options: CallOptions,
        mut each: impl FnMut(Key<'_>, Option<[u8; ClientId::LEN]>),
    ) -> Result<(), Error> {
        self.query_all(Command::BatchGetClientIdByUid, uids, options, |prefix, payload, _| {
            reply::connections_by_uid(payload, |uid, connections| {
                each(uid, None);
                connections(&mut |connection| each(uid, Some(prefix.with(connection))))
            })
        })
    }

    /// The ids of all groups (`getAllGroupIdList`, command 26). A group that several gateways have
    /// comes several times.
    pub fn group_ids(
        &self,
        options: CallOptions,
        mut each: impl FnMut(Scalar<'_>) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        self.query_all(Command::GetGroupIdList, b"", options, |_, payload, _| {
            reply::group_ids(payload, &mut each)
        })
    }

    /// The sessions of all clients, or of those of a group (`getAllClientSessions`, commands 10 and
    /// 23). `each` gets every reply: read it with [`reply::sessions`].
    pub fn session_lists(
        &self,
        group: Option<&[u8]>,
        options: CallOptions,
        mut each: impl FnMut(ClientIdPrefix, &[u8], usize) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let command = match group {
            Some(_) => Command::GetClientSessionsByGroup,
            None => Command::GetAllClientSessions,
        };
        self.query_all(command, group.unwrap_or_default(), options, &mut each)
    }

    /// Like [`Cluster::session_lists`], row by row: the client's id and its serialized session
    /// (empty: none).
    pub fn sessions(
        &self,
        group: Option<&[u8]>,
        options: CallOptions,
        mut each: impl FnMut([u8; ClientId::LEN], &[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        self.session_lists(group, options, |prefix, payload, _| {
            reply::sessions(payload, |connection, session| each(prefix.with(connection), session))
        })
    }

    /// Fields of all clients, or of the clients of some groups (command 25). `groups` is the output
    /// of PHP's `json_encode` for the list. `each` gets every reply: read it with
    /// [`reply::selected`].
    pub fn select(
        &self,
        fields: Fields,
        groups: Option<&[u8]>,
        options: CallOptions,
        mut each: impl FnMut(ClientIdPrefix, &[u8], usize) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let mut ext = fields.json().to_vec();
        match groups {
            Some(groups) => {
                ext.extend_from_slice(b"{\"groups\":");
                ext.extend_from_slice(groups);
                ext.extend_from_slice(b"}}");
            }
            None => ext.extend_from_slice(b"[]}"),
        }
        self.query_all(Command::Select, ext, options, &mut each)
    }

    /// Like [`Cluster::select`], row by row: the client's id, its uid and its groups.
    pub fn select_rows(
        &self,
        fields: Fields,
        groups: Option<&[u8]>,
        options: CallOptions,
        mut each: impl FnMut([u8; ClientId::LEN], &Uid<'_>, Groups<'_, '_>) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        self.select(fields, groups, options, |prefix, payload, _| {
            reply::selected(payload, |connection, uid, groups| each(prefix.with(connection), uid, groups))
        })
    }
}
