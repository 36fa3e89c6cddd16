//! Starting and stopping all of it.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::register::{self, Register};
use crate::{clients, control, internal};

/// A running register with its gateways. Ends when it is dropped.
#[derive(Debug)]
pub struct Devgateway {
    addresses: Addresses,
    world: Arc<World>,
    _stop: watch::Sender<()>,
}

/// Where everything listens; the line that `gatewayd` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// The process.
    pub pid: u32,
    /// The control protocol.
    pub control: SocketAddr,
    /// The register, if one was started.
    pub register: Option<SocketAddr>,
    /// Whether there is a secret key.
    pub secret: bool,
    /// The gateways.
    pub gateways: Vec<GatewayAddresses>,
}

/// Where one gateway listens.
#[derive(Clone, Debug, Serialize)]
pub struct GatewayAddresses {
    /// For workers and clients such as ours; the address in client ids.
    pub internal: SocketAddrV4,
    /// For people who speak lines of text.
    pub text: SocketAddrV4,
    /// For people who speak WebSocket.
    pub websocket: SocketAddrV4,
}

/// All that tests may look at and break.
#[derive(Debug)]
pub struct World {
    pub(crate) config: Config,
    pub(crate) register: Option<Arc<Register>>,
    pub(crate) register_address: Option<SocketAddr>,
    pub(crate) gateways: Vec<Arc<Member>>,
    /// Holds the register's tasks; without it they end.
    register_stop: Mutex<Option<watch::Sender<()>>>,
}

/// A gateway and what it takes to stop and start it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) addresses: GatewayAddresses,
    stop: Mutex<Option<watch::Sender<()>>>,
}

/// A `std` mutex guard; our critical sections leave consistent data even where they panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Devgateway {
    /// Starts everything, in the current tokio runtime.
    ///
    /// # Errors
    /// Where an address cannot be listened on.
    pub async fn start(config: Config) -> io::Result<Self> {
        let mut register = None;
        if !config.no_register {
            let listener = TcpListener::bind(config.register).await?;
            register = Some((listener.local_addr()?, listener, Arc::new(Register::new(&config.secret))));
        }
        let mut members = Vec::new();
        let mut listeners = Vec::new();
        for (index, address) in (0u16..).zip(&config.gateways) {
            let bound =
                Listeners::bind(*address, port(config.text_port, index), port(config.ws_port, index)).await?;
            let addresses = bound.addresses()?;
            let gateway = Arc::new(Gateway::new(addresses.internal, &config));
            members.push(Arc::new(Member { gateway, addresses, stop: Mutex::default() }));
            listeners.push(bound);
        }
        let control_listener = TcpListener::bind(config.control).await?;
        let addresses = Addresses {
            pid: std::process::id(),
            control: control_listener.local_addr()?,
            register: register.as_ref().map(|(address, ..)| *address),
            secret: !config.secret.is_empty(),
            gateways: members.iter().map(|member| member.addresses.clone()).collect(),
        };
        let world = Arc::new(World {
            config,
            register: register.as_ref().map(|(_, _, register)| Arc::clone(register)),
            register_address: addresses.register,
            gateways: members,
            register_stop: Mutex::default(),
        });
        if let Some((_, listener, _)) = register {
            world.run_register(listener);
        }
        for (member, bound) in world.gateways.iter().zip(listeners) {
            world.run_gateway(member, bound);
        }
        let (stop, stopped) = watch::channel(());
        spawn_until(stopped, control::serve(control_listener, Arc::clone(&world)));
        Ok(Self { addresses, world, _stop: stop })
    }

    /// Where everything listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What tests may look at and break, see [`control`].
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for Devgateway {
    fn drop(&mut self) {
        lock(&self.world.register_stop).take();
        for member in &self.world.gateways {
            self.world.stop_gateway(member);
        }
    }
}

