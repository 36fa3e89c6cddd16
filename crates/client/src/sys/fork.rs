//! What a `fork()` does to this crate.
//!
//! Only the calling thread lives on in the child. The background thread is gone, its locks may be
//! held for ever, and every descriptor is shared with the parent. So the child abandons everything
//! it inherited:
//!
//! - [`generation`] grows by one in the child. Owners of state compare it and start anew. They leak
//!   the old state: dropping it would unregister the parent's sockets from the epoll set that both
//!   share.
//! - The child closes the inherited descriptors at once, so that a connection ends when the parent
//!   ends. It only calls `close()`: a `shutdown()` would end the parent's connections.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use once_cell::sync::OnceCell;

use crate::sys::lock::lock;

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The descriptors that this process has opened and a child must close. Deliberately a `std` mutex:
/// it has no state outside itself, so a child can unlock it.
static OPEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// The number of forks between the first process and this one, plus one. Costs one relaxed load.
#[inline]
#[must_use]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Runs `change` on the list of open descriptors. No fork can happen meanwhile: a descriptor is in
/// the list exactly as long as it is open, and its number is ours.
pub(crate) fn with_descriptors<T>(change: impl FnOnce(&mut Vec<RawFd>) -> T) -> T {
    install();
    change(&mut lock(&OPEN))
}

/// Held while a file is opened or closed, which may take long if a file system hangs. Only a fork
/// waits for it, so that the file is in the list of descriptors. Always locked before [`OPEN`].
static FILES: Mutex<()> = Mutex::new(());

/// Opens a file that a child closes like all of our descriptors. Close it with [`close_file`].
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

// SAFETY: only the fork handlers touch the slot. A thread writes it after it has locked OPEN and
// empties it before it unlocks OPEN, so the lock itself serialises every access.
unsafe impl Sync for GuardSlot {}

/// Registers the fork handlers, once per program image.
pub(crate) fn install() {
    static DONE: OnceCell<()> = OnceCell::new();
    DONE.get_or_init(|| {
        // SAFETY: three functions with the C ABI and no arguments, which live as long as the
        // program: the extension is linked with `-z nodelete`.
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
            // SAFETY: the descriptor is open: it is in the list, which has not changed since
            // prepare(). Its owner, inherited from the parent, is never used in this process.
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
        // Nobody receives this if it comes too late.
        let _ = go_on.send(());
        let file = thread.join().unwrap().expect("who opens a socket does not wait for a file");
        let fd = file.as_raw_fd();
        assert!(with_descriptors(|open| open.contains(&fd)));
        close_file(file);
        assert!(!with_descriptors(|open| open.contains(&fd)));
    }
}
