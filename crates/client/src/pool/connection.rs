//! A connection that asks a gateway one query at a time, driven by the calling thread: no other thread takes part.
//!
//! A query is one `send` and, usually, one blocking `recv`, which the socket's own receive time-out bounds. Only where a
//! reply takes longer or has not come whole, the clock and `poll` are used. Whether and how long to wait, and for whom else
//! meanwhile, is decided in [`crate::query`].

use std::cmp::Ordering;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};
use std::time::{Duration, Instant};

use crate::address::GatewayAddress;
use crate::sys::socket::{self, Socket};

/// How long a connection is used (`$ttl` in the original's `getGatewayConnection`).
pub(crate) const MAX_AGE: Duration = Duration::from_secs(50);
/// The longest time-out of a blocking receive. Longer ones of the kernel are coarse: of 5 s it makes up to 5.26 s. Answers that
/// take longer than this are waited for with `poll`, which is precise.
pub(crate) const MAX_BLOCKING_RECV: Duration = Duration::from_millis(200);
/// How much is received at once into a new buffer. A larger one is filled as far as it goes.
const RECV_CHUNK: usize = 64 << 10;
/// A buffer that grew beyond this for one reply is given back. Below it, long lists that are asked for again and again find
/// their memory there, and need not have it grown and mapped anew.
const KEPT_BUFFER: usize = 1 << 20;

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Why a query has no reply.
#[derive(Debug)]
pub(crate) enum QueryError {
    /// No connection could be made.
    Unreachable(io::Error),
    /// No whole reply before the deadline.
    TimedOut,
    /// The connection ended. `clean` is true as long as no byte of a reply had come.
    Closed { clean: bool, error: io::Error },
    /// More bytes than the reply announced.
    Surplus { announced: usize },
    /// A reply over the limit.
    TooLong { len: usize },
}

impl QueryError {
    /// Whether the gateway is absent, rather than there and wrong.
    pub(crate) fn is_absence(&self) -> bool {
        !matches!(self, Self::Surplus { .. } | Self::TooLong { .. })
    }
}

/// What one receive has brought.
enum Received {
    Nothing,
    Part,
    Whole,
}

/// A reply: its length in 4 bytes, then the payload.
#[derive(Debug)]
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    /// The payload.
    pub(crate) fn payload(&self) -> &[u8] {
        self.0.get(4..).unwrap_or_default()
    }
}

/// A connection to one gateway. Authentication goes ahead of the first query.
#[derive(Debug)]
pub(crate) struct QueryConnection {
    /// Tells it from all others of this process.
    pub(crate) serial: u64,
    socket: Socket,
    since: Instant,
    recv_timeout: Duration,
    /// The reply: its length in 4 bytes, then the payload.
    buffer: Vec<u8>,
    /// Held as long as the connection is open: the pool counts them.
    _open: Arc<()>,
}

