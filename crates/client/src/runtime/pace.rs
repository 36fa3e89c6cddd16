//! Tells an ordinary stream of sends from a burst, by its rate.
//!
//! A thread that sends now and then writes its frames itself: they arrive soonest so, and cost no switch to the
//! background. A thread that sends in a loop is better off when the background writes many of its frames at once.
//! What tells the two apart is the time between calls: a callback that answers a client comes every ten or twenty
//! microseconds at the most, a loop every few hundred nanoseconds.
//!
//! So there is a **row** of writes. A new row begins once calls are [`APART`] on average again. A fan-out takes as many
//! writes of the row as it has gateways. What does not fit goes over the background.
//!
//! The row is the process's, and its parts are read and written apart from each other: where several threads send, one
//! of them may write a frame more or less by itself, and nothing else depends on it. (A thread-local one costs more than
//! the rest of the bookkeeping of a call, since the extension is loaded at run time.)

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many frames in a row a caller writes itself: as many as a callback has for its client (a reply, a binding, a
/// group, the session).
const ROW: u32 = 8;
/// Calls that are further apart than this, on average since the clock was read last, are no burst.
const APART: Duration = Duration::from_micros(5);

/// The end of the last call that has read the clock, in nanoseconds since [`start`]; 0 before the first one.
static READ: AtomicU64 = AtomicU64::new(0);
/// Calls since then.
static CALLS: AtomicU32 = AtomicU32::new(0);
/// Writes that are left of the row.
static LEFT: AtomicU32 = AtomicU32::new(ROW);

/// Nanoseconds since the first call, or one more.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    start.elapsed().as_nanos() as u64 + 1
}

/// A call that sends. It reads the clock only where there is something to decide: frames that go behind others in a
/// queue pay nothing for it.
#[derive(Debug)]
pub(crate) struct Turn {
    writes: u32,
    decided: Option<Way>,
}

/// Who writes the frames of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The calling thread.
    Caller,
    /// The background, at once: the row is too short for this call alone.
    BackgroundNow,
    /// The background, once more frames have gathered: this is a burst.
    BackgroundSoon,
}

impl Turn {
    /// A call that has this many frames, each for another gateway.
    #[inline]
    pub(crate) fn of(writes: usize) -> Self {
        CALLS.store(CALLS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        Self { writes: u32::try_from(writes).unwrap_or(u32::MAX), decided: None }
    }

    /// A call whose frames go over the background, together with those that come soon.
    #[inline]
    pub(crate) fn fan_out() -> Self {
        Self { writes: 0, decided: Some(Way::BackgroundSoon) }
    }

    /// A call whose frames go over the background at once, whatever the pace is.
    pub(crate) fn background() -> Self {
        Self { writes: 0, decided: Some(Way::BackgroundNow) }
    }

    /// A call whose frames the calling thread writes wherever it may.
    #[cfg(test)]
    pub(crate) fn caller() -> Self {
        Self { writes: 0, decided: Some(Way::Caller) }
    }

    /// Who writes. The same for all frames of the call.
    #[inline]
    pub(crate) fn way(&mut self) -> Way {
        match self.decided {
            Some(way) => way,
            None => self.decide(),
        }
    }

    #[cold]
    fn decide(&mut self) -> Way {
        let since = now().saturating_sub(READ.load(Ordering::Relaxed));
        let calls = u64::from(CALLS.load(Ordering::Relaxed));
        let is_ordinary = since >= (APART.as_nanos() as u64).saturating_mul(calls);
        let row = if is_ordinary { ROW } else { LEFT.load(Ordering::Relaxed) };
        let (way, left) = match row.checked_sub(self.writes) {
            Some(left) => (Way::Caller, left),
            None if is_ordinary => (Way::BackgroundNow, 0),
            None => (Way::BackgroundSoon, 0),
        };
        LEFT.store(left, Ordering::Relaxed);
        self.decided = Some(way);
        way
    }

    /// Whether frames that go over the background are waited for, as far as is known.
    pub(crate) fn is_urgent(&self) -> bool {
        self.decided == Some(Way::BackgroundNow)
    }
}

impl Drop for Turn {
    /// The time that the call itself took, with its system calls, is none between calls.
    #[inline]
    fn drop(&mut self) {
        if self.writes > 0 && self.decided.is_some() {
            CALLS.store(0, Ordering::Relaxed);
            READ.store(now(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// As if the last call had read the clock this long ago, with so many calls since. One test at a time.
    fn set(ago: Duration, calls: u32, left: u32) -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock begins with the process.
        while now() <= ago.as_nanos() as u64 {
            std::hint::spin_loop();
        }
        READ.store(now() - ago.as_nanos() as u64, Ordering::Relaxed);
        CALLS.store(calls, Ordering::Relaxed);
        LEFT.store(left, Ordering::Relaxed);
        alone
    }

    /// As if no time passed from now on.
    fn stop_the_clock() {
        READ.store(u64::MAX, Ordering::Relaxed);
    }

    fn way(writes: usize) -> Way {
        let way = Turn::of(writes).way();
        stop_the_clock();
        way
    }

    #[test]
    fn calls_that_are_apart_are_written_by_the_caller() {
        for _ in 0..100 {
            let _alone = set(APART * 2, 0, 0);
            assert_eq!(way(1), Way::Caller);
        }
    }

    #[test]
    fn burst_gets_one_row_of_writes_and_then_the_background() {
        let _alone = set(APART * 2, 0, 0);
        let ways: Vec<Way> = (0..ROW + 3).map(|_| way(1)).collect();
        let (caller, background) = ways.split_at(ROW as usize);
        assert!(caller.iter().all(|way| *way == Way::Caller), "{ways:?}");
        assert!(background.iter().all(|way| *way == Way::BackgroundSoon), "{ways:?}");
    }

    #[test]
    fn many_calls_since_the_last_look_are_a_burst_however_long_it_took() {
        let _alone = set(APART * 100, 1000, 0);
        assert_eq!(way(1), Way::BackgroundSoon);
    }

    #[test]
    fn fan_out_that_does_not_fit_is_written_by_the_background_at_once() {
        let _alone = set(APART * 2, 0, 0);
        assert_eq!(way(ROW as usize + 1), Way::BackgroundNow);
        // The row is used up: what follows in no time is a burst.
        assert_eq!(way(1), Way::BackgroundSoon);
    }

    #[test]
    fn all_frames_of_a_call_go_the_same_way() {
        let _alone = set(APART * 2, 0, 0);
        let mut turn = Turn::of(4);
        assert_eq!((turn.way(), turn.way()), (Way::Caller, Way::Caller));
        assert_eq!(LEFT.load(Ordering::Relaxed), ROW - 4);
    }
}
