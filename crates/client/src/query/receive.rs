//! How replies are waited for: in order as long as they come promptly, then as they come.

use std::io;
use std::time::{Duration, Instant};

use crate::pool::connection::BLOCKING;
use crate::query::in_flight::{Asked, State};
use crate::settings::{Absent, Patience};
use crate::sys::socket;

/// While replies are read in order, one that was read later than this and had not been waited for has taken nobody knows how
/// long: it may have come long before, while an earlier one was waited for.
const UNSEEN_FROM: Duration = Duration::from_millis(1);

/// The usual way: waits for one reply after the other, and for no one longer than [`BLOCKING`], nor for half of the time that
/// there is. Answers whether nothing is left to wait for.
pub(super) fn receive_in_order(
    asked: &mut [Asked<'_>],
    start: Instant,
    deadline: Instant,
    patience: Patience,
) -> bool {
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
pub(super) enum Until {
    /// All connections are made, and all questions sent on them.
    AllSent,
    /// Nothing has to be waited for any more.
    Over,
}

/// The other way: waits for all at once, and takes what comes.
#[cold]
pub(super) fn receive_as_it_comes(
    asked: &mut [Asked<'_>],
    deadline: Instant,
    patience: Patience,
    end: Until,
) {
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
