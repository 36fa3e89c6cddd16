//! Locks that a panic does not take away.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A `std` mutex guard, also where a panicking thread poisoned it: all our critical sections leave consistent data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
