//! The subscription to the register, which tells where the gateways are.
//!
//! One connection per cluster stays open: the register pushes the list on every change. While it is away the last list
//! is kept. Several registers are tried in turn. Lines of JSON, see `GatewayWorker\Register`.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gatewayworker_wire::register::{self, LineError, Lines};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{interval_at, sleep, timeout};

use crate::address::{self, LookUpPause};
use crate::error::{Error, reason};
use crate::last_error::LastError;
use crate::runtime::background::{Background, SHORTEST_ATTEMPT};
use crate::secret::Secret;
use crate::sys::lock::lock;
use crate::sys::socket::Socket;

/// How often the connection is kept alive (`PERSISTENCE_CONNECTION_PING_INTERVAL` of the original).
const PING: Duration = Duration::from_secs(25);
/// The pause after all registers have failed, and its longest form.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_LIMIT: Duration = Duration::from_secs(2);
/// A register that was restarted learns of its gateways anew, one after the other, as each finds it again. So for this long
/// after a subscription was lost and made again, gateways that its lists lack are kept.
const GRACE: Duration = Duration::from_secs(5);
/// A single register of several gets at least this long to answer.
const SHORTEST_TURN: Duration = Duration::from_millis(200);

/// Takes over a list of gateways. Called on the background thread, once per list.
pub(crate) type OnList = Box<dyn Fn(&[String]) + Send + Sync>;

/// A live subscription.
pub(crate) struct Register {
    registers: Vec<String>,
    /// Whether any of them is named, so that it may move.
    named: bool,
    secret: Secret,
    on_list: OnList,
    background: Arc<Background>,
    state: Mutex<State>,
    last_error: LastError,
    changed: Condvar,
    nudge: Notify,
}

#[derive(Debug, Default)]
struct State {
    started: bool,
    /// Resolved by the calling thread: name look-ups must stay out of the background.
    targets: Vec<Option<SocketAddr>>,
    /// All registers have failed since they were resolved: their names may have other addresses by now.
    stale: bool,
    look_ups: LookUpPause,
    /// How many calls wait for a list, and how long the last of them is ready to.
    waiting: usize,
    patience: Duration,
    /// Counts the lists that came.
    lists: u64,
    list_at: Option<Instant>,
    /// Counts the rounds through all registers that gave no list.
    failed_rounds: u64,
    error: Option<Error>,
    connected: Option<usize>,
    /// The one that is connected has sent its list.
    online: bool,
    /// The list that the gateways were taken from last.
    followed: Vec<String>,
    /// The number of `refresh` calls, and the one that the current connection was made for.
    wanted: u64,
    serving: u64,
}

/// The state of a subscription, as [`Cluster::status`](crate::Cluster::status) shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RegisterStatus {
    /// The registers, in the order in which they are tried.
    pub registers: Vec<String>,
    /// What the subscription is doing.
    pub state: RegisterState,
    /// The one that is connected.
    pub connected: Option<String>,
    /// How many lists have come.
    pub lists: u64,
    /// How old the last one is, in seconds.
    pub list_age: Option<f64>,
    /// What went wrong last, also where all is well since.
    pub last_error: Option<String>,
    /// How long ago that was, in seconds.
    pub last_error_age: Option<f64>,
}

/// What a subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegisterState {
    /// Nobody has needed it yet.
    Unused,
    /// Being connected, or waiting for the list.
    Connecting,
    /// Connected, and the list has come.
    Online,
    /// No register could be reached, or the connection was lost. It is tried again; the last list is kept.
    Failed,
}

impl std::fmt::Display for RegisterState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unused => "unused",
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Failed => "failed",
        })
    }
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register").field("registers", &self.registers).finish_non_exhaustive()
    }
}

impl Register {
    pub(crate) fn new(
        registers: Vec<String>,
        secret: Secret,
        on_list: OnList,
        background: Arc<Background>,
    ) -> Arc<Self> {
        let (state, changed, nudge) = (Mutex::default(), Condvar::new(), Notify::new());
        let last_error = LastError::default();
        let named = registers.iter().any(|register| address::is_named(register));
        Arc::new(Self { registers, named, secret, on_list, background, state, last_error, changed, nudge })
    }

    /// Makes sure that a list is known, waiting for the first one if need be; with `fresh`, for one that is asked for now.
    ///
    /// # Errors
    /// Where no register gives one within `patience`.
    pub(crate) fn wait_listed(self: &Arc<Self>, fresh: bool, patience: Duration) -> Result<(), Error> {
        {
            let state = lock(&self.state);
            if state.lists > 0 && !fresh {
                if state.stale {
                    drop(state);
                    self.look_up_again();
                }
                return Ok(());
            }
        }
        self.wait_for_list(fresh, patience)
    }

    /// Once all registers have failed, those that are named may have moved, as containers do. The background must not ask the
    /// resolver, so the next call does, and goes on with the last list.
    #[cold]
    fn look_up_again(&self) {
        {
            let mut state = lock(&self.state);
            if !state.stale || !state.look_ups.is_over() {
                return;
            }
            // One caller looks, not all of them. The next failure asks for it again.
            state.stale = false;
        }
        // What was not found is where it was, if anywhere.
        let _ = self.look_up();
    }

