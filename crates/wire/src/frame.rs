//! A frame: a 28-byte big-endian head (`NCNnNnNCnN`), extension data, body (`GatewayProtocol` in
//! the original).

use crate::command::Command;

/// The largest frame that its 32-bit length can announce.
pub const MAX_LEN: usize = u32::MAX as usize;

/// The head of a frame, without the two lengths, which follow from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the frame asks for; a raw byte, since the other side may send anything. See
    /// [`Command`].
    pub command: u8,
    /// The gateway's internal IPv4 address (frames from a gateway; 0 to it).
    pub local_ip: u32,
    /// The gateway's internal port (frames from a gateway; 0 to it).
    pub local_port: u16,
    /// The client's IPv4 address (frames from a gateway; 0 to it).
    pub client_ip: u32,
    /// The client's port (frames from a gateway; 0 to it).
    pub client_port: u16,
    /// The client's number on its gateway; 0 where no single client is meant.
    pub connection: u32,
    /// [`Head::SCALAR`] and [`Head::RAW`].
    pub flag: u8,
    /// The port clients connect to (frames from a gateway; 0 to it).
    pub gateway_port: u16,
}

impl Head {
    /// The length of an encoded head.
    pub const LEN: usize = 28;
    /// Flag: the body is a scalar's string; without it the body is PHP-serialized.
    pub const SCALAR: u8 = 1;
    /// Flag: the gateway sends the body as it is, without its protocol's encoder (`$raw`).
    pub const RAW: u8 = 2;

    /// The head of a command to a gateway about one of its connections (0: about none), with a
    /// scalar body.
    #[must_use]
    pub const fn new(command: Command, connection: u32) -> Self {
        Self {
            command: command as u8,
            local_ip: 0,
            local_port: 0,
            client_ip: 0,
            client_port: 0,
            connection,
            flag: Self::SCALAR,
            gateway_port: 0,
        }
    }

    /// The 28 bytes, for a frame with `ext_len` bytes of extension data and `body_len` bytes of
    /// body.
    ///
    /// # Errors
    /// Where the frame's length does not fit its 32 bits.
    #[inline]
    pub fn encode(&self, ext_len: usize, body_len: usize) -> Result<[u8; Self::LEN], FrameTooLong> {
        let total = Self::LEN
            .checked_add(ext_len)
            .and_then(|len| len.checked_add(body_len))
            .filter(|len| *len <= MAX_LEN)
            .ok_or(FrameTooLong { ext_len, body_len })?;
        // Eight bytes at a time, each put together in a register.
        let words = [
            (total as u64) << 32 | u64::from(self.command) << 24 | u64::from(self.local_ip) >> 8,
            u64::from(self.local_ip) << 56
                | u64::from(self.local_port) << 40
                | u64::from(self.client_ip) << 8
                | u64::from(self.client_port) >> 8,
            u64::from(self.client_port) << 56
                | u64::from(self.connection) << 24
                | u64::from(self.flag) << 16
                | u64::from(self.gateway_port),
        ];
        let mut head = [0; Self::LEN];
        let (places, rest) = head.as_chunks_mut();
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.to_be_bytes();
        }
        rest.copy_from_slice(&(ext_len as u32).to_be_bytes());
        Ok(head)
    }

    /// A whole frame in a buffer of its own.
    ///
    /// # Errors
    /// As [`Head::encode`].
    pub fn frame(&self, ext: &[u8], body: &[u8]) -> Result<Vec<u8>, FrameTooLong> {
        let head = self.encode(ext.len(), body.len())?;
        Ok([&head, ext, body].concat())
    }
}

/// A frame that would be longer than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {ext_len} bytes of ids and {body_len} bytes of message is over the protocol's 4 GiB")]
pub struct FrameTooLong {
    /// The length of the extension data.
    pub ext_len: usize,
    /// The length of the body.
    pub body_len: usize,
}

/// A frame read from a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The head.
    pub head: Head,
    /// The extension data: an id, a session, JSON; what it is depends on the command.
    pub ext: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced length is under that of a head, or over the reader's limit.
    #[error("a frame of {len} bytes is announced, {min} to {max} are possible")]
    Length {
        /// The announced length.
        len: usize,
        /// The smallest length that is possible.
        min: usize,
        /// The largest length that the reader accepts.
        max: usize,
    },
    /// The extension data would reach past the frame's end.
    #[error("{ext_len} bytes of extension data are announced in a frame that has room for {room}")]
    ExtLength {
        /// The announced length.
        ext_len: usize,
        /// The bytes behind the head.
        room: usize,
    },
}

impl<'a> Frame<'a> {
    /// Reads the first frame of `buffer`: the frame and its length; `None` if it is not complete
    /// yet.
    ///
    /// # Errors
    /// Where the bytes can never become a frame of at most `max_len` bytes.
    pub fn decode(buffer: &'a [u8], max_len: usize) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(length) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*length) as usize;
        if len < Head::LEN || len > max_len {
            return Err(FrameError::Length { len, min: Head::LEN, max: max_len });
        }
        if buffer.len() < len {
            return Ok(None);
        }
        let head = &buffer[..Head::LEN];
        let u32_at = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let u16_at = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let ext_len = u32_at(24) as usize;
        let room = len - Head::LEN;
        if ext_len > room {
            return Err(FrameError::ExtLength { ext_len, room });
        }
        let (ext, body) = buffer[Head::LEN..len].split_at(ext_len);
        let head = Head {
            command: head[4],
            local_ip: u32_at(5),
            local_port: u16_at(9),
            client_ip: u32_at(11),
            client_port: u16_at(15),
            connection: u32_at(17),
            flag: head[21],
            gateway_port: u16_at(22),
        };
        Ok(Some((Self { head, ext, body }, len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_bytes_of_the_original() {
        let frame = Head::new(Command::SendToUid, 0).frame(b"[\"u1\"]", b"hi").expect("fits");
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "000000240e00000000000000000000000000000000010000000000065b227531225d6869");
    }

    #[test]
    fn decodes_what_it_encodes() {
        let head = Head {
            command: 3,
            local_ip: 0x7f00_0001,
            local_port: 2900,
            client_ip: 0x0a00_0001,
            client_port: 51234,
            connection: 0xdead_beef,
            flag: Head::SCALAR | Head::RAW,
            gateway_port: 7272,
        };
        let mut bytes = head.frame(b"ext", b"body").expect("fits");
        let len = bytes.len();
        bytes.extend_from_slice(b"the next frame");
        let (frame, read) = Frame::decode(&bytes, 1 << 20).expect("valid").expect("whole");
        assert_eq!((frame.head, frame.ext, frame.body, read), (head, &b"ext"[..], &b"body"[..], len));
        for cut in 0..len {
            assert_eq!(Frame::decode(&bytes[..cut], 1 << 20), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn refuses_lengths_that_cannot_be() {
        assert!(matches!(Frame::decode(&[0, 0, 0, 27], 100), Err(FrameError::Length { len: 27, .. })));
        assert!(matches!(Frame::decode(&[0xff; 4], 100), Err(FrameError::Length { .. })));
        let mut bytes = Head::new(Command::Ping, 0).frame(b"", b"x").expect("fits");
        bytes[27] = 2;
        assert_eq!(Frame::decode(&bytes, 100), Err(FrameError::ExtLength { ext_len: 2, room: 1 }));
    }
}
