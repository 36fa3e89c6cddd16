//! A connection that asks a gateway one question at a time, driven by the calling thread: no other thread takes part.
//!
//! A question is one `send` and, usually, one blocking `recv`, which the socket's own receive time-out bounds. Only where a
//! deadline is nearer than that, or a reply takes longer or has not come whole, the clock and `poll` are used.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::address::GatewayAddress;
use crate::socket::{self, Socket};

/// How long a connection is used (`$ttl` in the original's `getGatewayConnection`).
pub(crate) const LIFE: Duration = Duration::from_secs(50);
/// A blocking receive may end this much after a deadline: its own time-out was set for a whole reply.
const SLACK: Duration = Duration::from_millis(20);
/// The longest time-out of a blocking receive. Longer ones of the kernel are coarse: of 5 s it makes up to 5.26 s. Answers that
/// take longer than this are waited for with `poll`, which is precise.
const BLOCKING: Duration = Duration::from_millis(200);
/// How much is received at once into a new buffer. A larger one is filled as far as it goes.
const PIECE: usize = 64 << 10;
/// A buffer that grew beyond this for one reply is given back. Below it, long lists that are asked for again and again find
/// their memory there, and need not have it grown and mapped anew.
const KEPT_BUFFER: usize = 1 << 20;

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Fault {
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

/// A reply: its length in 4 bytes, then the payload.
#[derive(Debug)]
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    /// The payload.
    pub(crate) fn payload(&self) -> &[u8] {
        self.0.get(4..).unwrap_or_default()
    }
}

/// A connection to one gateway. Authentication goes ahead of the first question.
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
    pub(crate) fn start(address: &GatewayAddress, open: Arc<()>) -> Result<Self, Fault> {
        let socket = Socket::connect(address.reach).map_err(Fault::Unreachable)?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let (since, recv_timeout) = (Instant::now(), Duration::ZERO);
        Ok(Self { serial, socket, since, recv_timeout, buffer: Vec::new(), _open: open })
    }

    /// Whether it is to be used no more.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.since) > LIFE
    }

    /// Whether more has come than the answers to its questions: what follows would be taken for the next answer.
    pub(crate) fn is_out_of_step(&self) -> bool {
        self.socket.has_unread()
    }

    /// Waits for many connections at once; each that is made, or has failed, is reported to `done` with its index.
    pub(crate) fn finish_all(
        starting: &[(usize, &Self)],
        deadline: Instant,
        mut done: impl FnMut(usize, Result<(), Fault>),
    ) {
        let mut left: Vec<(usize, &Self)> = starting.to_vec();
        while !left.is_empty() {
            let timeout = deadline.saturating_duration_since(Instant::now());
            if timeout.is_zero() {
                break;
            }
            let mut polls: Vec<libc::pollfd> = left
                .iter()
                .map(|(_, connection)| libc::pollfd {
                    fd: connection.socket.as_raw_fd(),
                    events: libc::POLLOUT,
                    revents: 0,
                })
                .collect();
            if let Err(error) = socket::poll(&mut polls, timeout) {
                // Out of memory, or too many descriptors for poll(): the same for every connection.
                for (index, _) in left.drain(..) {
                    done(index, Err(Fault::Unreachable(io::Error::from(error.kind()))));
                }
                return;
            }
            let mut ready = polls.iter().map(|poll| poll.revents != 0);
            left.retain(|(index, connection)| {
                let ready = ready.next().unwrap_or(false);
                if ready {
                    done(*index, connection.made());
                }
                !ready
            });
        }
        for (index, _) in left {
            done(index, Err(Fault::Unreachable(io::ErrorKind::TimedOut.into())));
        }
    }

    fn made(&self) -> Result<(), Fault> {
        self.socket.connected().and_then(|()| self.socket.set_blocking(true)).map_err(Fault::Unreachable)
    }

    /// Sends bytes: usually in one call, since a question is far smaller than a socket's buffer.
    pub(crate) fn send(&self, mut bytes: &[u8], deadline: Instant) -> Result<(), Fault> {
        loop {
            match self.socket.send_now(bytes) {
                Ok(sent) if sent == bytes.len() => return Ok(()),
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(libc::POLLOUT, deadline)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Closed { clean: true, error }),
            }
        }
    }

    /// Receives one reply; [`QueryConnection::take_reply`] has it then.
    pub(crate) fn receive(
        &mut self,
        timeout: Duration,
        deadline: Instant,
        max_reply: usize,
    ) -> Result<(), Fault> {
        let timeout = timeout.min(BLOCKING);
        if self.recv_timeout != timeout {
            // Zero would mean "for ever"; the kernel's resolution is finer than a millisecond.
            let whole = timeout.max(Duration::from_millis(1));
            self.socket.set_recv_timeout(whole).map_err(|error| Fault::Closed { clean: true, error })?;
            self.recv_timeout = timeout;
        }
        self.buffer.clear();
        let mut wanted = self.buffer.capacity().max(PIECE);
        // The first receive may block for the socket's time-out, which does not end after the deadline where the question
        // was sent just now. The others take what is there, and look at the clock before they wait.
        let mut block = deadline.saturating_duration_since(Instant::now()) + SLACK >= timeout;
        loop {
            let received = if std::mem::take(&mut block) {
                self.socket.recv(&mut self.buffer, wanted)
            } else {
                self.socket.recv_now(&mut self.buffer, wanted)
            };
            match received {
                Ok(0) => return Err(self.closed(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                // The time-out of a blocking receive reads as "would block".
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
                {
                    self.wait(libc::POLLIN, deadline)?;
                    continue;
                }
                Err(error) => return Err(self.closed(error)),
            }
            if let Some(announced) = self.buffer.first_chunk::<4>() {
                let announced = u32::from_be_bytes(*announced) as usize;
                if announced > max_reply {
                    return Err(Fault::TooLong { len: announced });
                }
                let total = 4 + announced;
                match self.buffer.len() {
                    len if len == total => return Ok(()),
                    len if len > total => return Err(Fault::Surplus { announced }),
                    len => {
                        let missing = total - len;
                        if self.buffer.capacity() - len < missing.min(PIECE) {
                            // Memory grows with what has come, never with what is announced, and never beyond that.
                            self.buffer.reserve_exact(missing.min(PIECE + len));
                        }
                        wanted = missing.min(self.buffer.capacity() - len);
                    }
                }
            }
        }
    }

    /// The reply that was received last.
    pub(crate) fn take_reply(&mut self) -> Reply {
        Reply(std::mem::take(&mut self.buffer))
    }

    /// Takes back the memory of a reply for the next one, unless it was an unusually long one.
    pub(crate) fn reuse(&mut self, reply: Reply) {
        if reply.0.capacity() <= KEPT_BUFFER {
            self.buffer = reply.0;
        }
    }

    fn closed(&self, error: io::Error) -> Fault {
        Fault::Closed { clean: self.buffer.is_empty(), error }
    }

    /// Waits until the socket is ready.
    fn wait(&self, events: libc::c_short, deadline: Instant) -> Result<(), Fault> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::TimedOut);
            }
            let mut polls = [libc::pollfd { fd: self.socket.as_raw_fd(), events, revents: 0 }];
            if socket::poll(&mut polls, left).map_err(|error| self.closed(error))? {
                return Ok(());
            }
        }
    }
}
