//! A query on the command link: it goes behind the commands that are outstanding there, and its reply reflects them.
//!
//! The calling thread reads the reply itself, without the background being woken. It has the turn to read until the
//! reply is there or it gives up; then the next one that reads passes over the late reply.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::link::connection::LinkConnection;
use crate::link::send_queue::ReadTurn;
use crate::link::shared::Shared;
use crate::receive::Reply;
use crate::receive::query_error::QueryError;

/// A query that is on its way on the command link.
pub(crate) struct LinkQuery {
    link: Arc<Shared>,
    /// There until it is given back.
    turn: Option<ReadTurn<LinkConnection>>,
    /// The connection has ended.
    ended: bool,
}

/// What became of a query, see [`CommandLink::query`](crate::link::CommandLink::query).
pub(crate) enum LinkQueried {
    /// No commands are outstanding: it goes over the pool.
    NotNeeded,
    /// It is on its way.
    Sent(LinkQuery),
    /// The link cannot carry it now: a barrier is due, and then it goes over the pool.
    Unavailable,
    /// There will be no reply: the link has been given up.
    Broken(QueryError),
}

impl LinkQuery {
    pub(super) fn new(link: Arc<Shared>, turn: ReadTurn<LinkConnection>) -> Self {
        Self { link, turn: Some(turn), ended: false }
    }

    /// What to wait for with `poll`.
    pub(crate) fn poll(&self) -> libc::pollfd {
        let fd = self.turn.as_ref().map_or(-1, |turn| turn.connection.socket().as_raw_fd());
        libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
    }

    /// As [`Receiver::wait`](crate::receive::Receiver::wait).
    ///
    /// # Errors
    /// [`QueryError::LinkClosed`], [`QueryError::TooLong`].
    pub(crate) fn wait(
        &mut self,
        timeout: Duration,
        until: Instant,
        max_reply: usize,
    ) -> Result<bool, QueryError> {
        self.receive(|turn| turn.connection.wait(&mut turn.receiver, timeout, until, max_reply))
    }

    /// As [`Receiver::receive_all`](crate::receive::Receiver::receive_all).
    ///
    /// # Errors
    /// As those of [`LinkQuery::wait`].
    pub(crate) fn receive_all(&mut self, until: Instant, max_reply: usize) -> Result<bool, QueryError> {
        self.receive(|turn| turn.connection.receive_all(&mut turn.receiver, until, max_reply))
    }

    fn receive(
        &mut self,
        receive: impl FnOnce(&mut ReadTurn<LinkConnection>) -> Result<bool, QueryError>,
    ) -> Result<bool, QueryError> {
        let Some(turn) = &mut self.turn else { return Ok(false) };
        let result = receive(turn);
        match result {
            // Commands may have gone down with it: this is never tried again in silence.
            Err(QueryError::Closed { error, .. }) => {
                self.ended = true;
                Err(QueryError::LinkClosed(error))
            }
            result => result,
        }
    }

    /// The reply, once it is whole, with the number of the connection for
    /// [`CommandLink::distrust`](crate::link::CommandLink::distrust). The turn to read is the next caller's.
    pub(crate) fn take_reply(mut self) -> Option<(u64, Reply)> {
        self.turn.as_mut().map(|turn| (turn.number, turn.receiver.take_reply()))
    }
}

impl Drop for LinkQuery {
    fn drop(&mut self) {
        if let Some(mut turn) = self.turn.take() {
            turn.connection.rest(&mut turn.receiver);
            self.link.give_back(turn, !self.ended);
        }
    }
}
