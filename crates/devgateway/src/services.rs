//! Starting a gateway: its listeners, its timer, and its connections to registers.

use std::io;
use std::rc::Rc;

use tokio::task::spawn_local;

use crate::clients;
use crate::internal;
use crate::listener::listen;
use crate::node::{GatewayAddresses, Node};
use crate::payload::Protocol;
use crate::registration;

/// Listens on the node's addresses. Ports chosen by the system are kept from then on. Does nothing
/// while the gateway runs.
pub(crate) fn start(node: &Rc<Node>) -> io::Result<()> {
    if node.is_alive() {
        return Ok(());
    }
    let GatewayAddresses { internal, text, websocket } = node.addresses.get();
    let (internal_listener, internal) = listen(internal)?;
    let (text_listener, text) = listen(text)?;
    let (websocket_listener, websocket) = listen(websocket)?;
    let mut services = vec![
        spawn_local(internal::accept(node.clone(), internal_listener)).abort_handle(),
        spawn_local(internal::ping_workers(node.clone())).abort_handle(),
    ];
    for (listener, protocol) in [(text_listener, Protocol::Text), (websocket_listener, Protocol::WebSocket)] {
        services.push(spawn_local(clients::accept(node.clone(), listener, protocol)).abort_handle());
    }
    for register in &node.config.join {
        let registration = registration::keep(register.clone(), internal, node.config.clone());
        services.push(spawn_local(registration).abort_handle());
    }
    // None of these tasks runs before this function returns.
    node.started(GatewayAddresses { internal, text, websocket }, services);
    Ok(())
}
