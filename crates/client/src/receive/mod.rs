//! Receives replies: each is its length in 4 bytes, then the payload.
//!
//! Replies carry no number: they come in the order of the queries on their connection. A [`Receiver`] may have to pass
//! over some before the one that is waited for: those to barriers, and late ones that nobody waits for any more.
//!
//! Memory grows with what has come, never with what is announced.

pub(crate) mod buffers;
pub(crate) mod query_error;

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::receive::buffers::{Buffers, RECV_CHUNK};
use crate::receive::query_error::QueryError;
use crate::sys::socket::{Socket, poll_sockets};

/// The longest time-out of a blocking receive. Longer ones of the kernel are coarse: of 5 s it makes up to 5.26 s.
/// Replies that take longer are waited for with `poll`, which is precise.
pub(crate) const MAX_BLOCKING_RECV: Duration = Duration::from_millis(200);

/// The reply to a query, whole.
#[derive(Debug)]
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    /// The payload.
    pub(crate) fn payload(&self) -> &[u8] {
        self.0.get(4..).unwrap_or_default()
    }

    /// Its memory, for the next one.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.0
    }

    /// The same in memory of its own, if that is short. Where many replies are held at once, the buffers stay free.
    pub(crate) fn shrink(self, buffers: &Buffers) -> Self {
        /// Above this, a copy costs more than it saves.
        const SHORT: usize = 1 << 10;
        if self.0.len() > SHORT {
            return self;
        }
        let short = Self(self.0.to_vec());
        buffers.put(self.0);
        short
    }
}

/// What one receive has brought.
enum Received {
    Nothing,
    Part,
    Whole,
}

/// What has come on a connection.
#[derive(Debug)]
pub(crate) struct Receiver {
    buffer: Vec<u8>,
    /// How many replies are passed over before the next one that is waited for.
    ahead: usize,
    /// How many bytes of the reply that is being passed over are still to come.
    skip: usize,
    /// How many replies have been passed over since [`Receiver::take_passed`].
    passed: usize,
    /// More than one query is on its way on this connection, so that bytes may follow a reply.
    shared: bool,
    /// The socket's time-out.
    recv_timeout: Duration,
}

impl Receiver {
    /// Of a connection that carries one query at a time.
    pub(crate) fn exclusive() -> Self {
        let (buffer, recv_timeout) = (Vec::new(), Duration::ZERO);
        Self { buffer, ahead: 0, skip: 0, passed: 0, shared: false, recv_timeout }
    }

    /// Of a connection that barriers use too.
    pub(crate) fn shared() -> Self {
        Self { shared: true, ..Self::exclusive() }
    }

    /// Passes over this many replies first.
    pub(crate) fn pass_over(&mut self, ahead: usize) {
        self.ahead = ahead;
    }

    /// How many replies have been passed over since the last call.
    pub(crate) fn take_passed(&mut self) -> usize {
        std::mem::take(&mut self.passed)
    }

