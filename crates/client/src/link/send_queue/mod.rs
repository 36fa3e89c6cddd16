//! The hand-over of frames from calling threads to the connection: an ordered queue, bounded in bytes.
//!
//! Two write to the connection, never at once, and always in the order in which frames were accepted:
//!
//! - the **caller**: while nothing waits and the background is not writing, it writes its frame itself, without
//!   waiting, under the queue's lock; a query takes all that waits with it;
//! - the **background**, for a burst: frames are appended, and it is woken once for many of them
//!   ([`Pushed::Announce`]), takes them in batches and writes each batch without holding the lock.
//!
//! `writing` keeps the two apart: it is true while the background has a batch that is not all written. So no frame
//! overtakes another. Which calls are a burst is decided in [`crate::runtime::pace`].
//!
//! # Queries behind commands
//! A gateway processes what comes on a connection in its order, and its reply to a query proves that it has processed
//! all commands before it. So where commands are outstanding, a query goes on this connection, behind them
//! ([`SendQueue::query`]), and its caller reads the reply: it has the [`ReadTurn`]. Where somebody else has it, or the
//! connection is not there yet, a **barrier** is queued instead (command 11 about connection 0), whose reply whoever
//! waits for it reads ([`SendQueue::wait_confirmed`]).
//!
//! Replies carry no number. `due` lists those that are to come: a caller that gave up leaves its reply there, and the
//! next one that reads passes over it.

mod chunk;
pub(crate) mod connection;
mod state;
mod sync;

use std::time::{Duration, Instant};

use crate::link::counters::Counters;
use crate::link::frame::FrameBytes;
use crate::link::send_queue::state::{Membership, State, UNASKED, Unread};
use crate::link::send_queue::sync::{Condvar, Mutex, MutexGuard, lock};
use crate::receive::{MAX_BLOCKING_RECV, Receiver};
use crate::runtime::pace::{Turn, Way};

use crate::link::send_queue::chunk::{BATCH_BYTES, BATCH_CHUNKS, CHUNK};
use crate::link::send_queue::connection::Connection;

pub(crate) use crate::link::send_queue::chunk::{BARRIER, Batch};
pub(crate) use crate::link::send_queue::state::{Barrier, Failure, Phase, Pushed, ReadTurn};

