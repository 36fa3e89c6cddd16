//! Asking gateways: one of them, or many at the same time.
//!
//! All questions are sent before the first reply is read, and connections that have to be made are made concurrently. The
//! calling thread does all of it, and a question has one deadline: waiting for earlier commands, connecting and the answer
//! take `patience.reply` together.
//!
//! Replies are waited for in order, in one blocking receive each, as long as they come promptly. Once that has waited in
//! vain, and while connections are made, what comes is taken as it comes, from whichever gateway: a silent one hides none
//! of the others, and long answers are taken while another one is awaited.

pub mod answers;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewayworker_wire::Command;

use crate::error::{Error, reason};
use crate::gateway::Gateway;
use crate::pool::QueryCounters;
use crate::pool::connection::{BLOCKING, Fault, QueryConnection};
use crate::query::answers::Answers;
use crate::settings::{Absent, Patience};
use crate::sys::socket;

/// While replies are read in order, one that was read later than this and had not been waited for has taken nobody knows how
/// long: it may have come long before, while an earlier one was waited for.
const UNSEEN_FROM: Duration = Duration::from_millis(1);

/// A question to one gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) gateway: &'a Arc<Gateway>,
    pub(crate) frame: &'a [u8],
}

/// A question on its way.
struct Asked<'a> {
    gateway: &'a Arc<Gateway>,
    frame: &'a [u8],
    state: State,
    /// The connection had been idle: it may have died unnoticed. It needs no authentication.
    reused: bool,
    /// How much of the question, and of the authentication in front of it, is sent.
    sent: usize,
    /// When it was sent.
    since: Instant,
}

/// How far a question is.
enum State {
    /// Its connection is being made, up to this moment.
    Connecting(QueryConnection, Instant),
    /// It is sent, or nearly. A part of the reply may have come.
    Waiting(QueryConnection),
    /// The reply has come, and waits in the connection.
    Answered(QueryConnection),
    /// There will be no reply.
    Failed(Fault),
}