    /// Whether all that has come was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.skip == 0
    }

    /// Waits for the reply in one blocking receive, for as long as `timeout`; where a part of it comes, for the rest
    /// until `until`. Returns whether it is whole: [`Receiver::take_reply`] has it then.
    ///
    /// # Errors
    /// [`QueryError::Closed`], [`QueryError::Surplus`], [`QueryError::TooLong`].
    pub(crate) fn wait(
        &mut self,
        socket: &Socket,
        buffers: &Buffers,
        timeout: Duration,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        // It may have come with an earlier one.
        if self.shared && !self.buffer.is_empty() && matches!(self.progress(max_reply)?, Received::Whole) {
            return Ok(true);
        }
        if self.recv_timeout != timeout {
            // Zero would mean "for ever"; the kernel's resolution is finer than a millisecond.
            let whole = timeout.max(Duration::from_millis(1));
            socket.set_recv_timeout(whole).map_err(|error| self.closed(error))?;
            self.recv_timeout = timeout;
        }
        match self.receive(socket, buffers, true, max_reply)? {
            Received::Whole => return Ok(true),
            Received::Nothing => return Ok(false),
            Received::Part => {}
        }
        while !self.receive_all(socket, buffers, until, max_reply)? {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let mut poll = [libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
            poll_sockets(&mut poll, left).map_err(|error| self.closed(error))?;
        }
        Ok(true)
    }

    /// Takes what has come, without waiting; no more than one piece after `until`, since bytes may come as fast as they
    /// are taken. Returns whether the reply is whole.
    ///
    /// # Errors
    /// As those of [`Receiver::wait`].
    pub(crate) fn receive_all(
        &mut self,
        socket: &Socket,
        buffers: &Buffers,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        loop {
            match self.receive(socket, buffers, false, max_reply)? {
                Received::Whole => return Ok(true),
                Received::Nothing => return Ok(false),
                Received::Part if Instant::now() >= until => return Ok(false),
                Received::Part => {}
            }
        }
    }

    /// Waits for up to `timeout` until at least one reply has been passed over, or for a part of it.
    ///
    /// # Errors
    /// [`QueryError::Closed`].
    pub(crate) fn wait_passed(
        &mut self,
        socket: &Socket,
        buffers: &Buffers,
        timeout: Duration,
    ) -> Result<(), QueryError> {
        let before = self.ahead;
        // They may have come with an earlier one.
        if !self.buffer.is_empty() && (self.pass() || self.ahead < before) {
            return Ok(());
        }
        let mut poll = [libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        poll_sockets(&mut poll, timeout).map_err(|error| self.closed(error))?;
        self.receive(socket, buffers, false, usize::MAX).map(|_| ())
    }

    /// Receives once, as much as there is room for.
    fn receive(
        &mut self,
        socket: &Socket,
        buffers: &Buffers,
        wait: bool,
        max_reply: usize,
    ) -> Result<Received, QueryError> {
        if self.buffer.capacity() == 0 {
            self.buffer = buffers.take();
        }
        let wanted = self.make_room();
        let received = if wait {
            socket.recv(&mut self.buffer, wanted)
        } else {
            socket.recv_now(&mut self.buffer, wanted)
        };
        match received {
            Ok(0) => Err(self.closed(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => self.progress(max_reply),
            // The time-out of a blocking receive reads as "would block".
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(Received::Nothing)
            }
            Err(error) => Err(self.closed(error)),
        }
    }

    /// How far the reply is, with what has come.
    #[inline]
    fn progress(&mut self, max_reply: usize) -> Result<Received, QueryError> {
        if (self.ahead > 0 || self.skip > 0) && !self.pass() {
            return Ok(Received::Part);
        }
        let Some(announced) = self.announced() else { return Ok(Received::Part) };
        if announced > max_reply {
            return Err(QueryError::TooLong { len: announced });
        }
        match self.buffer.len().checked_sub(4 + announced) {
            None => Ok(Received::Part),
            Some(0) => Ok(Received::Whole),
            Some(_) if self.shared => Ok(Received::Whole),
            Some(_) => Err(QueryError::Surplus { announced }),
        }
    }

    /// Passes over replies that nobody waits for. True: the next one is waited for.
    #[cold]
    fn pass(&mut self) -> bool {
        loop {
            let come = self.skip.min(self.buffer.len());
            self.buffer.drain(..come);
            self.skip -= come;
            if self.skip > 0 {
                return false;
            }
            if come > 0 {
                self.ahead = self.ahead.saturating_sub(1);
                self.passed += 1;
            }
            if self.ahead == 0 {
                return true;
            }
            let Some(announced) = self.announced() else { return false };
            self.skip = 4 + announced;
        }
    }

    /// How many bytes to receive next. Makes room for them.
    fn make_room(&mut self) -> usize {
        let len = self.buffer.len();
        let announced = if self.ahead > 0 || self.skip > 0 { None } else { self.announced() };
        let Some(announced) = announced else {
            // What comes first tells how long the reply is; usually it is all of it.
            if self.buffer.capacity() == len {
                self.buffer.reserve(RECV_CHUNK);
            }
            return self.buffer.capacity() - len;
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

    /// The reply that was received last. What has come behind it stays. It counts as passed over from now on.
    pub(crate) fn take_reply(&mut self) -> Reply {
        self.passed += 1;
        let len = 4 + self.announced().unwrap_or_default();
        let rest = if self.buffer.len() > len { self.buffer.split_off(len) } else { Vec::new() };
        Reply(std::mem::replace(&mut self.buffer, rest))
    }

    /// Gives the memory back where nothing is in it.
    pub(crate) fn rest(&mut self, buffers: &Buffers) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            buffers.put(std::mem::take(&mut self.buffer));
        }
    }

    fn closed(&self, error: io::Error) -> QueryError {
        QueryError::Closed { clean: self.buffer.is_empty(), error }
    }

    /// As if this many replies had come and been passed over.
    #[cfg(test)]
    pub(crate) fn passed_over(&mut self, replies: usize) {
        self.ahead -= replies;
        self.passed += replies;
    }

    /// How many replies are to be passed over.
    #[cfg(test)]
    pub(crate) fn ahead(&self) -> usize {
        self.ahead
    }
}
