//! The connection that carries the commands to one gateway: fire and forget, in order, reconnecting.
//!
//! Callers put frames into its [`SendQueue`] and go on. A task on the background thread connects, authenticates, writes
//! batches, and always has a read pending, so that the end of the connection is noticed at once.

pub(crate) mod counters;
pub(crate) mod observer;
pub(crate) mod send_queue;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{interval_at, sleep, sleep_until, timeout};

use crate::address::GatewayAddress;
use crate::error::{Error, reason};
use crate::last_error::LastError;
use crate::link::counters::Counters;
use crate::link::observer::LinkObserver;
use crate::link::send_queue::{BARRIER, Barrier, Batch, Encoded, Failure, Phase, Pushed, SendQueue, Sink};
use crate::runtime::background::Background;
use crate::secret::Secret;
use crate::sys::socket::Socket;
use gatewayworker_wire::Head;

/// The first pause before connecting again; it doubles up to one of the two limits.
const BACKOFF: Duration = Duration::from_millis(40);
/// The longest pause for a gateway that went away recently: sending works again soon after its return.
const BACKOFF_LIMIT: Duration = Duration::from_millis(160);
/// The longest pause for one that has been away for longer than [`LONG_AWAY`].
const BACKOFF_LIMIT_LONG: Duration = Duration::from_secs(2);
const LONG_AWAY: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 60_000 });
/// An attempt that failed this recently speaks for the next one too: it is not tried again for one more caller.
const FRESH_FAILURE: Duration = Duration::from_millis(100);
/// A gateway that closes a connection this soon after it was made, without having answered anything, may have rejected
/// its secret key: the next connection asks before it sends.
const EARLY: Duration = Duration::from_secs(2);
/// How long such a question may take.
const VERIFY: Duration = Duration::from_secs(5);
/// How many batches are written before other links get their turn.
const BATCHES_PER_TURN: usize = 4;
/// How often the kernel is asked about a connection, see [`Socket::bear_with_peer`]: more than once before its limit is over.
const LOOK: Duration = Duration::from_secs(8);
/// How long the queue of a gateway that left the cluster is still sent. One that is restarted is back by then.
const DRAIN: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });

type Stream = Arc<AsyncFd<Socket>>;

impl Sink for Stream {
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.get_ref().send_now(bytes)
    }
}

/// The command link of one gateway.
pub(crate) struct CommandLink {
    address: GatewayAddress,
    secret: Secret,
    /// The owner of the gateway, which hears what becomes of the link.
    observer: Weak<dyn LinkObserver>,
    queue: SendQueue<Stream>,
    background: Arc<Background>,
    /// There is something to write.
    work: Arc<Notify>,
    /// Somebody wants the connection now.
    nudge: Notify,
    /// The gateway has left the cluster, or is back.
    tenure: Notify,
    /// Mirrors the queue's phase.
    online: AtomicBool,
    /// How often the connection was made.
    connects: AtomicU64,
    last_error: LastError,
}

/// Why a frame is not taken. Not an [`Error`] yet: that is large, and a frame that is taken should not pay for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue has no room.
    Full,
    /// The gateway has left the cluster.
    Left,
}

/// An attempt to connect, see [`CommandLink::prepare`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt(u64);

impl std::fmt::Debug for CommandLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandLink").field("address", &self.address).finish_non_exhaustive()
    }
}

impl CommandLink {
    pub(crate) fn new(
        address: GatewayAddress,
        secret: Secret,
        observer: Weak<dyn LinkObserver>,
        background: Arc<Background>,
    ) -> Arc<Self> {
        Arc::new(Self {
            address,
            secret,
            observer,
            queue: SendQueue::new(background.settings.send_buffer),
            background,
            work: Arc::default(),
            nudge: Notify::new(),
            tenure: Notify::new(),
            online: AtomicBool::new(false),
            connects: AtomicU64::new(0),
            last_error: LastError::default(),
        })
    }

    // ---- the calling thread ----

    pub(crate) fn address(&self) -> &GatewayAddress {
        &self.address
    }

    pub(crate) fn counters(&self) -> Counters {
        self.queue.counters()
    }

