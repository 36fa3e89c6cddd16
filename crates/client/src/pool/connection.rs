//! A connection that carries one query at a time, driven by the calling thread: no other thread takes part.
//!
//! A query is one `send` and, usually, one blocking `recv`, which the socket's own receive time-out bounds. Only where a
//! reply takes longer or has not come whole, the clock and `poll` are used. Whether and how long to wait, and for whom
//! else meanwhile, is decided in [`crate::query`].

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::address::GatewayAddress;
use crate::receive::buffers::Buffers;
use crate::receive::query_error::QueryError;
use crate::receive::{Receiver, Reply};
use crate::sys::socket::Socket;

/// How long a connection is used (`$ttl` in the original's `getGatewayConnection`).
const MAX_AGE: Duration = Duration::from_secs(50);

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A connection to one gateway. Authentication goes ahead of the first query.
#[derive(Debug)]
pub(crate) struct QueryConnection {
    /// Tells it from all others of this process.
    pub(crate) serial: u64,
    socket: Socket,
    to: SocketAddr,
    since: Instant,
    receiver: Receiver,
    /// Held as long as the connection is open: the pool counts them.
    _open: Arc<()>,
}

impl QueryConnection {
    /// Starts to connect. `open` is held until the connection is closed.
    pub(crate) fn start(address: &GatewayAddress, open: Arc<()>) -> Result<Self, QueryError> {
        let to = address.reach;
        let socket = Socket::connect(to).map_err(QueryError::Unreachable)?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Ok(Self { serial, socket, to, since: Instant::now(), receiver: Receiver::exclusive(), _open: open })
    }

    /// Whether it is to be used no more.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.since) > MAX_AGE
    }

    /// Whether it can carry another query: it is open still, and no more has come than the replies to its queries. What
    /// follows would be taken for the next reply.
    pub(crate) fn is_ready(&self) -> bool {
        self.socket.is_quiet()
    }

    /// What to wait for with `poll`.
    pub(crate) fn poll(&self, events: libc::c_short) -> libc::pollfd {
        libc::pollfd { fd: self.socket.as_raw_fd(), events, revents: 0 }
    }

    /// How the attempt to connect ended; to be asked once the socket is writable.
    pub(crate) fn made(&self) -> Result<(), QueryError> {
        self.socket
            .connected(self.to)
            .and_then(|()| self.socket.set_blocking())
            .map_err(QueryError::Unreachable)
    }

    /// Sends what is left of a query, `auth` in front of `frame`, where this much of it has been sent. Returns how much
    /// that is now: usually all of it at once, since a query is far smaller than a socket's buffer.
    pub(crate) fn send(&self, auth: &[u8], frame: &[u8], mut sent: usize) -> Result<usize, QueryError> {
        while sent < auth.len() + frame.len() {
            let more = match sent.checked_sub(auth.len()) {
                Some(sent) => self.socket.send_now(&frame[sent..]),
                None => self.socket.send_vectored_now(&[IoSlice::new(&auth[sent..]), IoSlice::new(frame)]),
            };
            match more {
                Ok(more) => sent += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(QueryError::Closed { clean: true, error }),
            }
        }
        Ok(sent)
    }

    /// As [`Receiver::wait`].
    pub(crate) fn wait(
        &mut self,
        buffers: &Buffers,
        timeout: Duration,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        self.receiver.wait(&self.socket, buffers, timeout, until, max_reply)
    }

    /// As [`Receiver::receive_all`].
    pub(crate) fn receive_all(
        &mut self,
        buffers: &Buffers,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        self.receiver.receive_all(&self.socket, buffers, until, max_reply)
    }

    /// The reply that was received last.
    pub(crate) fn take_reply(&mut self) -> Reply {
        self.receiver.take_reply()
    }
}
