//! One query to one gateway, or to all of them.

use gatewayworker_wire::client_id::ClientIdPrefix;
use gatewayworker_wire::reply::ReplyError;
use gatewayworker_wire::{ClientId, Command, Head};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::query::replies::Replies;
use crate::query::{self, Query};
use crate::settings::{CallOptions, OnUnavailable};

impl Cluster {
    /// Queries the gateway of a client.
    #[inline]
    pub(crate) fn query_one(
        &self,
        id: ClientId,
        command: Command,
        options: CallOptions,
        mut read: impl FnMut(&[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let replies = {
            let gateway = self.gateway_of(id, options)?;
            let frame = Head::new(command, id.connection).encode(0, 0)?;
            query::run(command, &[Query { gateway: &gateway, frame: &frame }], options)?
        };
        replies.read(|_, payload, _| read(payload))
    }

    /// Queries the gateway of a client with extension data, which is dropped before the reply is
    /// read, see [`Replies`].
    pub(crate) fn query_one_with(
        &self,
        id: ClientId,
        command: Command,
        ext: Vec<u8>,
        options: CallOptions,
        mut read: impl FnMut(&[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let replies = {
            let gateway = self.gateway_of(id, options)?;
            let frame = Head::new(command, 0).frame(&ext, b"")?;
            query::run(command, &[Query { gateway: &gateway, frame: &frame }], options)?
        };
        drop(ext);
        replies.read(|_, payload, _| read(payload))
    }

    /// Sends every gateway the same query. `read` gets each reply, and the number of rows that all
    /// of them announce together. The extension data is dropped before, see [`Replies`].
    pub(crate) fn query_all(
        &self,
        command: Command,
        ext: impl AsRef<[u8]>,
        options: CallOptions,
        mut read: impl FnMut(ClientIdPrefix, &[u8], usize) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let replies = self.replies_of_all(command, ext.as_ref(), options)?;
        drop(ext);
        replies.read(|(ip, port), payload, rows| read(ClientIdPrefix::new(ip, port), payload, rows))
    }

    fn replies_of_all(&self, command: Command, ext: &[u8], options: CallOptions) -> Result<Replies, Error> {
        let gateways = self.only.clone().unwrap_or_else(|| self.members.to_query());
        // The look-up has logged it already.
        if self.only.is_none()
            && let Some((name, reason)) = self.members.not_found()
            && (options.on_unavailable == OnUnavailable::Fail || gateways.is_empty())
        {
            return Err(Error::Unreachable { gateway: name.into(), reason });
        }
        let frame = Head::new(command, 0).frame(ext, b"")?;
        let queries: Vec<Query<'_>> =
            gateways.iter().map(|gateway| Query { gateway, frame: &frame }).collect();
        let replies = query::run(command, &queries, options);
        if replies.as_ref().map_or(0, Replies::len) < queries.len() {
            self.members.doubt_names();
        }
        replies
    }
}
