//! What the handle of a subscription and its task both hold.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::address::{self, LookUpPause};
use crate::error::Error;
use crate::last_error::LastError;
use crate::runtime::background::Background;
use crate::secret::Secret;

/// Takes over a list of gateways. Called on the background thread, once per list.
pub(crate) type OnList = Box<dyn Fn(&[String]) + Send + Sync>;

/// One subscription.
pub(super) struct Shared {
    pub(super) registers: Vec<String>,
    /// Whether any of them is a name, whose address may change.
    pub(super) named: bool,
    pub(super) secret: Secret,
    pub(super) on_list: OnList,
    pub(super) background: Arc<Background>,
    pub(super) state: Mutex<State>,
    pub(super) last_error: LastError,
    pub(super) changed: Condvar,
    pub(super) nudge: Notify,
    /// When the list may be requested again because an id names a gateway that is not in it. Locked
    /// meanwhile, so that other threads wait for the same list.
    pub(super) refresh: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) started: bool,
    /// Resolved by calling threads: name look-ups must stay out of the background.
    pub(super) targets: Vec<Option<SocketAddr>>,
    /// All registers have failed since they were resolved, so their addresses may have changed.
    pub(super) stale: bool,
    pub(super) look_ups: LookUpPause,
    /// The number of calls that wait for a list, and the time-out of the last of them.
    pub(super) waiting: usize,
    pub(super) timeout: Duration,
    /// The number of lists received.
    pub(super) lists: u64,
    pub(super) list_at: Option<Instant>,
    /// The number of rounds through all registers without a list.
    pub(super) failed_rounds: u64,
    pub(super) error: Option<Error>,
    pub(super) connected: Option<usize>,
    /// The connected register has sent its list.
    pub(super) online: bool,
    /// The list that was passed on last.
    pub(super) followed: Vec<String>,
    /// The number of refreshes requested, and the one that the current connection serves.
    pub(super) wanted: u64,
    pub(super) serving: u64,
    /// A refresh wants the list as it is, without gateways that may still come back.
    pub(super) exact: bool,
    /// The last list is the register's own, and the connection that it came on still stands.
    pub(super) settled: bool,
}

impl Shared {
    pub(super) fn new(
        registers: Vec<String>,
        secret: Secret,
        on_list: OnList,
        background: Arc<Background>,
    ) -> Self {
        let (state, changed, nudge) = (Mutex::default(), Condvar::new(), Notify::new());
        let refresh = Mutex::default();
        let last_error = LastError::default();
        let named = registers.iter().any(|register| address::is_named(register));
        Self { registers, named, secret, on_list, background, state, last_error, changed, nudge, refresh }
    }

    /// The registers, as messages name them.
    pub(super) fn names(&self) -> String {
        self.registers.join(", ")
    }

    pub(super) fn unreachable(&self, index: usize, reason: String) -> Error {
        Error::RegisterUnreachable { register: self.name(index), reason }
    }

    pub(super) fn name(&self, index: usize) -> String {
        self.registers.get(index).cloned().unwrap_or_default()
    }
}
