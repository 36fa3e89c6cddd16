//! The hand-over of frames from the calling thread to the background: an ordered queue, bounded in bytes.
//!
//! Two write to the socket, never at once, and always in the order in which frames were accepted:
//!
//! - the **caller**, for a lone frame: while the queue is empty and the background is not busy, it sends the frame
//!   itself, without waiting, under the queue's lock;
//! - the **background**, for a burst: frames are appended, and it is woken once for many of them
//!   ([`Pushed::announce`]), takes them in batches and writes each batch without holding the lock.
//!
//! `announced` is the turn: true from the frame that the caller could not or would not send itself until the
//! background has found nothing more to take. The caller sends itself only while it is false, so that no frame
//! overtakes another.
//!
//! # Barriers
//! A query travels on another connection than the commands. To let it see them, a barrier is queued behind them: a
//! question (command 11 about connection 0) whose answer proves that the gateway has processed all before it.

mod chunk;
mod state;
mod sync;

use std::time::Instant;

use crate::link::counters::Counters;
use crate::link::frame::FrameBytes;
use crate::link::send_queue::state::{Membership, State};
use crate::link::send_queue::sync::{Condvar, Mutex, MutexGuard, lock};

pub(crate) use crate::link::send_queue::chunk::{BARRIER, Batch};
pub(crate) use crate::link::send_queue::state::{Barrier, Failure, Phase, Pushed, Sink};

/// A batch takes chunks until it has this many bytes …
const BATCH_BYTES: usize = 256 << 10;
/// … or this many slices.
const BATCH_CHUNKS: usize = 64;

/// An ordered queue of frames to one gateway.
#[derive(Debug)]
pub(crate) struct SendQueue<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
    limit: usize,
}

