//! An encoded frame, on its way into the queues of gateways.

use bytes::Bytes;
use gatewayworker_wire::Head;

/// Frames from this size on are shared between the gateways of a fan-out instead of being copied into each queue:
/// below it, a copy costs less than the reference counting and the extra slice of a vectored write.
pub const SHARED_FROM: usize = 16 << 10;

/// An encoded frame.
#[derive(Clone, Copy, Debug)]
pub enum FrameBytes<'a> {
    /// Small: copied into the queue.
    Copied(&'a [u8]),
    /// Small and for one gateway: its head, its extension data and its body, joined in the queue.
    Parts(&'a [u8; Head::LEN], &'a [u8], &'a [u8]),
    /// Large: shared by all the queues it goes to.
    Shared(&'a Bytes),
}

impl FrameBytes<'_> {
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
    pub(crate) fn write_to(&self, buffer: &mut Vec<u8>) {
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
