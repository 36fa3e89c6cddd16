//! Clients that speak WebSocket. Messages that are valid UTF-8 are sent as text, others as binary.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::Known;
use crate::gateway::{Gateway, ToClient};
use crate::server::spawn_until;

/// No message is longer than this.
const LONGEST_MESSAGE: usize = 128 << 20;

/// Accepts clients.
pub(crate) async fn serve(listener: TcpListener, gateway: Arc<Gateway>, stopped: watch::Receiver<()>) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    while let Ok((stream, _)) = listener.accept().await {
        let gateway = Arc::clone(&gateway);
        spawn_until(stopped.clone(), async move {
            // The end of a client's connection is an event for its gateway, which Known tells; not an error.
            let _ = client(stream, &gateway, port).await;
        });
    }
}

// The error type is the library's.
#[allow(clippy::result_large_err)]
async fn client(stream: TcpStream, gateway: &Arc<Gateway>, port: u16) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?;
    let Some((id, mut orders)) = gateway.connect(peer, port) else {
        return Ok(());
    };
    let _known = Known { gateway: Arc::clone(gateway), id };
    let mut request = Value::Null;
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let seen = |received: &Request, response: Response| {
        request = handshake(received, &peer.ip().to_string(), peer.port(), port);
        Ok(response)
    };
    let mut socket = accept_hdr_async_with_config(stream, seen, Some(config)).await?;
    gateway.websocket_connected(id, &request);
    if let Some(greeting) = gateway.greeting(id) {
        socket.send(Message::text(greeting)).await?;
    }
    loop {
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Text(text)) => gateway.message(id, text.as_bytes()),
                Some(Message::Binary(bytes)) => gateway.message(id, &bytes),
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
            order = orders.recv() => match order {
                // Raw bytes are WebSocket frames that the sender has made itself.
                Some(ToClient::Message { body, raw: true }) => socket.get_mut().write_all(&body).await?,
                Some(ToClient::Message { body, raw: false }) => socket.send(encode(body)).await?,
                Some(ToClient::Close(last)) => {
                    if let Some(last) = last {
                        socket.send(encode(last)).await?;
                    }
                    return socket.close(None).await;
                }
                Some(ToClient::Destroy) | None => return Ok(()),
            }
        }
    }
}

fn encode(body: bytes::Bytes) -> Message {
    match Utf8Bytes::try_from(body.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(body),
    }
}

/// What the worker is told of a handshake: `['get' => …, 'server' => …, 'cookie' => …]`.
fn handshake(request: &Request, ip: &str, client_port: u16, port: u16) -> Value {
    let text = |text: &str| Value::Str(text.as_bytes().to_vec());
    let key = |name: &str| OwnedKey::from_bytes(name.as_bytes());
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let query = request.uri().query().unwrap_or("");
    let mut server: Array = [
        ("QUERY_STRING", text(query)),
        ("REQUEST_METHOD", text("GET")),
        ("REQUEST_URI", text(&request.uri().to_string())),
        ("SERVER_PROTOCOL", text("HTTP/1.1")),
        ("SERVER_NAME", text(header("host").split(':').next().unwrap_or(""))),
        ("CONTENT_TYPE", text(header("content-type"))),
        ("REMOTE_ADDR", text(ip)),
        ("REMOTE_PORT", Value::Int(i64::from(client_port))),
        ("SERVER_PORT", Value::Int(i64::from(port))),
    ]
    .into_iter()
    .map(|(name, value)| (key(name), value))
    .collect();
    for (name, value) in request.headers() {
        let name = format!("HTTP_{}", name.as_str().to_uppercase().replace('-', "_"));
        server.insert(key(&name), Value::Str(value.as_bytes().to_vec()));
    }
    // Pairs such as a=1; percent signs are left as they are: a demo needs no more.
    let pairs = |list: &str, separator: char| -> Value {
        Value::Array(
            list.split(separator)
                .filter_map(|pair| pair.trim().split_once('='))
                .map(|(name, value)| (key(name), text(value)))
                .collect(),
        )
    };
    let whole: Array = [
        (key("get"), pairs(query, '&')),
        (key("server"), Value::Array(server)),
        (key("cookie"), pairs(header("cookie"), ';')),
    ]
    .into_iter()
    .collect();
    Value::Array(whole)
}
