//! The task of a link, on the background thread: connects, authenticates, writes, connects again.
//!
//! It reads only while the end of the queue of a gateway that left is to be confirmed. Otherwise replies are read by the
//! calls that wait for them, and the task is not woken by them: it watches for the connection to be writable. The end of a
//! connection makes it that too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gatewayworker_wire::Head;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{interval_at, sleep, timeout};

use crate::link::backoff::Backoff;
use crate::link::connection::LinkConnection;
use crate::link::disconnect::Disconnect;
use crate::link::drain::Drain;
use crate::link::send_queue::connection::Connection;
use crate::link::send_queue::{BARRIER, Batch, Failure};
use crate::link::shared::Shared;
use crate::sys::socket::Socket;

/// A gateway that closes a connection this soon after it was made, without having replied to anything, may have rejected
/// its secret key: the next connection asks before it sends.
const EARLY_CLOSE: Duration = Duration::from_secs(2);
/// How long the reply to that may take.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many batches are written before other links get their turn.
const BATCHES_PER_TURN: usize = 4;
/// How often the kernel is asked about a connection, see [`Socket::adjust_user_timeout`]: more than once before its limit
/// is over.
const USER_TIMEOUT_CHECK_INTERVAL: Duration = Duration::from_secs(8);
/// What a connection is watched for. epoll tells of its end as an edge of "writable", and not of replies.
#[cfg(any(target_os = "linux", target_os = "android"))]
const WATCHED: Interest = Interest::WRITABLE;
/// kqueue tells of the end to those that would read.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const WATCHED: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The life of the link; until the gateway has left the cluster and what waited for it is sent or given up.
pub(super) async fn run(link: Arc<Shared>) {
    let mut batch = Batch::default();
    let mut backoff = Backoff::default();
    while link.keep_connected(&mut batch, &mut backoff).await {
        // It may be back in the cluster by now.
        if let Some(dropped) = link.queue.end(&mut batch) {
            if dropped > 0 {
                let reason = format!("{dropped} frames: the gateway stands in no list and takes nothing");
                link.log("dropped", &reason);
            }
            if let Some(observer) = link.observer.upgrade() {
                observer.link_ended();
            }
            return;
        }
    }
}

impl Shared {
    /// Connects, serves, connects again. True: the gateway has left the cluster, and its time is over. False: it has been
    /// away for long, and nobody needs it.
    async fn keep_connected(&self, batch: &mut Batch, backoff: &mut Backoff) -> bool {
        let mut drain = Drain::default();
        let mut verify = false;
        drain.follow(&self.queue);
        while !drain.is_over(&self.queue) {
            self.queue.connecting();
            let end = match self.open(verify).await {
                Ok(connection) => {
                    backoff.connected(self);
                    let since = Instant::now();
                    self.queue.online(connection.clone());
                    self.online.store(true, Ordering::Relaxed);
                    self.connects.fetch_add(1, Ordering::Relaxed);
                    self.background.events.notify();
                    let end = self.serve(&connection, batch, &mut drain).await;
                    // Whoever waits for a reply on it is told.
                    connection.shutdown();
                    let early = since.elapsed() < EARLY_CLOSE;
                    verify = !self.queue.has_replied() && early && end.closed_by_peer;
                    end
                }
                Err(end) => end,
            };
            let failure = Failure { reason: end.reason, rejected: end.rejected, at: Instant::now() };
            if !drain.is_over(&self.queue) {
                backoff.failed(self, &failure);
                self.last_error.set(failure.reason.clone());
            }
            let long_away = backoff.is_long_away();
            let delay = backoff.next(&failure);
            self.online.store(false, Ordering::Relaxed);
            self.queue.failed(failure, batch);
            self.background.events.notify();
            if let Some(observer) = self.observer.upgrade() {
                observer.link_down(&self.address);
                if long_away {
                    if self.queue.rest() {
                        // Nothing waits for it: the next frame starts the link again.
                        return false;
                    }
                    observer.link_given_up(&self.address);
                }
            }
            if drain.is_over(&self.queue) {
                break;
            }
            tokio::select! {
                () = sleep(delay) => {}
                () = self.nudge.notified() => {}
                () = self.membership_changed.notified() => drain.follow(&self.queue),
                () = drain.deadline() => {}
            }
        }
        true
    }

    /// Connects and authenticates; with `verify`, also asks whether the gateway replies to us.
    async fn open(&self, verify: bool) -> Result<LinkConnection, Disconnect> {
        let limit = self.background.connect_timeout();
        let stream = timeout(limit, Socket::connect_async(self.address.reach))
            .await
            .map_err(|_| Disconnect::from(io::Error::from(io::ErrorKind::TimedOut)))??;
        let mut hello = self.secret.auth_frame();
        if verify {
            hello.extend_from_slice(&Head::new(BARRIER, 0).encode(0, 0).unwrap_or([0; Head::LEN]));
        }
        let sent = if hello.is_empty() { 0 } else { stream.get_ref().send_now(&hello)? };
        if sent < hello.len() {
            return Err(Disconnect::from(io::Error::from(io::ErrorKind::WriteZero)));
        }
        if verify {
            match timeout(VERIFY_TIMEOUT, read_reply(&stream)).await {
                Ok(Ok(())) => {}
                Ok(Err(end)) if end.closed_by_peer => {
                    let reason = "it closes every connection at once, as for a wrong secret key".into();
                    return Err(Disconnect { reason, rejected: true, ..Disconnect::default() });
                }
                Ok(Err(end)) => return Err(end),
                Err(_) => return Err(Disconnect::from(io::Error::from(io::ErrorKind::TimedOut))),
            }
        }
        let socket = stream.into_inner();
        socket.set_blocking()?;
        Ok(LinkConnection::new(socket, Arc::clone(&self.background.buffers)))
    }

