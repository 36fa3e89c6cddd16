//! A cluster of gateways, as one caller sees it. [`commands`] and [`queries`] hold its operations,
//! one per call of the PHP class.

mod addressed;
mod client_gateway;
pub mod commands;
mod encode;
mod gateway_list;
pub(crate) mod members;
pub mod queries;
mod round_trip;
mod send;

use std::sync::Arc;

use crate::cluster::members::Members;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::link::CommandLink;
use crate::register::Register;
use crate::runtime::background::Background;
use crate::secret::Secret;
use crate::settings::CallOptions;

/// What tells clusters apart. Each has its own connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterId {
    /// Who uses it: two PHP classes do not share connections.
    pub user: &'static str,
    /// Where its list of gateways comes from.
    pub discovery: Discovery,
    /// The shared key.
    pub secret: Secret,
}

/// Where the list of gateways of a cluster comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Discovery {
    /// The first of these registers that replies (client mode).
    Registers(Vec<String>),
    /// The caller with this number passes it to [`Cluster::follow`] (worker mode: the
    /// BusinessWorker knows it).
    Caller(u32),
}

/// A cluster of gateways.
#[derive(Debug)]
pub struct Cluster {
    id: ClusterId,
    pub(crate) members: Arc<Members>,
    pub(crate) register: Option<Register>,
    background: Arc<Background>,
    /// The only gateways that queries to all go to, see [`Cluster::narrowed`].
    only: Option<Vec<Arc<Gateway>>>,
}

impl Cluster {
    pub(crate) fn new(id: ClusterId, background: Arc<Background>) -> Self {
        let listed_only =
            matches!(id.discovery, Discovery::Registers(_)) && !background.settings.trust_client_ids;
        let members = Members::new(id.secret.clone(), listed_only, Arc::clone(&background));
        let register = match &id.discovery {
            Discovery::Registers(registers) => {
                let (registers, secret, members) =
                    (registers.clone(), id.secret.clone(), Arc::clone(&members));
                let on_list = Box::new(move |list: &[String]| members.follow(list));
                Some(Register::new(registers, secret, on_list, Arc::clone(&background)))
            }
            Discovery::Caller(_) => None,
        };
        Self { id, members, register, background, only: None }
    }

    /// What tells it apart from other clusters.
    #[must_use]
    pub fn id(&self) -> &ClusterId {
        &self.id
    }

    /// Takes over the caller's list of gateways (`ip:port`). For [`Discovery::Caller`].
    pub fn follow<T: AsRef<str>>(&self, addresses: &[T]) {
        self.members.follow(addresses);
    }

    /// Takes over the caller's list of the gateways that queries go to, if it differs from the list
    /// for commands.
    pub fn follow_for_queries<T: AsRef<str>>(&self, addresses: &[T]) {
        self.members.follow_for_queries(addresses);
    }

    /// Makes sure that the list of gateways is known. With `fresh`, it requests a new one from the
    /// register (`Gateway::$addressesCacheDisable`).
    ///
    /// # Errors
    /// When no register replies, or the register knows of no gateway.
    #[inline]
    pub fn discover(&self, fresh: bool, options: CallOptions) -> Result<(), Error> {
        let Some(register) = &self.register else {
            return Ok(());
        };
        register.wait_listed(fresh, options.connect_timeout)?;
        if self.members.with(<[_]>::is_empty) {
            if let Some((name, reason)) = self.members.not_found() {
                return Err(Error::Unreachable { gateway: name.into(), reason });
            }
            return Err(Error::NoGateways { registers: register.names() });
        }
        Ok(())
    }

    pub(crate) fn links(&self) -> Vec<CommandLink> {
        self.members.everybody().iter().map(|gateway| gateway.link.clone()).collect()
    }

    /// Whether calls wait for connections and for room: in client mode. In worker mode the event
    /// loop must not block.
    fn waits(&self) -> bool {
        self.register.is_some()
    }
}
