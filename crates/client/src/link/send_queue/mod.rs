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

pub(crate) mod sync;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewayworker_wire::{Command, Head};

use crate::link::counters::Counters;
use crate::link::send_queue::sync::{Condvar, Mutex, MutexGuard, lock};

/// Frames from this size on are shared between the gateways of a fan-out instead of being copied into each queue:
/// below it, a copy costs less than the reference counting and the extra slice of a vectored write.
pub const SHARED_FROM: usize = 16 << 10;
/// Copied frames are joined to chunks of up to this size.
const CHUNK: usize = 64 << 10;
/// A batch takes chunks until it has this many bytes …
const BATCH_BYTES: usize = 256 << 10;
/// … or this many slices.
const BATCH_CHUNKS: usize = 64;
/// How many frames in a row a caller sends itself: as many as a callback has for its client (an answer, a binding, a
/// group, the session), which then are with the gateway when the callback ends, as with the original. Later ones come in a
/// burst, and go through the background.
const LONE_FRAMES: u32 = 8;
/// After this time without one, the next frame is the first of a row again.
#[cfg(not(all(test, gatewayworker_loom)))]
const LONE_AFTER: Duration = Duration::from_micros(300);
/// The clock must not decide what loom tries.
#[cfg(all(test, gatewayworker_loom))]
const LONE_AFTER: Duration = Duration::ZERO;
/// The command of a barrier: the only question that ever travels on a command link.
pub(crate) const BARRIER: Command = Command::IsOnline;

/// What frames are written to by the caller.
pub(crate) trait Sink {
    /// Sends without waiting; the number of bytes taken.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// An encoded frame.
#[derive(Clone, Copy, Debug)]
pub enum Encoded<'a> {
    /// Small: copied into the queue.
    Copied(&'a [u8]),
    /// Small and for one gateway: its head, its extension data and its body, joined in the queue.
    Parts(&'a [u8; Head::LEN], &'a [u8], &'a [u8]),
    /// Large: shared by all the queues it goes to.
    Shared(&'a Bytes),
}

impl Encoded<'_> {
    /// Its length in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Parts(head, ext, body) => head.len() + ext.len() + body.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }

    /// Copies it into a buffer.
    #[inline(always)]
    fn write_to(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Copied(bytes) => buffer.extend_from_slice(bytes),
            Self::Parts(head, ext, body) => {
                buffer.reserve(self.len());
                buffer.extend_from_slice(*head);
                buffer.extend_from_slice(ext);
                buffer.extend_from_slice(body);
            }
            Self::Shared(bytes) => buffer.extend_from_slice(bytes),
        }
    }
}

/// Bytes that wait to be written: whole frames, of which the first `sent` bytes have been written.
#[derive(Debug)]
struct Chunk {
    data: Data,
    sent: usize,
    /// How many of its frames are not completely written (an estimate from above while it is being written).
    frames: u64,
}

#[derive(Debug)]
enum Data {
    Joined(Vec<u8>),
    Shared(Bytes),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Joined(bytes) => bytes,
            Data::Shared(bytes) => bytes,
        }
    }

    fn unsent(&self) -> &[u8] {
        &self.bytes()[self.sent..]
    }

    /// Goes back to the start of the frame that the connection's end has cut, so that it is sent again whole, and lets go
    /// of the frames before it, which are completely written; answers how many those are, and how many bytes of the
    /// cut one have to be sent again.
    fn rewind_to_frame(&mut self) -> (u64, usize) {
        let (mut start, mut whole) = (0, 0);
        for frame in frames(self.bytes()).take_while(|frame| frame.end <= self.sent) {
            start = frame.end;
            whole += u64::from(!frame.barrier);
        }
        let again = self.sent - start;
        // A shared chunk is one frame, so that nothing of it is let go.
        if let Data::Joined(buffer) = &mut self.data {
            // Otherwise the next failure would count these frames once more.
            buffer.drain(..start);
        }
        self.sent = 0;
        self.frames = self.frames.saturating_sub(whole);
        (whole, again)
    }

    /// How many barriers stand in what is not sent.
    fn unsent_barriers(&self) -> usize {
        frames(self.bytes()).filter(|frame| frame.start >= self.sent && frame.barrier).count()
    }
}

