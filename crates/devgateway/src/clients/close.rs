//! Closing a client's connection without losing what was sent to it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Closes a connection after everything has been written. Closing a socket with unread bytes would
/// make the kernel discard what the client has not received yet, so those bytes are read first, for
/// a short time.
pub(super) async fn close(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut unread = [0; 4096];
        let drain = async { while matches!(stream.read(&mut unread).await, Ok(1..)) {} };
        let _ = timeout(Duration::from_secs(1), drain).await;
    }
}
