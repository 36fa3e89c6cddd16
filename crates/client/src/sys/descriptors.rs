//! Room in the process's table of descriptors.

#![allow(unsafe_code)]

/// As many as a link and a query connection to each of 1,000 gateways take, with room for the rest. 32 KiB of the
/// kernel's.
#[cfg(target_os = "linux")]
const WANTED: libc::c_int = 4096;

/// Has the table grow at once, before there is a second thread. Where threads share it, Linux waits for all processors
/// each time that it grows: 10 ms or more, five times over on the way to a thousand connections.
#[cfg(target_os = "linux")]
pub(crate) fn reserve() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a live, exclusively borrowed structure that the kernel fills in.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return;
    }
    let highest = libc::c_int::try_from(limit.rlim_cur).unwrap_or(WANTED).min(WANTED) - 1;
    // SAFETY: a copy of the descriptor of a pipe of our own, closed right here; no other thread of ours is there yet to
    // get its number in between, and PHP's do not care.
    unsafe {
        let mut pipe = [-1; 2];
        if libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return;
        }
        let high = libc::fcntl(pipe[0], libc::F_DUPFD_CLOEXEC, highest);
        for fd in [high, pipe[0], pipe[1]] {
            if fd >= 0 {
                libc::close(fd);
            }
        }
    }
}

/// Elsewhere nothing is known of such a cost.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve() {}
