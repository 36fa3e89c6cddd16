//! What a `fork()` does to this crate.
//!
//! Only the calling thread lives on in the child: the background thread is gone, its locks may be held for ever, and
//! every descriptor is shared with the parent. So the child abandons all it inherited:
//!
//! - [`generation`] grows by one in the child; whoever keeps state compares it and starts anew (leaking the old
//!   state: dropping it would unregister the parent's sockets from the epoll set that both share);
//! - the inherited descriptors are closed at once in the child, so that a connection ends when the parent ends.
//!   They are only `close()`d: a `shutdown()` would end the parent's connections.

#![allow(unsafe_code)]

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use once_cell::sync::OnceCell;

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The descriptors that this process has opened and a child has to close. A `std` mutex on purpose: it keeps no
/// state outside itself, so that a child can unlock it.
static OPEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// How many forks lie between the first process and this one, plus one. Costs one relaxed load.
#[inline]
#[must_use]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Runs `change` on the list of open descriptors. No fork can happen meanwhile, so that a descriptor is never open
/// without standing in the list, nor in the list after it was closed and its number was given to somebody else.
pub(crate) fn with_descriptors<T>(change: impl FnOnce(&mut Vec<RawFd>) -> T) -> T {
    install();
    change(&mut lock(&OPEN))
}

/// A `std` mutex guard, also where a panicking thread poisoned it: all our critical sections leave consistent data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The guard that `prepare` took, until the fork is over.
static HELD: GuardSlot = GuardSlot(std::cell::UnsafeCell::new(None));

struct GuardSlot(std::cell::UnsafeCell<Option<MutexGuard<'static, Vec<RawFd>>>>);

// SAFETY: the slot is touched only by the fork handlers. A thread writes it after it has locked OPEN and empties it
// before it unlocks OPEN, so that the lock itself serialises every access.
unsafe impl Sync for GuardSlot {}

/// Registers the fork handlers, once per program image.
pub(crate) fn install() {
    static DONE: OnceCell<()> = OnceCell::new();
    DONE.get_or_init(|| {
        // SAFETY: three functions with the C ABI and no arguments, that live as long as the program: the extension
        // is linked with `-z nodelete`.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    });
}

extern "C" fn prepare() {
    let guard = lock(&OPEN);
    // SAFETY: this thread holds OPEN, see GuardSlot.
    unsafe { *HELD.0.get() = Some(guard) };
}

extern "C" fn parent() {
    // SAFETY: this thread holds OPEN since prepare(), see GuardSlot.
    let guard = unsafe { (*HELD.0.get()).take() };
    drop(guard);
}

extern "C" fn child() {
    // SAFETY: this thread, the only one of the child, holds OPEN since prepare(), see GuardSlot.
    let guard = unsafe { (*HELD.0.get()).take() };
    if let Some(mut open) = guard {
        for fd in open.drain(..) {
            // SAFETY: the descriptor is open: it stands in the list, which did not change since prepare(). Its
            // owner, inherited state of the parent, is never used in this process.
            unsafe { libc::close(fd) };
        }
    }
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
