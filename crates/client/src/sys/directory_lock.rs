//! The lock of a directory, which other processes take too.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::sys::fork;

/// Between two attempts. Nobody holds the lock for longer than it takes to read some files.
const PAUSE: Duration = Duration::from_millis(2);

/// Held as long as it lives.
pub(crate) struct DirectoryLock(Option<File>);

impl DirectoryLock {
    /// Takes the lock; `None` where somebody else has it for all of `patience`, or there is no such directory.
    pub(crate) fn take(directory: &Path, patience: Duration) -> Option<Self> {
        let deadline = Instant::now() + patience;
        let file = fork::open_file(|| File::open(directory)).ok()?;
        let lock = Self(Some(file));
        while !lock.attempt() {
            if Instant::now() >= deadline {
                return None;
            }
            sleep(PAUSE);
        }
        Some(lock)
    }

    fn attempt(&self) -> bool {
        self.0.as_ref().is_some_and(|file| {
            // SAFETY: the descriptor is open, `file` owns it.
            unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
        })
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // The lock goes with the descriptor.
        if let Some(file) = self.0.take() {
            fork::close_file(file);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_at_a_time_has_it() {
        let directory = std::env::temp_dir().join(format!("gatewayworker-lock-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let held = DirectoryLock::take(&directory, Duration::ZERO);
        assert!(held.is_some());
        assert!(DirectoryLock::take(&directory, Duration::ZERO).is_none());
        drop(held);
        assert!(DirectoryLock::take(&directory, Duration::ZERO).is_some());
        std::fs::remove_dir(&directory).unwrap();
        assert!(DirectoryLock::take(&directory, Duration::ZERO).is_none());
    }
}
