//! How much memory a piece of code takes.

/// Runs `code`, which must never hold more than `limit` bytes of memory of its own, on this thread.
pub(crate) fn bounded<T>(limit: usize, code: impl FnOnce() -> T) -> T {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(code()));
    assert!(taken.bytes_max <= limit as u64, "{} bytes were taken, {limit} are allowed", taken.bytes_max);
    result.unwrap()
}
