//! When a link connects again.

use std::time::{Duration, Instant};

use crate::link::send_queue::Failure;
use crate::link::shared::Shared;

/// The first pause before connecting again; it doubles up to one of the two limits.
const BACKOFF: Duration = Duration::from_millis(40);
/// The longest pause for a gateway that went away recently: sending works again soon after its return.
const BACKOFF_LIMIT: Duration = Duration::from_millis(160);
/// The longest pause for one that has been away for longer than [`LONG_OUTAGE`].
const BACKOFF_LIMIT_LONG: Duration = Duration::from_secs(2);
const LONG_OUTAGE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 60_000 });

/// The pauses between attempts, and what of them is worth a line in the log: a line when the trouble starts and a line
/// when it is over, not one per attempt.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
    away_since: Option<Instant>,
    logged: Option<String>,
}

impl Backoff {
    pub(super) fn connected(&mut self, link: &Shared) {
        if self.logged.take().is_some() {
            let queued = link.queue.counters().queued;
            link.log("is back", &format!("{queued} frames waited for it"));
        }
        self.attempts = 0;
        self.away_since = None;
    }

    pub(super) fn failed(&mut self, link: &Shared, failure: &Failure) {
        self.away_since.get_or_insert(failure.at);
        if self.logged.as_ref() != Some(&failure.reason) {
            let event = if failure.rejected { "rejects the connection" } else { "lost" };
            link.log(event, &failure.reason);
            self.logged = Some(failure.reason.clone());
        }
    }

    pub(super) fn is_long_away(&self) -> bool {
        self.away_since.is_some_and(|since| since.elapsed() > LONG_OUTAGE)
    }

    /// The next pause: exponential, with jitter, so that many processes do not come back at the same instant.
    pub(super) fn next(&mut self, failure: &Failure) -> Duration {
        let long = failure.rejected || self.is_long_away();
        let limit = if long { BACKOFF_LIMIT_LONG } else { BACKOFF_LIMIT };
        let first = if failure.rejected { BACKOFF_LIMIT_LONG } else { BACKOFF };
        let pause = first.saturating_mul(1 << self.attempts.min(16)).min(limit);
        self.attempts += 1;
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a promise of 300 ms leaves room for: the pause, and the connection itself.
    #[test]
    fn a_gateway_that_has_been_away_for_less_than_a_minute_is_tried_again_within_160_ms() {
        let failure = Failure { reason: "refused".into(), rejected: false, at: Instant::now() };
        let mut backoff = Backoff { away_since: Some(Instant::now()), ..Backoff::default() };
        for attempt in 0..10_000 {
            let next = backoff.next(&failure);
            assert!(next <= Duration::from_millis(160), "attempt {attempt}: {next:?}");
        }
    }
}
