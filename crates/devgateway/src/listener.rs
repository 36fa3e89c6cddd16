//! Sockets that listen.

use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

/// How long to wait after an error of `accept()`, which is usually a lack of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that wait to be accepted; thousands of clients may come at once.
const BACKLOG: u32 = 4096;

/// Listens; returns the address as well, with its real port.
pub(crate) fn listen(address: SocketAddrV4) -> io::Result<(TcpListener, SocketAddrV4)> {
    let open = || {
        let socket = TcpSocket::new_v4()?;
        // So that a gateway can come back while connections to the old one linger in the kernel.
        socket.set_reuseaddr(true)?;
        socket.bind(address.into())?;
        let listener = socket.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        Ok((listener, SocketAddrV4::new(*address.ip(), port)))
    };
    open().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}
