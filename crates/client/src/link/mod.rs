//! The connection that carries the commands to one gateway: fire and forget, in order, reconnecting.
//!
//! Callers put frames into its [`SendQueue`](send_queue::SendQueue) and go on. [`CommandLink`] is their handle; the task of
//! [`driver`] on the background thread connects, authenticates, writes batches, and watches for the end of the
//! connection; both hold what is in [`shared`]. A query that has to see the commands goes over the link too, and is in
//! [`query`].

mod backoff;
pub(crate) mod connection;
pub(crate) mod counters;
mod disconnect;
mod drain;
mod driver;
pub(crate) mod frame;
pub(crate) mod observer;
pub(crate) mod query;
pub(crate) mod send_queue;
mod shared;
pub(crate) mod state;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use std::{fmt, io};

use crate::address::GatewayAddress;
use crate::error::Error;
use crate::link::counters::Counters;
use crate::link::frame::FrameBytes;
use crate::link::observer::LinkObserver;
use crate::link::query::{LinkQueried, LinkQuery};
use crate::link::send_queue::{Barrier, Failure, Phase, Pushed, Queried};
use crate::link::shared::Shared;
use crate::link::state::LinkState;
use crate::receive::query_error::QueryError;
use crate::runtime::background::Background;
use crate::runtime::pace::Turn;
use crate::secret::Secret;

/// An attempt that failed this recently speaks for the next one too: it is not tried again for one more caller.
const FRESH_FAILURE: Duration = Duration::from_millis(100);

/// The command link of one gateway, as calling threads have it.
#[derive(Clone)]
pub(crate) struct CommandLink(Arc<Shared>);

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

impl fmt::Debug for CommandLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandLink").field("address", &self.0.address).finish_non_exhaustive()
    }
}

impl CommandLink {
    pub(crate) fn new(
        address: GatewayAddress,
        secret: Secret,
        observer: Weak<dyn LinkObserver>,
        background: Arc<Background>,
    ) -> Self {
        Self(Arc::new(Shared::new(address, secret, observer, background)))
    }

    pub(crate) fn address(&self) -> &GatewayAddress {
        &self.0.address
    }

    pub(crate) fn counters(&self) -> Counters {
        self.0.queue.counters()
    }

