//! How replies are waited for: in order as long as they come promptly, then as they come.

use std::io;
use std::time::{Duration, Instant};

use crate::query::in_flight::{InFlight, Progress};
use crate::receive::MAX_BLOCKING_RECV;
use crate::settings::{CallOptions, OnUnavailable};
use crate::sys::socket::poll_sockets;

/// While replies are read in order, one that was read later than this and had not been waited for has taken nobody
/// knows how long: it may have come long before, while an earlier one was waited for.
const UNSEEN_FROM: Duration = Duration::from_millis(1);

/// The usual way: waits for one reply after the other, and for no one longer than [`MAX_BLOCKING_RECV`], nor for half of
/// the time that there is. Returns whether nothing is left to wait for.
pub(super) fn receive_in_order(
    in_flight: &mut [InFlight<'_>],
    start: Instant,
    deadline: Instant,
    options: CallOptions,
) -> bool {
    let timeout = MAX_BLOCKING_RECV.min(options.query_timeout / 2);
    let mut last = start;
    let mut connecting = false;
    for query in in_flight.iter_mut() {
        if !matches!(query.progress, Progress::Waiting(_) | Progress::OnLink(_)) {
            continue;
        }
        // A blocking receive that begins later may end too late.
        let until = last + timeout;
        if until > deadline || last - start > timeout {
            return false;
        }
        match query.wait(timeout, until) {
            None => {}
            Some(Ok(true)) => {
                let now = Instant::now();
                let took = now - query.since;
                // Nothing was waited for before the first one.
                let waited = if last == start { took } else { now - last };
                last = now;
                query.replied(took, took < UNSEEN_FROM || waited * 2 >= took);
            }
            Some(Ok(false)) => return false,
            Some(Err(error)) => {
                query.fail(error, deadline, options);
                if !matches!(query.progress, Progress::Connecting(..)) {
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
pub(super) enum Until {
    /// All connections are made, and all queries sent on them.
    AllSent,
    /// Nothing has to be waited for any more.
    Over,
}

/// The other way: waits for all at once, and takes what comes.
#[cold]
pub(super) fn receive_as_it_comes(
    in_flight: &mut [InFlight<'_>],
    deadline: Instant,
    options: CallOptions,
    end: Until,
) {
    // Settled ones stay in the list, as a descriptor that poll() passes over.
    let nobody = libc::pollfd { fd: -1, events: 0, revents: 0 };
    let mut polls = vec![nobody; in_flight.len()];
    // Behind replies that were waited for in order the first look does not wait: nobody has seen when that came which is
    // there already.
    let mut seen = end == Until::AllSent;
    while !is_over(in_flight, options.on_unavailable)
        && (end == Until::Over || in_flight.iter().any(InFlight::is_unsent))
    {
        let before = Instant::now();
        let mut until = if seen { deadline } else { before };
        for (poll, query) in polls.iter_mut().zip(in_flight.iter()) {
            *poll = query.poll().unwrap_or(nobody);
            if let Progress::Connecting(_, limit) = query.progress {
                until = until.min(limit);
            }
        }
        // After the deadline as well, once: what has come has come in time.
        if let Err(error) = poll_sockets(&mut polls, until.saturating_duration_since(before)) {
            // Out of memory, or too many descriptors for poll(): the same for every connection.
            return in_flight.iter_mut().for_each(|query| query.give_up(error.kind()));
        }
        let now = Instant::now();
        for (poll, query) in polls.iter().zip(in_flight.iter_mut()) {
            if poll.revents != 0 {
                query.proceed(now, deadline, options, seen);
            }
            let is_late = match query.progress {
                Progress::Connecting(_, limit) => before >= limit.min(deadline),
                _ => before >= deadline,
            };
            if is_late {
                query.give_up(io::ErrorKind::TimedOut);
            }
        }
        seen = true;
    }
}

/// Whether nothing more has to be waited for: all are settled; or the query fails, with the first error in its order.
fn is_over(in_flight: &[InFlight<'_>], on_unavailable: OnUnavailable) -> bool {
    for query in in_flight {
        match &query.progress {
            Progress::Replied(..) => {}
            Progress::Failed(error) if on_unavailable == OnUnavailable::Skip && error.is_unavailable() => {}
            Progress::Failed(_) => return true,
            Progress::Pending(_) | Progress::Connecting(..) | Progress::Waiting(_) | Progress::OnLink(_) => {
                return false;
            }
        }
    }
    true
}
