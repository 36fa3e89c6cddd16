//! How the connection of a link ends.

use std::io;

use crate::error::reason;

/// How a connection, or the attempt to make one, ended.
#[derive(Debug, Default)]
pub(super) struct Disconnect {
    pub(super) reason: String,
    pub(super) closed_by_peer: bool,
    pub(super) rejected: bool,
}

impl Disconnect {
    /// The gateway closed it.
    pub(super) fn by_gateway() -> Self {
        Self { reason: "the gateway closed the connection".into(), closed_by_peer: true, rejected: false }
    }

    /// It was closed from here, for this reason.
    pub(super) fn because(reason: &str) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }
}

impl From<io::Error> for Disconnect {
    fn from(error: io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::TimedOut => "Connection timed out".into(),
            // It was closed before our frames came.
            io::ErrorKind::BrokenPipe => return Self::by_gateway(),
            _ => reason(&error),
        };
        // A gateway that closes while our frames are on their way answers them with a reset.
        let closed_by_peer = error.kind() == io::ErrorKind::ConnectionReset;
        Self { reason, closed_by_peer, rejected: false }
    }
}
