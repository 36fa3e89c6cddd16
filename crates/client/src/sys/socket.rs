//! A TCP socket that a fork does not leak, see [`crate::sys::fork`].

#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket as RawSocket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::fork;

/// A half-open connection (the peer vanished silently) is noticed after at most `KEEPALIVE_IDLE +
/// KEEPALIVE_INTERVAL * KEEPALIVE_PROBES` = 25 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
/// The same limit for unacknowledged data, to which keep-alive probes do not apply. See
/// [`Socket::adjust_user_timeout`].
const USER_TIMEOUT: Duration = Duration::from_secs(25);

#[cfg(any(target_os = "linux", target_os = "android"))]
const SEND_FLAGS: libc::c_int = libc::MSG_NOSIGNAL;
// Elsewhere SIGPIPE is switched off by the SO_NOSIGPIPE option or ignored by PHP itself.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEND_FLAGS: libc::c_int = 0;

/// A TCP socket, close-on-exec, without Nagle's delay, with keep-alive.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: ManuallyDrop<RawSocket>,
    generation: u64,
}

impl Socket {
    /// Starts to connect. [`Socket::connected`] returns the outcome once the socket is writable.
    /// Every system call counts: the first query to a thousand gateways makes a thousand
    /// connections.
    ///
    /// # Errors
    /// When the connection is refused at once, or no socket is available.
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        let socket = fork::with_descriptors(|open| {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            let kind = Type::STREAM.nonblocking();
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            let kind = Type::STREAM;
            let inner = RawSocket::new(Domain::for_address(to), kind, Some(Protocol::TCP))?;
            open.push(inner.as_raw_fd());
            Ok::<_, io::Error>(Self { inner: ManuallyDrop::new(inner), generation: fork::generation() })
        })?;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        socket.inner.set_nonblocking(true)?;
        socket.inner.set_tcp_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES);
        socket.inner.set_tcp_keepalive(&keepalive)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket.inner.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        match socket.inner.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(socket)
    }

    /// Connects, in the background thread's runtime.
    ///
    /// # Errors
    /// Where the attempt fails.
    pub(crate) async fn connect_async(to: SocketAddr) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the socket owns its descriptor until it is dropped, and always returns the same
        // one. A forked child closes its copy, but never uses the AsyncFd again.
        let socket = unsafe { AsyncFd::register(Self::connect(to)?)? };
        // The guard's readiness is not cleared: a connected socket stays writable.
        let _ = socket.writable().await?;
        socket.get_ref().connected(to)?;
        Ok(socket)
    }

    /// Has the background thread's runtime watch the socket for `interest`.
    ///
    /// # Errors
    /// Where the runtime cannot.
    pub(crate) fn watch(self: &Arc<Self>, interest: Interest) -> io::Result<AsyncFd<Arc<Self>>> {
        // SAFETY: as in connect_async(); it stays open as long as it is watched, since that holds it too.
        unsafe { AsyncFd::register_with_interest(Arc::clone(self), interest) }.map_err(io::Error::from)
    }

    /// Whether the peer has closed the connection, be there anything unread or not.
    ///
    /// # Errors
    /// That of a connection that broke.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn is_closed(&self) -> io::Result<bool> {
        let mut poll = [libc::pollfd { fd: self.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 }];
        poll_sockets(&mut poll, Duration::ZERO)?;
        let [libc::pollfd { revents, .. }] = poll;
        if revents & libc::POLLERR != 0 {
            let error = self.inner.take_error()?;
            return Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()));
        }
        Ok(revents & (libc::POLLRDHUP | libc::POLLHUP) != 0)
    }

    /// Elsewhere the end shows once all that came before it was read.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn is_closed(&self) -> io::Result<bool> {
        match self.inner.recv_with_flags(&mut [MaybeUninit::uninit()], libc::MSG_PEEK | libc::MSG_DONTWAIT) {
            Ok(peeked) => Ok(peeked == 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the connection for whoever waits on it. For the process that has made it: a fork's child would end its
    /// parent's connection.
    pub(crate) fn shutdown(&self) {
        if self.generation == fork::generation() {
            // Where it has ended by itself there is nothing left to do.
            let _ = self.inner.shutdown(std::net::Shutdown::Both);
        }
    }

    /// The outcome of the attempt to connect to `to`, once the socket is writable.
    ///
    /// # Errors
    /// Where it failed.
    pub(crate) fn connected(&self, to: SocketAddr) -> io::Result<()> {
        if let Some(error) = self.inner.take_error()? {
            return Err(error);
        }
        // A port in the ephemeral range without a listener can be given to the connecting socket
        // itself, which then talks to itself (TCP's simultaneous open).
        if self.inner.local_addr()?.as_socket() == Some(to) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(())
    }

    /// Call this every few seconds while much is sent. Linux counts the time for which a peer's
    /// window is full as time without an acknowledgement, although the peer acknowledges every
    /// window probe. It would end the connection of a stalled gateway, and lose what the kernel
    /// holds for it. So the limit is lifted while everything sent is acknowledged, more is waiting,
    /// and the window probes are acknowledged.
    ///
    /// # Errors
    /// When the kernel returns no information, which it always does for a TCP socket.
    #[cfg(target_os = "linux")]
    pub(crate) fn adjust_user_timeout(&self) -> io::Result<()> {
        let info = self.tcp_info()?;
        // One probe may be in flight. Two without an acknowledgement mean that nobody is there.
        let is_full = info.tcpi_notsent_bytes > 0 && info.tcpi_unacked == 0 && info.tcpi_probes < 2;
        self.inner.set_tcp_user_timeout((!is_full).then_some(USER_TIMEOUT))
    }

    /// Other systems have no such limit, or no such counter.
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    pub(crate) fn adjust_user_timeout(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn tcp_info(&self) -> io::Result<libc::tcp_info> {
        // Fields that an old kernel does not know stay zero.
        let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
        let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: the kernel stores at most `len` bytes, which is the size of the buffer.
        let got = unsafe {
            let to = info.as_mut_ptr().cast();
            libc::getsockopt(self.inner.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, to, &raw mut len)
        };
        if got != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it consists of numbers only, for which all bytes are valid.
        Ok(unsafe { info.assume_init() })
    }

    /// From now on receives wait. Sends never do.
    pub(crate) fn set_blocking(&self) -> io::Result<()> {
        self.inner.set_nonblocking(false)
    }

    /// How long a blocking [`Socket::recv`] waits.
    pub(crate) fn set_recv_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.inner.set_read_timeout(Some(timeout))
    }

    /// Sends without waiting, even on a blocking socket. Returns the number of bytes that the
    /// kernel took.
    pub(crate) fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.send_with_flags(bytes, SEND_FLAGS | libc::MSG_DONTWAIT)
    }

    /// Like [`Socket::send_now`], for several slices in one system call.
    pub(crate) fn send_vectored_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.send_vectored_with_flags(slices, SEND_FLAGS | libc::MSG_DONTWAIT)
    }

    /// Whether the connection is open, as far as the kernel knows, with nothing left to read. It
    /// does not wait, even on a blocking socket.
    pub(crate) fn is_quiet(&self) -> bool {
        let peeked =
            self.inner.recv_with_flags(&mut [MaybeUninit::uninit()], libc::MSG_PEEK | libc::MSG_DONTWAIT);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Appends at most `max` received bytes to `to`; 0 means the end of the stream. Waits on a
    /// blocking socket.
    pub(crate) fn recv(&self, to: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        self.recv_with_flags(to, max, 0)
    }

    /// Like [`Socket::recv`] without waiting, even on a blocking socket.
    pub(crate) fn recv_now(&self, to: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        self.recv_with_flags(to, max, libc::MSG_DONTWAIT)
    }

    fn recv_with_flags(&self, to: &mut Vec<u8>, max: usize, flags: libc::c_int) -> io::Result<usize> {
        to.reserve(max);
        let spare: &mut [MaybeUninit<u8>] = &mut to.spare_capacity_mut()[..max];
        let received = self.inner.recv_with_flags(spare, flags)?;
        // SAFETY: recv() has initialised this many bytes of the spare capacity.
        unsafe { to.set_len(to.len() + received) };
        Ok(received)
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        fork::with_descriptors(|open| {
            // In another generation the fork handler has closed the descriptor, and its number may
            // be in use.
            if self.generation == fork::generation() {
                let fd = self.inner.as_raw_fd();
                open.retain(|other| *other != fd);
                // SAFETY: dropped once, here, and never used again.
                unsafe { ManuallyDrop::drop(&mut self.inner) };
            }
        });
    }
}

