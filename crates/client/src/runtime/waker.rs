//! How calling threads wake the background.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::sys::lock::lock;

/// Tells the background which links have work. However many links and frames there are, it is woken once.
///
/// In a burst it lets frames gather: woken again within [`BURST`] of the last time, it first sleeps for [`GATHER`], so that
/// it writes many frames at once instead of being woken for a few. The sleep is the thread's, not the runtime's, whose
/// timers are too coarse for it; the other links do not miss a tenth of a millisecond.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    ready: Mutex<Vec<Arc<Notify>>>,
    awake: AtomicBool,
    urgent: AtomicBool,
    notify: Notify,
}

const BURST: Duration = Duration::from_micros(300);
const GATHER: Duration = Duration::from_micros(60);

impl Waker {
    /// Puts a link on the list, by what its task waits for; [`Waker::wake`] has to follow.
    pub(crate) fn add(&self, work: Arc<Notify>) {
        lock(&self.ready).push(work);
    }

    /// Wakes the background, unless it is awake and has not looked at the list yet.
    pub(crate) fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// As [`Waker::wake`], for something that somebody waits for.
    pub(crate) fn wake_urgently(&self) {
        self.urgent.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) async fn run(&self) {
        let mut ready = Vec::new();
        let mut last = Instant::now();
        loop {
            self.notify.notified().await;
            if !self.urgent.swap(false, Ordering::AcqRel) && last.elapsed() < BURST {
                std::thread::sleep(GATHER);
            }
            self.awake.store(false, Ordering::Release);
            std::mem::swap(&mut ready, &mut *lock(&self.ready));
            for work in ready.drain(..) {
                work.notify_one();
            }
            // The links run now, and come back here when they have written.
            tokio::task::yield_now().await;
            last = Instant::now();
        }
    }
}