    /// Writes what is queued, until the connection ends, or until the gateway has left the cluster and the queue is
    /// empty.
    async fn serve(&self, connection: &LinkConnection, batch: &mut Batch, drain: &mut Drain) -> Disconnect {
        match self.serve_until_error(connection, batch, drain).await {
            Ok(end) => end,
            Err(error) => match self.queue.broken() {
                Some(reason) => Disconnect::because(reason),
                None => error.into(),
            },
        }
    }

    async fn serve_until_error(
        &self,
        connection: &LinkConnection,
        batch: &mut Batch,
        drain: &mut Drain,
    ) -> io::Result<Disconnect> {
        let mut interest = WATCHED;
        let mut watched = Socket::watch(connection.socket(), interest)?;
        let mut blocked = false;
        let mut turn = true;
        let mut check = interval_at(
            tokio::time::Instant::now() + USER_TIMEOUT_CHECK_INTERVAL,
            USER_TIMEOUT_CHECK_INTERVAL,
        );
        loop {
            if turn && !blocked {
                match self.write(connection, batch)? {
                    Written::All => turn = false,
                    Written::Blocked => blocked = true,
                    Written::TurnOver => tokio::task::yield_now().await,
                }
            }
            if drain.has_begun() {
                // Nobody else reads what confirms the end of the queue.
                self.queue.read_now();
            }
            if drain.is_over(&self.queue) {
                return Ok(Disconnect::because("the gateway has left the cluster"));
            }
            let wanted = if drain.has_begun() { WATCHED.add(Interest::READABLE) } else { WATCHED };
            if interest != wanted {
                interest = wanted;
                drop(watched);
                watched = Socket::watch(connection.socket(), interest)?;
            }
            tokio::select! {
                biased;
                ready = watched.ready(interest) => {
                    let mut ready = ready?;
                    if connection.socket().is_closed()? {
                        let broken = self.queue.broken().map(Disconnect::because);
                        return Ok(broken.unwrap_or_else(Disconnect::by_gateway));
                    }
                    if blocked && self.write_on(connection, batch)? {
                        self.queue.settle(batch);
                        blocked = false;
                    }
                    // Until the next edge: what made it ready has been dealt with.
                    ready.clear_ready();
                },
                () = self.work.notified(), if !turn => turn = true,
                () = self.membership_changed.notified() => {
                    drain.follow(&self.queue);
                    // A barrier may have been queued.
                    turn = true;
                }
                () = drain.deadline() => {}
                _ = check.tick() => connection.socket().adjust_user_timeout()?,
                // The turn was interrupted for the others' sake: there is more to write.
                () = std::future::ready(()), if turn && !blocked => {}
            }
        }
    }

    /// Writes batches as long as the kernel takes them.
    fn write(&self, connection: &LinkConnection, batch: &mut Batch) -> io::Result<Written> {
        for _ in 0..BATCHES_PER_TURN {
            if batch.is_empty() && !self.queue.take(batch) {
                return Ok(Written::All);
            }
            while !batch.is_empty() {
                if !self.write_on(connection, batch)? {
                    self.queue.settle(batch);
                    return Ok(Written::Blocked);
                }
            }
        }
        Ok(Written::TurnOver)
    }

    /// Writes once. False: the kernel takes nothing.
    fn write_on(&self, connection: &LinkConnection, batch: &mut Batch) -> io::Result<bool> {
        match batch.write(connection) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Waits for one whole reply, or for the end of the connection. The reply to "is connection 0 online" is `i:0;`.
async fn read_reply(stream: &AsyncFd<Socket>) -> Result<(), Disconnect> {
    const MAX_LEN: usize = 16;
    let mut buffer = Vec::new();
    loop {
        let mut ready = stream.readable().await?;
        match ready.try_io(|socket| socket.get_ref().recv_now(&mut buffer, 4096)) {
            Ok(Ok(0)) => return Err(Disconnect::by_gateway()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_would_block) => continue,
        }
        if let Some(len) = buffer.first_chunk::<4>() {
            let len = u32::from_be_bytes(*len) as usize;
            if len > MAX_LEN {
                return Err(Disconnect::because("the gateway sent something that nobody asked for"));
            }
            if buffer.len() >= 4 + len {
                return Ok(());
            }
        }
    }
}

enum Written {
    All,
    Blocked,
    TurnOver,
}
