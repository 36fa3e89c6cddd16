//! What tests have a gateway do wrong, and what they have it write down.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;

/// The faults and the recording of one gateway. They outlive a stop.
#[derive(Default)]
pub(crate) struct Faults {
    /// Whether queries are left without an answer.
    pub(crate) muted: bool,
    replies: HashMap<u8, (Bytes, u64)>,
    recording: bool,
    frames: Vec<RecordedFrame>,
}

/// A frame as it arrived.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RecordedFrame {
    /// The number of its internal connection, which count up from 1.
    connection: u64,
    /// When it was whole, in µs since 1970.
    us: u64,
    command: u8,
    hex: String,
}

impl Faults {
    /// Has the next frames with a command answered by these bytes; none closes the connection instead. 0 times takes
    /// it back.
    pub(crate) fn reply(&mut self, command: u8, bytes: Bytes, times: u64) {
        if times == 0 {
            self.replies.remove(&command);
        } else {
            self.replies.insert(command, (bytes, times));
        }
    }

    /// The bytes to answer a frame with instead of carrying it out.
    pub(crate) fn take_reply(&mut self, command: u8) -> Option<Bytes> {
        let (bytes, times) = self.replies.get_mut(&command)?;
        let bytes = bytes.clone();
        *times -= 1;
        if *times == 0 {
            self.replies.remove(&command);
        }
        Some(bytes)
    }

    /// Begins or ends to record. What is recorded stays.
    pub(crate) fn record(&mut self, on: bool) {
        self.recording = on;
    }

    /// Writes a frame down if frames are to be recorded.
    pub(crate) fn arrived(&mut self, connection: u64, clock: Clock, bytes: &[u8]) {
        if self.recording {
            let command = bytes.get(4).copied().unwrap_or_default();
            self.frames.push(RecordedFrame { connection, us: clock.micros(), command, hex: to_hex(bytes) });
        }
    }

    /// The recorded frames, which are forgotten.
    pub(crate) fn take_frames(&mut self) -> Vec<RecordedFrame> {
        std::mem::take(&mut self.frames)
    }
}

/// The time of day, which goes on steadily whatever is done to the system's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    offset: Duration,
}

impl Clock {
    /// A clock that is set now.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            offset: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    fn micros(self) -> u64 {
        u64::try_from((self.offset + self.started.elapsed()).as_micros()).unwrap_or(u64::MAX)
    }
}

/// Lower-case hex digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        hex.push(DIGITS[usize::from(byte >> 4)].into());
        hex.push(DIGITS[usize::from(byte & 15)].into());
    }
    hex
}

/// The bytes that hex digits stand for.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_hex_digits_it_writes() {
        assert_eq!(to_hex(b"\x00\xfe1"), "00fe31");
        assert_eq!(from_hex("00fE31"), Some(b"\x00\xfe1".to_vec()));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
