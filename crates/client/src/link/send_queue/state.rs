//! What the lock of a queue guards, and what happens under it.

use std::collections::VecDeque;
use std::time::Instant;

use gatewayworker_wire::Head;

use crate::link::counters::Counters;
use crate::link::frame::FrameBytes;
use crate::link::send_queue::chunk::{BARRIER, BATCH_BYTES, BATCH_CHUNKS, Batch, CHUNK, Chunk, Data};
use crate::link::send_queue::connection::Connection;
use crate::receive::Receiver;

/// How far the connection behind a queue is.
#[derive(Clone, Debug)]
pub(crate) enum Phase<C> {
    /// Nobody has needed it yet.
    Unused,
    /// Being connected.
    Connecting,
    /// Connected and authenticated.
    Online(C),
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

/// What to wait for after [`SendQueue::barrier`](super::SendQueue::barrier).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// The number of frames before it.
    pub(super) issued: u64,
    /// How many attempts to connect had ended when it was queued. From then on a failure is one that it went through,
    /// also for a caller that comes to wait for it later.
    pub(super) attempts: u64,
}

/// A reply that is to come on the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The number of frames before the query: the reply proves that the gateway has processed them.
    pub(super) issued: u64,
    /// Somebody waits for what it proves: it is a barrier, or serves as one.
    pub(super) barrier: bool,
}

/// What has come on a connection while no reply was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Nothing,
    /// The gateway has closed the connection.
    End,
    /// Bytes that would be taken for the next reply.
    Unasked,
}

/// Why a connection with unasked bytes is given up.
pub(super) const UNASKED: &str = "the gateway sent something that nobody asked for";

/// The right to read from the connection: one caller has it at a time.
#[derive(Debug)]
pub(crate) struct ReadTurn<C> {
    pub(crate) connection: C,
    pub(crate) receiver: Receiver,
    /// The number of the connection among those of this queue.
    pub(crate) number: u64,
}

#[derive(Debug)]
pub(super) struct State<C> {
    pub(super) phase: Phase<C>,
    pub(super) membership: Membership,
    /// Not yet taken by the background.
    pub(super) waiting: VecDeque<Chunk>,
    /// The bytes in `waiting` and in the batch.
    pub(super) bytes: usize,
    /// The background has a batch that is not all written: nobody else may write.
    pub(super) writing: bool,
    /// The background knows that there is work, or comes to look by itself.
    pub(super) announced: bool,
    /// How many frames were ever accepted, and how many of them the gateway is known to have processed.
    pub(super) issued: u64,
    pub(super) confirmed: u64,
    /// How many of the first frames are accounted for in `unconfirmed`, and how many frames will never be known to have
    /// been processed: they were given up, or their connection ended first.
    pub(super) doubted: u64,
    pub(super) unconfirmed: u64,
    /// The replies that are to come, in their order.
    pub(super) due: VecDeque<Due>,
    /// Where replies are read into; none while somebody reads, or where there is nothing to read from.
    pub(super) receiver: Option<Receiver>,
    /// How many connections there were.
    pub(super) connections: u64,
    /// Something has been replied on this connection.
    pub(super) replied: bool,
    /// Why the connection was given up from here.
    pub(super) broken: Option<&'static str>,
    /// How many attempts to connect have ended.
    pub(super) attempts: u64,
    /// Why the last one failed, or the connection ended; none while it is there. It stays while another one is made.
    pub(super) trouble: Option<Failure>,
    pub(super) sleepers: usize,
    /// Frames have been refused, and the queue has not been empty since.
    pub(super) refusing: bool,
    /// The last emptied chunk, to be filled again.
    pub(super) spare: Vec<u8>,
    pub(super) counters: Counters,
}

impl<C> State<C> {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Unused,
            membership: Membership::Member,
            waiting: VecDeque::new(),
            bytes: 0,
            writing: false,
            announced: false,
            issued: 0,
            confirmed: 0,
            doubted: 0,
            unconfirmed: 0,
            due: VecDeque::new(),
            receiver: None,
            connections: 0,
            replied: false,
            broken: None,
            attempts: 0,
            trouble: None,
            sleepers: 0,
            refusing: false,
            spare: Vec::new(),
            counters: Counters::default(),
        }
    }
}

