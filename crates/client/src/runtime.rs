//! The background thread: one per process, started at first use, with a current-thread tokio runtime on it.
//!
//! It is found again by [`Process::current`], whose static pointer is compared with the fork generation: a child
//! leaks its parent's process state and starts its own.

#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::cluster::{Cluster, ClusterId};
use crate::command_link::CommandLink;
use crate::error::Error;
use crate::fork;
use crate::log::Log;
use crate::publish;
use crate::settings::Settings;
use crate::sys::lock::lock;

/// Enough for the deepest of our futures, and little enough not to show in a process's memory.
const STACK: usize = 512 << 10;

/// The background waits at least this long for a connection, as the original does by default.
pub(crate) const SHORTEST_ATTEMPT: Duration = Duration::from_secs(3);

static CURRENT: AtomicPtr<Process> = AtomicPtr::new(std::ptr::null_mut());
/// The state that was ended. It is never freed: other threads may still look at it. A pointer to it is kept for those who look
/// for memory that nobody knows any more; without the attribute the compiler would see that it is never read.
#[used]
static ENDED: AtomicPtr<Process> = AtomicPtr::new(std::ptr::null_mut());
/// Held while a process state is made or ended.
static STARTING: Mutex<()> = Mutex::new(());

/// All that this process has in the background.
pub struct Process {
    generation: u64,
    pub(crate) background: Arc<Background>,
    /// In the order in which they were used first.
    clusters: Mutex<Vec<&'static Cluster>>,
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The state of the parent process, or null. Never looked into, only kept as [`ENDED`] is.
    _inherited: AtomicPtr<Self>,
}

/// What links and subscriptions need of the background thread.
pub(crate) struct Background {
    pub(crate) handle: Handle,
    pub(crate) waker: Arc<Waker>,
    pub(crate) log: Arc<Log>,
    pub(crate) settings: Settings,
    /// A link came online, or failed to.
    pub(crate) events: Events,
    /// In milliseconds, see [`Background::set_connect_timeout`].
    connect_timeout: AtomicU64,
}

impl Background {
    /// How long the background waits for a connection: what the last call was ready to wait, or longer. A call that is in a
    /// hurry gives up by itself; the connection is for all calls, and nobody else must go without it.
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout.load(Ordering::Relaxed)).max(SHORTEST_ATTEMPT)
    }

    /// A call that waits for a connection tells how long.
    pub(crate) fn set_connect_timeout(&self, timeout: Duration) {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.connect_timeout.store(millis, Ordering::Relaxed);
    }
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

    /// The state of this process; starts the background thread at the first call, which alone uses `settings`.
    ///
    /// # Errors
    /// Where no thread or no epoll descriptor can be had.
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
        let runtime_error = |error: io::Error| Error::Runtime(error.to_string());
        let (stop, waker) = (Arc::new(Notify::new()), Arc::new(Waker::default()));
        let (started, start) = mpsc::channel();
        let thread = {
            let (stop, waker) = (Arc::clone(&stop), Arc::clone(&waker));
            let _signals = BlockedSignals::all();
            std::thread::Builder::new()
                .name("gatewayworker".into())
                .stack_size(STACK)
                .spawn(move || run(&stop, waker, &started))
                .map_err(runtime_error)?
        };
        let handle =
            start.recv().map_err(|_| Error::Runtime("it ended at once".into()))?.map_err(runtime_error)?;
        let background = Arc::new(Background {
            handle,
            waker,
            log: Arc::default(),
            settings,
            events: Events::default(),
            connect_timeout: AtomicU64::default(),
        });
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
            process.background.handle.spawn(publish::run(process, directory));
        }
        Ok(process)
    }

    /// The cluster of this id, made at the first call. It stays as long as the process does.
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

    /// What the background has to tell.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.background.log
    }

    /// The limits that this process works with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.background.settings
    }

    /// Waits until everything accepted so far has been handed to the kernel. Answers the gateways for which that was
    /// not possible within `timeout`, with the number of their frames that still wait.
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

    /// Ends the background of this process, if it has one, after a [`Process::flush`]. Nothing may use it any more.
    pub fn shutdown(flush_timeout: Duration) -> Shutdown {
        let _starting = lock(&STARTING);
        let Some(process) = Self::existing() else {
            return Shutdown::default();
        };
        let undelivered = process.flush(flush_timeout);
        ENDED.store(CURRENT.swap(std::ptr::null_mut(), Ordering::AcqRel), Ordering::Release);
        process.stop.notify_one();
        if let Some(thread) = lock(&process.thread).take() {
            // A panic of the thread has been reported where it happened; there is nobody left to tell.
            let _ = thread.join();
        }
        if let Some(directory) = &process.background.settings.status_path {
            publish::remove(directory);
        }
        Shutdown { undelivered, log: process.log().take() }
    }
}

