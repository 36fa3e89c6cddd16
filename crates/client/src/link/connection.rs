//! The connection of a link, which callers and the background share.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::link::send_queue::connection::Connection;
use crate::receive::Receiver;
use crate::receive::buffers::Buffers;
use crate::receive::query_error::QueryError;
use crate::sys::socket::Socket;

/// The connection of a link. A clone is the same connection. The socket blocks where a caller waits for a reply; sends
/// never do.
#[derive(Clone, Debug)]
pub(crate) struct LinkConnection {
    socket: Arc<Socket>,
    buffers: Arc<Buffers>,
}

impl LinkConnection {
    pub(super) fn new(socket: Socket, buffers: Arc<Buffers>) -> Self {
        Self { socket: Arc::new(socket), buffers }
    }

    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// As [`Receiver::wait`].
    pub(super) fn wait(
        &self,
        receiver: &mut Receiver,
        timeout: Duration,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        receiver.wait(&self.socket, &self.buffers, timeout, until, max_reply)
    }

    /// As [`Receiver::receive_all`].
    pub(super) fn receive_all(
        &self,
        receiver: &mut Receiver,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        receiver.receive_all(&self.socket, &self.buffers, until, max_reply)
    }

    /// Takes the memory of a receiver back, where nothing is in it.
    pub(super) fn rest(&self, receiver: &mut Receiver) {
        receiver.rest(&self.buffers);
    }
}

impl Connection for LinkConnection {
    #[inline]
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_now(bytes)
    }

    fn send_vectored_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.send_vectored_now(slices)
    }

    fn is_quiet(&self) -> bool {
        self.socket.is_quiet()
    }

    fn is_closed(&self) -> bool {
        // One that broke is closed too.
        self.socket.is_closed().unwrap_or(true)
    }

    fn receive(&self, receiver: &mut Receiver, timeout: Duration) -> Result<(), QueryError> {
        let received = receiver.wait_passed(&self.socket, &self.buffers, timeout);
        self.rest(receiver);
        received
    }

    fn shutdown(&self) {
        self.socket.shutdown();
    }
}