    /// Looks the registers up, without the lock; why the last one that was not found was not. It keeps the address that it
    /// had: a resolver may be away for a while, too.
    fn look_up(&self) -> Option<String> {
        let began = Instant::now();
        let resolver = self.background.settings.resolver;
        let found: Vec<_> =
            self.registers.iter().map(|register| address::resolve(register, resolver)).collect();
        let mut state = lock(&self.state);
        state.look_ups.begin(began);
        state.targets.resize(self.registers.len(), None);
        let (mut moved, mut trouble) = (false, None);
        for (target, found) in state.targets.iter_mut().zip(found) {
            match found {
                Ok(address) => moved |= target.replace(address) != Some(address),
                Err(error) => trouble = Some(reason(&error)),
            }
        }
        if moved {
            self.nudge.notify_one();
        }
        trouble
    }

    #[cold]
    fn wait_for_list(self: &Arc<Self>, fresh: bool, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        let trouble = self.look_up();
        let mut state = lock(&self.state);
        if state.targets.iter().all(Option::is_none) {
            let last = self.registers.len().saturating_sub(1);
            let error = self.unreachable(last, trouble.unwrap_or_default());
            self.last_error.set(error.to_string());
            state.error = Some(error.clone());
            return Err(error);
        }
        let mut wanted = 0;
        if fresh && state.started {
            state.wanted += 1;
            wanted = state.wanted;
        }
        if !state.started {
            state.started = true;
            let register = Arc::clone(self);
            self.background.handle.spawn(async move { register.run().await });
        }
        let rounds = state.failed_rounds;
        let lists = state.lists;
        state.waiting += 1;
        state.patience = patience;
        self.nudge.notify_one();
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
                    _ => Error::RegisterSilent { registers: self.names(), after: patience },
                });
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        };
        state.waiting -= 1;
        result
    }

    /// The registers, as messages name them.
    pub(crate) fn names(&self) -> String {
        self.registers.join(", ")
    }

    pub(crate) fn status(&self) -> RegisterStatus {
        let (last_error, last_error_age) = self.last_error.get();
        let state = lock(&self.state);
        RegisterStatus {
            registers: self.registers.clone(),
            state: match &*state {
                State { online: true, .. } => RegisterState::Online,
                State { error: Some(_), .. } => RegisterState::Failed,
                State { started: false, .. } => RegisterState::Unused,
                _ => RegisterState::Connecting,
            },
            connected: state.connected.and_then(|index| self.registers.get(index).cloned()),
            lists: state.lists,
            list_age: state.list_at.map(|at| at.elapsed().as_secs_f64()),
            last_error,
            last_error_age,
        }
    }

    fn unreachable(&self, index: usize, reason: String) -> Error {
        Error::RegisterUnreachable { register: self.name(index), reason }
    }

    fn name(&self, index: usize) -> String {
        self.registers.get(index).cloned().unwrap_or_default()
    }

    // ---- the background ----

    async fn run(&self) {
        let mut pause = PAUSE;
        let mut logged = None;
        loop {
            let mut listed = false;
            let targets = lock(&self.state).targets.clone();
            for (index, target) in targets.iter().enumerate() {
                let Some(target) = *target else { continue };
                let lists = lock(&self.state).lists;
                let error = self.subscribe(index, target).await;
                let mut state = lock(&self.state);
                state.connected = None;
                state.online = false;
                listed = state.lists > lists;
                let refreshed = state.wanted > state.serving;
                drop(state);
                if refreshed {
                    break;
                }
                if logged.as_ref() != Some(&error.to_string()) {
                    // The name stands there already.
                    let reason = match &error {
                        Error::RegisterUnreachable { reason, .. } => reason.clone(),
                        other => other.to_string(),
                    };
                    let kept = if listed { "; the last list of gateways is kept" } else { "" };
                    self.background.log.event(
                        format_args!("tcp://{}", self.name(index)),
                        "register lost",
                        format_args!("{reason}{kept}"),
                    );
                    logged = Some(error.to_string());
                }
                self.last_error.set(error.to_string());
                lock(&self.state).error = Some(error);
                if listed {
                    break;
                }
            }
            {
                let mut state = lock(&self.state);
                if state.wanted > state.serving {
                    continue;
                }
                if !listed {
                    state.failed_rounds += 1;
                    state.stale = self.named;
                }
            }
            self.changed.notify_all();
            if listed {
                pause = PAUSE;
                logged = None;
            }
            tokio::select! {
                () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
                () = self.nudge.notified() => {}
            }
            pause = (pause * 2).min(PAUSE_LIMIT);
        }
    }

    /// One connection to one register, until it ends; why it did.
    async fn subscribe(&self, index: usize, target: SocketAddr) -> Error {
        let (patience, mut unlisted) = {
            let mut state = lock(&self.state);
            let share = u32::try_from(self.registers.len()).unwrap_or(u32::MAX).max(1);
            let patience = match state.waiting {
                // Nobody waits: a call that was in a hurry must not keep a slow register away from all others.
                0 => state.patience.max(SHORTEST_ATTEMPT),
                // They are to hear of the other registers, too.
                _ => (state.patience / share).max(SHORTEST_TURN),
            };
            // Who asks afresh wants the list as it is.
            let afresh = state.wanted > state.serving;
            state.serving = state.wanted;
            (patience, Unlisted::new(if afresh { Vec::new() } else { state.followed.clone() }))
        };
        let connect = async {
            let socket = Socket::connect_async(target).await?;
            let hello = register::hello(self.secret.as_bytes());
            let sent = socket.get_ref().send_now(&hello)?;
            if sent < hello.len() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(socket) }
        };
        let socket = match timeout(patience, connect).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return self.unreachable(index, reason(&error)),
            Err(_) => return self.unreachable(index, "Connection timed out".into()),
        };
        lock(&self.state).connected = Some(index);
        let mut lines = Lines::default();
        let mut ping = interval_at(tokio::time::Instant::now() + PING, PING);
        let mut listed = false;
        let late = sleep(patience);
        tokio::pin!(late);
        loop {
            tokio::select! {
                line = next_line(&mut lines, &socket) => match line {
                    Ok(Some(line)) => match self.line(&line, &mut unlisted) {
                        Ok(true) => listed = true,
                        Ok(false) => {}
                        Err(error) => {
                            let (register, reason) = (self.name(index), error.to_string());
                            return Error::RegisterGarbage { register, reason };
                        }
                    },
                    Ok(None) if listed => return self.unreachable(index, "it closed the connection".into()),
                    Ok(None) => return Error::RegisterRejected { register: self.name(index) },
                    Err(error) if listed => return self.unreachable(index, reason(&error)),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                        return Error::RegisterRejected { register: self.name(index) };
                    }
                    Err(error) => return self.unreachable(index, reason(&error)),
                },
                () = &mut late, if !listed => {
                    return Error::RegisterSilent { registers: self.name(index), after: patience };
                }
                () = unlisted.grace_over() => self.follow(unlisted.give_up()),
                _ = ping.tick() => {
                    if let Err(error) = socket.get_ref().send_now(register::PING) {
                        return self.unreachable(index, reason(&error));
                    }
                }
                () = self.nudge.notified() => {
                    let state = lock(&self.state);
                    if state.wanted > state.serving {
                        return self.unreachable(index, "asked afresh".into());
                    }
                }
            }
        }
    }

    fn follow(&self, addresses: Vec<String>) {
        (self.on_list)(&addresses);
        lock(&self.state).followed = addresses;
    }

    /// Takes over a line; whether it was a list.
    fn line(&self, line: &[u8], unlisted: &mut Unlisted) -> Result<bool, LineError> {
        let Some(addresses) = register::addresses(line)? else {
            return Ok(false);
        };
        self.follow(unlisted.add_to(addresses));
        let mut state = lock(&self.state);
        state.lists += 1;
        state.list_at = Some(Instant::now());
        state.online = true;
        state.error = None;
        drop(state);
        self.changed.notify_all();
        Ok(true)
    }
}

