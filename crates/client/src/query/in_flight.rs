//! One query on its way: the connection that carries it, and how far it is.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gateway::Gateway;
use crate::link::query::LinkQuery;
use crate::link::send_queue::Barrier;
use crate::pool::QueryCounters;
use crate::pool::connection::QueryConnection;
use crate::query::parked::ReplySource;
use crate::receive::Reply;
use crate::receive::query_error::QueryError;
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
    frame: &'a [u8],
    /// Its reply is held until those of others have come.
    one_of_many: bool,
    pub(super) progress: Progress,
    /// The connection had been idle: it may have died unnoticed. It needs no authentication.
    reused: bool,
    /// How much of the query, and of the authentication in front of it, is sent.
    sent: usize,
    /// When it was sent.
    pub(super) since: Instant,
}

/// How far a query is.
pub(super) enum Progress {
    /// It is to go over the pool: at once, or when this barrier is passed, since commands are outstanding behind which it
    /// cannot go on the link.
    Pending(Option<Barrier>),
    /// Its connection is being made, up to this moment.
    Connecting(QueryConnection, Instant),
    /// It is sent, or nearly. A part of the reply may have come.
    Waiting(QueryConnection),
    /// It is sent on the command link. A part of the reply may have come.
    OnLink(LinkQuery),
    /// The reply has come. Its connection is free for the next query.
    Replied(ReplySource, Reply),
    /// There will be no reply.
    Failed(QueryError),
}

impl<'a> InFlight<'a> {
    /// A query with this progress.
    pub(super) fn new(query: &Query<'a>, one_of_many: bool, progress: Progress, since: Instant) -> Self {
        let Query { gateway, frame } = *query;
        Self { gateway, frame, one_of_many, progress, reused: false, sent: 0, since }
    }

    /// Sends it over the pool: on an idle connection, or on one that it starts to make.
    pub(super) fn send_over_pool(&mut self, now: Instant, deadline: Instant, options: CallOptions) {
        self.since = now;
        match self.gateway.queries.take(now) {
            Some(connection) => {
                self.progress = Progress::Waiting(connection);
                self.reused = true;
                self.send(deadline, options);
            }
            None => self.progress = Self::open(self.gateway, now, deadline, options),
        }
    }

    fn open(gateway: &Gateway, now: Instant, deadline: Instant, options: CallOptions) -> Progress {
        match gateway.queries.open() {
            Ok(connection) => Progress::Connecting(connection, deadline.min(now + options.connect_timeout)),
            Err(error) => Progress::Failed(error),
        }
    }

    /// Whether there is something to be sent yet.
    pub(super) fn is_unsent(&self) -> bool {
        match self.progress {
            Progress::Connecting(..) => true,
            Progress::Waiting(_) => self.sent < self.auth().len() + self.frame.len(),
            Progress::Pending(_) | Progress::OnLink(_) | Progress::Replied(..) | Progress::Failed(_) => false,
        }
    }

    /// What goes in front of the query.
    fn auth(&self) -> &'a [u8] {
        if self.reused { &[] } else { &self.gateway.queries.auth }
    }

    /// Sends what is left of the query, as far as it goes.
    fn send(&mut self, deadline: Instant, options: CallOptions) {
        let Progress::Waiting(connection) = &self.progress else { return };
        match connection.send(self.auth(), self.frame, self.sent) {
            Ok(sent) => self.sent = sent,
            Err(error) => self.fail(error, deadline, options),
        }
    }

    /// What to wait for; nothing where it is settled.
    pub(super) fn poll(&self) -> Option<libc::pollfd> {
        match &self.progress {
            Progress::Connecting(connection, _) => Some(connection.poll(libc::POLLOUT)),
            Progress::Waiting(connection) if self.is_unsent() => Some(connection.poll(libc::POLLOUT)),
            Progress::Waiting(connection) => Some(connection.poll(libc::POLLIN)),
            Progress::OnLink(query) => Some(query.poll()),
            Progress::Pending(_) | Progress::Replied(..) | Progress::Failed(_) => None,
        }
    }

    /// Waits for the reply in one blocking receive, see [`Receiver::wait`](crate::receive::Receiver::wait). `None`: it is
    /// not waited for on a connection.
    pub(super) fn wait(&mut self, timeout: Duration, until: Instant) -> Option<Result<bool, QueryError>> {
        let pool = &self.gateway.queries;
        match &mut self.progress {
            Progress::Waiting(connection) => {
                Some(connection.wait(&pool.buffers, timeout, until, pool.max_reply))
            }
            Progress::OnLink(query) => Some(query.wait(timeout, until, pool.max_reply)),
            _ => None,
        }
    }

    /// What was waited for is there. `seen` where it was waited for all the time.
    pub(super) fn proceed(&mut self, now: Instant, deadline: Instant, options: CallOptions, seen: bool) {
        let is_unsent = self.is_unsent();
        let pool = &self.gateway.queries;
        let received = match &mut self.progress {
            Progress::Connecting(connection, _) => {
                match connection.made() {
                    Ok(()) => {
                        if let Progress::Connecting(connection, _) = self.take() {
                            self.progress = Progress::Waiting(connection);
                        }
                        self.since = now;
                        self.send(deadline, options);
                    }
                    Err(error) => self.progress = Progress::Failed(error),
                }
                return;
            }
            Progress::Waiting(_) if is_unsent => return self.send(deadline, options),
            Progress::Waiting(connection) => connection.receive_all(&pool.buffers, deadline, pool.max_reply),
            Progress::OnLink(query) => query.receive_all(deadline, pool.max_reply),
            Progress::Pending(_) | Progress::Replied(..) | Progress::Failed(_) => return,
        };
        match received {
            Ok(true) => self.replied(now - self.since, seen),
            Ok(false) => {}
            Err(error) => self.fail(error, deadline, options),
        }
    }

    /// The reply is there. The connection is free for the next query.
    pub(super) fn replied(&mut self, took: Duration, seen: bool) {
        let pool = &self.gateway.queries;
        if seen {
            pool.latency.record(took);
        }
        let (source, reply) = match self.take() {
            Progress::Waiting(mut connection) => {
                let (serial, reply) = (connection.serial, connection.take_reply());
                pool.put(connection);
                (ReplySource::Pool(serial), reply)
            }
            Progress::OnLink(query) => {
                let Some((number, reply)) = query.take_reply() else { return };
                (ReplySource::Link(number), reply)
            }
            other => return self.progress = other,
        };
        let reply = if self.one_of_many { reply.shrink(&pool.buffers) } else { reply };
        self.progress = Progress::Replied(source, reply);
    }

    /// There will be no reply on this connection. Where it had been idle and died unnoticed, the query was never read:
    /// once more, on a new one.
    pub(super) fn fail(&mut self, error: QueryError, deadline: Instant, options: CallOptions) {
        self.progress = if self.reused && matches!(error, QueryError::Closed { clean: true, .. }) {
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
        let error = match self.progress {
            Progress::Connecting(..) => QueryError::Unreachable(why.into()),
            Progress::Waiting(_) | Progress::OnLink(_) if why == io::ErrorKind::TimedOut => {
                QueryError::TimedOut
            }
            Progress::Waiting(_) | Progress::OnLink(_) => {
                QueryError::Closed { clean: true, error: why.into() }
            }
            Progress::Pending(_) | Progress::Replied(..) | Progress::Failed(_) => return,
        };
        self.progress = Progress::Failed(error);
    }

    /// The progress, to be replaced by the next one.
    fn take(&mut self) -> Progress {
        std::mem::replace(&mut self.progress, Progress::Failed(QueryError::TimedOut))
    }
}
