//! The gateways of client ids.
//!
//! Client ids come from browsers, and any of them names an address. In client mode only gateways
//! that the register lists are connected to: everybody else would get the secret key.

use std::borrow::Cow;
use std::sync::Arc;

use gatewayworker_wire::ClientId;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::settings::CallOptions;

impl Cluster {
    /// The gateway of a client.
    ///
    /// # Errors
    /// [`Error::Unreachable`] where the register does not list it, and why where no register sends
    /// a list.
    #[inline]
    pub(super) fn gateway_of(&self, id: ClientId, options: CallOptions) -> Result<Arc<Gateway>, Error> {
        match self.members.of_client(id) {
            Some(gateway) => Ok(gateway),
            None => self.gateway_of_unlisted(id, options),
        }
    }

    #[cold]
    fn gateway_of_unlisted(&self, id: ClientId, options: CallOptions) -> Result<Arc<Gateway>, Error> {
        self.look_again(id, options)?.ok_or_else(|| Error::Unreachable {
            gateway: id.gateway().to_string().into(),
            reason: self.not_listed(),
        })
    }

    /// The gateway at an address, which may be that of a client id.
    ///
    /// # Errors
    /// As [`Cluster::gateway_of`], and where a name cannot be looked up.
    pub(super) fn gateway_at(&self, address: &str, options: CallOptions) -> Result<Arc<Gateway>, Error> {
        match self.members.by_text(address) {
            Some(gateway) => Ok(gateway),
            None => self.gateway_of(self.members.id_at(address)?, options),
        }
    }

    /// The gateways of some clients; `None` for those that the register does not list, with one
    /// line in the log for all of them.
    ///
    /// # Errors
    /// When no register sends a list.
    pub(super) fn gateways_of(
        &self,
        ids: impl Iterator<Item = ClientId>,
        options: CallOptions,
    ) -> Result<Vec<Option<Arc<Gateway>>>, Error> {
        let (mut first, mut others) = (None, 0_usize);
        let mut gateways = Vec::new();
        for id in ids {
            let mut gateway = self.members.of_client(id);
            if gateway.is_none() {
                gateway = self.look_again(id, options)?;
            }
            if gateway.is_none() {
                match first {
                    None => first = Some(id),
                    Some(_) => others += 1,
                }
            }
            gateways.push(gateway);
        }
        if let Some(id) = first {
            let more = if others > 0 { format!(" (and {others} more like it)") } else { String::new() };
            let subject = format_args!("tcp://{}", id.gateway());
            self.background.log.event(subject, "left out", format_args!("{}{more}", self.not_listed()));
        }
        Ok(gateways)
    }

    /// The ids with the address of their gateway, where they do not carry it: the ip is 0 where
    /// `lanIp` is a name.
    ///
    /// # Errors
    /// As [`Cluster::gateways_of`].
    pub(super) fn with_addresses<'i>(
        &self,
        ids: &'i [ClientId],
        options: CallOptions,
    ) -> Result<Cow<'i, [ClientId]>, Error> {
        if self.register.is_none() || ids.iter().all(|id| id.ip != 0) {
            return Ok(Cow::Borrowed(ids));
        }
        let mut known: Vec<(u16, u32)> = Vec::new();
        let mut ids = ids.to_vec();
        for id in ids.iter_mut().filter(|id| id.ip == 0) {
            if let Some((_, ip)) = known.iter().find(|(port, _)| *port == id.port) {
                id.ip = *ip;
                continue;
            }
            let mut gateway = self.members.of_client(*id);
            if gateway.is_none() {
                gateway = self.look_again(*id, options)?;
            }
            let ip = gateway.map_or(0, |gateway| gateway.address.ip);
            known.push((id.port, ip));
            id.ip = ip;
        }
        Ok(Cow::Owned(ids))
    }

    /// Whether there is a gateway of this client after all: in the first list, or in a new one.
    #[cold]
    fn look_again(&self, id: ClientId, options: CallOptions) -> Result<Option<Arc<Gateway>>, Error> {
        let Some(register) = &self.register else {
            return Ok(None);
        };
        register.wait_listed(false, options.connect_timeout)?;
        let gateway = self.members.of_client(id);
        if gateway.is_some() {
            return Ok(gateway);
        }
        register.refresh_old(options.connect_timeout);
        Ok(self.members.of_client(id))
    }

    fn not_listed(&self) -> String {
        let registers = self.register.as_ref().map(|register| register.names()).unwrap_or_default();
        format!(
            "the register {registers} lists no such gateway, so the client id is outdated or made up, \
             and nothing was sent (gatewayworker.trust_client_ids = 1 connects to any address in an id)"
        )
    }
}