    pub(crate) fn phase(&self) -> LinkState {
        if self.queue.is_retired() {
            return LinkState::Retired;
        }
        match self.queue.phase() {
            Phase::Unused => LinkState::Unused,
            Phase::Connecting => LinkState::Connecting,
            Phase::Online(_) => LinkState::Online,
            Phase::Failed(failure) => LinkState::Failed(failure.reason),
        }
    }

    /// Why the connection is not there; empty where it is.
    pub(crate) fn failure_reason(&self) -> String {
        self.queue.trouble()
    }

    /// How often the connection was made again after it had ended.
    pub(crate) fn reconnects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// What went wrong last, and how many seconds ago.
    pub(crate) fn last_error(&self) -> (Option<String>, Option<f64>) {
        self.last_error.get()
    }

    /// Whether it has ever been there.
    pub(crate) fn was_online(&self) -> bool {
        self.connects.load(Ordering::Relaxed) > 0
    }

    /// Queues a frame; [`CommandLink::wake`] has to follow where `wake` becomes true.
    ///
    /// # Errors
    /// Why it was not taken: see [`CommandLink::refusal`].
    #[inline]
    pub(crate) fn push(
        self: &Arc<Self>,
        frame: Encoded<'_>,
        lone_allowed: bool,
        wake: &mut bool,
    ) -> Result<(), Refusal> {
        match self.queue.push(frame, lone_allowed) {
            Pushed::Done => Ok(()),
            Pushed::Announce => {
                self.announce(wake);
                Ok(())
            }
            Pushed::Full => Err(Refusal::Full),
            Pushed::Retired => Err(Refusal::Left),
        }
    }

    /// The error of a frame that was not taken.
    #[cold]
    pub(crate) fn refusal(&self, refusal: Refusal) -> Error {
        let gateway = Arc::clone(&self.address.text);
        match refusal {
            Refusal::Full => Error::QueueFull { gateway, limit: self.background.settings.send_buffer },
            Refusal::Left => Error::Left { gateway },
        }
    }

    /// Starts a barrier, see [`SendQueue::barrier`]; pass the answer to [`CommandLink::wait_barrier`].
    pub(crate) fn barrier(self: &Arc<Self>, wake: &mut bool) -> Option<Barrier> {
        let (barrier, pushed) = self.queue.barrier()?;
        if pushed == Pushed::Announce {
            self.announce(wake);
        }
        if matches!(self.queue.phase(), Phase::Failed(_)) {
            self.nudge.notify_one();
        }
        Some(barrier)
    }

    /// Waits until the gateway has processed all that was queued before the barrier. False: not within the deadline.
    ///
    /// # Errors
    /// Where the gateway cannot be reached, or has left the cluster.
    pub(crate) fn wait_barrier(&self, barrier: Barrier, deadline: Instant) -> Result<bool, Error> {
        self.queue.wait_confirmed(barrier, deadline).map_err(|failure| self.error(&failure))
    }

    /// Whether there may be frames that the gateway has not processed.
    pub(crate) fn outstanding(&self) -> bool {
        self.queue.outstanding()
    }

    /// Whether frames can be written right now. One relaxed load.
    #[inline]
    pub(crate) fn is_online(&self) -> bool {
        self.online.load(Ordering::Relaxed)
    }

    /// Begins to connect if nobody did yet, or at once if a pause is on. Answers what to pass to
    /// [`CommandLink::outcome`].
    pub(crate) fn prepare(self: &Arc<Self>) -> Attempt {
        self.start();
        let attempts = self.queue.attempts();
        if let Phase::Failed(failure) = self.queue.phase() {
            if failure.at.elapsed() < FRESH_FAILURE {
                // It would fail again.
                return Attempt(attempts.saturating_sub(1));
            }
            self.nudge.notify_one();
        }
        Attempt(attempts)
    }

    /// How the attempt went, once it has ended.
    pub(crate) fn outcome(&self, attempt: Attempt) -> Option<Result<(), Error>> {
        let outcome = self.queue.outcome_since(attempt.0)?;
        Some(outcome.map_err(|failure| self.error(&failure)))
    }