/// A frame's place in a chunk.
struct Place {
    start: usize,
    end: usize,
    barrier: bool,
}

/// The places of these whole frames.
fn frames(bytes: &[u8]) -> impl Iterator<Item = Place> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let head = bytes.get(start..)?.first_chunk::<5>()?;
        let [a, b, c, d, command] = *head;
        let end = start + (u32::from_be_bytes([a, b, c, d]) as usize).max(Head::LEN);
        let place = Place { start, end, barrier: command == BARRIER as u8 };
        start = end;
        Some(place)
    })
}

/// The chunks that the background is writing.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    chunks: VecDeque<Chunk>,
    /// Written since the last [`SendQueue::settle`].
    written_bytes: usize,
    written_frames: u64,
    emptied: Option<Vec<u8>>,
}

impl Batch {
    /// Whether all of it has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The bytes to write, for one vectored write.
    pub(crate) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.chunks.iter().map(|chunk| IoSlice::new(chunk.unsent())).collect()
    }

    /// Takes note that this many bytes have been written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.written_bytes += written;
        while let Some(first) = self.chunks.front_mut() {
            let left = first.unsent().len();
            if written < left {
                first.sent += written;
                return;
            }
            written -= left;
            if let Some(Chunk { data, frames, .. }) = self.chunks.pop_front() {
                self.written_frames += frames;
                if let Data::Joined(buffer) = data {
                    self.emptied = Some(buffer);
                }
            }
        }
    }
}

/// How far the connection behind a queue is.
#[derive(Clone, Debug)]
pub(crate) enum Phase<S> {
    /// Nobody has needed it yet.
    Unused,
    /// Being connected.
    Connecting,
    /// Connected and authenticated.
    Online(S),
    /// The last attempt failed, or the connection ended; it is tried again.
    Failed(Failure),
}

/// Whether the gateway behind a queue is part of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenure {
    /// It is.
    Member,
    /// It has left: what is queued is still sent, nothing more is accepted. It may be taken back.
    Leaving,
    /// It has left, and nobody sends what is queued any more.
    Over,
}

/// Why a connection is not there.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What the system said.
    pub(crate) reason: String,
    /// The gateway closes our connections: the secret key is wrong.
    pub(crate) rejected: bool,
    /// When that was.
    pub(crate) at: Instant,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It was sent, or the background already knows that there is work.
    Done,
    /// The background has to be told.
    Announce,
    /// There is no room.
    Full,
    /// The gateway is no longer part of the cluster.
    Retired,
}

/// What to wait for after [`SendQueue::barrier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// The number of frames before it.
    issued: u64,
    /// How many attempts to connect had ended when it was queued. From then on a failure is one that it went through, also
    /// for a caller that comes to wait for it later.
    attempts: u64,
}

#[derive(Debug)]
struct State<S> {
    phase: Phase<S>,
    tenure: Tenure,
    /// Not yet taken by the background.
    waiting: VecDeque<Chunk>,
    /// The bytes in `waiting` and in the batch.
    bytes: usize,
    announced: bool,
    /// How many frames were ever accepted, and how many of them the gateway is known to have processed.
    issued: u64,
    confirmed: u64,
    /// For each barrier without an answer: the number of frames before it.
    barriers: VecDeque<u64>,
    /// How many attempts to connect have ended.
    attempts: u64,
    /// Why the last one failed, or the connection ended; none while it is there. It stays while another one is made.
    trouble: Option<Failure>,
    last_lone: Option<Instant>,
    lone_left: u32,
    sleepers: usize,
    /// Frames have been refused, and the queue has not been empty since.
    refusing: bool,
    /// The last emptied chunk, to be filled again.
    spare: Vec<u8>,
    counters: Counters,
}

