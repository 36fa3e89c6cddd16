//! How a frame is encoded for one gateway or for several.

use std::cell::RefCell;

use bytes::Bytes;
use gatewayworker_wire::Head;
use gatewayworker_wire::frame::FrameTooLong;

use crate::link::frame::{FrameBytes, SHARED_FROM};

thread_local! {
    /// The buffer in which this thread encodes its frames.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A scratch buffer that grew beyond this is freed.
const KEPT_SCRATCH: usize = 64 << 10;

/// Encodes a frame for several gateways and runs `with` on it.
#[inline]
pub(super) fn encode<T>(
    head: Head,
    ext: &[u8],
    body: &[u8],
    with: impl FnOnce(FrameBytes<'_>) -> T,
) -> Result<T, FrameTooLong> {
    let single = EncodedFrame::new(head, ext, body)?;
    if single.large.is_some() {
        return Ok(with(single.encoded()));
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.extend_from_slice(&single.head);
        scratch.extend_from_slice(ext);
        scratch.extend_from_slice(body);
        let result = with(FrameBytes::Copied(scratch));
        if scratch.capacity() > KEPT_SCRATCH {
            *scratch = Vec::new();
        }
        Ok(result)
    })
}

/// A frame for one gateway.
pub(super) struct EncodedFrame<'a> {
    head: [u8; Head::LEN],
    ext: &'a [u8],
    body: &'a [u8],
    /// The whole frame, if it is large.
    large: Option<Bytes>,
}

impl<'a> EncodedFrame<'a> {
    #[inline]
    pub(super) fn new(head: Head, ext: &'a [u8], body: &'a [u8]) -> Result<Self, FrameTooLong> {
        let head = head.encode(ext.len(), body.len())?;
        let len = head.len() + ext.len() + body.len();
        let large = (len >= SHARED_FROM).then(|| Bytes::from([&head, ext, body].concat()));
        Ok(Self { head, ext, body, large })
    }

    #[inline]
    pub(super) fn encoded(&self) -> FrameBytes<'_> {
        match &self.large {
            Some(frame) => FrameBytes::Shared(frame),
            None => FrameBytes::Parts(&self.head, self.ext, self.body),
        }
    }
}
