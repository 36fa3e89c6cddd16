//! What a queue needs of its connection.

use std::io::{self, IoSlice};
use std::time::Duration;

use crate::receive::Receiver;
use crate::receive::query_error::QueryError;

/// The connection of a link, as its queue sees it. A clone is the same connection.
pub(crate) trait Connection: Clone {
    /// Sends without waiting; the number of bytes taken.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize>;
    /// As `send_now`, of several slices.
    fn send_vectored_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Whether nothing has come that nobody has read, nor the end.
    fn is_quiet(&self) -> bool;
    /// Whether the gateway has closed it.
    fn is_closed(&self) -> bool;
    /// Has `receiver` pass over the replies ahead, for as long as `timeout`.
    fn receive(&self, receiver: &mut Receiver, timeout: Duration) -> Result<(), QueryError>;
    /// Ends the connection.
    fn shutdown(&self);
}