/// Asks, and answers with all replies, in the order of the questions. Where one cannot be answered none is, and the error says
/// which; unless `patience` is to leave absent gateways out.
///
/// # Errors
/// The first fault, in the order of the questions.
pub(crate) fn ask(
    command: Command,
    questions: &[Question<'_>],
    patience: Patience,
) -> Result<Answers, Error> {
    let mut missing = Missing::new(patience.absent);
    let mut start = Instant::now();
    let deadline = start + patience.reply;
    if questions.iter().any(|question| question.gateway.link.outstanding()) {
        see_commands(questions, command, patience, start, &mut missing)?;
        start = Instant::now();
    }
    let mut asked: Vec<Asked<'_>> = Vec::with_capacity(questions.len());
    let mut all_sent = true;
    for question in questions.iter().filter(|question| !missing.has(question.gateway)) {
        let question = Asked::start(question, start, deadline, patience);
        all_sent &= !question.is_unsent();
        asked.push(question);
    }
    if !all_sent {
        receive_as_it_comes(&mut asked, deadline, patience, Until::AllSent);
        start = Instant::now();
    }
    if !receive_in_order(&mut asked, start, deadline, patience) {
        receive_as_it_comes(&mut asked, deadline, patience, Until::Over);
    }
    let mut answers = Answers::to(command);
    let mut failure = None;
    for Asked { gateway, state, .. } in asked {
        match state {
            State::Answered(mut connection) => {
                let (serial, reply) = (connection.serial, connection.take_reply());
                gateway.queries.put(connection);
                answers.push(gateway, serial, reply);
            }
            State::Failed(fault) => {
                if let Err(error) = missing.add(gateway, error(gateway, command, fault, patience)) {
                    failure.get_or_insert(error);
                }
            }
            // An earlier one has failed, so that nobody has waited for it.
            State::Connecting(..) | State::Waiting(_) => {}
        }
    }
    match failure {
        Some(error) => {
            answers.discard();
            Err(error)
        }
        None => missing.settle(questions).map(|()| answers),
    }
}

/// The usual way: waits for one reply after the other, and for no one longer than [`BLOCKING`], nor for half of the time that
/// there is. Answers whether nothing is left to wait for.
fn receive_in_order(asked: &mut [Asked<'_>], start: Instant, deadline: Instant, patience: Patience) -> bool {
    let timeout = BLOCKING.min(patience.reply / 2);
    let mut last = start;
    let mut connecting = false;
    for asked in asked.iter_mut() {
        let State::Waiting(connection) = &mut asked.state else { continue };
        // A blocking receive that begins later may end too late.
        let until = last + timeout;
        if until > deadline || last - start > timeout {
            return false;
        }
        match connection.wait_for_reply(timeout, until, asked.gateway.queries.max_reply) {
            Ok(true) => {
                let now = Instant::now();
                let took = now - asked.since;
                // Nothing was waited for before the first one.
                let waited = if last == start { took } else { now - last };
                last = now;
                asked.answered(took, took < UNSEEN_FROM || waited * 2 >= took);
            }
            Ok(false) => return false,
            Err(fault) => {
                asked.fail(fault, deadline, patience);
                if !matches!(asked.state, State::Connecting(..)) {
                    // That may have been all, see is_over().
                    return false;
                }
                connecting = true;
                last = Instant::now();
            }
        }
    }
    !connecting
}

/// How long [`receive_as_it_comes`] goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// All connections are made, and all questions sent on them.
    AllSent,
    /// Nothing has to be waited for any more.
    Over,
}

/// The other way: waits for all at once, and takes what comes.
#[cold]
fn receive_as_it_comes(asked: &mut [Asked<'_>], deadline: Instant, patience: Patience, end: Until) {
    // Settled ones stay in the list, as a descriptor that poll() passes over.
    let nobody = libc::pollfd { fd: -1, events: 0, revents: 0 };
    let mut polls = vec![nobody; asked.len()];
    // Behind replies that were waited for in order the first look does not wait: nobody has seen when that came which is
    // there already.
    let mut seen = end == Until::AllSent;
    while !is_over(asked, patience.absent) && (end == Until::Over || asked.iter().any(Asked::is_unsent)) {
        let before = Instant::now();
        let mut until = if seen { deadline } else { before };
        for (poll, asked) in polls.iter_mut().zip(asked.iter()) {
            *poll = asked.poll().unwrap_or(nobody);
            if let State::Connecting(_, limit) = asked.state {
                until = until.min(limit);
            }
        }
        // After the deadline as well, once: what has come has come in time.
        if let Err(error) = socket::poll(&mut polls, until.saturating_duration_since(before)) {
            // Out of memory, or too many descriptors for poll(): the same for every connection.
            return asked.iter_mut().for_each(|asked| asked.give_up(error.kind()));
        }
        let now = Instant::now();
        for (poll, asked) in polls.iter().zip(asked.iter_mut()) {
            if poll.revents != 0 {
                asked.go_on(now, deadline, patience, seen);
            }
            let is_late = match asked.state {
                State::Connecting(_, limit) => before >= limit.min(deadline),
                _ => before >= deadline,
            };
            if is_late {
                asked.give_up(io::ErrorKind::TimedOut);
            }
        }
        seen = true;
    }
}

/// Whether nothing more has to be waited for: all are settled; or the question fails, with the first fault in its order.
fn is_over(asked: &[Asked<'_>], absent: Absent) -> bool {
    for asked in asked {
        match &asked.state {
            State::Answered(_) => {}
            State::Failed(fault) if absent == Absent::LeaveOut && fault.is_absence() => {}
            State::Failed(_) => return true,
            State::Connecting(..) | State::Waiting(_) => return false,
        }
    }
    true
}

impl<'a> Asked<'a> {
    /// Sends a question on an idle connection, or starts to make one.
    fn start(question: &Question<'a>, now: Instant, deadline: Instant, patience: Patience) -> Self {
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

    fn open(gateway: &Gateway, now: Instant, deadline: Instant, patience: Patience) -> State {
        match gateway.queries.open() {
            Ok(connection) => State::Connecting(connection, deadline.min(now + patience.connect)),
            Err(fault) => State::Failed(fault),
        }
    }

    /// Whether there is something to be sent yet.
    fn is_unsent(&self) -> bool {
        match self.state {
            State::Connecting(..) => true,
            State::Waiting(_) => self.sent < self.auth().len() + self.frame.len(),
            State::Answered(_) | State::Failed(_) => false,
        }
    }

    /// What goes in front of the question.
    fn auth(&self) -> &'a [u8] {
        if self.reused { &[] } else { &self.gateway.queries.auth }
    }

    /// Sends what is left of the question, as far as it goes.
    fn send(&mut self, deadline: Instant, patience: Patience) {
        let State::Waiting(connection) = &self.state else { return };
        match connection.send(self.auth(), self.frame, self.sent) {
            Ok(sent) => self.sent = sent,
            Err(fault) => self.fail(fault, deadline, patience),
        }
    }

    /// What to wait for; nothing where it is settled.
    fn poll(&self) -> Option<libc::pollfd> {
        match &self.state {
            State::Connecting(connection, _) => Some(connection.poll(libc::POLLOUT)),
            State::Waiting(connection) if self.is_unsent() => Some(connection.poll(libc::POLLOUT)),
            State::Waiting(connection) => Some(connection.poll(libc::POLLIN)),
            State::Answered(_) | State::Failed(_) => None,
        }
    }

    /// What was waited for is there. `seen` where it was waited for all the time.
    fn go_on(&mut self, now: Instant, deadline: Instant, patience: Patience, seen: bool) {
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
    fn answered(&mut self, took: Duration, seen: bool) {
        if seen {
            self.gateway.queries.latency.record(took);
        }
        if let State::Waiting(connection) = self.take() {
            self.state = State::Answered(connection);
        }
    }

    /// There will be no reply on this connection. Where it had been idle and died unnoticed, the question was never read: once
    /// more, on a new one.
    fn fail(&mut self, fault: Fault, deadline: Instant, patience: Patience) {
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
    fn give_up(&mut self, why: io::ErrorKind) {
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
    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Failed(Fault::TimedOut))
    }
}

/// Waits until the gateways have processed the commands that this process has issued before: a question travels on
/// another connection. One round trip; costs nothing where none are outstanding, and is not called then.
fn see_commands(
    questions: &[Question<'_>],
    command: Command,
    patience: Patience,
    start: Instant,
    missing: &mut Missing,
) -> Result<(), Error> {
    let mut wake = false;
    let barriers: Vec<_> = questions
        .iter()
        .filter_map(|question| Some((question.gateway, question.gateway.link.barrier(&mut wake)?)))
        .collect();
    if wake && let Some((gateway, _)) = barriers.first() {
        gateway.link.wake_urgently();
    }
    // Where the others are to answer without this one, they need time for it.
    let others_wait = patience.absent == Absent::LeaveOut && questions.len() > 1;
    let limit = if others_wait { patience.reply / 2 } else { patience.reply };
    for (gateway, issued) in barriers {
        let error = match gateway.link.wait_barrier(issued, start + limit) {
            Ok(true) => continue,
            Ok(false) => {
                QueryCounters::count(&gateway.queries.counters.timed_out);
                Error::TimedOut { gateway: Arc::clone(&gateway.address.text), command, after: limit }
            }
            Err(error) => error,
        };
        // The question itself is not sent any more, but it was asked, and has failed.
        QueryCounters::count(&gateway.queries.counters.asked);
        QueryCounters::count(&gateway.queries.counters.failed);
        gateway.queries.last_error.set(error.to_string());
        missing.add(gateway, error)?;
    }
    Ok(())
}

/// The gateways without an answer, where the question can do without them.
struct Missing {
    absent: Absent,
    errors: Vec<(Arc<Gateway>, Error)>,
}

impl Missing {
    fn new(absent: Absent) -> Self {
        Self { absent, errors: Vec::new() }
    }

    /// Leaves a gateway out.
    ///
    /// # Errors
    /// Its error, where the question cannot do without it.
    fn add(&mut self, gateway: &Arc<Gateway>, error: Error) -> Result<(), Error> {
        match (self.absent, error) {
            // These are there, and wrong.
            (_, error @ (Error::BadReply { .. } | Error::ReplyTooLong { .. })) => Err(error),
            (Absent::Fail, error) => Err(error),
            (Absent::LeaveOut, error) => {
                self.errors.push((Arc::clone(gateway), error));
                Ok(())
            }
        }
    }

    fn has(&self, gateway: &Arc<Gateway>) -> bool {
        self.errors.iter().any(|(missing, _)| Arc::ptr_eq(missing, gateway))
    }

    /// Tells the log who is missing and who is back: each once, however many questions follow.
    ///
    /// # Errors
    /// The first error where nobody has answered.
    fn settle(self, questions: &[Question<'_>]) -> Result<(), Error> {
        if self.absent == Absent::Fail {
            return Ok(());
        }
        if let Some((_, error)) = self.errors.first()
            && self.errors.len() == questions.len()
        {
            return Err(error.clone());
        }
        for Question { gateway, .. } in questions.iter().filter(|question| !self.has(question.gateway)) {
            if gateway.queries.is_absent(false) {
                gateway.link.log("answers again", "its clients are in the answers from now on");
            }
        }
        for (gateway, error) in self.errors {
            if !gateway.queries.is_absent(true) {
                gateway.link.log("left out of answers", &format!("{error} (gatewayworker.partial_results)"));
            }
        }
        Ok(())
    }
}

fn error(gateway: &Gateway, command: Command, fault: Fault, patience: Patience) -> Error {
    QueryCounters::count(&gateway.queries.counters.failed);
    let error = error_of(gateway, command, fault, patience);
    gateway.queries.last_error.set(error.to_string());
    error
}

fn error_of(gateway: &Gateway, command: Command, fault: Fault, patience: Patience) -> Error {
    let counters = &gateway.queries.counters;
    let max = gateway.queries.max_reply;
    let gateway = Arc::clone(&gateway.address.text);
    match fault {
        Fault::Unreachable(error) if error.kind() == io::ErrorKind::TimedOut => {
            Error::Unreachable { gateway, reason: "Connection timed out".into() }
        }
        Fault::Unreachable(error) => Error::Unreachable { gateway, reason: reason(&error) },
        Fault::TimedOut => {
            QueryCounters::count(&counters.timed_out);
            Error::TimedOut { gateway, command, after: patience.reply }
        }
        Fault::Closed { clean: true, error } if matches!(error.kind(), io::ErrorKind::UnexpectedEof) => {
            Error::Closed { gateway, command, reason: "without a word".into() }
        }
        Fault::Closed { clean: true, error } => Error::Closed { gateway, command, reason: reason(&error) },
        Fault::Closed { clean: false, .. } => {
            Error::Closed { gateway, command, reason: "in the middle of the answer".into() }
        }
        Fault::Surplus { announced } => {
            let reason = format!("{announced} bytes were announced, more have come");
            Error::BadReply { gateway, command, reason }
        }
        Fault::TooLong { len } => Error::ReplyTooLong { gateway, command, len, max },
    }
}