/// An ordered queue of frames to one gateway.
#[derive(Debug)]
pub(crate) struct SendQueue<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
    limit: usize,
}

impl<S: Sink + Clone> SendQueue<S> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            phase: Phase::Unused,
            tenure: Tenure::Member,
            waiting: VecDeque::new(),
            bytes: 0,
            announced: false,
            issued: 0,
            confirmed: 0,
            barriers: VecDeque::new(),
            attempts: 0,
            trouble: None,
            last_lone: None,
            lone_left: LONE_FRAMES,
            sleepers: 0,
            refusing: false,
            spare: Vec::new(),
            counters: Counters::default(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), limit }
    }

    // ---- the calling thread ----

    /// Accepts a frame. With `lone_allowed`, a lone frame is sent at once by this thread.
    #[inline]
    pub(crate) fn push(&self, frame: Encoded<'_>, lone_allowed: bool) -> Pushed {
        let mut state = lock(&self.state);
        let len = frame.len();
        if state.tenure != Tenure::Member {
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
        if state.tenure == Tenure::Over || !state.queue_barrier() {
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
            if state.tenure == Tenure::Over {
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
            _ if state.tenure != Tenure::Member => Some(Ok(())),
            _ => state.failure_since(attempts).map(Err),
        }
    }

    /// Waits until a frame of `len` bytes has room. False: the deadline has passed.
    pub(crate) fn wait_room(&self, len: usize, deadline: Instant) -> bool {
        let room = |state: &State<S>| {
            (self.has_room(state, len) || state.tenure != Tenure::Member).then_some(Ok(()))
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
        let unused = matches!(state.phase, Phase::Unused) && state.tenure != Tenure::Over;
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
        let idle =
            state.bytes == 0 && state.tenure == Tenure::Member && matches!(state.phase, Phase::Failed(_));
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
            state.tenure = Tenure::Over;
        } else if state.tenure == Tenure::Member {
            state.tenure = Tenure::Leaving;
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
        if state.tenure == Tenure::Over {
            return false;
        }
        state.tenure = Tenure::Member;
        true
    }

    /// Whether the gateway has left the cluster.
    pub(crate) fn is_retired(&self) -> bool {
        lock(&self.state).tenure != Tenure::Member
    }

    /// Whether the gateway has left the cluster and nobody sends anything any more.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.state).tenure == Tenure::Over
    }

    /// Whether the gateway has left the cluster and has processed all frames, or got them before its connection ended.
    pub(crate) fn is_drained(&self) -> bool {
        let state = lock(&self.state);
        let Counters { accepted, written, dropped, .. } = state.counters;
        let processed = state.issued == state.confirmed || !matches!(state.phase, Phase::Online(_));
        state.tenure != Tenure::Member && accepted == written + dropped && processed
    }

    /// Ends the queue of a gateway that has left the cluster, and gives up what waits; answers how many frames that were.
    /// `None`: it was taken back meanwhile.
    pub(crate) fn end(&self, batch: &mut Batch) -> Option<u64> {
        self.settle(batch);
        let mut state = lock(&self.state);
        if state.tenure == Tenure::Member {
            return None;
        }
        state.tenure = Tenure::Over;
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

impl<S: Sink> State<S> {
    /// Sends the only frame that waits: the turn is the caller's, so that there was none before it. False: it is not all sent.
    fn send_lone(&mut self) -> bool {
        debug_assert!(!self.announced && self.waiting.len() == 1, "nothing else waits");
        let (Phase::Online(sink), Some(chunk)) = (&self.phase, self.waiting.front_mut()) else {
            return false;
        };
        let now = Instant::now();
        if self.last_lone.is_none_or(|last| now.duration_since(last) >= LONE_AFTER) {
            self.lone_left = LONE_FRAMES;
        }
        self.last_lone = Some(now);
        let Some(left) = self.lone_left.checked_sub(1) else { return false };
        self.lone_left = left;
        // An error here is met again, and dealt with, by the background.
        let Ok(sent) = sink.send_now(chunk.unsent()) else { return false };
        chunk.sent = sent;
        self.bytes -= sent;
        self.counters.written_bytes += sent as u64;
        if !chunk.unsent().is_empty() {
            return false;
        }
        self.counters.written += 1;
        self.counters.direct += 1;
        if let Some(Chunk { data: Data::Joined(buffer), .. }) = self.waiting.pop_front() {
            self.keep(buffer);
        }
        true
    }

    /// Appends a frame.
    #[inline]
    fn append(&mut self, frame: Encoded<'_>) {
        let len = frame.len();
        self.bytes += len;
        if let Encoded::Shared(bytes) = frame {
            self.waiting.push_back(Chunk { data: Data::Shared(bytes.clone()), sent: 0, frames: 1 });
            return;
        }
        match self.waiting.back_mut() {
            Some(Chunk { data: Data::Joined(buffer), frames, .. }) if buffer.len() + len <= CHUNK => {
                frame.write_to(buffer);
                *frames += 1;
            }
            _ => {
                let mut buffer = std::mem::take(&mut self.spare);
                buffer.clear();
                frame.write_to(&mut buffer);
                self.waiting.push_back(Chunk { data: Data::Joined(buffer), sent: 0, frames: 1 });
            }
        }
    }

    /// Keeps an emptied buffer, to be filled again.
    fn keep(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= CHUNK {
            self.spare = buffer;
        }
    }

    /// Queues a barrier behind all frames. False: one is on its way already.
    fn queue_barrier(&mut self) -> bool {
        if self.barriers.back() == Some(&self.issued) {
            return false;
        }
        self.barriers.push_back(self.issued);
        self.counters.barriers += 1;
        self.append_barrier();
        true
    }

    /// Appends the question of a barrier. It is no frame of a caller, and not counted as one.
    fn append_barrier(&mut self) {
        // The frame has neither extension data nor body, so that it cannot be too long.
        let Ok(head) = Head::new(BARRIER, 0).encode(0, 0) else { return };
        self.append(Encoded::Copied(&head));
        if let Some(chunk) = self.waiting.back_mut() {
            chunk.frames -= 1;
        }
    }

    /// The background has to be told, unless it knows or is not there yet: it takes all that waits when it comes
    /// online.
    fn announce(&mut self) -> Pushed {
        if self.announced {
            return Pushed::Done;
        }
        self.announced = true;
        Pushed::Announce
    }

    /// The failure of an attempt that has ended since, unless the connection is there. Also while the next one is made:
    /// that can take long, and who comes to look only then would know nothing of the failure.
    fn failure_since(&self, attempts: u64) -> Option<Failure> {
        self.trouble.as_ref().filter(|_| self.attempts > attempts).cloned()
    }

    fn settle(&mut self, batch: &mut Batch) {
        self.bytes -= batch.written_bytes;
        self.counters.written_bytes += batch.written_bytes as u64;
        self.counters.written += batch.written_frames;
        (batch.written_bytes, batch.written_frames) = (0, 0);
        if let Some(buffer) = batch.emptied.take() {
            self.keep(buffer);
        }
    }

    /// After a connection has ended: barriers whose question is not queued any more went down with it. A later one
    /// covers them; without a later one, the question is queued anew.
    fn recount_barriers(&mut self) {
        let queued: usize = self.waiting.iter().map(Chunk::unsent_barriers).sum();
        let lost = self.barriers.len().saturating_sub(queued);
        let last_lost = self.barriers.drain(..lost).next_back();
        if let (Some(issued), 0) = (last_lost, queued) {
            self.barriers.push_back(issued);
            self.append_barrier();
        }
    }
}

#[cfg(all(test, gatewayworker_loom))]
mod loom_tests;
#[cfg(all(test, not(gatewayworker_loom)))]
mod tests;