impl QueryConnection {
    /// Starts to connect. `open` is held until the connection is closed.
    pub(crate) fn start(address: &GatewayAddress, open: Arc<()>) -> Result<Self, QueryError> {
        let socket = Socket::connect(address.reach).map_err(QueryError::Unreachable)?;
        let serial = SERIAL.fetch_add(1, atomic::Ordering::Relaxed);
        let (since, recv_timeout) = (Instant::now(), Duration::ZERO);
        Ok(Self { serial, socket, since, recv_timeout, buffer: Vec::new(), _open: open })
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

    /// What to wait for with [`socket::poll`].
    pub(crate) fn poll(&self, events: libc::c_short) -> libc::pollfd {
        libc::pollfd { fd: self.socket.as_raw_fd(), events, revents: 0 }
    }

    /// How the attempt to connect ended; to be asked once the socket is writable.
    pub(crate) fn made(&self) -> Result<(), QueryError> {
        self.socket.connected().and_then(|()| self.socket.set_blocking(true)).map_err(QueryError::Unreachable)
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

    /// Waits for the reply in one blocking receive, for as long as `timeout`; where a part of it comes, for the rest until
    /// `until`. Returns whether it is whole: [`QueryConnection::take_reply`] has it then.
    pub(crate) fn wait_for_reply(
        &mut self,
        timeout: Duration,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        if self.recv_timeout != timeout {
            // Zero would mean "for ever"; the kernel's resolution is finer than a millisecond.
            let whole = timeout.max(Duration::from_millis(1));
            self.socket.set_recv_timeout(whole).map_err(|error| QueryError::Closed { clean: true, error })?;
            self.recv_timeout = timeout;
        }
        match self.receive(true, max_reply)? {
            Received::Whole => return Ok(true),
            Received::Nothing => return Ok(false),
            Received::Part => {}
        }
        while !self.receive_all(until, max_reply)? {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            socket::poll(&mut [self.poll(libc::POLLIN)], left).map_err(|error| self.closed(error))?;
        }
        Ok(true)
    }

    /// Takes what has come, without waiting; no more than one piece after `until`, since bytes may come as fast as they are
    /// taken. Returns whether the reply is whole.
    pub(crate) fn receive_all(&mut self, until: Instant, max_reply: usize) -> Result<bool, QueryError> {
        loop {
            match self.receive(false, max_reply)? {
                Received::Whole => return Ok(true),
                Received::Nothing => return Ok(false),
                Received::Part if Instant::now() >= until => return Ok(false),
                Received::Part => {}
            }
        }
    }

    /// Receives once, as much as there is room for.
    fn receive(&mut self, wait: bool, max_reply: usize) -> Result<Received, QueryError> {
        let wanted = self.make_room();
        let received = if wait {
            self.socket.recv(&mut self.buffer, wanted)
        } else {
            self.socket.recv_now(&mut self.buffer, wanted)
        };
        match received {
            Ok(0) => return Err(self.closed(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            // The time-out of a blocking receive reads as "would block".
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(Received::Nothing);
            }
            Err(error) => return Err(self.closed(error)),
        }
        let Some(announced) = self.announced() else { return Ok(Received::Part) };
        if announced > max_reply {
            return Err(QueryError::TooLong { len: announced });
        }
        match self.buffer.len().cmp(&(4 + announced)) {
            Ordering::Less => Ok(Received::Part),
            Ordering::Equal => Ok(Received::Whole),
            Ordering::Greater => Err(QueryError::Surplus { announced }),
        }
    }

    /// How many bytes to receive next. Makes room for them: memory grows with what has come, never with what is announced,
    /// and never beyond that.
    fn make_room(&mut self) -> usize {
        let len = self.buffer.len();
        let Some(announced) = self.announced() else {
            // What comes first tells how long the reply is; usually it is all of it.
            return if self.buffer.capacity() == 0 { RECV_CHUNK } else { self.buffer.capacity() - len };
        };
        let missing = (4 + announced).saturating_sub(len);
        if self.buffer.capacity() - len < missing.min(RECV_CHUNK) {
            self.buffer.reserve_exact(missing.min(RECV_CHUNK + len));
        }
        missing.min(self.buffer.capacity() - len)
    }

    /// The length in front of a reply, once it is there.
    fn announced(&self) -> Option<usize> {
        Some(u32::from_be_bytes(*self.buffer.first_chunk::<4>()?) as usize)
    }

    /// The reply that was received last.
    pub(crate) fn take_reply(&mut self) -> Reply {
        Reply(std::mem::take(&mut self.buffer))
    }

    /// Takes back the memory of a reply for the next one, unless it was an unusually long one.
    pub(crate) fn reuse(&mut self, reply: Reply) {
        if reply.0.capacity() <= KEPT_BUFFER {
            self.buffer = reply.0;
            self.buffer.clear();
        }
    }

    fn closed(&self, error: io::Error) -> QueryError {
        QueryError::Closed { clean: self.buffer.is_empty(), error }
    }
}