/// Waits until one of the sockets is ready or `timeout` has passed; answers whether any is. `poll(2)`, with the time-out
/// rounded up to a millisecond; an interrupting signal counts as "none yet".
pub(crate) fn poll_sockets(sockets: &mut [libc::pollfd], timeout: Duration) -> io::Result<bool> {
    let millis = timeout.as_micros().div_ceil(1000).min(i32::MAX as u128) as libc::c_int;
    // SAFETY: the pointer and the length are those of a live, exclusively borrowed slice.
    let ready = unsafe { libc::poll(sockets.as_mut_ptr(), sockets.len() as libc::nfds_t, millis) };
    if ready >= 0 {
        return Ok(ready > 0);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted {
        for socket in sockets {
            socket.revents = 0;
        }
        return Ok(false);
    }
    Err(error)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    /// Repeats the call, as the background does.
    fn wait_until(what: &str, socket: &Socket, reached: impl Fn(Option<Duration>) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            socket.adjust_user_timeout().unwrap();
            if reached(socket.inner.tcp_user_timeout().unwrap().filter(|timeout| !timeout.is_zero())) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_more_is_borne_with_until_it_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Socket::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        socket.adjust_user_timeout().unwrap();
        assert_eq!(
            socket.inner.tcp_user_timeout().unwrap(),
            Some(USER_TIMEOUT),
            "there is nothing to be sent"
        );
        let bytes = vec![0; 64 << 10];
        while socket.send_now(&bytes).is_ok() {}
        wait_until("the limit to be lifted", &socket, |timeout| timeout.is_none());
        peer.set_nonblocking(true).unwrap();
        wait_until("the limit to be back", &socket, |timeout| {
            let _ = (&peer).read(&mut vec![0; 1 << 20]);
            timeout == Some(USER_TIMEOUT)
        });
    }
}
