//! Querying gateways: one of them, or many at the same time.
//!
//! All queries are sent before the first reply is read, and connections that have to be made are made concurrently. The
//! calling thread does all of it, and a query has one deadline: earlier commands, connecting and the reply take
//! `options.query_timeout` together.
//!
//! A query goes over a connection of the pool. Where commands of this process are outstanding at its gateway, it goes
//! behind them, on the command link, so that its reply reflects them: that takes no round trip of its own. Where the link
//! cannot carry it (another thread reads there, or it is not connected yet), it waits for a barrier, then goes over the
//! pool.
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
use std::time::{Duration, Instant};

use gatewayworker_wire::Command;

use crate::error::{Error, reason};
use crate::gateway::Gateway;
use crate::link::query::LinkQueried;
use crate::pool::QueryCounters;
use crate::query::in_flight::{InFlight, Progress};
use crate::query::receive::{Until, receive_as_it_comes, receive_in_order};
use crate::query::replies::Replies;
use crate::query::unavailable::UnavailableGateways;
use crate::receive::query_error::QueryError;
use crate::settings::{CallOptions, OnUnavailable};

pub(crate) use crate::query::in_flight::Query;

/// Queries gateways, and returns all replies, in the order of the queries. Where one has no reply none is returned, and
/// the error says which; unless `options` is to skip those that are unavailable.
///
/// # Errors
/// The first error, in the order of the queries.
pub(crate) fn run(command: Command, queries: &[Query<'_>], options: CallOptions) -> Result<Replies, Error> {
    let mut unavailable = UnavailableGateways::new(options.on_unavailable);
    let mut start = Instant::now();
    let deadline = start + options.query_timeout;
    let mut in_flight: Vec<InFlight<'_>> = Vec::with_capacity(queries.len());
    let (mut all_sent, mut any_behind, mut wake) = (true, false, false);
    for query in queries {
        QueryCounters::count(&query.gateway.queries.counters.sent);
        let link = &query.gateway.link;
        let progress = match link.query(query.frame, &mut wake) {
            LinkQueried::NotNeeded => Progress::Pending(None),
            LinkQueried::Sent(on_link) => Progress::OnLink(on_link),
            LinkQueried::Broken(error) => Progress::Failed(error),
            LinkQueried::Unavailable => Progress::Pending(link.barrier(&mut wake)),
        };
        any_behind |= matches!(progress, Progress::Pending(Some(_)));
        let mut query = InFlight::new(query, queries.len() > 1, progress, start);
        if let Progress::Pending(None) = query.progress {
            query.send_over_pool(start, deadline, options);
        }
        all_sent &= !query.is_unsent();
        in_flight.push(query);
    }
    if wake && let Some(query) = queries.first() {
        query.gateway.link.wake_urgently();
    }
    if any_behind {
        await_barriers(&mut in_flight, command, start, deadline, options, &mut unavailable)?;
        all_sent = !in_flight.iter().any(InFlight::is_unsent);
        start = Instant::now();
    }
    if !all_sent {
        receive_as_it_comes(&mut in_flight, deadline, options, Until::AllSent);
        start = Instant::now();
    }
    if !receive_in_order(&mut in_flight, start, deadline, options) {
        receive_as_it_comes(&mut in_flight, deadline, options, Until::Over);
    }
    collect(command, queries, in_flight, options, unavailable)
}

/// Makes the result of what has become of the queries.
fn collect(
    command: Command,
    queries: &[Query<'_>],
    in_flight: Vec<InFlight<'_>>,
    options: CallOptions,
    mut unavailable: UnavailableGateways,
) -> Result<Replies, Error> {
    let mut replies = Replies::to(command);
    let mut failure = None;
    for InFlight { gateway, progress, .. } in in_flight {
        match progress {
            Progress::Replied(source, reply) => {
                replies.push(gateway, source, reply);
            }
            Progress::Failed(error) => {
                if let Err(error) = unavailable.add(gateway, failed(gateway, command, error, options)) {
                    failure.get_or_insert(error);
                }
            }
            // An earlier one has failed, so that nobody has waited for it.
            Progress::Pending(_) | Progress::Connecting(..) | Progress::Waiting(_) | Progress::OnLink(_) => {}
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

/// Waits until the gateways of those that are behind a barrier have processed the commands that this process has issued
/// before, then sends the queries. Those whose gateway does not get there are taken out.
fn await_barriers(
    in_flight: &mut Vec<InFlight<'_>>,
    command: Command,
    start: Instant,
    deadline: Instant,
    options: CallOptions,
    unavailable: &mut UnavailableGateways,
) -> Result<(), Error> {
    // Where the others are to reply without this one, they need time for it.
    let others_wait = options.on_unavailable == OnUnavailable::Skip && in_flight.len() > 1;
    let limit = if others_wait { options.query_timeout / 2 } else { options.query_timeout };
    let mut failure = None;
    in_flight.retain_mut(|query| {
        let Progress::Pending(Some(barrier)) = query.progress else { return true };
        if failure.is_some() {
            return true;
        }
        let gateway = query.gateway;
        let error = match gateway.link.wait_barrier(barrier, start + limit) {
            Ok(true) => {
                query.send_over_pool(Instant::now(), deadline, options);
                return true;
            }
            Ok(false) => timed_out(gateway, command, limit),
            Err(error) => error,
        };
        QueryCounters::count(&gateway.queries.counters.failed);
        gateway.queries.last_error.set(error.to_string());
        failure = unavailable.add(gateway, error).err();
        false
    });
    failure.map_or(Ok(()), Err)
}

fn failed(gateway: &Gateway, command: Command, error: QueryError, options: CallOptions) -> Error {
    QueryCounters::count(&gateway.queries.counters.failed);
    let error = error_of(gateway, command, error, options);
    gateway.queries.last_error.set(error.to_string());
    error
}

fn timed_out(gateway: &Gateway, command: Command, after: Duration) -> Error {
    QueryCounters::count(&gateway.queries.counters.timed_out);
    Error::TimedOut { gateway: Arc::clone(&gateway.address.text), command, after }
}

fn error_of(gateway: &Gateway, command: Command, error: QueryError, options: CallOptions) -> Error {
    let max = gateway.queries.max_reply;
    let name = Arc::clone(&gateway.address.text);
    match error {
        QueryError::Unreachable(error) if error.kind() == io::ErrorKind::TimedOut => {
            Error::Unreachable { gateway: name, reason: "Connection timed out".into() }
        }
        QueryError::Unreachable(error) => Error::Unreachable { gateway: name, reason: reason(&error) },
        QueryError::TimedOut => timed_out(gateway, command, options.query_timeout),
        QueryError::Closed { clean: true, error } if matches!(error.kind(), io::ErrorKind::UnexpectedEof) => {
            Error::Closed { gateway: name, command, reason: "without a word".into() }
        }
        QueryError::Closed { clean: true, error } => {
            Error::Closed { gateway: name, command, reason: reason(&error) }
        }
        QueryError::Closed { clean: false, .. } => {
            Error::Closed { gateway: name, command, reason: "in the middle of the reply".into() }
        }
        QueryError::LinkClosed(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof) => {
            gateway.link.closed("the gateway closed the connection".into())
        }
        QueryError::LinkClosed(error) => gateway.link.closed(reason(&error)),
        QueryError::Surplus { announced } => {
            let reason = format!("{announced} bytes were announced, more have come");
            Error::BadReply { gateway: name, command, reason }
        }
        QueryError::TooLong { len } => Error::ReplyTooLong { gateway: name, command, len, max },
    }
}
