//! What this process has in the background: one thread, started at first use, and the clusters.
//!
//! [`Process::current`] finds it through a static pointer, and compares its fork generation: a
//! child leaks its parent's process state and starts its own.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::cluster::{Cluster, ClusterId};
use crate::error::Error;
use crate::runtime::background::Background;
use crate::runtime::log::Log;
use crate::runtime::thread;
use crate::runtime::waker::Waker;
use crate::settings::Settings;
use crate::status::ProcessStatus;
use crate::status_file;
use crate::sys::fork;
use crate::sys::lock::lock;

static CURRENT: AtomicPtr<Process> = AtomicPtr::new(std::ptr::null_mut());
/// The state that was ended. It is never freed: other threads may still look at it. Leak checkers
/// find it through this pointer; without the attribute the compiler would drop the store, which
/// nothing reads.
#[used]
static ENDED: AtomicPtr<Process> = AtomicPtr::new(std::ptr::null_mut());
/// Held while a process state is created or ended.
static STARTING: Mutex<()> = Mutex::new(());

thread_local! {
    /// The unconfirmed frames at this thread's last [`Process::confirm`], and the process state that it asked.
    static TOLD: Cell<(usize, u64)> = const { Cell::new((0, 0)) };
}

/// The background of this process.
pub struct Process {
    generation: u64,
    pub(crate) background: Arc<Background>,
    /// In the order in which they were used first.
    clusters: Mutex<Vec<&'static Cluster>>,
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The state of the parent process, or null. Never read, only kept like [`ENDED`].
    _inherited: AtomicPtr<Self>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Process {
    /// The state of this process, if it has any yet.
    #[inline]
    pub fn existing() -> Option<&'static Self> {
        // SAFETY: the pointer is null or comes from Box::leak in start(), and is never freed.
        let process = unsafe { CURRENT.load(Ordering::Acquire).as_ref() }?;
        (process.generation == fork::generation()).then_some(process)
    }

