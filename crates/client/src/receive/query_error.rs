//! Why a query has no reply.

use std::io;

/// Why a query has no reply. The gateway and the command are added in [`crate::query`].
#[derive(Debug)]
pub(crate) enum QueryError {
    /// No connection could be made.
    Unreachable(io::Error),
    /// No whole reply before the deadline.
    TimedOut,
    /// The connection ended. `clean` is true as long as no byte of a reply had come.
    Closed { clean: bool, error: io::Error },
    /// The command link ended, with the query and perhaps with commands ahead of it.
    LinkClosed(io::Error),
    /// More bytes than the reply announced.
    Surplus { announced: usize },
    /// A reply over the limit.
    TooLong { len: usize },
}

impl QueryError {
    /// Whether the gateway is unavailable, rather than there and wrong.
    pub(crate) fn is_unavailable(&self) -> bool {
        !matches!(self, Self::Surplus { .. } | Self::TooLong { .. })
    }
}