/// The gateways that were known before a subscription was lost, and which its successor's lists may lack for [`GRACE`].
#[derive(Debug)]
struct Unlisted {
    known: Vec<String>,
    /// The last list as the register gave it.
    listed: Vec<String>,
    /// From the first list on.
    until: Option<tokio::time::Instant>,
}

impl Unlisted {
    fn new(known: Vec<String>) -> Self {
        Self { known, listed: Vec::new(), until: None }
    }

    /// The list, with those that may still come back. Known ones keep their places.
    fn add_to(&mut self, listed: Vec<String>) -> Vec<String> {
        if self.known.is_empty() {
            return listed;
        }
        self.until.get_or_insert_with(|| tokio::time::Instant::now() + GRACE);
        self.listed.clone_from(&listed);
        let added = listed.into_iter().filter(|address| !self.known.contains(address));
        self.known.iter().cloned().chain(added).collect()
    }

    /// Ready once the gateways that are still unlisted have had their time; never where there are none to wait for.
    async fn grace_over(&self) {
        match self.until {
            Some(until) if !self.known.is_empty() => tokio::time::sleep_until(until).await,
            _ => std::future::pending().await,
        }
    }

    /// The list as the register gave it.
    fn give_up(&mut self) -> Vec<String> {
        self.known.clear();
        std::mem::take(&mut self.listed)
    }
}

/// The next line; `None` at the end of the stream. Can be cancelled without losing anything.
async fn next_line(lines: &mut Lines, socket: &AsyncFd<Socket>) -> io::Result<Option<Vec<u8>>> {
    loop {
        match lines.take() {
            Ok(None) => {}
            Ok(line) => return Ok(line),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
        let mut guard = socket.readable().await?;
        match guard.try_io(|socket| socket.get_ref().recv(lines.tail(), 16 << 10)) {
            Ok(Ok(0)) => return Ok(None),
            Ok(received) => {
                received?;
            }
            Err(_would_block) => {}
        }
    }
}
