//! One query on its way: the connection that carries it, and how far it is.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gateway::Gateway;
use crate::pool::QueryCounters;
use crate::pool::connection::{QueryConnection, QueryError};
use crate::settings::CallOptions;

/// A query to one gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub(crate) gateway: &'a Arc<Gateway>,
    pub(crate) frame: &'a [u8],
}

/// A query on its way.
pub(super) struct InFlight<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) frame: &'a [u8],
    pub(super) state: Progress,
    /// The connection had been idle: it may have died unnoticed. It needs no authentication.
    pub(super) reused: bool,
    /// How much of the query, and of the authentication in front of it, is sent.
    pub(super) sent: usize,
    /// When it was sent.
    pub(super) since: Instant,
}

/// How far a query is.
pub(super) enum Progress {
    /// Its connection is being made, up to this moment.
    Connecting(QueryConnection, Instant),
    /// It is sent, or nearly. A part of the reply may have come.
    Waiting(QueryConnection),
    /// The reply has come, and waits in the connection.
    Replied(QueryConnection),
    /// There will be no reply.
    Failed(QueryError),
}

impl<'a> InFlight<'a> {
    /// Sends a query on an idle connection, or starts to make one.
    pub(super) fn start(query: &Query<'a>, now: Instant, deadline: Instant, options: CallOptions) -> Self {
        let Query { gateway, frame } = *query;
        QueryCounters::count(&gateway.queries.counters.sent);
        match gateway.queries.take(now) {
            Some(connection) => {
                let state = Progress::Waiting(connection);
                let mut query = Self { gateway, frame, state, reused: true, sent: 0, since: now };
                query.send(deadline, options);
                query
            }
            None => {
                let state = Self::open(gateway, now, deadline, options);
                Self { gateway, frame, state, reused: false, sent: 0, since: now }
            }
        }
    }

    pub(super) fn open(gateway: &Gateway, now: Instant, deadline: Instant, options: CallOptions) -> Progress {
        match gateway.queries.open() {
            Ok(connection) => Progress::Connecting(connection, deadline.min(now + options.connect_timeout)),
            Err(error) => Progress::Failed(error),
        }
    }

    /// Whether there is something to be sent yet.
    pub(super) fn is_unsent(&self) -> bool {
        match self.state {
            Progress::Connecting(..) => true,
            Progress::Waiting(_) => self.sent < self.auth().len() + self.frame.len(),
            Progress::Replied(_) | Progress::Failed(_) => false,
        }
    }

    /// What goes in front of the query.
    pub(super) fn auth(&self) -> &'a [u8] {
        if self.reused { &[] } else { &self.gateway.queries.auth }
    }

    /// Sends what is left of the query, as far as it goes.
    pub(super) fn send(&mut self, deadline: Instant, options: CallOptions) {
        let Progress::Waiting(connection) = &self.state else { return };
        match connection.send(self.auth(), self.frame, self.sent) {
            Ok(sent) => self.sent = sent,
            Err(error) => self.fail(error, deadline, options),
        }
    }

    /// What to wait for; nothing where it is settled.
    pub(super) fn poll(&self) -> Option<libc::pollfd> {
        match &self.state {
            Progress::Connecting(connection, _) => Some(connection.poll(libc::POLLOUT)),
            Progress::Waiting(connection) if self.is_unsent() => Some(connection.poll(libc::POLLOUT)),
            Progress::Waiting(connection) => Some(connection.poll(libc::POLLIN)),
            Progress::Replied(_) | Progress::Failed(_) => None,
        }
    }

    /// What was waited for is there. `seen` where it was waited for all the time.
    pub(super) fn go_on(&mut self, now: Instant, deadline: Instant, options: CallOptions, seen: bool) {
        let is_unsent = self.is_unsent();
        match &mut self.state {
            Progress::Connecting(connection, _) => match connection.made() {
                Ok(()) => {
                    let Progress::Connecting(connection, _) = self.take() else { return };
                    self.state = Progress::Waiting(connection);
                    self.since = now;
                    self.send(deadline, options);
                }
                Err(error) => self.state = Progress::Failed(error),
            },
            Progress::Waiting(_) if is_unsent => self.send(deadline, options),
            Progress::Waiting(connection) => {
                match connection.receive_all(deadline, self.gateway.queries.max_reply) {
                    Ok(true) => self.replied(now - self.since, seen),
                    Ok(false) => {}
                    Err(error) => self.fail(error, deadline, options),
                }
            }
            Progress::Replied(_) | Progress::Failed(_) => {}
        }
    }

    /// The reply is there.
    pub(super) fn replied(&mut self, took: Duration, seen: bool) {
        if seen {
            self.gateway.queries.latency.record(took);
        }
        if let Progress::Waiting(connection) = self.take() {
            self.state = Progress::Replied(connection);
        }
    }

    /// There will be no reply on this connection. Where it had been idle and died unnoticed, the query was never read: once
    /// more, on a new one.
    pub(super) fn fail(&mut self, error: QueryError, deadline: Instant, options: CallOptions) {
        self.state = if self.reused && matches!(error, QueryError::Closed { clean: true, .. }) {
            QueryCounters::count(&self.gateway.queries.counters.retried);
            self.reused = false;
            self.sent = 0;
            Self::open(self.gateway, Instant::now(), deadline, options)
        } else {
            Progress::Failed(error)
        };
    }

    /// Ends the waiting, where it is waited for.
    pub(super) fn give_up(&mut self, why: io::ErrorKind) {
        match self.state {
            Progress::Connecting(..) => self.state = Progress::Failed(QueryError::Unreachable(why.into())),
            Progress::Waiting(_) if why == io::ErrorKind::TimedOut => {
                self.state = Progress::Failed(QueryError::TimedOut)
            }
            Progress::Waiting(_) => {
                self.state = Progress::Failed(QueryError::Closed { clean: true, error: why.into() })
            }
            Progress::Replied(_) | Progress::Failed(_) => {}
        }
    }

    /// The state, to be replaced by the next one.
    pub(super) fn take(&mut self) -> Progress {
        std::mem::replace(&mut self.state, Progress::Failed(QueryError::TimedOut))
    }
}
