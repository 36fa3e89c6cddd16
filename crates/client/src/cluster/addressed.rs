//! Frames and queries to gateways that the caller names by their addresses, and frames that it has
//! encoded itself.

use std::sync::Arc;

use bytes::Bytes;
use gatewayworker_wire::Command;
use gatewayworker_wire::reply::ReplyError;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::link::frame::{FrameBytes, SHARED_FROM};
use crate::query::{self, Query};
use crate::settings::CallOptions;

impl Cluster {
    /// The addresses of the gateways (`ip:port`), as the register or the caller lists them.
    /// [`Cluster::discover`] goes before.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.members.addresses()
    }

    /// The same cluster, for queries to all of these gateways instead of to all that are known.
    ///
    /// # Errors
    /// Where the name of one cannot be looked up.
    pub fn narrowed<T: AsRef<str>>(&self, addresses: &[T]) -> Result<Self, Error> {
        let only =
            addresses.iter().map(|address| self.members.at(address.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self {
            id: self.id.clone(),
            members: Arc::clone(&self.members),
            register: None,
            background: Arc::clone(&self.background),
            only: Some(only),
        })
    }

    /// Sends a whole frame to the gateway at this address.
    ///
    /// # Errors
    /// As the operations that send to one client.
    pub fn send_frame(&self, address: &str, frame: &[u8], options: CallOptions) -> Result<(), Error> {
        let gateway = self.gateway_at(address, options)?;
        let large = (frame.len() >= SHARED_FROM).then(|| Bytes::copy_from_slice(frame));
        let frame = large.as_ref().map_or(FrameBytes::Copied(frame), FrameBytes::Shared);
        self.send_patiently(&gateway, frame, options)
    }

    /// Sends each gateway a query that is a whole frame. `read` gets the address and the reply of
    /// each.
    ///
    /// # Errors
    /// As the queries to all gateways.
    pub fn query_frames<T: AsRef<str>, F: AsRef<[u8]>>(
        &self,
        command: Command,
        frames: &[(T, F)],
        options: CallOptions,
        mut read: impl FnMut(u32, u16, &[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let replies = {
            let gateways: Vec<Arc<Gateway>> = frames
                .iter()
                .map(|(address, _)| self.gateway_at(address.as_ref(), options))
                .collect::<Result<_, Error>>()?;
            let queries: Vec<Query<'_>> = gateways
                .iter()
                .zip(frames)
                .map(|(gateway, (_, frame))| Query { gateway, frame: frame.as_ref() })
                .collect();
            query::run(command, &queries, options)?
        };
        replies.read(|(ip, port), payload, _| read(ip, port, payload))
    }
}
