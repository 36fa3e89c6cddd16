//! What comes back on the connection of a link, and how it ends.

use std::io;

use crate::error::reason;
use crate::link::shared::Stream;

/// How a connection, or the attempt to make one, ended.
#[derive(Debug, Default)]
pub(super) struct Disconnect {
    pub(super) reason: String,
    pub(super) closed_by_peer: bool,
    pub(super) rejected: bool,
}

impl From<io::Error> for Disconnect {
    fn from(error: io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::TimedOut => "Connection timed out".into(),
            _ => reason(&error),
        };
        // A gateway that closes while our frames are on their way answers them with a reset.
        let closed_by_peer =
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        Self { reason, closed_by_peer, rejected: false }
    }
}

/// Reads the answers to barriers, the only thing that a gateway sends to us on this connection.
#[derive(Debug, Default)]
pub(super) struct Replies {
    buffer: Vec<u8>,
    pub(super) any: bool,
}

/// The answer to "is connection 0 online" is `i:0;`; there is no connection 0.
const LONGEST_REPLY: usize = 16;

impl Replies {
    /// Waits for bytes, and calls `confirm` for each whole answer in them.
    pub(super) async fn read(
        &mut self,
        stream: &Stream,
        confirm: impl Fn() -> bool,
    ) -> Result<(), Disconnect> {
        let mut guard = stream.readable().await?;
        let received = match guard.try_io(|socket| socket.get_ref().recv(&mut self.buffer, 4096)) {
            Ok(received) => received?,
            Err(_would_block) => return Ok(()),
        };
        if received == 0 {
            let reason = "the gateway closed the connection".into();
            return Err(Disconnect { reason, closed_by_peer: true, rejected: false });
        }
        while let Some(length) = self.buffer.first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > LONGEST_REPLY {
                let reason = format!("the gateway sent {length} bytes that nobody asked for");
                return Err(Disconnect { reason, ..Disconnect::default() });
            }
            if self.buffer.len() < 4 + length {
                break;
            }
            self.buffer.drain(..4 + length);
            self.any = true;
            if !confirm() {
                let reason = "the gateway answered a question that nobody asked".into();
                return Err(Disconnect { reason, ..Disconnect::default() });
            }
        }
        Ok(())
    }
}
