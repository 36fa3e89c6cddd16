//! WebSocket clients.

use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message as WebSocketMessage};

use super::close::close;
use super::handshake;
use crate::lines::MAX_LINE;
use crate::log::complain;
use crate::node::Node;
use crate::payload::{Message, Outgoing};

/// Serves one client until either side ends it.
pub(super) async fn serve(
    node: Rc<Node>,
    id: u32,
    stream: TcpStream,
    mut messages: UnboundedReceiver<Outgoing>,
) {
    let ends = stream.peer_addr().ok().zip(stream.local_addr().ok());
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    let on_request = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if let Some((peer, local)) = ends {
            node.gateway.borrow_mut().websocket_connect(id, &handshake::describe(request, peer, local));
        }
        Ok(response)
    };
    let config = WebSocketConfig::default().max_message_size(Some(MAX_LINE)).max_frame_size(Some(MAX_LINE));
    let accepted = tokio_tungstenite::accept_hdr_async_with_config(stream, on_request, Some(config)).await;
    let mut socket = match accepted {
        Ok(socket) => socket,
        Err(error) => {
            complain(format_args!("client {id} is closed, its WebSocket handshake failed: {error}"));
            node.gateway.borrow_mut().disconnect(id);
            return;
        }
    };
    node.gateway.borrow_mut().handshaken(id);
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(Ok(WebSocketMessage::Text(text))) => node.gateway.borrow_mut().message(id, text.as_bytes()),
                Some(Ok(WebSocketMessage::Binary(bytes))) => node.gateway.borrow_mut().message(id, &bytes),
                // The library replies to pings, and to a close with a close; then the stream ends.
                Some(Ok(WebSocketMessage::Ping(_) | WebSocketMessage::Pong(_) | WebSocketMessage::Frame(_))) => {}
                Some(Ok(WebSocketMessage::Close(_))) => {
                    node.gateway.borrow_mut().disconnect(id);
                    while let Some(Ok(_)) = socket.next().await {}
                    return;
                }
                Some(Err(_)) | None => break,
            },
            message = messages.recv() => {
                let Some(message) = message else {
                    // The client was kicked. As in the original, there is no close frame.
                    return close(socket.into_inner()).await;
                };
                if send(&mut socket, message, &mut messages).await.is_err() {
                    break;
                }
            }
        }
    }
    node.gateway.borrow_mut().disconnect(id);
}

/// Sends a message and all that wait behind it.
async fn send(
    socket: &mut WebSocketStream<TcpStream>,
    first: Outgoing,
    messages: &mut UnboundedReceiver<Outgoing>,
) -> Result<(), Error> {
    let mut next = Some(first);
    while let Some(outgoing) = next {
        match outgoing {
            Outgoing::Message(Message::Text(text)) => socket.feed(WebSocketMessage::Text(text)).await?,
            Outgoing::Message(Message::Binary(bytes)) => socket.feed(WebSocketMessage::Binary(bytes)).await?,
            Outgoing::Raw(message) => {
                socket.flush().await?;
                socket.get_mut().write_all(message.bytes()).await?;
            }
        }
        next = messages.try_recv().ok();
    }
    socket.flush().await
}