impl<C: Connection> State<C> {
    /// Whether the next frame would be the first to be written, so that a caller may write it.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.writing && matches!(self.phase, Phase::Online(_))
    }

    /// Writes the only frame that waits. False: it is not all written.
    #[inline]
    pub(super) fn write_one(&mut self) -> bool {
        debug_assert!(!self.writing && self.waiting.len() == 1, "nothing else waits");
        let (Phase::Online(connection), Some(chunk)) = (&self.phase, self.waiting.front_mut()) else {
            return false;
        };
        // An error here is met again, and dealt with, by the background.
        let Ok(sent) = connection.send_now(chunk.unsent()) else { return false };
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

    /// Writes all that waits, where it is no more than a batch. False: something is left.
    pub(super) fn write_all(&mut self) -> bool {
        let Phase::Online(connection) = &self.phase else { return false };
        if self.writing || self.bytes > BATCH_BYTES || self.waiting.len() > BATCH_CHUNKS {
            return false;
        }
        let mut batch = Batch::default();
        std::mem::swap(&mut batch.chunks, &mut self.waiting);
        // As in write_one().
        let _ = batch.write(connection);
        std::mem::swap(&mut batch.chunks, &mut self.waiting);
        self.counters.direct += batch.written_frames;
        self.settle(&mut batch);
        self.waiting.is_empty()
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

    /// Appends a query, whose reply is due from now on. It is no frame of a caller, and not counted as one.
    pub(super) fn append_query(&mut self, frame: &[u8], barrier: bool) {
        self.due.push_back(Due { issued: self.issued, barrier });
        self.append(FrameBytes::Copied(frame));
        if let Some(chunk) = self.waiting.back_mut() {
            chunk.frames -= 1;
        }
    }

    /// Queues a barrier behind all frames. False: a reply that proves as much is due already.
    pub(super) fn queue_barrier(&mut self) -> bool {
        if let Some(due) = self.due.back_mut()
            && due.issued == self.issued
        {
            due.barrier = true;
            return false;
        }
        if self.unread() == Unread::Unasked {
            self.give_up(UNASKED);
        }
        self.counters.barriers += 1;
        self.append_barrier();
        true
    }

    fn append_barrier(&mut self) {
        // The frame has neither extension data nor body, so that it cannot be too long.
        let Ok(head) = Head::new(BARRIER, 0).encode(0, 0) else { return };
        self.append_query(&head, true);
    }

    /// What has come while no reply was due.
    pub(super) fn unread(&self) -> Unread {
        let (Phase::Online(connection), Some(receiver)) = (&self.phase, &self.receiver) else {
            return Unread::Nothing;
        };
        if !self.due.is_empty() || receiver.is_empty() && connection.is_quiet() {
            Unread::Nothing
        } else if connection.is_closed() {
            Unread::End
        } else {
            Unread::Unasked
        }
    }

    /// Ends the connection, for this reason; nobody reads from it any more. The background finds the end.
    pub(super) fn give_up(&mut self, reason: &'static str) {
        if let Phase::Online(connection) = &self.phase {
            connection.shutdown();
            self.receiver = None;
            self.broken = Some(reason);
        }
    }

    /// The right to read, if nobody has it and the connection is there.
    pub(super) fn take_read_turn(&mut self) -> Option<ReadTurn<C>> {
        let Phase::Online(connection) = &self.phase else { return None };
        let connection = connection.clone();
        let mut receiver = self.receiver.take()?;
        receiver.pass_over(self.due.len());
        Some(ReadTurn { connection, receiver, number: self.connections })
    }

    /// This many replies have come.
    pub(super) fn confirm(&mut self, replies: usize) {
        for _ in 0..replies {
            if let Some(due) = self.due.pop_front() {
                self.replied = true;
                self.confirmed = self.confirmed.max(due.issued);
            }
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

    /// After a connection has ended, or what waits was given up: of what has left the queue, nothing more is confirmed.
    pub(super) fn doubt(&mut self) {
        let left = self.counters.written + self.counters.dropped;
        self.unconfirmed += left.saturating_sub(self.confirmed.max(self.doubted));
        self.doubted = self.doubted.max(left);
    }

    /// After a connection has ended: no reply is to come any more. What was a query is not sent again, with nobody
    /// there to read. Only a barrier is, behind all that waits: it may be waited for until the next connection.
    pub(super) fn forget_replies(&mut self) {
        self.receiver = None;
        let barrier = self.due.iter().any(|due| due.barrier);
        self.due.clear();
        let dropped: usize = self.waiting.iter_mut().map(Chunk::drop_queries).sum();
        self.bytes -= dropped;
        self.waiting.retain(|chunk| !chunk.bytes().is_empty());
        if barrier {
            self.append_barrier();
        }
    }
}