    /// The error of a connection that is not there in time.
    pub(crate) fn late(&self) -> Error {
        Error::Unreachable { gateway: Arc::clone(&self.address.text), reason: "Connection timed out".into() }
    }

    /// Tells the background of the frames that were pushed.
    #[inline]
    pub(crate) fn wake(&self) {
        self.background.waker.wake();
    }

    /// Tells the background of a barrier, for which a caller waits.
    pub(crate) fn wake_urgently(&self) {
        self.background.waker.wake_urgently();
    }

    pub(crate) fn wait_room(&self, len: usize, deadline: Instant) -> bool {
        self.queue.wait_room(len, deadline)
    }

    pub(crate) fn wait_written(&self, deadline: Instant) -> bool {
        self.queue.wait_written(deadline)
    }

    /// The gateway has left the cluster: what waits is sent, then the connection is closed.
    pub(crate) fn retire(&self) {
        self.queue.retire();
        self.tenure.notify_one();
    }

    /// The gateway is back in the cluster, before all that waited for it was sent or given up: it goes on with the same
    /// queue, so that nothing new overtakes what waits. False: too late, a new link is due.
    pub(crate) fn take_back(&self) -> bool {
        let taken = self.queue.take_back();
        self.tenure.notify_one();
        taken
    }

    /// Whether the gateway has left the cluster and the link has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.queue.is_over()
    }

    #[cold]
    fn announce(self: &Arc<Self>, wake: &mut bool) {
        self.start();
        self.background.waker.add(Arc::clone(&self.work));
        *wake = true;
    }

    fn start(self: &Arc<Self>) {
        if self.queue.start() {
            let link = Arc::clone(self);
            self.background.handle.spawn(async move { link.run().await });
        }
    }

    fn error(&self, failure: &Failure) -> Error {
        let gateway = Arc::clone(&self.address.text);
        if failure.rejected {
            Error::Rejected { gateway }
        } else if self.queue.is_retired() {
            Error::Left { gateway }
        } else {
            Error::Unreachable { gateway, reason: failure.reason.clone() }
        }
    }

    // ---- the background ----

    /// A frame is given up for want of room. Said once, until the queue has been empty.
    #[cold]
    pub(crate) fn refuse(&self) {
        if self.queue.refuse() {
            let limit = self.background.settings.send_buffer;
            let reason = format!("its queue of {limit} bytes is full (gatewayworker.send_buffer)");
            self.log("refuses frames", &reason);
            self.last_error.set(reason);
        }
    }

    /// A message to some clients did not go to those of this gateway.
    pub(crate) fn log_unreachable(&self) {
        let reason = self.failure_reason();
        self.log("left out", if reason.is_empty() { "it is not connected" } else { &reason });
    }

    /// Leaves a line about this gateway in the log.
    pub(crate) fn log(&self, event: &str, reason: &str) {
        self.background.log.event(format_args!("tcp://{}", self.address), event, reason);
    }

    /// The life of the link; until the gateway has left the cluster and what waited for it is sent or given up.
    async fn run(&self) {
        let mut batch = Batch::default();
        let mut pause = Pause::default();
        while self.keep_connected(&mut batch, &mut pause).await {
            // It may be back in the cluster by now.
            if let Some(dropped) = self.queue.end(&mut batch) {
                if dropped > 0 {
                    let reason = format!("{dropped} frames: the gateway stands in no list and takes nothing");
                    self.log("dropped", &reason);
                }
                if let Some(observer) = self.observer.upgrade() {
                    observer.link_ended();
                }
                return;
            }
        }
    }

    /// Connects, serves, connects again. True: the gateway has left the cluster, and its time is over. False: it has been
    /// away for long, and nobody needs it.
    async fn keep_connected(&self, batch: &mut Batch, pause: &mut Pause) -> bool {
        let mut drain = Drain::default();
        let mut verify = false;
        drain.follow(&self.queue);
        while !drain.is_over(&self.queue) {
            self.queue.connecting();
            let end = match self.open(verify).await {
                Ok(stream) => {
                    pause.connected(self);
                    let since = Instant::now();
                    self.queue.online(Arc::clone(&stream));
                    self.online.store(true, Ordering::Relaxed);
                    self.connects.fetch_add(1, Ordering::Relaxed);
                    self.background.events.notify();
                    let mut replies = Replies::default();
                    let end = self.serve(&stream, batch, &mut replies, &mut drain).await;
                    verify = !replies.any && since.elapsed() < EARLY && end.closed_by_peer;
                    end
                }
                Err(end) => end,
            };
            let failure = Failure { reason: end.reason, rejected: end.rejected, at: Instant::now() };
            if !drain.is_over(&self.queue) {
                pause.failed(self, &failure);
                self.last_error.set(failure.reason.clone());
            }
            let long_away = pause.is_long_away();
            let delay = pause.next(&failure);
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
                () = self.tenure.notified() => drain.follow(&self.queue),
                () = drain.deadline() => {}
            }
        }
        true
    }

    /// Connects and authenticates; with `verify`, also asks whether the gateway answers us.
    async fn open(&self, verify: bool) -> Result<Stream, End> {
        let patience = self.background.connect_timeout();
        let stream: Stream = timeout(patience, Socket::connect_async(self.address.reach))
            .await
            .map_err(|_| End::from(io::Error::from(io::ErrorKind::TimedOut)))??
            .into();
        let mut hello = self.secret.auth_frame();
        if verify {
            hello.extend_from_slice(&Head::new(BARRIER, 0).encode(0, 0).unwrap_or([0; Head::LEN]));
        }
        let sent = if hello.is_empty() { 0 } else { stream.get_ref().send_now(&hello)? };
        if sent < hello.len() {
            return Err(End::from(io::Error::from(io::ErrorKind::WriteZero)));
        }
        if verify {
            let mut replies = Replies::default();
            let answered = timeout(VERIFY, async {
                while !replies.any {
                    replies.read(&stream, || true).await?;
                }
                Ok::<_, End>(())
            });
            match answered.await {
                Ok(Ok(())) => {}
                Ok(Err(end)) if end.closed_by_peer => {
                    let reason = "it closes every connection at once, as for a wrong secret key".into();
                    return Err(End { reason, rejected: true, ..End::default() });
                }
                Ok(Err(end)) => return Err(end),
                Err(_) => return Err(End::from(io::Error::from(io::ErrorKind::TimedOut))),
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
    ) -> End {
        let mut blocked = false;
        let mut turn = true;
        let mut look = interval_at(tokio::time::Instant::now() + LOOK, LOOK);
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
                return End { reason: "the gateway has left the cluster".into(), ..End::default() };
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
                () = self.tenure.notified() => {
                    drain.follow(&self.queue);
                    // A barrier may have been queued.
                    turn = true;
                }
                () = drain.deadline() => {}
                _ = look.tick() => if let Err(error) = stream.get_ref().bear_with_peer() {
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

/// What a link's connection is doing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "error")]
pub enum LinkState {
    /// Nobody has needed it yet.
    Unused,
    /// Being connected.
    Connecting,
    /// Connected and authenticated.
    Online,
    /// The last attempt failed, or the connection ended; why. It is tried again.
    Failed(String),
    /// The gateway has left the cluster.
    Retired,
}

impl std::fmt::Display for LinkState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unused => f.write_str("unused"),
            Self::Connecting => f.write_str("connecting"),
            Self::Online => f.write_str("online"),
            Self::Failed(reason) => write!(f, "failed ({reason})"),
            Self::Retired => f.write_str("retired"),
        }
    }
}

/// How a connection, or the attempt to make one, ended.
#[derive(Debug, Default)]
struct End {
    reason: String,
    closed_by_peer: bool,
    rejected: bool,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::TimedOut => "Connection timed out".into(),
            _ => reason(&error),
        };
        // A gateway that closes while our frames are on their way answers them with a reset.
        let closed_by_peer =
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        Self { reason, closed_by_peer, rejected: false }
    }
}

