//! Frames that wait, joined to chunks, and the batch of chunks that is being written.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;
use gatewayworker_wire::{Command, Head};

use crate::link::send_queue::connection::Connection;

/// Copied frames are joined to chunks of up to this size.
pub(super) const CHUNK: usize = 64 << 10;
/// A batch takes chunks until it has this many bytes …
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// … or this many slices.
pub(super) const BATCH_CHUNKS: usize = 64;
/// The command of a barrier.
pub(crate) const BARRIER: Command = Command::IsOnline;

/// Bytes that wait to be written: whole frames, of which the first `sent` bytes have been written.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) data: Data,
    pub(super) sent: usize,
    /// How many of its frames are not completely written (an estimate from above while it is being written).
    pub(super) frames: u64,
}

#[derive(Debug)]
pub(super) enum Data {
    Joined(Vec<u8>),
    Shared(Bytes),
}

impl Chunk {
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Joined(bytes) => bytes,
            Data::Shared(bytes) => bytes,
        }
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes()[self.sent..]
    }

    /// Goes back to the start of the frame that the connection's end has cut, so that it is sent again whole, and
    /// lets go of the frames before it, which are completely written. Returns how many commands those are, and how
    /// many bytes of the cut frame have to be sent again.
    pub(super) fn rewind_to_frame(&mut self) -> (u64, usize) {
        let (mut start, mut whole) = (0, 0);
        for frame in frames(self.bytes()).take_while(|frame| frame.end <= self.sent) {
            start = frame.end;
            whole += u64::from(!frame.query);
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

    /// Takes the queries out of what is not sent, barriers among them: whoever waited for the replies knows that the
    /// connection has ended. Returns how many bytes those were.
    pub(super) fn drop_queries(&mut self) -> usize {
        // A shared chunk is one command.
        let Data::Joined(buffer) = &mut self.data else { return 0 };
        let before = buffer.len();
        let places: Vec<Place> = frames(buffer).filter(|frame| frame.query).collect();
        for Place { start, end, .. } in places.into_iter().rev() {
            buffer.drain(start..end);
        }
        before - buffer.len()
    }
}

/// A frame's place in a chunk.
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
    /// A gateway replies to it: it is no command, and counted as none.
    pub(super) query: bool,
}

/// The places of these whole frames.
pub(super) fn frames(bytes: &[u8]) -> impl Iterator<Item = Place> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let head = bytes.get(start..)?.first_chunk::<5>()?;
        let [a, b, c, d, command] = *head;
        let end = start + (u32::from_be_bytes([a, b, c, d]) as usize).max(Head::LEN);
        let query = Command::try_from(command).is_ok_and(Command::is_query);
        let place = Place { start, end, query };
        start = end;
        Some(place)
    })
}

/// Chunks that are being written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(super) chunks: VecDeque<Chunk>,
    /// Written since the last [`SendQueue::settle`].
    pub(super) written_bytes: usize,
    pub(super) written_frames: u64,
    pub(super) emptied: Option<Vec<u8>>,
}

impl Batch {
    /// Whether all of it has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The bytes to write, for one vectored write.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.chunks.iter().map(|chunk| IoSlice::new(chunk.unsent())).collect()
    }

    /// Writes once, without waiting.
    ///
    /// # Errors
    /// That of the connection; [`io::ErrorKind::WouldBlock`] where the kernel takes nothing.
    pub(crate) fn write(&mut self, connection: &impl Connection) -> io::Result<()> {
        let written = match self.chunks.len() {
            0 => return Ok(()),
            1 => connection.send_now(self.chunks[0].unsent())?,
            _ => connection.send_vectored_now(&self.slices())?,
        };
        self.advance(written);
        Ok(())
    }

    /// Takes note that this many bytes have been written.
    pub(super) fn advance(&mut self, mut written: usize) {
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
