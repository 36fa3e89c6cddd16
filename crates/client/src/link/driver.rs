//! The task of a link, on the background thread: connects, authenticates, writes, connects again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gatewayworker_wire::Head;
use tokio::time::{interval_at, sleep, timeout};

use crate::link::backoff::Backoff;
use crate::link::drain::Drain;
use crate::link::replies::{Disconnect, Replies};
use crate::link::send_queue::{BARRIER, Batch, Failure};
use crate::link::shared::{Shared, Stream};
use crate::sys::socket::Socket;

/// A gateway that closes a connection this soon after it was made, without having answered anything, may have rejected
/// its secret key: the next connection asks before it sends.
const EARLY_CLOSE: Duration = Duration::from_secs(2);
/// How long such a question may take.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many batches are written before other links get their turn.
const BATCHES_PER_TURN: usize = 4;
/// How often the kernel is asked about a connection, see [`Socket::adjust_user_timeout`]: more than once before its limit is over.
const USER_TIMEOUT_CHECK_INTERVAL: Duration = Duration::from_secs(8);

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
                Ok(stream) => {
                    backoff.connected(self);
                    let since = Instant::now();
                    self.queue.online(Arc::clone(&stream));
                    self.online.store(true, Ordering::Relaxed);
                    self.connects.fetch_add(1, Ordering::Relaxed);
                    self.background.events.notify();
                    let mut replies = Replies::default();
                    let end = self.serve(&stream, batch, &mut replies, &mut drain).await;
                    verify = !replies.any && since.elapsed() < EARLY_CLOSE && end.closed_by_peer;
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

    /// Connects and authenticates; with `verify`, also asks whether the gateway answers us.
    async fn open(&self, verify: bool) -> Result<Stream, Disconnect> {
        let limit = self.background.connect_timeout();
        let stream: Stream = timeout(limit, Socket::connect_async(self.address.reach))
            .await
            .map_err(|_| Disconnect::from(io::Error::from(io::ErrorKind::TimedOut)))??
            .into();
        let mut hello = self.secret.auth_frame();
        if verify {
            hello.extend_from_slice(&Head::new(BARRIER, 0).encode(0, 0).unwrap_or([0; Head::LEN]));
        }
        let sent = if hello.is_empty() { 0 } else { stream.get_ref().send_now(&hello)? };
        if sent < hello.len() {
            return Err(Disconnect::from(io::Error::from(io::ErrorKind::WriteZero)));
        }
        if verify {
            let mut replies = Replies::default();
            let answered = timeout(VERIFY_TIMEOUT, async {
                while !replies.any {
                    replies.read(&stream, || true).await?;
                }
                Ok::<_, Disconnect>(())
            });
            match answered.await {
                Ok(Ok(())) => {}
                Ok(Err(end)) if end.closed_by_peer => {
                    let reason = "it closes every connection at once, as for a wrong secret key".into();
                    return Err(Disconnect { reason, rejected: true, ..Disconnect::default() });
                }
                Ok(Err(end)) => return Err(end),
                Err(_) => return Err(Disconnect::from(io::Error::from(io::ErrorKind::TimedOut))),
            }
        }
        Ok(stream)
    }

    /// Writes what is queued and reads answers to barriers, until the connection ends, or until the gateway has left
    /// the cluster and the queue is empty.
    async fn serve(
        &self,
        stream: &Stream,
        batch: &mut Batch,
        replies: &mut Replies,
        drain: &mut Drain,
    ) -> Disconnect {
        let mut blocked = false;
        let mut turn = true;
        let mut look = interval_at(
            tokio::time::Instant::now() + USER_TIMEOUT_CHECK_INTERVAL,
            USER_TIMEOUT_CHECK_INTERVAL,
        );
        loop {
            if turn && !blocked {
                match self.write(stream, batch) {
                    Ok(Written::All) => turn = false,
                    Ok(Written::Blocked) => blocked = true,
                    Ok(Written::TurnOver) => tokio::task::yield_now().await,
                    Err(error) => return error.into(),
                }
            }
            if drain.is_over(&self.queue) {
                return Disconnect {
                    reason: "the gateway has left the cluster".into(),
                    ..Disconnect::default()
                };
            }
            tokio::select! {
                biased;
                read = replies.read(stream, || self.queue.confirm()) => {
                    if let Err(end) = read {
                        return end;
                    }
                }
                writable = stream.writable(), if blocked => match writable {
                    Ok(mut guard) => match guard.try_io(|socket| write_batch(socket.get_ref(), batch)) {
                        Ok(Ok(())) => {
                            self.queue.settle(batch);
                            blocked = false;
                        }
                        Ok(Err(error)) => return error.into(),
                        Err(_would_block) => {}
                    },
                    Err(error) => return error.into(),
                },
                () = self.work.notified(), if !turn => turn = true,
                () = self.membership_changed.notified() => {
                    drain.follow(&self.queue);
                    // A barrier may have been queued.
                    turn = true;
                }
                () = drain.deadline() => {}
                _ = look.tick() => if let Err(error) = stream.get_ref().adjust_user_timeout() {
                    return error.into();
                },
                // The turn was interrupted for the others' sake: there is more to write.
                () = std::future::ready(()), if turn && !blocked => {}
            }
        }
    }

    /// Writes batches as long as the kernel takes them.
    fn write(&self, stream: &Stream, batch: &mut Batch) -> io::Result<Written> {
        for _ in 0..BATCHES_PER_TURN {
            if batch.is_empty() && !self.queue.take(batch) {
                return Ok(Written::All);
            }
            while !batch.is_empty() {
                match write_batch(stream.get_ref(), batch) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.queue.settle(batch);
                        return Ok(Written::Blocked);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Written::TurnOver)
    }
}

fn write_batch(socket: &Socket, batch: &mut Batch) -> io::Result<()> {
    let written = {
        let slices = batch.slices();
        match &slices[..] {
            [one] => socket.send_now(one)?,
            several => socket.send_vectored_now(several)?,
        }
    };
    batch.advance(written);
    Ok(())
}

enum Written {
    All,
    Blocked,
    TurnOver,
}