    /// The state of this process. The first call starts the background thread, and is the only one
    /// that uses `settings`.
    ///
    /// # Errors
    /// When no thread or no epoll descriptor is available.
    #[inline]
    pub fn current(settings: impl FnOnce() -> Settings) -> Result<&'static Self, Error> {
        match Self::existing() {
            Some(process) => Ok(process),
            None => Self::start(settings()),
        }
    }

    #[cold]
    fn start(settings: Settings) -> Result<&'static Self, Error> {
        let _starting = lock(&STARTING);
        if let Some(process) = Self::existing() {
            return Ok(process);
        }
        fork::install();
        let (stop, waker) = (Arc::new(Notify::new()), Arc::new(Waker::default()));
        let (thread, handle) =
            thread::spawn(&stop, &waker).map_err(|error| Error::Runtime(Arc::new(error)))?;
        let background = Arc::new(Background::new(handle, waker, settings));
        let process = Box::leak(Box::new(Self {
            generation: fork::generation(),
            background,
            clusters: Mutex::default(),
            stop,
            thread: Mutex::new(Some(thread)),
            _inherited: AtomicPtr::new(CURRENT.load(Ordering::Acquire)),
        }));
        CURRENT.store(process, Ordering::Release);
        if let Some(directory) = process.background.settings.status_path.clone() {
            let log = Arc::clone(&process.background.log);
            process.background.handle.spawn(status_file::run(|| process.status(), log, directory));
        }
        Ok(process)
    }

    /// The cluster with this id, created by the first call. It lives as long as the process.
    pub fn cluster(&self, id: ClusterId) -> &'static Cluster {
        let mut clusters = lock(&self.clusters);
        match clusters.iter().find(|cluster| *cluster.id() == id) {
            Some(cluster) => cluster,
            None => {
                let cluster: &'static Cluster =
                    Box::leak(Box::new(Cluster::new(id, Arc::clone(&self.background))));
                clusters.push(cluster);
                cluster
            }
        }
    }

    /// All clusters that were used so far, in the order in which they were used first.
    pub fn clusters(&self) -> Vec<&'static Cluster> {
        lock(&self.clusters).clone()
    }

    /// The lines that the background has logged.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.background.log
    }

    /// The settings of this process.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.background.settings
    }

    /// The state of this process.
    #[must_use]
    pub fn status(&self) -> ProcessStatus {
        ProcessStatus {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            threads: 1,
            clusters: self.clusters().iter().map(|cluster| cluster.status()).collect(),
        }
    }

    /// Waits until everything accepted so far has been handed to the kernel. Returns the gateways
    /// for which that took longer than `timeout`, with the number of frames still queued.
    pub fn flush(&self, timeout: Duration) -> Vec<Undelivered> {
        let deadline = Instant::now() + timeout;
        let links: Vec<_> = self.clusters().iter().flat_map(|cluster| cluster.links()).collect();
        links
            .iter()
            .filter(|link| !link.wait_written(deadline))
            .map(|link| Undelivered {
                gateway: Arc::clone(&link.address().text),
                frames: link.counters().queued,
                reason: link.failure_reason(),
            })
            .collect()
    }

    /// Waits until every gateway has processed all that this process has sent to it before. The
    /// result says what is not known to have been processed; frames that never will be are in the
    /// next result of each thread.
    pub fn confirm(&self, timeout: Duration) -> Confirmation {
        let deadline = Instant::now() + timeout;
        let clusters = self.clusters();
        let mut wake = false;
        let barriers: Vec<_> = clusters
            .iter()
            .flat_map(|cluster| cluster.links())
            .filter_map(|link| link.barrier(&mut wake).map(|barrier| (link, barrier)))
            .collect();
        if wake {
            self.background.waker.wake_urgently();
        }
        let mut late = Vec::new();
        for (link, barrier) in barriers {
            let reason = match link.wait_barrier(barrier, deadline) {
                Ok(true) => continue,
                Ok(false) => {
                    let failure = link.failure_reason();
                    let slow = || format!("it has not processed everything within {timeout:?}");
                    if failure.is_empty() { slow() } else { failure }
                }
                Err(error) => error.to_string(),
            };
            late.push(Unconfirmed { gateway: Arc::clone(&link.address().text), reason });
        }
        let lost = clusters.iter().map(|cluster| cluster.members.unconfirmed()).sum::<u64>();
        // Never freed, so that no other process state has the same address.
        let me = std::ptr::from_ref(self).addr();
        let (process, before) = TOLD.replace((me, lost));
        Confirmation { late, lost: if process == me { lost - before } else { lost } }
    }

    /// Ends the background of this process, if it has one, after a [`Process::flush`]. Nothing may
    /// use it afterwards.
    pub fn shutdown(flush_timeout: Duration) -> Shutdown {
        let _starting = lock(&STARTING);
        let Some(process) = Self::existing() else {
            return Shutdown::default();
        };
        let undelivered = process.flush(flush_timeout);
        ENDED.store(CURRENT.swap(std::ptr::null_mut(), Ordering::AcqRel), Ordering::Release);
        process.stop.notify_one();
        if let Some(thread) = lock(&process.thread).take() {
            // A panic of the thread has been reported where it happened.
            let _ = thread.join();
        }
        if let Some(directory) = &process.background.settings.status_path {
            status_file::end(directory, process.status(), process.log());
        }
        Shutdown { undelivered, log: process.log().take() }
    }
}

impl ProcessStatus {
    /// The state of this process. It starts nothing in a process that has done nothing yet.
    #[must_use]
    pub fn now() -> Self {
        let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
        Process::existing().map_or(Self { version, pid, threads: 0, clusters: Vec::new() }, Process::status)
    }
}

/// What could not be delivered to one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The gateway.
    pub gateway: Arc<str>,
    /// The number of frames still queued.
    pub frames: u64,
    /// Why the gateway is not connected; empty if it is.
    pub reason: String,
}

/// What a [`Process::confirm`] has not confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirmation {
    /// The gateways that have not confirmed in time, or cannot be reached.
    pub late: Vec<Unconfirmed>,
    /// How many frames were given up since this thread's last [`Process::confirm`], or were on a
    /// connection that ended before the gateway had confirmed them.
    pub lost: u64,
}

impl Confirmation {
    /// Whether every gateway has processed all.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.late.is_empty() && self.lost == 0
    }
}

/// A gateway that has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unconfirmed {
    /// The gateway.
    pub gateway: Arc<str>,
    /// Why.
    pub reason: String,
}

/// What was left when the background ended.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// What could not be delivered.
    pub undelivered: Vec<Undelivered>,
    /// The last lines of the log.
    pub log: Vec<String>,
}
