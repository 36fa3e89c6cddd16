//! Asking gateways: one of them, or many at the same time.
//!
//! All questions are sent before the first reply is read, and connections that have to be made are made concurrently. The
//! calling thread does all of it, and a question has one deadline: waiting for earlier commands, connecting and the answer
//! take `patience.reply` together.
//!
//! Replies are waited for in order, in one blocking receive each, as long as they come promptly. Once that has waited in
//! vain, and while connections are made, what comes is taken as it comes, from whichever gateway: a silent one hides none
//! of the others, and long answers are taken while another one is awaited.

mod absent;
pub mod answers;
mod in_flight;
mod parked;
mod receive;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use gatewayworker_wire::Command;

use crate::error::{Error, reason};
use crate::gateway::Gateway;
use crate::pool::QueryCounters;
use crate::pool::connection::Fault;
use crate::query::absent::Missing;
use crate::query::answers::Answers;
use crate::query::in_flight::{Asked, State};
use crate::query::receive::{Until, receive_as_it_comes, receive_in_order};
use crate::settings::{Absent, Patience};

pub(crate) use crate::query::in_flight::Question;

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
