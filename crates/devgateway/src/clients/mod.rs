//! The clients of a gateway: browsers, apps, devices.

mod close;
mod handshake;
mod text;
mod websocket;

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::client::Client;
use crate::listener::ACCEPT_PAUSE;
use crate::log::complain;
use crate::node::Node;
use crate::payload::Protocol;

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
        let client = Client::new(protocol, peer, gateway_port, task.abort_handle(), queue);
        node.gateway.borrow_mut().connect(id, client);
    }
}
