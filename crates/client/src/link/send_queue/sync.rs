//! The locks of [`crate::link::send_queue`]: the system's, or those of [loom](https://docs.rs/loom), which tries every order in
//! which two threads can get at them. The tests with loom are run by
//!
//! ```sh
//! RUSTFLAGS="--cfg gatewayworker_loom" cargo test -p gatewayworker-client --lib --release loom
//! ```
//!
//! (a name of its own: with `--cfg loom`, tokio leaves out its sockets and this crate cannot be compiled).

#[cfg(not(all(test, gatewayworker_loom)))]
pub(crate) use {
    crate::sys::lock::lock,
    std::sync::{Condvar, Mutex, MutexGuard},
};

#[cfg(all(test, gatewayworker_loom))]
pub(crate) use model::{Condvar, Mutex, MutexGuard, lock};

#[cfg(all(test, gatewayworker_loom))]
mod model {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
