//! Newline-terminated lines out of a stream of bytes: the protocol of the register, of text clients
//! and of control.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line; Workerman's default limit for a message.
pub(crate) const MAX_LINE: usize = 10 << 20;

/// Bytes that have arrived and are not yet taken apart.
#[derive(Default)]
pub(crate) struct LineBuffer {
    bytes: BytesMut,
    /// How far there is known to be no newline, so that no byte is looked at twice.
    searched: usize,
}

impl LineBuffer {
    /// Reads what there is; returns whether the stream goes on. Nothing is lost when the future is
    /// dropped.
    pub(crate) async fn fill(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        self.bytes.reserve(4096);
        Ok(from.read_buf(&mut self.bytes).await? > 0)
    }

    /// Takes the first whole line, without the `\r` and `\n` at its end.
    ///
    /// # Errors
    /// Where the line is longer than [`MAX_LINE`].
    pub(crate) fn take(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let Some(at) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.bytes.len();
            return if self.searched < MAX_LINE { Ok(None) } else { Err(LineTooLong) };
        };
        let mut line = self.bytes.split_to(self.searched + at + 1).freeze();
        self.searched = 0;
        let kept = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        line.truncate(kept);
        Ok(Some(line))
    }
}

/// A line without an end.
#[derive(Debug)]
pub(crate) struct LineTooLong;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_lines_however_they_arrive() {
        let mut lines = LineBuffer::default();
        let mut taken = Vec::new();
        for byte in b"one\r\n\ntwo\r\r\nthr\ree\nrest" {
            lines.bytes.extend_from_slice(&[*byte]);
            while let Ok(Some(line)) = lines.take() {
                taken.push(line);
            }
        }
        assert_eq!(taken, ["one", "", "two", "thr\ree"]);
    }

    #[test]
    fn refuses_a_line_that_never_ends() {
        let mut lines = LineBuffer::default();
        lines.bytes.extend_from_slice(&vec![b'x'; MAX_LINE]);
        assert!(lines.take().is_err());
    }
}
