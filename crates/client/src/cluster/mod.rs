//! A cluster of gateways, as one caller sees it. Its operations, one per call of the PHP class, are in
//! [`crate::cluster::commands`] and [`crate::cluster::queries`]; this is what they are made of.

mod addressed;
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

/// What makes two clusters different: each has its own connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterId {
    /// Who uses it: two PHP classes do not share connections.
    pub user: &'static str,
    /// Where its gateways are known from.
    pub discovery: Discovery,
    /// The shared key.
    pub secret: Secret,
}

/// Where the gateways of a cluster are known from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Discovery {
    /// The first of these registers that answers (client mode).
    Registers(Vec<String>),
    /// The caller of this number tells them with [`Cluster::follow`] (worker mode: the BusinessWorker knows them).
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
        let members = Members::new(id.secret.clone(), Arc::clone(&background));
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

    /// What makes it different from others.
    #[must_use]
    pub fn id(&self) -> &ClusterId {
        &self.id
    }

    /// Takes over the caller's list of gateways (`ip:port`). For [`Discovery::Caller`].
    pub fn follow<T: AsRef<str>>(&self, addresses: &[T]) {
        self.members.follow(addresses);
    }

    /// Takes over the caller's list of the gateways to be asked, where it is another than that of those to be sent to.
    pub fn follow_for_queries<T: AsRef<str>>(&self, addresses: &[T]) {
        self.members.follow_for_queries(addresses);
    }

    /// Makes sure that the gateways are known; with `fresh`, asks the register anew
    /// (`Gateway::$addressesCacheDisable`).
    ///
    /// # Errors
    /// Where no register answers, or where it knows of no gateway.
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

    /// In client mode a caller waits for connections and for room; in worker mode nothing waits, since the event loop
    /// must not stand still.
    fn waits(&self) -> bool {
        self.register.is_some()
    }
}