/// Reads the answers to barriers, the only thing that a gateway sends to us on this connection.
#[derive(Debug, Default)]
struct Replies {
    buffer: Vec<u8>,
    any: bool,
}

/// The answer to "is connection 0 online" is `i:0;`; there is no connection 0.
const LONGEST_REPLY: usize = 16;

impl Replies {
    /// Waits for bytes, and calls `confirm` for each whole answer in them.
    async fn read(&mut self, stream: &Stream, confirm: impl Fn() -> bool) -> Result<(), End> {
        let mut guard = stream.readable().await?;
        let received = match guard.try_io(|socket| socket.get_ref().recv(&mut self.buffer, 4096)) {
            Ok(received) => received?,
            Err(_would_block) => return Ok(()),
        };
        if received == 0 {
            let reason = "the gateway closed the connection".into();
            return Err(End { reason, closed_by_peer: true, rejected: false });
        }
        while let Some(length) = self.buffer.first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > LONGEST_REPLY {
                let reason = format!("the gateway sent {length} bytes that nobody asked for");
                return Err(End { reason, ..End::default() });
            }
            if self.buffer.len() < 4 + length {
                break;
            }
            self.buffer.drain(..4 + length);
            self.any = true;
            if !confirm() {
                let reason = "the gateway answered a question that nobody asked".into();
                return Err(End { reason, ..End::default() });
            }
        }
        Ok(())
    }
}

