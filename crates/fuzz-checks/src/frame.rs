//! Frames: what is encoded is decoded to the same, whatever way the bytes come; other bytes are
//! refused or are a frame.

use arbitrary::Unstructured;
use gatewayworker_wire::frame::FrameError;
use gatewayworker_wire::{Frame, Head};

use crate::memory::bounded;

/// Takes `data` for a stream of frames, and for the contents of one.
pub fn check(data: &[u8]) {
    any_bytes(data);
    split(data);
    round_trip(data);
}

fn any_bytes(data: &[u8]) {
    for max in [28, 64, 4096, usize::MAX] {
        match bounded(0, || Frame::decode(data, max)) {
            Ok(Some((frame, len))) => {
                assert!(len <= max && len <= data.len());
                assert_eq!(
                    frame.head.frame(frame.ext, frame.body).unwrap(),
                    &data[..len],
                    "it is these bytes"
                );
            }
            Ok(None) => assert!(data.len() < 4 || announced(data) > data.len(), "it is not all there"),
            Err(FrameError::Length { len, min, max: limit }) => {
                assert_eq!((len, min, limit), (announced(data), Head::LEN, max));
                assert!(len < min || len > max);
            }
            Err(FrameError::ExtLength { ext_len, room }) => {
                assert_eq!(room, announced(data) - Head::LEN);
                assert!(ext_len > room);
            }
        }
    }
}

fn announced(data: &[u8]) -> usize {
    u32::from_be_bytes(*data.first_chunk().unwrap()) as usize
}

/// A frame with what belongs to it, in memory of its own.
type Owned = (Head, Vec<u8>, Vec<u8>);

/// The frames of a stream that comes in these pieces, what is left of it, and why it ended.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Owned>, Vec<u8>, Option<FrameError>) {
    let (mut frames, mut buffer) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match Frame::decode(&buffer, 1024) {
                Ok(None) => break,
                Ok(Some((frame, len))) => {
                    frames.push((frame.head, frame.ext.to_vec(), frame.body.to_vec()));
                    buffer.drain(..len);
                }
                Err(error) => return (frames, Vec::new(), Some(error)),
            }
        }
    }
    (frames, buffer, None)
}

fn split(data: &[u8]) {
    let whole = frames(std::iter::once(data));
    assert_eq!(frames(data.chunks(1)), whole, "byte by byte");
    let size = usize::from(data.last().copied().unwrap_or(0)) + 1;
    assert_eq!(frames(data.chunks(size)), whole, "in pieces of {size}");
}

fn round_trip(data: &[u8]) {
    let mut from = Unstructured::new(data);
    let Ok((command, flag, connection, ports)) = from.arbitrary::<(u8, u8, u32, (u16, u16, u16))>() else {
        return;
    };
    let Ok((local_ip, client_ip, cut)) = from.arbitrary::<(u32, u32, usize)>() else { return };
    let rest = from.take_rest();
    let (ext, body) = rest.split_at(cut % (rest.len() + 1));
    let (local_port, client_port, gateway_port) = ports;
    let head = Head { command, local_ip, local_port, client_ip, client_port, connection, flag, gateway_port };
    let mut bytes = head.frame(ext, body).unwrap();
    let len = bytes.len();
    for cut in (0..len).step_by(1 + len / 64) {
        assert_eq!(Frame::decode(&bytes[..cut], len), Ok(None), "the first {cut} bytes");
    }
    bytes.extend_from_slice(ext);
    assert_eq!(Frame::decode(&bytes, len), Ok(Some((Frame { head, ext, body }, len))));
}
