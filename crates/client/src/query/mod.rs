//! Queries: to one gateway, or to many at the same time.
//!
//! All queries are sent before the first reply is read, and connections that have to be made are made concurrently. The
//! calling thread does all of it, and a query has one deadline: waiting for earlier commands, connecting and the reply
//! take `options.query_timeout` together.
//!
//! Replies are waited for in order, in one blocking receive each, as long as they come promptly. Once that has waited in
//! vain, and while connections are made, what comes is taken as it comes, from whichever gateway: a silent one hides none
//! of the others, and long replies are taken while another one is awaited.

mod in_flight;
mod parked;
mod receive;
pub mod replies;
mod unavailable;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use gatewayworker_wire::Command;

use crate::error::{Error, reason};
use crate::gateway::Gateway;
use crate::pool::QueryCounters;
use crate::pool::connection::QueryError;
use crate::query::in_flight::{InFlight, Progress};
use crate::query::receive::{Until, receive_as_it_comes, receive_in_order};
use crate::query::replies::Replies;
use crate::query::unavailable::UnavailableGateways;
use crate::settings::{CallOptions, OnUnavailable};

pub(crate) use crate::query::in_flight::Query;

/// Runs queries, and returns all replies, in the order of the queries. Where one has no reply the whole fails, and the
/// error says which; unless `options` is to leave absent gateways out.
///
/// # Errors
/// The first error, in the order of the queries.
pub(crate) fn run(command: Command, queries: &[Query<'_>], options: CallOptions) -> Result<Replies, Error> {
    let mut unavailable = UnavailableGateways::new(options.on_unavailable);
    let mut start = Instant::now();
    let deadline = start + options.query_timeout;
    if queries.iter().any(|query| query.gateway.link.outstanding()) {
        await_barriers(queries, command, options, start, &mut unavailable)?;
        start = Instant::now();
    }
    let mut in_flight: Vec<InFlight<'_>> = Vec::with_capacity(queries.len());
    let mut all_sent = true;
    for query in queries.iter().filter(|query| !unavailable.has(query.gateway)) {
        let query = InFlight::start(query, start, deadline, options);
        all_sent &= !query.is_unsent();
        in_flight.push(query);
    }
    if !all_sent {
        receive_as_it_comes(&mut in_flight, deadline, options, Until::AllSent);
        start = Instant::now();
    }
    if !receive_in_order(&mut in_flight, start, deadline, options) {
        receive_as_it_comes(&mut in_flight, deadline, options, Until::Over);
    }
    let mut replies = Replies::to(command);
    let mut failure = None;
    for InFlight { gateway, state, .. } in in_flight {
        match state {
            Progress::Replied(mut connection) => {
                let (serial, reply) = (connection.serial, connection.take_reply());
                gateway.queries.put(connection);
                replies.push(gateway, serial, reply);
            }
            Progress::Failed(fault) => {
                if let Err(error) = unavailable.add(gateway, error(gateway, command, fault, options)) {
                    failure.get_or_insert(error);
                }
            }
            // An earlier one has failed, so that nobody has waited for it.
            Progress::Connecting(..) | Progress::Waiting(_) => {}
        }
    }
    match failure {
        Some(error) => {
            replies.discard();
            Err(error)
        }
        None => unavailable.settle(queries).map(|()| replies),
    }
}

/// Waits until the gateways have processed the commands that this process has issued before: a query travels on
/// another connection. One round trip; costs nothing where none are outstanding, and is not called then.
fn await_barriers(
    queries: &[Query<'_>],
    command: Command,
    options: CallOptions,
    start: Instant,
    unavailable: &mut UnavailableGateways,
) -> Result<(), Error> {
    let mut wake = false;
    let barriers: Vec<_> = queries
        .iter()
        .filter_map(|query| Some((query.gateway, query.gateway.link.barrier(&mut wake)?)))
        .collect();
    if wake && let Some((gateway, _)) = barriers.first() {
        gateway.link.wake_urgently();
    }
    // Where the others' replies are enough, they need time to come.
    let others_wait = options.on_unavailable == OnUnavailable::Skip && queries.len() > 1;
    let limit = if others_wait { options.query_timeout / 2 } else { options.query_timeout };
    for (gateway, issued) in barriers {
        let error = match gateway.link.wait_barrier(issued, start + limit) {
            Ok(true) => continue,
            Ok(false) => {
                QueryCounters::count(&gateway.queries.counters.timed_out);
                Error::TimedOut { gateway: Arc::clone(&gateway.address.text), command, after: limit }
            }
            Err(error) => error,
        };
        // The query itself is not sent any more, but it counts as one, and has failed.
        QueryCounters::count(&gateway.queries.counters.sent);
        QueryCounters::count(&gateway.queries.counters.failed);
        gateway.queries.last_error.set(error.to_string());
        unavailable.add(gateway, error)?;
    }
    Ok(())
}

fn error(gateway: &Gateway, command: Command, fault: QueryError, options: CallOptions) -> Error {
    QueryCounters::count(&gateway.queries.counters.failed);
    let error = error_of(gateway, command, fault, options);
    gateway.queries.last_error.set(error.to_string());
    error
}

fn error_of(gateway: &Gateway, command: Command, fault: QueryError, options: CallOptions) -> Error {
    let counters = &gateway.queries.counters;
    let max = gateway.queries.max_reply;
    let gateway = Arc::clone(&gateway.address.text);
    match fault {
        QueryError::Unreachable(error) if error.kind() == io::ErrorKind::TimedOut => {
            Error::Unreachable { gateway, reason: "Connection timed out".into() }
        }
        QueryError::Unreachable(error) => Error::Unreachable { gateway, reason: reason(&error) },
        QueryError::TimedOut => {
            QueryCounters::count(&counters.timed_out);
            Error::TimedOut { gateway, command, after: options.query_timeout }
        }
        QueryError::Closed { clean: true, error } if matches!(error.kind(), io::ErrorKind::UnexpectedEof) => {
            Error::Closed { gateway, command, reason: "without a word".into() }
        }
        QueryError::Closed { clean: true, error } => {
            Error::Closed { gateway, command, reason: reason(&error) }
        }
        QueryError::Closed { clean: false, .. } => {
            Error::Closed { gateway, command, reason: "in the middle of the reply".into() }
        }
        QueryError::Surplus { announced } => {
            let reason = format!("{announced} bytes were announced, more have come");
            Error::BadReply { gateway, command, reason }
        }
        QueryError::TooLong { len } => Error::ReplyTooLong { gateway, command, len, max },
    }
}
