//! How calling threads wake the background.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::runtime::pace::Turn;
use crate::sys::lock::lock;

/// Tells the background which links have work. However many links and frames there are, it wakes
/// the background once.
///
/// In a burst it lets frames gather: woken again within [`BURST`], the background first sleeps for
/// [`GATHER`], and then writes many frames at once. The whole thread sleeps, since the timers of
/// the runtime are too coarse; a tenth of a millisecond does not hurt the other links. What is no
/// burst (see [`Turn`]) never waits for that.
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
    /// Puts a link on the list, by what its task waits for. Call [`Waker::wake`] afterwards.
    pub(crate) fn add(&self, work: Arc<Notify>) {
        lock(&self.ready).push(work);
    }

    /// Wakes the background for the frames of a call.
    pub(crate) fn wake(&self, turn: &Turn) {
        if turn.is_urgent() { self.wake_urgently() } else { self.wake_soon() }
    }

    /// Wakes the background, unless it is awake and has not looked at the list yet.
    pub(crate) fn wake_soon(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Like [`Waker::wake_soon`], for something that a caller waits for.
    pub(crate) fn wake_urgently(&self) {
        self.urgent.store(true, Ordering::Release);
        self.wake_soon();
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
            // The links run now, and return here when they have written.
            tokio::task::yield_now().await;
            last = Instant::now();
        }
    }
}
