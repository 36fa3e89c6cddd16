//! The internal connections of a gateway: those of workers and of clients such as ours.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use gatewayworker_wire::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::gateway::{Gateway, Outcome, Peer};
use crate::server::spawn_until;

/// No frame is longer than this.
const LONGEST_FRAME: usize = 128 << 20;

/// Accepts connections.
pub(crate) async fn serve(listener: TcpListener, gateway: Arc<Gateway>, stopped: watch::Receiver<()>) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn_until(stopped.clone(), connection(stream, Arc::clone(&gateway)));
    }
}

/// Takes back what a connection holds, however its task ends.
struct Open {
    gateway: Arc<Gateway>,
    peer: Peer,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gateway.internal_closed(&self.peer);
    }
}

async fn connection(stream: TcpStream, gateway: Arc<Gateway>) {
    let _ = stream.set_nodelay(true);
    let ip = stream.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
    let (sender, mut answers) = mpsc::unbounded_channel::<bytes::Bytes>();
    let number = gateway.internal_opened();
    let peer = Peer { number, ip, sender, authorized: !gateway.has_secret(), worker: None };
    let mut open = Open { gateway: Arc::clone(&gateway), peer };
    let (mut reader, mut writer) = stream.into_split();
    let write = async move {
        while let Some(answer) = answers.recv().await {
            writer.write_all(&answer).await?;
        }
        Ok::<_, io::Error>(())
    };
    let mut epoch = gateway.epoch.subscribe();
    let mut paused = gateway.paused.subscribe();
    let read = async {
        let mut buffer = BytesMut::new();
        loop {
            // An error means that the gateway is gone, and with it this task.
            let _ = paused.wait_for(|paused| !paused).await;
            tokio::select! {
                read = reader.read_buf(&mut buffer) => if read? == 0 { return Ok(()) },
                _ = paused.changed() => continue,
            }
            loop {
                let outcome = match Frame::decode(&buffer, LONGEST_FRAME) {
                    Ok(Some((frame, length))) => {
                        let outcome = gateway.handle(&mut open.peer, frame, &buffer[..length]);
                        buffer.advance(length);
                        outcome
                    }
                    Ok(None) => break,
                    Err(error) => {
                        eprintln!("gatewayd: {error}");
                        Outcome::Close
                    }
                };
                if outcome == Outcome::Close {
                    return Ok(());
                }
            }
        }
    };
    // Whatever ends one of them ends the connection; the peer notices, and nobody else has to be told.
    let _: io::Result<()> = tokio::select! {
        result = read => result,
        result = write => result,
        _ = epoch.changed() => Ok(()),
    };
}
