//! What calling threads wait for while the background works.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::sys::lock::lock;

/// Something has happened that a calling thread may wait for.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: Mutex<usize>,
    happened: Condvar,
}

impl Events {
    pub(crate) fn notify(&self) {
        if *lock(&self.waiting) > 0 {
            self.happened.notify_all();
        }
    }

    /// Waits until `done` returns a value; it is called again after each event. `None`: the
    /// deadline has passed.
    pub(crate) fn wait<T>(&self, deadline: Instant, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let mut waiting = lock(&self.waiting);
        *waiting += 1;
        let answer = loop {
            // Called under the lock: no event can slip in between this and the wait.
            if let Some(answer) = done() {
                break Some(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break None;
            }
            (waiting, _) = self.happened.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
        };
        *waiting -= 1;
        answer
    }
}
