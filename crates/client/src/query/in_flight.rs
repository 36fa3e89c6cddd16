//! One question on its way: the connection that carries it, and how far it is.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gateway::Gateway;
use crate::pool::QueryCounters;
use crate::pool::connection::{Fault, QueryConnection};
use crate::settings::Patience;

/// A question to one gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) gateway: &'a Arc<Gateway>,
    pub(crate) frame: &'a [u8],
}

/// A question on its way.
pub(super) struct Asked<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) frame: &'a [u8],
    pub(super) state: State,
    /// The connection had been idle: it may have died unnoticed. It needs no authentication.
    pub(super) reused: bool,
    /// How much of the question, and of the authentication in front of it, is sent.
    pub(super) sent: usize,
    /// When it was sent.
    pub(super) since: Instant,
}

/// How far a question is.
pub(super) enum State {
    /// Its connection is being made, up to this moment.
    Connecting(QueryConnection, Instant),
    /// It is sent, or nearly. A part of the reply may have come.
    Waiting(QueryConnection),
    /// The reply has come, and waits in the connection.
    Answered(QueryConnection),
    /// There will be no reply.
    Failed(Fault),
}

impl<'a> Asked<'a> {
    /// Sends a question on an idle connection, or starts to make one.
    pub(super) fn start(
        question: &Question<'a>,
        now: Instant,
        deadline: Instant,
        patience: Patience,
    ) -> Self {
        let Question { gateway, frame } = *question;
        QueryCounters::count(&gateway.queries.counters.asked);
        match gateway.queries.take(now) {
            Some(connection) => {
                let state = State::Waiting(connection);
                let mut asked = Self { gateway, frame, state, reused: true, sent: 0, since: now };
                asked.send(deadline, patience);
                asked
            }
            None => {
                let state = Self::open(gateway, now, deadline, patience);
                Self { gateway, frame, state, reused: false, sent: 0, since: now }
            }
        }
    }

    pub(super) fn open(gateway: &Gateway, now: Instant, deadline: Instant, patience: Patience) -> State {
        match gateway.queries.open() {
            Ok(connection) => State::Connecting(connection, deadline.min(now + patience.connect)),
            Err(fault) => State::Failed(fault),
        }
    }

    /// Whether there is something to be sent yet.
    pub(super) fn is_unsent(&self) -> bool {
        match self.state {
            State::Connecting(..) => true,
            State::Waiting(_) => self.sent < self.auth().len() + self.frame.len(),
            State::Answered(_) | State::Failed(_) => false,
        }
    }

    /// What goes in front of the question.
    pub(super) fn auth(&self) -> &'a [u8] {
        if self.reused { &[] } else { &self.gateway.queries.auth }
    }

    /// Sends what is left of the question, as far as it goes.
    pub(super) fn send(&mut self, deadline: Instant, patience: Patience) {
        let State::Waiting(connection) = &self.state else { return };
        match connection.send(self.auth(), self.frame, self.sent) {
            Ok(sent) => self.sent = sent,
            Err(fault) => self.fail(fault, deadline, patience),
        }
    }

    /// What to wait for; nothing where it is settled.
    pub(super) fn poll(&self) -> Option<libc::pollfd> {
        match &self.state {
            State::Connecting(connection, _) => Some(connection.poll(libc::POLLOUT)),
            State::Waiting(connection) if self.is_unsent() => Some(connection.poll(libc::POLLOUT)),
            State::Waiting(connection) => Some(connection.poll(libc::POLLIN)),
            State::Answered(_) | State::Failed(_) => None,
        }
    }

    /// What was waited for is there. `seen` where it was waited for all the time.
    pub(super) fn go_on(&mut self, now: Instant, deadline: Instant, patience: Patience, seen: bool) {
        let is_unsent = self.is_unsent();
        match &mut self.state {
            State::Connecting(connection, _) => match connection.made() {
                Ok(()) => {
                    let State::Connecting(connection, _) = self.take() else { return };
                    self.state = State::Waiting(connection);
                    self.since = now;
                    self.send(deadline, patience);
                }
                Err(fault) => self.state = State::Failed(fault),
            },
            State::Waiting(_) if is_unsent => self.send(deadline, patience),
            State::Waiting(connection) => {
                match connection.receive_all(deadline, self.gateway.queries.max_reply) {
                    Ok(true) => self.answered(now - self.since, seen),
                    Ok(false) => {}
                    Err(fault) => self.fail(fault, deadline, patience),
                }
            }
            State::Answered(_) | State::Failed(_) => {}
        }
    }

    /// The reply is there.
    pub(super) fn answered(&mut self, took: Duration, seen: bool) {
        if seen {
            self.gateway.queries.latency.record(took);
        }
        if let State::Waiting(connection) = self.take() {
            self.state = State::Answered(connection);
        }
    }

    /// There will be no reply on this connection. Where it had been idle and died unnoticed, the question was never read: once
    /// more, on a new one.
    pub(super) fn fail(&mut self, fault: Fault, deadline: Instant, patience: Patience) {
        self.state = if self.reused && matches!(fault, Fault::Closed { clean: true, .. }) {
            QueryCounters::count(&self.gateway.queries.counters.retried);
            self.reused = false;
            self.sent = 0;
            Self::open(self.gateway, Instant::now(), deadline, patience)
        } else {
            State::Failed(fault)
        };
    }

    /// Ends the waiting, where it is waited for.
    pub(super) fn give_up(&mut self, why: io::ErrorKind) {
        match self.state {
            State::Connecting(..) => self.state = State::Failed(Fault::Unreachable(why.into())),
            State::Waiting(_) if why == io::ErrorKind::TimedOut => {
                self.state = State::Failed(Fault::TimedOut)
            }
            State::Waiting(_) => self.state = State::Failed(Fault::Closed { clean: true, error: why.into() }),
            State::Answered(_) | State::Failed(_) => {}
        }
    }

    /// The state, to be replaced by the next one.
    pub(super) fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Failed(Fault::TimedOut))
    }
}