/// What could not be delivered to one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The gateway.
    pub gateway: Arc<str>,
    /// How many frames still wait.
    pub frames: u64,
    /// Why the connection is not there; empty where it is.
    pub reason: String,
}

/// What the end of the background left to tell.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// What could not be delivered.
    pub undelivered: Vec<Undelivered>,
    /// The last lines of the log.
    pub log: Vec<String>,
}

/// The thread: the runtime lives on its stack.
fn run(stop: &Notify, waker: Arc<Waker>, started: &mpsc::Sender<io::Result<Handle>>) {
    let (runtime, descriptors) = match build() {
        Ok(built) => built,
        Err(error) => {
            // The receiver waits for this; it cannot be gone.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(runtime.handle().clone()));
    runtime.spawn(async move { waker.run().await });
    runtime.block_on(stop.notified());
    fork::with_descriptors(|open| open.retain(|fd| !descriptors.contains(fd)));
}

/// Builds the runtime, and finds out which descriptors it opened: a fork's child has to close those too.
fn build() -> io::Result<(tokio::runtime::Runtime, Vec<i32>)> {
    fork::with_descriptors(|open| {
        let before = event_descriptors();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let opened: Vec<i32> = event_descriptors().into_iter().filter(|fd| !before.contains(fd)).collect();
        open.extend(&opened);
        Ok((runtime, opened))
    })
}

/// The epoll and event descriptors of this process. tokio does not tell which are its own. Empty where there is no
/// `/proc`: the kqueue of other systems is not inherited by a fork.
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

/// Tells the background which links have work. However many links and frames there are, it is woken once.
///
/// In a burst it lets frames gather: woken again within [`BURST`] of the last time, it first sleeps for [`GATHER`], so that
/// it writes many frames at once instead of being woken for a few. The sleep is the thread's, not the runtime's, whose
/// timers are too coarse for it; the other links do not miss a tenth of a millisecond.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    ready: Mutex<Vec<Arc<CommandLink>>>,
    awake: AtomicBool,
    urgent: AtomicBool,
    notify: Notify,
}

const BURST: Duration = Duration::from_micros(300);
const GATHER: Duration = Duration::from_micros(60);

impl Waker {
    /// Puts a link on the list; [`Waker::wake`] has to follow.
    pub(crate) fn add(&self, link: Arc<CommandLink>) {
        lock(&self.ready).push(link);
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

    async fn run(&self) {
        let mut ready = Vec::new();
        let mut last = Instant::now();
        loop {
            self.notify.notified().await;
            if !self.urgent.swap(false, Ordering::AcqRel) && last.elapsed() < BURST {
                std::thread::sleep(GATHER);
            }
            self.awake.store(false, Ordering::Release);
            std::mem::swap(&mut ready, &mut *lock(&self.ready));
            for link in ready.drain(..) {
                link.work();
            }
            // The links run now, and come back here when they have written.
            tokio::task::yield_now().await;
            last = Instant::now();
        }
    }
}

/// Something has happened that a calling thread may wait for.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: Mutex<usize>,
    happened: Condvar,
}

impl Events {
    pub(crate) fn notify(&self) {
        if *lock(&self.waiting) > 0 {
            self.happened.notify_all();
        }
    }

    /// Waits until `done` has an answer; it is asked again after each event. `None`: the deadline has passed.
    pub(crate) fn wait<T>(&self, deadline: Instant, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let mut waiting = lock(&self.waiting);
        *waiting += 1;
        let answer = loop {
            // Asked under the lock: an event cannot slip in between the answer and the wait.
            if let Some(answer) = done() {
                break Some(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break None;
            }
            (waiting, _) = self.happened.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
        };
        *waiting -= 1;
        answer
    }
}

/// While it lives, no signal is delivered to this thread, nor to a thread that it starts: signals are PHP's.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn all() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: sigfillset() initialises the set it is given, pthread_sigmask() the one it stores the old mask in.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::sigemptyset(before.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the mask was stored by pthread_sigmask() in all().
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}
