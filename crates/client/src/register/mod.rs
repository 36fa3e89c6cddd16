//! The subscription to the register, which knows where the gateways are.
//!
//! One connection per cluster stays open, and the register pushes the list on every change. The
//! last list stays valid while the register is away. Several registers are tried in turn. The
//! protocol is lines of JSON, see `GatewayWorker\Register`.
//!
//! [`Register`] is the handle of calling threads, [`driver`] the task on the background thread,
//! [`shared`] what both hold.

mod driver;
mod grace;
mod shared;
pub(crate) mod status;

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::address;
use crate::error::{Error, reason};
use crate::register::shared::{Shared, State};
use crate::register::status::{RegisterState, RegisterStatus};
use crate::runtime::background::Background;
use crate::secret::Secret;
use crate::sys::lock::lock;

pub(crate) use crate::register::shared::OnList;

/// A list is old after this long: one that has just arrived need not be requested again.
const OLD: Duration = Duration::from_secs(1);
/// The pause between two refreshes for client ids whose gateway is not in the list. Anybody can make
/// such ids up. Longer than gateways are waited for that a restarted register does not know yet.
const REFRESH_PAUSE: Duration = Duration::from_secs(10);
/// As a multiple of the time that the refresh took: a register that hangs costs callers no more than
/// a tenth of their time.
const REFRESH_SHARE: u32 = 9;

/// The handle of a live subscription, for calling threads.
pub(crate) struct Register(Arc<Shared>);

/// Why the list is requested again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    /// The caller wants the list as it is now.
    Exact,
    /// A gateway may have been added. This must not cost gateways that the register, restarted, does
    /// not know yet.
    ForAdditions,
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register").field("registers", &self.0.registers).finish_non_exhaustive()
    }
}

impl Register {
    pub(crate) fn new(
        registers: Vec<String>,
        secret: Secret,
        on_list: OnList,
        background: Arc<Background>,
    ) -> Self {
        Self(Arc::new(Shared::new(registers, secret, on_list, background)))
    }

    /// Makes sure that a list is known, and waits for the first one if necessary. With `fresh`, it
    /// requests a new one.
    ///
    /// # Errors
    /// When no register sends one within `timeout`.
    pub(crate) fn wait_listed(&self, fresh: bool, timeout: Duration) -> Result<(), Error> {
        {
            let state = lock(&self.0.state);
            if state.lists > 0 && !fresh {
                if state.stale {
                    drop(state);
                    self.look_up_again();
                }
                return Ok(());
            }
        }
        self.wait_for_list(fresh.then_some(Refresh::Exact), timeout)
    }

    /// Requests the list again if it is old and was not requested for the same reason a short while
    /// ago. For a client id whose gateway it lacks. The last list stays valid whatever comes of it.
    #[cold]
    pub(crate) fn refresh_old(&self, timeout: Duration) {
        let mut next = lock(&self.0.refresh);
        let began = Instant::now();
        let is_old = lock(&self.0.state).list_at.is_none_or(|at| at + OLD <= began);
        if !is_old || next.is_some_and(|next| began < next) {
            return;
        }
        // The driver logs why a register cannot be reached.
        let _ = self.wait_for_list(Some(Refresh::ForAdditions), timeout);
        let took = began.elapsed();
        *next = Some(began + took + took.saturating_mul(REFRESH_SHARE).max(REFRESH_PAUSE));
    }

    /// Looks names up again once all registers have failed: a container may have moved. The
    /// background must not call the resolver, so the next call does, and goes on with the last
    /// list.
    #[cold]
    fn look_up_again(&self) {
        {
            let mut state = lock(&self.0.state);
            if !state.stale || !state.look_ups.is_over() {
                return;
            }
            // One caller looks, not all of them. The next failure requests it again.
            state.stale = false;
        }
        // A name that was not found keeps its address.
        let _ = self.look_up();
    }

    /// Looks the registers up without holding the lock. Returns why the last one that was not found
    /// was not; it keeps its address, since a resolver may be away for a while too.
    fn look_up(&self) -> Option<String> {
        let began = Instant::now();
        let resolver = self.0.background.settings.resolver;
        let found: Vec<_> =
            self.0.registers.iter().map(|register| address::resolve(register, resolver)).collect();
        let mut state = lock(&self.0.state);
        state.look_ups.begin(began);
        state.targets.resize(self.0.registers.len(), None);
        let (mut moved, mut trouble) = (false, None);
        for (target, found) in state.targets.iter_mut().zip(found) {
            match found {
                Ok(address) => moved |= target.replace(address) != Some(address),
                Err(error) => trouble = Some(reason(&error)),
            }
        }
        if moved {
            self.0.nudge.notify_one();
        }
        trouble
    }

    #[cold]
    fn wait_for_list(&self, refresh: Option<Refresh>, timeout: Duration) -> Result<(), Error> {
        let fresh = refresh.is_some();
        let deadline = Instant::now() + timeout;
        let trouble = self.look_up();
        let mut state = lock(&self.0.state);
        if state.targets.iter().all(Option::is_none) {
            let last = self.0.registers.len().saturating_sub(1);
            let error = self.0.unreachable(last, trouble.unwrap_or_default());
            self.0.last_error.set(error.to_string());
            state.error = Some(error.clone());
            return Err(error);
        }
        let mut wanted = 0;
        if fresh && state.started {
            state.wanted += 1;
            state.exact |= refresh == Some(Refresh::Exact);
            wanted = state.wanted;
        }
        if !state.started {
            state.started = true;
            self.0.background.handle.spawn(driver::run(Arc::clone(&self.0)));
        }
        let rounds = state.failed_rounds;
        let lists = state.lists;
        state.waiting += 1;
        state.timeout = timeout;
        self.0.nudge.notify_one();
        let result = loop {
            let listed = if fresh { state.lists > lists && state.serving >= wanted } else { state.lists > 0 };
            if listed {
                break Ok(());
            }
            if state.failed_rounds > rounds
                && let Some(error) = state.error.clone()
            {
                break Err(error);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(match state.error.clone() {
                    Some(error) if state.connected.is_none() => error,
                    _ => Error::RegisterSilent { registers: self.0.names(), after: timeout },
                });
            }
            (state, _) = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        };
        state.waiting -= 1;
        result
    }

    pub(crate) fn status(&self) -> RegisterStatus {
        let (last_error, last_error_age) = self.0.last_error.get();
        let state = lock(&self.0.state);
        RegisterStatus {
            registers: self.0.registers.clone(),
            state: match &*state {
                State { online: true, .. } => RegisterState::Online,
                State { error: Some(_), .. } => RegisterState::Failed,
                State { started: false, .. } => RegisterState::Unused,
                _ => RegisterState::Connecting,
            },
            connected: state.connected.and_then(|index| self.0.registers.get(index).cloned()),
            lists: state.lists,
            list_age: state.list_at.map(|at| at.elapsed().as_secs_f64()),
            last_error,
            last_error_age,
        }
    }

    /// The registers, as messages name them.
    pub(crate) fn names(&self) -> String {
        self.0.names()
    }
}
