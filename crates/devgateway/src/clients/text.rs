//! Clients that speak in lines, Workerman's `text` protocol.

use std::rc::Rc;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

use super::close::close;
use crate::lines::LineBuffer;
use crate::log::complain;
use crate::node::Node;
use crate::payload::Outgoing;

/// Output above this stays in the queue, where broadcasts share their bytes.
const ENOUGH_OUTPUT: usize = 256 << 10;

/// Serves one client until either side ends it.
pub(super) async fn serve(
    node: Rc<Node>,
    id: u32,
    mut stream: TcpStream,
    mut messages: UnboundedReceiver<Outgoing>,
) {
    let mut input = LineBuffer::default();
    let mut output = BytesMut::new();
    let mut closing = false;
    let (mut reader, mut writer) = stream.split();
    while !closing || !output.is_empty() {
        tokio::select! {
            filled = input.fill(&mut reader), if !closing => {
                if !matches!(filled, Ok(true)) || !take_lines(&node, id, &mut input) {
                    node.gateway.borrow_mut().disconnect(id);
                    return;
                }
            }
            message = messages.recv(), if !closing && output.len() < ENOUGH_OUTPUT => match message {
                Some(Outgoing::Message(message)) => {
                    output.extend_from_slice(message.bytes());
                    output.extend_from_slice(b"\n");
                }
                Some(Outgoing::Raw(message)) => output.extend_from_slice(message.bytes()),
                // The gateway has forgotten the client: it was kicked.
                None => closing = true,
            },
            written = writer.write_buf(&mut output), if !output.is_empty() => {
                if written.is_err() {
                    node.gateway.borrow_mut().disconnect(id);
                    return;
                }
            }
        }
    }
    close(stream).await;
}

/// Passes on the whole lines; returns whether the client may go on.
fn take_lines(node: &Node, id: u32, input: &mut LineBuffer) -> bool {
    loop {
        match input.take() {
            Ok(Some(line)) => node.gateway.borrow_mut().message(id, &line),
            Ok(None) => return true,
            Err(_) => {
                complain(format_args!("client {id} is closed, its line does not end"));
                return false;
            }
        }
    }
}
