//! The clients of a gateway: browsers, apps, devices.

mod handshake;
mod text;
mod websocket;

use std::net::{SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::time::Duration;

use gatewayworker_wire::php::value::OwnedKey;
use indexmap::IndexMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{sleep, timeout};

use crate::internal::ACCEPT_PAUSE;
use crate::log::complain;
use crate::node::Node;
use crate::payload::Outgoing;
use crate::worker::WorkerKey;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A message a line.
    Text,
    /// RFC 6455.
    WebSocket,
}

/// What a gateway knows about one client.
pub(crate) struct Client {
    pub(crate) protocol: Protocol,
    pub(crate) peer: SocketAddrV4,
    /// The port that it connected to.
    pub(crate) gateway_port: u16,
    /// Whether it can take messages: a WebSocket client cannot before its handshake.
    pub(crate) ready: bool,
    /// Its session, serialized.
    pub(crate) session: Vec<u8>,
    pub(crate) uid: Option<Vec<u8>>,
    /// Its groups by their array keys; `None` before it joins one for the first time.
    pub(crate) groups: Option<IndexMap<OwnedKey, Vec<u8>>>,
    /// The worker that it is bound to.
    pub(crate) worker: Option<WorkerKey>,
    /// What serves its connection.
    pub(crate) task: AbortHandle,
    /// Its connection ends when this is dropped and what is in it has been sent. It is unbounded: a slow client
    /// costs memory, it never holds up the gateway.
    queue: UnboundedSender<Outgoing>,
}

impl Client {
    /// Sends something as soon as the client takes it.
    pub(crate) fn queue(&self, outgoing: Outgoing) {
        // An error is a client whose connection is just ending.
        let _ = self.queue.send(outgoing);
    }
}

/// Accepts clients.
pub(crate) async fn accept(node: Rc<Node>, listener: TcpListener, protocol: Protocol) {
    let gateway_port = match protocol {
        Protocol::Text => node.addresses.get().text.port(),
        Protocol::WebSocket => node.addresses.get().websocket.port(),
    };
    loop {
        let (stream, peer) = match listener.accept().await {
            // Listeners are IPv4 only.
            Ok((stream, SocketAddr::V4(peer))) => (stream, peer),
            Ok(_) => continue,
            Err(error) => {
                complain(format_args!("cannot accept a client: {error}"));
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let id = node.gateway.borrow_mut().next_id();
        let (queue, messages) = unbounded_channel();
        // The task does not run before the client is known.
        let task = match protocol {
            Protocol::Text => spawn_local(text::serve(node.clone(), id, stream, messages)),
            Protocol::WebSocket => spawn_local(websocket::serve(node.clone(), id, stream, messages)),
        };
        let client = Client {
            protocol,
            peer,
            gateway_port,
            ready: protocol == Protocol::Text,
            session: Vec::new(),
            uid: None,
            groups: None,
            worker: None,
            task: task.abort_handle(),
            queue,
        };
        node.gateway.borrow_mut().connect(id, client);
    }
}

/// Closes a connection after all that was written. Closing a socket with unread bytes in it would make the kernel
/// throw away what the client has not received yet, so those bytes are read, but not for long.
async fn close(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut unread = [0; 4096];
        let drain = async { while matches!(stream.read(&mut unread).await, Ok(1..)) {} };
        let _ = timeout(Duration::from_secs(1), drain).await;
    }
}
