//! What links and subscriptions need of the background thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::receive::buffers::Buffers;
use crate::runtime::events::Events;
use crate::runtime::log::Log;
use crate::runtime::waker::Waker;
use crate::settings::Settings;

/// The background waits at least this long for a connection, as the original does by default.
pub(crate) const SHORTEST_ATTEMPT: Duration = Duration::from_secs(3);

/// What links and subscriptions need of the background thread.
pub(crate) struct Background {
    pub(crate) handle: Handle,
    pub(crate) waker: Arc<Waker>,
    pub(crate) log: Arc<Log>,
    pub(crate) settings: Settings,
    /// Where replies are received.
    pub(crate) buffers: Arc<Buffers>,
    /// A link came online, or failed to.
    pub(crate) events: Events,
    /// In milliseconds, see [`Background::set_connect_timeout`].
    connect_timeout: AtomicU64,
}

impl Background {
    pub(crate) fn new(handle: Handle, waker: Arc<Waker>, settings: Settings) -> Self {
        Self {
            handle,
            waker,
            log: Arc::default(),
            settings,
            buffers: Arc::default(),
            events: Events::default(),
            connect_timeout: AtomicU64::default(),
        }
    }

    /// How long the background waits for a connection: the time-out of the last call, or longer. A
    /// call with a short time-out gives up by itself, but the connection is for all calls.
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout.load(Ordering::Relaxed)).max(SHORTEST_ATTEMPT)
    }

    /// Records the time-out of a call that waits for a connection.
    pub(crate) fn set_connect_timeout(&self, timeout: Duration) {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.connect_timeout.store(millis, Ordering::Relaxed);
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Background")
    }
}
