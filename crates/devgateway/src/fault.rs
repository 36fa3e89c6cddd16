//! Faults that tests inject into a gateway, and the recording of frames.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;

/// The faults and the recording of one gateway. They outlive a stop.
#[derive(Default)]
pub(crate) struct Faults {
    /// Whether queries get no reply.
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
    /// Replies with these bytes to the next frames with a command. No bytes close the connection
    /// instead; 0 times cancels it.
    pub(crate) fn reply(&mut self, command: u8, bytes: Bytes, times: u64) {
        if times == 0 {
            self.replies.remove(&command);
        } else {
            self.replies.insert(command, (bytes, times));
        }
    }

    /// The bytes to reply with, instead of carrying out the frame.
    pub(crate) fn take_reply(&mut self, command: u8) -> Option<Bytes> {
        let (bytes, times) = self.replies.get_mut(&command)?;
        let bytes = bytes.clone();
        *times -= 1;
        if *times == 0 {
            self.replies.remove(&command);
        }
        Some(bytes)
    }

    /// Starts or stops recording. What has been recorded stays.
    pub(crate) fn record(&mut self, on: bool) {
        self.recording = on;
    }

    /// Records a frame, if recording is on.
    pub(crate) fn arrived(&mut self, connection: u64, clock: Clock, bytes: &[u8]) {
        if self.recording {
            let command = bytes.get(4).copied().unwrap_or_default();
            self.frames.push(RecordedFrame { connection, us: clock.micros(), command, hex: to_hex(bytes) });
        }
    }

    /// Takes the recorded frames.
    pub(crate) fn take_frames(&mut self) -> Vec<RecordedFrame> {
        std::mem::take(&mut self.frames)
    }
}

/// The time of day, which advances steadily whatever happens to the system clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    offset: Duration,
}

impl Clock {
    /// A clock set to the current time.
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
