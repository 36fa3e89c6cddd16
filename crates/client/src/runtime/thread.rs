//! The background thread, with a current-thread tokio runtime on it.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::runtime::waker::Waker;
use crate::sys::signals::BlockedSignals;
use crate::sys::{descriptors, fork};

/// Enough for our deepest future, and too little to show in a process's memory.
const STACK: usize = 512 << 10;

/// Starts the thread; it runs until `stop` is notified.
///
/// # Errors
/// When no thread or no epoll descriptor is available.
pub(crate) fn spawn(stop: &Arc<Notify>, waker: &Arc<Waker>) -> io::Result<(JoinHandle<()>, Handle)> {
    descriptors::reserve();
    let (started, start) = mpsc::channel();
    let thread = {
        let (stop, waker) = (Arc::clone(stop), Arc::clone(waker));
        let _signals = BlockedSignals::all();
        std::thread::Builder::new()
            .name("gatewayworker".into())
            .stack_size(STACK)
            .spawn(move || main_loop(&stop, waker, &started))?
    };
    let handle = start.recv().map_err(|_| io::Error::other("it ended at once"))??;
    Ok((thread, handle))
}

/// The thread: the runtime lives on its stack.
fn main_loop(stop: &Notify, waker: Arc<Waker>, started: &mpsc::Sender<io::Result<Handle>>) {
    let (runtime, descriptors) = match build() {
        Ok(built) => built,
        Err(error) => {
            // The receiver waits for this, so it still exists.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(runtime.handle().clone()));
    runtime.spawn(async move { waker.run().await });
    runtime.block_on(stop.notified());
    fork::with_descriptors(|open| open.retain(|fd| !descriptors.contains(fd)));
}

/// Builds the runtime, and finds out which descriptors it opened: a forked child must close those
/// too.
fn build() -> io::Result<(tokio::runtime::Runtime, Vec<i32>)> {
    fork::with_descriptors(|open| {
        let before = event_descriptors();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let opened: Vec<i32> = event_descriptors().into_iter().filter(|fd| !before.contains(fd)).collect();
        open.extend(&opened);
        Ok((runtime, opened))
    })
}

/// The epoll and event descriptors of this process: tokio does not say which are its own. Empty
/// without `/proc`: the kqueue of other systems is not inherited by a fork.
fn event_descriptors() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            std::fs::read_link(entry.path()).is_ok_and(|target| {
                matches!(target.to_str(), Some("anon_inode:[eventpoll]" | "anon_inode:[eventfd]"))
            })
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