/// The end of a link whose gateway has left the cluster: what waits has [`DRAIN`] to get out.
#[derive(Debug, Default)]
struct Drain {
    until: Option<Instant>,
}

impl Drain {
    /// Begins where the gateway has left the cluster, and is called off where it is back.
    fn follow(&mut self, queue: &SendQueue<Stream>) {
        self.until = queue.is_retired().then(|| self.until.unwrap_or_else(|| Instant::now() + DRAIN));
    }

    fn is_over(&self, queue: &SendQueue<Stream>) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until || queue.is_drained())
    }

    async fn deadline(&self) {
        match self.until {
            Some(until) => sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    }
}

/// The pauses between attempts, and what of them is worth a line in the log: a line when the trouble starts and a line
/// when it is over, not one per attempt.
#[derive(Debug, Default)]
struct Pause {
    attempts: u32,
    away_since: Option<Instant>,
    logged: Option<String>,
}

impl Pause {
    fn connected(&mut self, link: &CommandLink) {
        if self.logged.take().is_some() {
            let queued = link.queue.counters().queued;
            link.log("is back", &format!("{queued} frames waited for it"));
        }
        self.attempts = 0;
        self.away_since = None;
    }

    fn failed(&mut self, link: &CommandLink, failure: &Failure) {
        self.away_since.get_or_insert(failure.at);
        if self.logged.as_ref() != Some(&failure.reason) {
            let event = if failure.rejected { "rejects the connection" } else { "lost" };
            link.log(event, &failure.reason);
            self.logged = Some(failure.reason.clone());
        }
    }

    fn is_long_away(&self) -> bool {
        self.away_since.is_some_and(|since| since.elapsed() > LONG_AWAY)
    }

    /// The next pause: exponential, with jitter, so that many processes do not come back at the same instant.
    fn next(&mut self, failure: &Failure) -> Duration {
        let long = failure.rejected || self.is_long_away();
        let limit = if long { BACKOFF_LIMIT_LONG } else { BACKOFF_LIMIT };
        let first = if failure.rejected { BACKOFF_LIMIT_LONG } else { BACKOFF };
        let pause = first.saturating_mul(1 << self.attempts.min(16)).min(limit);
        self.attempts += 1;
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a promise of 300 ms leaves room for: the pause, and the connection itself.
    #[test]
    fn a_gateway_that_has_been_away_for_less_than_a_minute_is_tried_again_within_160_ms() {
        let failure = Failure { reason: "refused".into(), rejected: false, at: Instant::now() };
        let mut pause = Pause { away_since: Some(Instant::now()), ..Pause::default() };
        for attempt in 0..10_000 {
            let next = pause.next(&failure);
            assert!(next <= Duration::from_millis(160), "attempt {attempt}: {next:?}");
        }
    }
}