impl<S: Sink + Clone> SendQueue<S> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::new(State::new()), changed: Condvar::new(), limit }
    }

    // ---- the calling thread ----

    /// Accepts a frame. With `lone_allowed`, a lone frame is sent at once by this thread.
    #[inline]
    pub(crate) fn push(&self, frame: FrameBytes<'_>, lone_allowed: bool) -> Pushed {
        let mut state = lock(&self.state);
        let len = frame.len();
        if state.membership != Membership::Member {
            return Pushed::Retired;
        }
        if !self.has_room(&state, len) {
            return Pushed::Full;
        }
        state.issued += 1;
        state.counters.accepted += 1;
        state.append(frame);
        if lone_allowed && !state.announced && state.send_lone() {
            return Pushed::Done;
        }
        state.announce()
    }

    /// A frame has been given up for want of room. True: it is the first since there was room.
    pub(crate) fn refuse(&self) -> bool {
        let mut state = lock(&self.state);
        state.counters.refused += 1;
        !std::mem::replace(&mut state.refusing, true)
    }

    /// A frame that is over the limit by itself is taken as the original takes every frame: as long as the limit is not
    /// reached yet. Otherwise it could never be sent.
    fn has_room(&self, state: &State<S>, len: usize) -> bool {
        state.bytes + len <= self.limit || (len > self.limit && state.bytes < self.limit)
    }

    /// Whether there are frames that the gateway is not yet known to have
    /// processed.
    pub(crate) fn outstanding(&self) -> bool {
        let state = lock(&self.state);
        state.issued > state.confirmed
    }

    /// Queues a barrier behind all frames, unless they are confirmed or one is on its way already. `None`: nothing to
    /// wait for. Otherwise what to pass to [`SendQueue::wait_confirmed`], and whether the background has to be told.
    pub(crate) fn barrier(&self) -> Option<(Barrier, Pushed)> {
        let mut state = lock(&self.state);
        let barrier = Barrier { issued: state.issued, attempts: state.attempts };
        if barrier.issued == state.confirmed {
            return None;
        }
        if state.membership == Membership::Over || !state.queue_barrier() {
            return Some((barrier, Pushed::Done));
        }
        Some((barrier, state.announce()))
    }

    /// Waits until the gateway has processed the frames before a barrier. False: the deadline has passed.
    ///
    /// # Errors
    /// Where the connection has ended since, or an attempt to make it has failed, and it is not there again; or where the
    /// frames were given up.
    pub(crate) fn wait_confirmed(&self, barrier: Barrier, deadline: Instant) -> Result<bool, Failure> {
        self.wait(deadline, |state| {
            if state.confirmed >= barrier.issued {
                return Some(Ok(()));
            }
            if state.membership == Membership::Over {
                let reason = "it has left the cluster, and did not take what was sent to it".into();
                return Some(Err(Failure { reason, rejected: false, at: Instant::now() }));
            }
            state.failure_since(barrier.attempts).map(Err)
        })
    }

    /// How many attempts to connect have ended.
    pub(crate) fn attempts(&self) -> u64 {
        lock(&self.state).attempts
    }

    /// How the connection is, if it is there or if an attempt has ended since [`SendQueue::attempts`] was asked.
    pub(crate) fn outcome_since(&self, attempts: u64) -> Option<Result<(), Failure>> {
        let state = lock(&self.state);
        match &state.phase {
            Phase::Online(_) => Some(Ok(())),
            // The frame itself finds out.
            _ if state.membership != Membership::Member => Some(Ok(())),
            _ => state.failure_since(attempts).map(Err),
        }
    }

    /// Waits until a frame of `len` bytes has room. False: the deadline has passed.
    pub(crate) fn wait_room(&self, len: usize, deadline: Instant) -> bool {
        let room = |state: &State<S>| {
            (self.has_room(state, len) || state.membership != Membership::Member).then_some(Ok(()))
        };
        matches!(self.wait(deadline, room), Ok(true))
    }

    /// Waits until every frame is handed to the kernel, or given up. False: the deadline has passed.
    pub(crate) fn wait_written(&self, deadline: Instant) -> bool {
        // Not the bytes: what still waits may be a barrier that nobody waits for any more.
        let written = |state: &State<S>| {
            let counters = &state.counters;
            (counters.accepted == counters.written + counters.dropped).then_some(Ok(()))
        };
        matches!(self.wait(deadline, written), Ok(true))
    }

    fn wait(
        &self,
        deadline: Instant,
        mut done: impl FnMut(&State<S>) -> Option<Result<(), Failure>>,
    ) -> Result<bool, Failure> {
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = done(&state) {
                return result.map(|()| true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            state.sleepers += 1;
            (state, _) =
                self.changed.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner);
            state.sleepers -= 1;
        }
    }

    /// Why the connection is not there; empty where it is, or where nobody has needed it.
    pub(crate) fn trouble(&self) -> String {
        lock(&self.state).trouble.as_ref().map(|failure| failure.reason.clone()).unwrap_or_default()
    }

    /// The state of the connection.
    pub(crate) fn phase(&self) -> Phase<S> {
        lock(&self.state).phase.clone()
    }

    /// The counters, consistent with each other.
    pub(crate) fn counters(&self) -> Counters {
        let state = lock(&self.state);
        let counters = state.counters;
        Counters {
            queued: counters.accepted - counters.written - counters.dropped,
            queued_bytes: state.bytes,
            ..counters
        }
    }

    // ---- the background ----

    /// Claims the start of the connection: true for the first who asks.
    pub(crate) fn start(&self) -> bool {
        let mut state = lock(&self.state);
        let unused = matches!(state.phase, Phase::Unused) && state.membership != Membership::Over;
        if unused {
            state.phase = Phase::Connecting;
        }
        unused
    }

    pub(crate) fn connecting(&self) {
        lock(&self.state).phase = Phase::Connecting;
    }

    /// The connection is there: callers may send lone frames themselves, once what waits has been written.
    pub(crate) fn online(&self, sink: S) {
        let mut state = lock(&self.state);
        state.phase = Phase::Online(sink);
        // The background takes what waits now; until it has, it is its turn.
        state.announced = true;
        state.attempts += 1;
        state.trouble = None;
        self.wake(state);
    }

    /// The attempt failed, or the connection ended. The unwritten rest of the batch goes back to the front, its first
    /// frame whole; a barrier whose question went down with the connection is asked again.
    pub(crate) fn failed(&self, failure: Failure, batch: &mut Batch) {
        self.settle(batch);
        let mut state = lock(&self.state);
        state.trouble = Some(failure.clone());
        state.phase = Phase::Failed(failure);
        state.attempts += 1;
        // The queue keeps everything; the background takes it after the next connect, without being told.
        state.announced = true;
        let cut = match batch.chunks.front_mut() {
            Some(cut) => Some(cut),
            // A lone frame of which the caller sent a part.
            None => state.waiting.front_mut(),
        };
        if let Some(cut) = cut {
            let (whole, again) = cut.rewind_to_frame();
            state.counters.written += whole;
            state.bytes += again;
        }
        while let Some(chunk) = batch.chunks.pop_back() {
            state.waiting.push_front(chunk);
        }
        state.recount_barriers();
        self.wake(state);
    }

    /// Goes back to [`Phase::Unused`] if nothing waits. True: the background is done with it.
    pub(crate) fn rest(&self) -> bool {
        let mut state = lock(&self.state);
        let idle = state.bytes == 0
            && state.membership == Membership::Member
            && matches!(state.phase, Phase::Failed(_));
        if idle {
            state.phase = Phase::Unused;
            state.announced = false;
        }
        idle
    }

    /// Takes the next batch. False: there is nothing to write, and the turn is the caller's again.
    pub(crate) fn take(&self, batch: &mut Batch) -> bool {
        let mut state = lock(&self.state);
        state.settle(batch);
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.chunks.len() < BATCH_CHUNKS {
            let Some(chunk) = state.waiting.pop_front() else { break };
            bytes += chunk.unsent().len();
            batch.chunks.push_back(chunk);
        }
        if batch.is_empty() {
            state.announced = false;
            state.refusing = false;
        } else {
            state.counters.batches += 1;
        }
        let more = !batch.is_empty();
        self.wake(state);
        more
    }

    /// Takes over what was written of a batch, and makes its room free.
    pub(crate) fn settle(&self, batch: &mut Batch) {
        let mut state = lock(&self.state);
        state.settle(batch);
        self.wake(state);
    }

    /// The answer to the oldest barrier has come. False: none was due.
    pub(crate) fn confirm(&self) -> bool {
        let mut state = lock(&self.state);
        let Some(issued) = state.barriers.pop_front() else {
            return false;
        };
        state.confirmed = state.confirmed.max(issued);
        self.wake(state);
        true
    }

    /// The gateway has left the cluster: nothing more is accepted, what is queued is still sent. A barrier goes behind it, so
    /// that the end of the queue is known to have been processed, and not only to have been written.
    pub(crate) fn retire(&self) {
        let mut state = lock(&self.state);
        if matches!(state.phase, Phase::Unused) {
            // There is no background to end it.
            state.membership = Membership::Over;
        } else if state.membership == Membership::Member {
            state.membership = Membership::Leaving;
            if state.issued > state.confirmed {
                state.queue_barrier();
            }
            // The background looks for it when it is told of the retirement.
            state.announced = true;
        }
        self.wake(state);
    }

    /// The gateway is back in the cluster: new frames go behind those that are still queued. False: too late, the queue has
    /// ended.
    pub(crate) fn take_back(&self) -> bool {
        let mut state = lock(&self.state);
        if state.membership == Membership::Over {
            return false;
        }
        state.membership = Membership::Member;
        true
    }

    /// Whether the gateway has left the cluster.
    pub(crate) fn is_retired(&self) -> bool {
        lock(&self.state).membership != Membership::Member
    }

    /// Whether the gateway has left the cluster and nobody sends anything any more.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.state).membership == Membership::Over
    }

    /// Whether the gateway has left the cluster and has processed all frames, or got them before its connection ended.
    pub(crate) fn is_drained(&self) -> bool {
        let state = lock(&self.state);
        let Counters { accepted, written, dropped, .. } = state.counters;
        let processed = state.issued == state.confirmed || !matches!(state.phase, Phase::Online(_));
        state.membership != Membership::Member && accepted == written + dropped && processed
    }

    /// Ends the queue of a gateway that has left the cluster, and gives up what waits; answers how many frames that were.
    /// `None`: it was taken back meanwhile.
    pub(crate) fn end(&self, batch: &mut Batch) -> Option<u64> {
        self.settle(batch);
        let mut state = lock(&self.state);
        if state.membership == Membership::Member {
            return None;
        }
        state.membership = Membership::Over;
        batch.chunks.clear();
        state.waiting.clear();
        state.barriers.clear();
        state.bytes = 0;
        state.announced = false;
        let counters = &mut state.counters;
        let dropped = counters.accepted - counters.written - counters.dropped;
        counters.dropped += dropped;
        self.wake(state);
        Some(dropped)
    }

    fn wake(&self, state: MutexGuard<'_, State<S>>) {
        let sleepers = state.sleepers > 0;
        drop(state);
        if sleepers {
            self.changed.notify_all();
        }
    }
}

#[cfg(all(test, gatewayworker_loom))]
mod loom_tests;
#[cfg(all(test, not(gatewayworker_loom)))]
mod tests;
