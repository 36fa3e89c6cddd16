//! Asking gateways: one of them, or many at the same time.
//!
//! All questions are sent before the first reply is read, and connections that have to be made are made
//! concurrently. The calling thread does all of it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewayworker_wire::Command;

use crate::error::{Error, ReplyError, reason};
use crate::gateway::Gateway;
use crate::query_connection::{Fault, QueryConnection};
use crate::query_pool::QueryCounters;
use crate::reply;
use crate::settings::{Absent, Patience};

/// In a question to several gateways answers are read one after the other. Where one was read later than this and had not
/// been waited for, nobody has seen how long it took: it may have come long before, while an earlier one was waited for.
const UNSEEN_FROM: Duration = Duration::from_millis(1);

/// A question to one gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) gateway: &'a Arc<Gateway>,
    pub(crate) frame: &'a [u8],
}

/// A question on its way.
struct Asked<'a> {
    question: Question<'a>,
    connection: Result<QueryConnection, Fault>,
    /// The connection had been idle: it may have died unnoticed.
    reused: bool,
}

/// Asks, and passes each reply's payload to `read`, in the order of the questions, once all are there. Where one cannot be
/// answered nothing is read, and the error says which; unless `patience` is to leave absent gateways out. `read` also gets
/// how many rows all replies announce together.
///
/// # Errors
/// The first fault, in the order of the questions; or that of `read`, as [`Error::BadReply`].
pub(crate) fn ask(
    command: Command,
    questions: &[Question<'_>],
    patience: Patience,
    mut read: impl FnMut(&Arc<Gateway>, &[u8], usize) -> Result<(), ReplyError>,
) -> Result<(), Error> {
    let mut missing = Missing::new(patience.absent);
    see_commands(questions, command, patience, &mut missing)?;
    let start = Instant::now();
    let mut asked: Vec<Asked<'_>> = Vec::with_capacity(questions.len());
    let mut opening = false;
    for question in questions.iter().filter(|question| !missing.has(question.gateway)) {
        let pool = &question.gateway.queries;
        QueryCounters::count(&pool.counters.asked);
        let (connection, reused) = match pool.take(start) {
            Some(connection) => {
                let sent = connection.send(question.frame, start + patience.reply);
                (sent.map(|()| connection), true)
            }
            None => {
                opening = true;
                (pool.open(), false)
            }
        };
        asked.push(Asked { question: *question, connection, reused });
    }
    if opening {
        finish_opening(&mut asked, patience);
    }
    // A reply has its time from when the question was sent, which is now, give or take the sending itself; connecting
    // had its own.
    let sent = if opening { Instant::now() } else { start };
    let deadline = sent + patience.reply;
    let mut last = sent;
    let mut answered = Vec::with_capacity(asked.len());
    for mut question in asked {
        let Question { gateway, frame } = question.question;
        let mut received = receive(&mut question, deadline, patience);
        if question.reused && matches!(received, Err(Fault::Closed { clean: true, .. })) {
            // The idle connection had died unnoticed, so that the question was never read: once more, on a new one.
            QueryCounters::count(&gateway.queries.counters.retried);
            let connection = gateway.queries.open();
            let mut again = [Asked { question: Question { gateway, frame }, connection, reused: false }];
            finish_opening(&mut again, patience);
            let [mut again] = again;
            received = receive(&mut again, Instant::now() + patience.reply, patience);
        }
        let mut connection = match received {
            Ok(connection) => connection,
            Err(fault) => {
                missing.add(gateway, error(gateway, command, fault, patience))?;
                continue;
            }
        };
        let read_at = Instant::now();
        let took = read_at - if question.reused { start } else { sent };
        let waited = read_at - std::mem::replace(&mut last, read_at);
        if took < UNSEEN_FROM || waited * 2 >= took {
            gateway.queries.latency.record(took);
        }
        let (serial, reply) = (connection.serial, connection.take_reply());
        gateway.queries.put(connection);
        answered.push((gateway, serial, reply));
    }
    missing.settle(answered.iter().map(|(gateway, ..)| *gateway))?;
    let rows = answered.iter().map(|(_, _, reply)| reply::announced_len(reply.payload())).sum();
    // No connection is held from here on: where PHP's memory runs out while a reply is read, the engine jumps out of the
    // call, and what the call holds is never dropped.
    for (gateway, serial, reply) in answered {
        let result = read(gateway, reply.payload(), rows);
        gateway.queries.settle(serial, reply, result.is_ok());
        if let Err(wrong) = result {
            QueryCounters::count(&gateway.queries.counters.failed);
            let error = Error::BadReply {
                gateway: Arc::clone(&gateway.address.text),
                command,
                reason: wrong.to_string(),
            };
            gateway.queries.last_error.set(error.to_string());
            return Err(error);
        }
    }
    Ok(())
}

/// Makes the new connections, all at the same time, and sends their questions behind the authentication.
fn finish_opening(asked: &mut [Asked<'_>], patience: Patience) {
    let mut results: Vec<(usize, Result<(), Fault>)> = Vec::new();
    {
        let starting: Vec<(usize, &QueryConnection)> = asked
            .iter()
            .enumerate()
            .filter(|(_, asked)| !asked.reused)
            .filter_map(|(index, asked)| Some((index, asked.connection.as_ref().ok()?)))
            .collect();
        let deadline = Instant::now() + patience.connect;
        QueryConnection::finish_all(&starting, deadline, |index, made| results.push((index, made)));
    }
    let deadline = Instant::now() + patience.reply;
    for (index, made) in results {
        let asked = &mut asked[index];
        let Question { gateway, frame } = asked.question;
        let sent = made.and_then(|()| match &asked.connection {
            Ok(connection) if gateway.queries.auth.is_empty() => connection.send(frame, deadline),
            Ok(connection) => connection.send(&[&gateway.queries.auth, frame].concat(), deadline),
            Err(_) => Ok(()),
        });
        if let Err(fault) = sent {
            asked.connection = Err(fault);
        }
    }
}

fn receive(asked: &mut Asked<'_>, deadline: Instant, patience: Patience) -> Result<QueryConnection, Fault> {
    let gone = Fault::Closed { clean: false, error: io::ErrorKind::NotConnected.into() };
    let mut connection = std::mem::replace(&mut asked.connection, Err(gone))?;
    connection.receive(patience.reply, deadline, asked.question.gateway.queries.max_reply)?;
    Ok(connection)
}

/// Waits until the gateways have processed the commands that this process has issued before: a question travels on
/// another connection. Costs nothing where none are outstanding, and one round trip where some are.
fn see_commands(
    questions: &[Question<'_>],
    command: Command,
    patience: Patience,
    missing: &mut Missing,
) -> Result<(), Error> {
    if !questions.iter().any(|question| question.gateway.link.outstanding()) {
        return Ok(());
    }
    let mut wake = false;
    let barriers: Vec<_> = questions
        .iter()
        .filter_map(|question| Some((question.gateway, question.gateway.link.barrier(&mut wake)?)))
        .collect();
    if wake && let Some((gateway, _)) = barriers.first() {
        gateway.link.wake_urgently();
    }
    let deadline = Instant::now() + patience.reply;
    for (gateway, issued) in barriers {
        let error = match gateway.link.wait_barrier(issued, deadline) {
            Ok(true) => continue,
            Ok(false) => {
                QueryCounters::count(&gateway.queries.counters.timed_out);
                let gateway = Arc::clone(&gateway.address.text);
                Error::TimedOut { gateway, command, after: patience.reply }
            }
            Err(error) => error,
        };
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
    fn settle<'a>(self, answered: impl ExactSizeIterator<Item = &'a Arc<Gateway>>) -> Result<(), Error> {
        if self.absent == Absent::Fail {
            return Ok(());
        }
        if answered.len() == 0
            && let Some((_, error)) = self.errors.first()
        {
            return Err(error.clone());
        }
        for gateway in answered {
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