/// What became of a query, see [`SendQueue::query`].
pub(crate) enum Queried<C> {
    /// No commands are outstanding: it can go over another connection.
    NotNeeded,
    /// It is on its way, and this caller reads the reply.
    Sent(ReadTurn<C>, Pushed),
    /// Somebody else reads, or the connection is not there: a barrier is due.
    Unavailable,
    /// The connection has been given up, for this reason.
    Broken(&'static str),
}

/// An ordered queue of frames to one gateway.
#[derive(Debug)]
pub(crate) struct SendQueue<C> {
    state: Mutex<State<C>>,
    changed: Condvar,
    limit: usize,
}

impl<C: Connection> SendQueue<C> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::new(State::new()), changed: Condvar::new(), limit }
    }

    // ---- the calling thread ----

    /// Accepts a frame. Where nothing waits and it is the caller's turn, it is written at once by this thread.
    #[inline]
    pub(crate) fn push(&self, frame: FrameBytes<'_>, turn: &mut Turn) -> Pushed {
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
        let idle = state.is_idle();
        state.append(frame);
        if idle && turn.way() == Way::Caller && state.write_one() {
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
    fn has_room(&self, state: &State<C>, len: usize) -> bool {
        state.bytes + len <= self.limit || (len > self.limit && state.bytes < self.limit)
    }

    /// Sends a query behind the frames that the gateway is not known to have processed, together with those that wait.
    pub(crate) fn query(&self, frame: &[u8]) -> Queried<C> {
        let mut state = lock(&self.state);
        if state.issued == state.confirmed {
            return Queried::NotNeeded;
        }
        if state.membership != Membership::Member {
            return Queried::Unavailable;
        }
        // A long one would take the room of commands.
        if frame.len() > CHUNK {
            return Queried::Unavailable;
        }
        match state.unread() {
            Unread::Nothing => {}
            // The background is about to find it.
            Unread::End => return Queried::Unavailable,
            Unread::Unasked => {
                state.give_up(UNASKED);
                return Queried::Broken(UNASKED);
            }
        }
        let Some(turn) = state.take_read_turn() else { return Queried::Unavailable };
        state.append_query(frame, false);
        let pushed = if state.write_all() { Pushed::Done } else { state.announce() };
        Queried::Sent(turn, pushed)
    }

    /// Queues a barrier behind all frames, unless they are confirmed, or a reply that confirms them is due. `None`:
    /// nothing to wait for. Otherwise what to pass to [`SendQueue::wait_confirmed`], and whether the background has to
    /// be told.
    pub(crate) fn barrier(&self) -> Option<(Barrier, Pushed)> {
        let mut state = lock(&self.state);
        let barrier = Barrier { issued: state.issued, attempts: state.attempts };
        if barrier.issued == state.confirmed {
            return None;
        }
        if state.membership == Membership::Over || !state.queue_barrier() {
            return Some((barrier, Pushed::Done));
        }
        let pushed = if state.write_all() { Pushed::Done } else { state.announce() };
        Some((barrier, pushed))
    }

    /// Waits until the gateway has processed the frames before a barrier, and reads the replies where nobody else
    /// does. False: the deadline has passed.
    ///
    /// # Errors
    /// Where the connection has ended since, or an attempt to make it has failed, and it is not there again; or where
    /// the frames were given up.
    pub(crate) fn wait_confirmed(&self, barrier: Barrier, deadline: Instant) -> Result<bool, Failure> {
        let mut state = lock(&self.state);
        loop {
            if state.confirmed >= barrier.issued {
                return Ok(true);
            }
            if state.membership == Membership::Over {
                let reason = "it has left the cluster, and did not take what was sent to it".into();
                return Err(Failure { reason, rejected: false, at: Instant::now() });
            }
            if let Some(failure) = state.failure_since(barrier.attempts) {
                return Err(failure);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let turn = if state.due.is_empty() { None } else { state.take_read_turn() };
            state = match turn {
                Some(turn) => {
                    let before = state.confirmed;
                    drop(state);
                    self.read(turn, left.min(MAX_BLOCKING_RECV));
                    let state = lock(&self.state);
                    // What has come in time counts, also where nobody has looked until now.
                    if left.is_zero() && state.confirmed == before {
                        return Ok(false);
                    }
                    state
                }
                None if left.is_zero() => return Ok(false),
                None => self.sleep(state, left),
            };
        }
    }

    /// Reads replies that nobody waits for in particular.
    fn read(&self, mut turn: ReadTurn<C>, timeout: Duration) {
        let result = turn.connection.receive(&mut turn.receiver, timeout);
        self.give_back(turn, result.is_ok());
    }

    /// Ends a turn to read. What was passed over is confirmed. Without `usable` the connection has ended, which the
    /// background is about to find.
    pub(crate) fn give_back(&self, turn: ReadTurn<C>, usable: bool) {
        let ReadTurn { mut receiver, number, .. } = turn;
        let mut state = lock(&self.state);
        // That of a connection that has ended is of no use.
        if state.connections == number && matches!(state.phase, Phase::Online(_)) {
            state.confirm(receiver.take_passed());
            if usable {
                state.receiver = Some(receiver);
            }
        }
        self.wake(state);
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
        self.wait(deadline, |state| self.has_room(state, len) || state.membership != Membership::Member)
    }

    /// Waits until every frame is handed to the kernel, or given up. False: the deadline has passed.
    pub(crate) fn wait_written(&self, deadline: Instant) -> bool {
        // Not the bytes: what still waits may be a barrier that nobody waits for any more.
        self.wait(deadline, |state| {
            let counters = &state.counters;
            counters.accepted == counters.written + counters.dropped
        })
    }

    fn wait(&self, deadline: Instant, mut done: impl FnMut(&State<C>) -> bool) -> bool {
        let mut state = lock(&self.state);
        loop {
            if done(&state) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.sleep(state, left);
        }
    }

    /// Waits until something has changed, or for as long as `left`.
    fn sleep<'a>(&'a self, mut state: MutexGuard<'a, State<C>>, left: Duration) -> MutexGuard<'a, State<C>> {
        state.sleepers += 1;
        let (mut state, _) =
            self.changed.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner);
        state.sleepers -= 1;
        state
    }

    /// Why the connection is not there; empty where it is, or where nobody has needed it.
    pub(crate) fn trouble(&self) -> String {
        lock(&self.state).trouble.as_ref().map(|failure| failure.reason.clone()).unwrap_or_default()
    }

    /// The state of the connection.
    pub(crate) fn phase(&self) -> Phase<C> {
        lock(&self.state).phase.clone()
    }

    /// How many frames were given up, or were on a connection that ended before the gateway had confirmed them.
    pub(crate) fn unconfirmed(&self) -> u64 {
        lock(&self.state).unconfirmed
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

    /// The connection is there: callers may write to it, once what waits has been written.
    pub(crate) fn online(&self, connection: C) {
        let mut state = lock(&self.state);
        state.phase = Phase::Online(connection);
        state.connections += 1;
        state.receiver = Some(Receiver::shared());
        (state.replied, state.broken) = (false, None);
        // The background takes what waits now, without being told.
        state.announced = true;
        state.attempts += 1;
        state.trouble = None;
        self.wake(state);
    }

    /// The attempt failed, or the connection ended. The unwritten rest of the batch goes back to the front, its first
    /// frame whole; a barrier that went down with the connection is queued again.
    pub(crate) fn failed(&self, failure: Failure, batch: &mut Batch) {
        self.settle(batch);
        let mut state = lock(&self.state);
        state.trouble = Some(failure.clone());
        state.phase = Phase::Failed(failure);
        state.attempts += 1;
        // The queue keeps everything; the background takes it after the next connect, without being told.
        state.announced = true;
        state.writing = false;
        let cut = match batch.chunks.front_mut() {
            Some(cut) => Some(cut),
            // One of which a caller wrote a part.
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
        state.doubt();
        state.forget_replies();
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

    /// Takes the next batch. False: there is nothing to write, and callers may write again.
    pub(crate) fn take(&self, batch: &mut Batch) -> bool {
        let mut state = lock(&self.state);
        state.settle(batch);
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.chunks.len() < BATCH_CHUNKS {
            let Some(chunk) = state.waiting.pop_front() else { break };
            bytes += chunk.unsent().len();
            batch.chunks.push_back(chunk);
        }
        state.writing = !batch.is_empty();
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

    /// Reads replies that have come and that nobody waits for, without waiting.
    pub(crate) fn read_now(&self) {
        let turn = {
            let mut state = lock(&self.state);
            if state.due.is_empty() { None } else { state.take_read_turn() }
        };
        if let Some(turn) = turn {
            self.read(turn, Duration::ZERO);
        }
    }

    /// Whether anything has been replied on this connection.
    pub(crate) fn has_replied(&self) -> bool {
        lock(&self.state).replied
    }

    /// Why the connection was given up by a caller, if it was.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        lock(&self.state).broken
    }

    /// Gives the connection of this number up, if it is still there: what the gateway replies cannot be relied on.
    pub(crate) fn distrust(&self, number: u64) {
        let mut state = lock(&self.state);
        if state.connections == number {
            state.give_up("the gateway replied with something else than the reply");
        }
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

    /// Ends the queue of a gateway that has left the cluster, and gives up what waits; returns how many frames that were.
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
        state.due.clear();
        state.receiver = None;
        state.bytes = 0;
        (state.announced, state.writing) = (false, false);
        let counters = &mut state.counters;
        let dropped = counters.accepted - counters.written - counters.dropped;
        counters.dropped += dropped;
        state.doubt();
        self.wake(state);
        Some(dropped)
    }

    fn wake(&self, state: MutexGuard<'_, State<C>>) {
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
