//! What the lock of a queue guards, and what happens under it.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use gatewayworker_wire::Head;

use crate::link::counters::Counters;
use crate::link::frame::FrameBytes;
use crate::link::send_queue::chunk::{BARRIER, Batch, CHUNK, Chunk, Data};

/// How many frames in a row a caller sends itself: as many as a callback has for its client (an answer, a binding, a
/// group, the session), which then are with the gateway when the callback ends, as with the original. Later ones come in a
/// burst, and go through the background.
pub(super) const LONE_FRAMES: u32 = 8;
/// After this time without one, the next frame is the first of a row again.
#[cfg(not(all(test, gatewayworker_loom)))]
const LONE_AFTER: Duration = Duration::from_micros(300);
/// The clock must not decide what loom tries.
#[cfg(all(test, gatewayworker_loom))]
const LONE_AFTER: Duration = Duration::ZERO;

/// What frames are written to by the caller.
pub(crate) trait Sink {
    /// Sends without waiting; the number of bytes taken.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize>;
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
pub(super) enum Membership {
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
    pub(super) issued: u64,
    /// How many attempts to connect had ended when it was queued. From then on a failure is one that it went through, also
    /// for a caller that comes to wait for it later.
    pub(super) attempts: u64,
}

#[derive(Debug)]
pub(super) struct State<S> {
    pub(super) phase: Phase<S>,
    pub(super) membership: Membership,
    /// Not yet taken by the background.
    pub(super) waiting: VecDeque<Chunk>,
    /// The bytes in `waiting` and in the batch.
    pub(super) bytes: usize,
    pub(super) announced: bool,
    /// How many frames were ever accepted, and how many of them the gateway is known to have processed.
    pub(super) issued: u64,
    pub(super) confirmed: u64,
    /// For each barrier without an answer: the number of frames before it.
    pub(super) barriers: VecDeque<u64>,
    /// How many attempts to connect have ended.
    pub(super) attempts: u64,
    /// Why the last one failed, or the connection ended; none while it is there. It stays while another one is made.
    pub(super) trouble: Option<Failure>,
    pub(super) last_lone: Option<Instant>,
    pub(super) lone_left: u32,
    pub(super) sleepers: usize,
    /// Frames have been refused, and the queue has not been empty since.
    pub(super) refusing: bool,
    /// The last emptied chunk, to be filled again.
    pub(super) spare: Vec<u8>,
    pub(super) counters: Counters,
}

impl<S> State<S> {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Unused,
            membership: Membership::Member,
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
        }
    }
}

impl<S: Sink> State<S> {
    /// Sends the only frame that waits: the turn is the caller's, so that there was none before it. False: it is not all sent.
    pub(super) fn send_lone(&mut self) -> bool {
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
    pub(super) fn append(&mut self, frame: FrameBytes<'_>) {
        let len = frame.len();
        self.bytes += len;
        if let FrameBytes::Shared(bytes) = frame {
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
    pub(super) fn keep(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= CHUNK {
            self.spare = buffer;
        }
    }

    /// Queues a barrier behind all frames. False: one is on its way already.
    pub(super) fn queue_barrier(&mut self) -> bool {
        if self.barriers.back() == Some(&self.issued) {
            return false;
        }
        self.barriers.push_back(self.issued);
        self.counters.barriers += 1;
        self.append_barrier();
        true
    }

    /// Appends the question of a barrier. It is no frame of a caller, and not counted as one.
    pub(super) fn append_barrier(&mut self) {
        // The frame has neither extension data nor body, so that it cannot be too long.
        let Ok(head) = Head::new(BARRIER, 0).encode(0, 0) else { return };
        self.append(FrameBytes::Copied(&head));
        if let Some(chunk) = self.waiting.back_mut() {
            chunk.frames -= 1;
        }
    }

    /// The background has to be told, unless it knows or is not there yet: it takes all that waits when it comes
    /// online.
    pub(super) fn announce(&mut self) -> Pushed {
        if self.announced {
            return Pushed::Done;
        }
        self.announced = true;
        Pushed::Announce
    }

    /// The failure of an attempt that has ended since, unless the connection is there. Also while the next one is made:
    /// that can take long, and who comes to look only then would know nothing of the failure.
    pub(super) fn failure_since(&self, attempts: u64) -> Option<Failure> {
        self.trouble.as_ref().filter(|_| self.attempts > attempts).cloned()
    }

    pub(super) fn settle(&mut self, batch: &mut Batch) {
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
    pub(super) fn recount_barriers(&mut self) {
        let queued: usize = self.waiting.iter().map(Chunk::unsent_barriers).sum();
        let lost = self.barriers.len().saturating_sub(queued);
        let last_lost = self.barriers.drain(..lost).next_back();
        if let (Some(issued), 0) = (last_lost, queued) {
            self.barriers.push_back(issued);
            self.append_barrier();
        }
    }
}
