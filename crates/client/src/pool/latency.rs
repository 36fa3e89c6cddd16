//! How long replies take: a histogram that costs one relaxed atomic addition per reply.
//!
//! `hdrhistogram` needs a lock around each recording, and ten times the memory for the same range. This one has buckets of
//! fixed places: exact up to 31 µs, then 16 to each power of two, up to 134 s. What it says is at most 1/32 (3.2 %) away
//! from what was recorded; longer times count as the longest.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets to each power of two, as a number of bits.
const BITS: u32 = 4;
/// Below this, in microseconds, each value has a bucket of its own.
const EXACT: u64 = 2 << BITS;
/// The power of two that is not counted any more: 2²⁷ µs are 134 s.
const LIMIT: u32 = 27;
const BUCKETS: usize = EXACT as usize + ((LIMIT - BITS - 1) << BITS) as usize;

type Buckets = [AtomicU64; BUCKETS];

/// The times of all replies of one gateway. 3 KiB from the first one on.
#[derive(Debug, Default)]
pub(crate) struct Latency(OnceLock<Box<Buckets>>);

/// What a [`Latency`] has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// How many replies were timed.
    pub(crate) count: u64,
    /// Half of them took no longer, in microseconds. `None` where there were none.
    pub(crate) p50: Option<u64>,
    /// 99 of 100 took no longer, in microseconds.
    pub(crate) p99: Option<u64>,
}

impl Latency {
    /// Counts an reply.
    #[inline]
    pub(crate) fn record(&self, took: Duration) {
        let buckets = self.0.get_or_init(|| Box::new([const { AtomicU64::new(0) }; BUCKETS]));
        buckets[place(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// The percentiles of all that was recorded so far.
    pub(crate) fn summary(&self) -> Summary {
        let Some(buckets) = self.0.get() else { return Summary::default() };
        // One look at each bucket, so that the percentiles are of the same replies.
        let counts: Vec<u64> = buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let count: u64 = counts.iter().sum();
        Summary { count, p50: percentile(&counts, count, 50), p99: percentile(&counts, count, 99) }
    }
}

fn place(took: Duration) -> usize {
    let micros = took.as_micros() as u64;
    if micros < EXACT {
        return micros as usize;
    }
    let power = micros.ilog2();
    if power >= LIMIT {
        return BUCKETS - 1;
    }
    let within = (micros >> (power - BITS)) as usize - (1 << BITS);
    EXACT as usize + (((power - BITS - 1) as usize) << BITS) + within
}

/// The middle of a bucket, in microseconds.
fn middle(place: usize) -> u64 {
    let Some(above) = place.checked_sub(EXACT as usize) else { return place as u64 };
    let shift = (above >> BITS) as u32 + 1;
    let least = ((1 << BITS) + (above as u64 & ((1 << BITS) - 1))) << shift;
    least + (1 << shift) / 2
}

fn percentile(counts: &[u64], count: u64, percent: u64) -> Option<u64> {
    // The smallest value that so many do not exceed: rounded up, so that one reply is its own median.
    let wanted = (u128::from(count) * u128::from(percent)).div_ceil(100) as u64;
    let mut seen = 0;
    let place = counts.iter().position(|bucket| {
        seen += bucket;
        seen >= wanted && seen > 0
    })?;
    Some(middle(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Summary {
        let latency = Latency::default();
        micros.into_iter().for_each(|micros| latency.record(Duration::from_micros(micros)));
        latency.summary()
    }

    #[test]
    fn has_nothing_to_say_of_nothing() {
        assert_eq!(of([]), Summary { count: 0, p50: None, p99: None });
    }

    #[test]
    fn is_exact_for_short_times() {
        assert_eq!(of(1..=31), Summary { count: 31, p50: Some(16), p99: Some(31) });
        assert_eq!(of([0]), Summary { count: 1, p50: Some(0), p99: Some(0) });
    }

    #[test]
    fn one_answer_in_a_hundred_is_above_the_99th_percentile() {
        let one = of(std::iter::repeat_n(10, 99).chain([30]));
        assert_eq!(one, Summary { count: 100, p50: Some(10), p99: Some(10) });
        let two = of(std::iter::repeat_n(10, 98).chain([30, 30]));
        assert_eq!(two, Summary { count: 100, p50: Some(10), p99: Some(30) });
    }

    #[test]
    fn is_within_its_bound_from_a_microsecond_to_two_minutes() {
        let mut micros = 1_u64;
        while micros < 1 << LIMIT {
            for near in [micros - 1, micros, micros + 1] {
                let said = of([near]).p50.unwrap_or_default();
                assert!(said.abs_diff(near) * 32 <= near, "{said} for {near}");
            }
            micros += micros / 7 + 1;
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap() {
        let mut last = 0;
        for micros in 0..1 << 20 {
            let place = place(Duration::from_micros(micros));
            assert!(place == last || place == last + 1, "{micros}");
            last = place;
        }
        assert_eq!(place(Duration::from_micros((1 << LIMIT) - 1)), BUCKETS - 1);
    }

    #[test]
    fn longer_times_count_as_the_longest() {
        let said = of([u64::MAX / 1000]);
        assert_eq!(said.count, 1);
        assert!(said.p99.is_some_and(|p99| p99 > 130_000_000 && p99 < 1 << LIMIT), "{said:?}");
    }

    #[test]
    fn counts_the_answers_of_all_threads() {
        let latency = Latency::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| latency.record(Duration::from_micros(20))));
            }
        });
        assert_eq!(latency.summary(), Summary { count: 40_000, p50: Some(20), p99: Some(20) });
    }
}
