//! Clients that speak lines of text, each ended by a newline.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Known;
use crate::gateway::{Gateway, ToClient};
use crate::server::spawn_until;

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

async fn client(stream: TcpStream, gateway: &Arc<Gateway>, port: u16) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some((id, mut orders)) = gateway.connect(stream.peer_addr()?, port) else {
        return Ok(());
    };
    let _known = Known { gateway: Arc::clone(gateway), id };
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    if let Some(greeting) = gateway.greeting(id) {
        writer.write_all(format!("{greeting}\n").as_bytes()).await?;
    }
    let mut line = Vec::new();
    loop {
        tokio::select! {
            read = reader.read_until(b'\n', &mut line) => {
                if read? == 0 {
                    return Ok(());
                }
                if line.ends_with(b"\n") {
                    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
                    gateway.message(id, &line[..end.map_or(0, |end| end + 1)]);
                    line.clear();
                }
            }
            order = orders.recv() => match order {
                Some(ToClient::Message { body, raw }) => {
                    writer.write_all(&body).await?;
                    if !raw {
                        writer.write_all(b"\n").await?;
                    }
                }
                Some(ToClient::Close(last)) => {
                    if let Some(last) = last {
                        writer.write_all(&last).await?;
                        writer.write_all(b"\n").await?;
                    }
                    return writer.shutdown().await;
                }
                Some(ToClient::Destroy) | None => return Ok(()),
            }
        }
    }
}