    /// How many frames will never be known to have been processed.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.0.queue.unconfirmed()
    }

    pub(crate) fn phase(&self) -> LinkState {
        if self.0.queue.is_retired() {
            return LinkState::Retired;
        }
        match self.0.queue.phase() {
            Phase::Unused => LinkState::Unused,
            Phase::Connecting => LinkState::Connecting,
            Phase::Online(_) => LinkState::Online,
            Phase::Failed(failure) => LinkState::Failed(failure.reason),
        }
    }

    /// Why the connection is not there; empty where it is.
    pub(crate) fn failure_reason(&self) -> String {
        self.0.queue.trouble()
    }

    /// How often the connection was made again after it had ended.
    pub(crate) fn reconnects(&self) -> u64 {
        self.0.connects.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// What went wrong last, and how many seconds ago.
    pub(crate) fn last_error(&self) -> (Option<String>, Option<f64>) {
        self.0.last_error.get()
    }

    /// Whether it has ever been there.
    pub(crate) fn was_online(&self) -> bool {
        self.0.connects.load(Ordering::Relaxed) > 0
    }

    /// Queues a frame; [`CommandLink::wake`] has to follow where `wake` becomes true.
    ///
    /// # Errors
    /// Why it was not taken: see [`CommandLink::refusal`].
    #[inline]
    pub(crate) fn push(
        &self,
        frame: FrameBytes<'_>,
        turn: &mut Turn,
        wake: &mut bool,
    ) -> Result<(), Refusal> {
        match self.0.queue.push(frame, turn) {
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
        let gateway = Arc::clone(&self.0.address.text);
        match refusal {
            Refusal::Full => Error::QueueFull { gateway, limit: self.0.background.settings.send_buffer },
            Refusal::Left => Error::Left { gateway },
        }
    }

    /// Sends a query behind the commands that are outstanding. [`CommandLink::wake_urgently`] has to follow where `wake`
    /// becomes true.
    pub(crate) fn query(&self, frame: &[u8], wake: &mut bool) -> LinkQueried {
        match self.0.queue.query(frame) {
            Queried::NotNeeded => LinkQueried::NotNeeded,
            Queried::Sent(turn, pushed) => {
                if pushed == Pushed::Announce {
                    self.announce(wake);
                }
                LinkQueried::Sent(LinkQuery::new(Arc::clone(&self.0), turn))
            }
            Queried::Unavailable => LinkQueried::Unavailable,
            Queried::Broken(reason) => LinkQueried::Broken(QueryError::LinkClosed(io::Error::other(reason))),
        }
    }

    /// The error of a query whose connection has ended.
    pub(crate) fn closed(&self, reason: String) -> Error {
        self.0.error(&Failure { reason, rejected: false, at: Instant::now() })
    }

    /// A reply on the connection of this number was none: it is made anew.
    pub(crate) fn distrust(&self, number: u64) {
        self.0.queue.distrust(number);
    }

    /// Starts a barrier, see [`SendQueue::barrier`](send_queue::SendQueue::barrier); pass the result to
    /// [`CommandLink::wait_barrier`].
    pub(crate) fn barrier(&self, wake: &mut bool) -> Option<Barrier> {
        let (barrier, pushed) = self.0.queue.barrier()?;
        if pushed == Pushed::Announce {
            self.announce(wake);
        }
        if matches!(self.0.queue.phase(), Phase::Failed(_)) {
            self.0.nudge.notify_one();
        }
        Some(barrier)
    }

    /// Waits until the gateway has processed all that was queued before the barrier. False: not within the deadline.
    ///
    /// # Errors
    /// Where the gateway cannot be reached, or has left the cluster.
    pub(crate) fn wait_barrier(&self, barrier: Barrier, deadline: Instant) -> Result<bool, Error> {
        let waited = self.0.queue.wait_confirmed(barrier, deadline);
        if self.0.queue.is_retired() {
            // This thread may have read the confirmation that the background waits for.
            self.0.membership_changed.notify_one();
        }
        waited.map_err(|failure| self.0.error(&failure))
    }

    /// Whether frames can be written right now. One relaxed load.
    #[inline]
    pub(crate) fn is_online(&self) -> bool {
        self.0.online.load(Ordering::Relaxed)
    }

    /// Begins to connect if nobody did yet, or at once if a pause is on. Answers what to pass to
    /// [`CommandLink::outcome`].
    pub(crate) fn prepare(&self) -> Attempt {
        self.start();
        let attempts = self.0.queue.attempts();
        if let Phase::Failed(failure) = self.0.queue.phase() {
            if failure.at.elapsed() < FRESH_FAILURE {
                // It would fail again.
                return Attempt(attempts.saturating_sub(1));
            }
            self.0.nudge.notify_one();
        }
        Attempt(attempts)
    }

    /// How the attempt went, once it has ended.
    pub(crate) fn outcome(&self, attempt: Attempt) -> Option<Result<(), Error>> {
        let outcome = self.0.queue.outcome_since(attempt.0)?;
        Some(outcome.map_err(|failure| self.0.error(&failure)))
    }

    /// The error of a connection that is not there in time.
    pub(crate) fn late(&self) -> Error {
        Error::Unreachable {
            gateway: Arc::clone(&self.0.address.text),
            reason: "Connection timed out".into(),
        }
    }

    /// Tells the background of the frames that were pushed.
    #[inline]
    pub(crate) fn wake(&self) {
        self.0.background.waker.wake_soon();
    }

    /// Tells the background of a barrier, for which a caller waits.
    pub(crate) fn wake_urgently(&self) {
        self.0.background.waker.wake_urgently();
    }

    pub(crate) fn wait_room(&self, len: usize, deadline: Instant) -> bool {
        self.0.queue.wait_room(len, deadline)
    }

    pub(crate) fn wait_written(&self, deadline: Instant) -> bool {
        self.0.queue.wait_written(deadline)
    }

    /// The gateway has left the cluster: what waits is sent, then the connection is closed.
    pub(crate) fn retire(&self) {
        self.0.queue.retire();
        self.0.membership_changed.notify_one();
    }

    /// The gateway is back in the cluster, before all that waited for it was sent or given up: it goes on with the same
    /// queue, so that nothing new overtakes what waits. False: too late, a new link is due.
    pub(crate) fn take_back(&self) -> bool {
        let taken = self.0.queue.take_back();
        self.0.membership_changed.notify_one();
        taken
    }

    /// Whether the gateway has left the cluster and the link has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.queue.is_over()
    }

    #[cold]
    fn announce(&self, wake: &mut bool) {
        self.start();
        self.0.background.waker.add(Arc::clone(&self.0.work));
        *wake = true;
    }

    /// A frame is given up for want of room. Said once, until the queue has been empty.
    #[cold]
    pub(crate) fn refuse(&self) {
        if self.0.queue.refuse() {
            let limit = self.0.background.settings.send_buffer;
            let reason = format!("its queue of {limit} bytes is full (gatewayworker.send_buffer)");
            self.log("refuses frames", &reason);
            self.0.last_error.set(reason);
        }
    }

    /// A message to some clients did not go to those of this gateway.
    pub(crate) fn log_unreachable(&self) {
        let reason = self.failure_reason();
        self.0.log("left out", if reason.is_empty() { "it is not connected" } else { &reason });
    }

    /// Leaves a line about this gateway in the log.
    pub(crate) fn log(&self, event: &str, reason: &str) {
        self.0.log(event, reason);
    }

    fn start(&self) {
        if self.0.queue.start() {
            self.0.background.handle.spawn(driver::run(Arc::clone(&self.0)));
        }
    }
}
