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

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use once_cell::sync::OnceCell;

use crate::sys::lock::lock;

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

/// Held while a file is opened or closed, which may take its time where a file system hangs: a fork waits for it, so that the
/// file stands in the list of descriptors, and nobody else does. Always locked before [`OPEN`].
static FILES: Mutex<()> = Mutex::new(());

/// Opens a file that a child closes, as it closes all of ours; [`close_file`] has to follow.
///
/// # Errors
/// Those of `open`.
pub(crate) fn open_file(open: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
    install();
    let _no_fork = lock(&FILES);
    let file = open()?;
    with_descriptors(|descriptors| descriptors.push(file.as_raw_fd()));
    Ok(file)
}

/// Closes a file of [`open_file`].
pub(crate) fn close_file(file: File) {
    let _no_fork = lock(&FILES);
    with_descriptors(|descriptors| descriptors.retain(|fd| *fd != file.as_raw_fd()));
    drop(file);
}

/// The guards that `prepare` took, until the fork is over.
static HELD: GuardSlot = GuardSlot(std::cell::UnsafeCell::new(None));

type Guards = (MutexGuard<'static, ()>, MutexGuard<'static, Vec<RawFd>>);

struct GuardSlot(std::cell::UnsafeCell<Option<Guards>>);

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
    let files = lock(&FILES);
    let open = lock(&OPEN);
    // SAFETY: this thread holds OPEN, see GuardSlot.
    unsafe { *HELD.0.get() = Some((files, open)) };
}

extern "C" fn parent() {
    // SAFETY: this thread holds OPEN since prepare(), see GuardSlot.
    let guards = unsafe { (*HELD.0.get()).take() };
    drop(guards);
}

extern "C" fn child() {
    // SAFETY: this thread, the only one of the child, holds OPEN since prepare(), see GuardSlot.
    let guards = unsafe { (*HELD.0.get()).take() };
    if let Some((_files, mut open)) = guards {
        for fd in open.drain(..) {
            // SAFETY: the descriptor is open: it stands in the list, which did not change since prepare(). Its
            // owner, inherited state of the parent, is never used in this process.
            unsafe { libc::close(fd) };
        }
    }
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_that_takes_its_time_to_open_keeps_no_socket_waiting() {
        let (opening, is_opening) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            open_file(|| {
                opening.send(()).unwrap();
                may_go_on.recv_timeout(Duration::from_secs(20)).map_err(io::Error::other)?;
                File::open("/dev/null")
            })
        });
        is_opening.recv().unwrap();
        with_descriptors(|_| ());
        // Nobody is there any more where this came too late.
        let _ = go_on.send(());
        let file = thread.join().unwrap().expect("who opens a socket does not wait for a file");
        let fd = file.as_raw_fd();
        assert!(with_descriptors(|open| open.contains(&fd)));
        close_file(file);
        assert!(!with_descriptors(|open| open.contains(&fd)));
    }
}
