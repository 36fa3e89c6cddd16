//! Frames that wait, joined to chunks, and the batch of chunks that is being written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;
use gatewayworker_wire::{Command, Head};

/// Copied frames are joined to chunks of up to this size.
pub(super) const CHUNK: usize = 64 << 10;
/// The command of a barrier: the only question that ever travels on a command link.
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

    /// Goes back to the start of the frame that the connection's end has cut, so that it is sent again whole, and lets go
    /// of the frames before it, which are completely written; answers how many those are, and how many bytes of the
    /// cut one have to be sent again.
    pub(super) fn rewind_to_frame(&mut self) -> (u64, usize) {
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
    pub(super) fn unsent_barriers(&self) -> usize {
        frames(self.bytes()).filter(|frame| frame.start >= self.sent && frame.barrier).count()
    }
}

/// A frame's place in a chunk.
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) barrier: bool,
}

/// The places of these whole frames.
pub(super) fn frames(bytes: &[u8]) -> impl Iterator<Item = Place> {
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