fn port(first: u16, index: u16) -> u16 {
    if first == 0 { 0 } else { first.saturating_add(index) }
}

/// The three sockets of a gateway.
pub(crate) struct Listeners {
    internal: TcpListener,
    text: TcpListener,
    websocket: TcpListener,
}

impl Listeners {
    async fn bind(internal: SocketAddrV4, text: u16, websocket: u16) -> io::Result<Self> {
        Ok(Self {
            internal: TcpListener::bind(internal).await?,
            text: TcpListener::bind((*internal.ip(), text)).await?,
            websocket: TcpListener::bind((*internal.ip(), websocket)).await?,
        })
    }

    fn addresses(&self) -> io::Result<GatewayAddresses> {
        Ok(GatewayAddresses {
            internal: v4(self.internal.local_addr()?)?,
            text: v4(self.text.local_addr()?)?,
            websocket: v4(self.websocket.local_addr()?)?,
        })
    }
}

fn v4(address: SocketAddr) -> io::Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "client ids have room for IPv4 only"))
        }
    }
}

/// Runs a task until the other side of the channel is gone.
pub(crate) fn spawn_until(mut stopped: watch::Receiver<()>, task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::select! {
            _ = stopped.changed() => {}
            () = task => {}
        }
    });
}

impl World {
    /// A gateway by its number.
    pub(crate) fn member(&self, index: usize) -> Option<&Arc<Member>> {
        self.gateways.get(index)
    }

    fn run_register(&self, listener: TcpListener) {
        let Some(register) = &self.register else { return };
        let (stop, stopped) = watch::channel(());
        *lock(&self.register_stop) = Some(stop);
        spawn_until(stopped.clone(), register::serve(listener, Arc::clone(register), stopped));
    }

    pub(crate) fn stop_register(&self) {
        lock(&self.register_stop).take();
    }

    pub(crate) async fn start_register(&self) -> io::Result<()> {
        if let Some(address) = self.register_address {
            let listener = TcpListener::bind(address).await?;
            self.run_register(listener);
        }
        Ok(())
    }

    fn run_gateway(&self, member: &Member, listeners: Listeners) {
        let (stop, stopped) = watch::channel(());
        *lock(&member.stop) = Some(stop);
        let gateway = &member.gateway;
        let Listeners { internal, text, websocket } = listeners;
        spawn_until(stopped.clone(), internal::serve(internal, Arc::clone(gateway), stopped.clone()));
        spawn_until(stopped.clone(), clients::text::serve(text, Arc::clone(gateway), stopped.clone()));
        spawn_until(
            stopped.clone(),
            clients::websocket::serve(websocket, Arc::clone(gateway), stopped.clone()),
        );
        spawn_until(stopped.clone(), Arc::clone(gateway).ping_workers());
        let address = member.addresses.internal.to_string();
        for register in &self.config.join {
            let secret = self.config.secret.clone();
            spawn_until(stopped.clone(), register::join(register.clone(), address.clone(), secret));
        }
        if let Some(register) = &self.register {
            register.add(&address);
        }
    }

    /// Closes all that a gateway has open, as if its process had ended.
    pub(crate) fn stop_gateway(&self, member: &Member) {
        if lock(&member.stop).take().is_some() {
            member.gateway.clear();
            if let Some(register) = &self.register {
                register.remove(&member.addresses.internal.to_string());
            }
        }
    }

    /// Brings a gateway back, empty, on the same addresses.
    pub(crate) async fn start_gateway(&self, member: &Member) -> io::Result<()> {
        if lock(&member.stop).is_some() {
            return Ok(());
        }
        let GatewayAddresses { internal, text, websocket } = member.addresses.clone();
        let listeners = Listeners::bind(internal, text.port(), websocket.port()).await?;
        self.run_gateway(member, listeners);
        Ok(())
    }

    pub(crate) fn is_alive(&self, member: &Member) -> bool {
        lock(&member.stop).is_some()
    }
}
