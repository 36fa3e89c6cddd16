//! The task of a subscription on the background thread: connects to one register after the other,
//! and receives lists.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewayworker_wire::register::{self, LineError, Lines};
use tokio::io::unix::AsyncFd;
use tokio::time::{interval_at, sleep, timeout};

use crate::error::{Error, reason};
use crate::register::grace::GracePeriod;
use crate::register::shared::Shared;
use crate::runtime::background::SHORTEST_ATTEMPT;
use crate::sys::lock::lock;
use crate::sys::socket::Socket;

/// The interval of keep-alive pings (`PERSISTENCE_CONNECTION_PING_INTERVAL` in the original).
const PING: Duration = Duration::from_secs(25);
/// The first pause after all registers have failed, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_LIMIT: Duration = Duration::from_secs(2);
/// The least time that one register of several gets to reply.
const SHORTEST_TURN: Duration = Duration::from_millis(200);

/// The life of the subscription.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut pause = PAUSE;
    let mut logged = None;
    loop {
        let mut listed = false;
        let targets = lock(&shared.state).targets.clone();
        for (index, target) in targets.iter().enumerate() {
            let Some(target) = *target else { continue };
            let lists = lock(&shared.state).lists;
            let error = shared.subscribe(index, target).await;
            let mut state = lock(&shared.state);
            state.connected = None;
            state.online = false;
            listed = state.lists > lists;
            let refreshed = state.wanted > state.serving;
            state.settled &= refreshed;
            drop(state);
            if refreshed {
                break;
            }
            if logged.as_ref() != Some(&error.to_string()) {
                // The subject names the register already.
                let reason = match &error {
                    Error::RegisterUnreachable { reason, .. } => reason.clone(),
                    other => other.to_string(),
                };
                let kept = if listed { "; the last list of gateways is kept" } else { "" };
                shared.background.log.event(
                    format_args!("tcp://{}", shared.name(index)),
                    "register lost",
                    format_args!("{reason}{kept}"),
                );
                logged = Some(error.to_string());
            }
            shared.last_error.set(error.to_string());
            lock(&shared.state).error = Some(error);
            if listed {
                break;
            }
        }
        {
            let mut state = lock(&shared.state);
            if state.wanted > state.serving {
                continue;
            }
            if !listed {
                state.failed_rounds += 1;
                state.stale = shared.named;
            }
        }
        shared.changed.notify_all();
        if listed {
            pause = PAUSE;
            logged = None;
        }
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
            () = shared.nudge.notified() => {}
        }
        pause = (pause * 2).min(PAUSE_LIMIT);
    }
}

impl Shared {
    /// One connection to one register. Returns why it ended.
    async fn subscribe(&self, index: usize, target: SocketAddr) -> Error {
        let (limit, mut grace) = {
            let mut state = lock(&self.state);
            let share = u32::try_from(self.registers.len()).unwrap_or(u32::MAX).max(1);
            let limit = match state.waiting {
                // Nobody waits. A short time-out of an earlier call must not lock out a slow
                // register.
                0 => state.timeout.max(SHORTEST_ATTEMPT),
                // Callers wait: leave time for the other registers.
                _ => (state.timeout / share).max(SHORTEST_TURN),
            };
            // A refresh gets the list as it is now, but not at the cost of gateways that may still
            // come back, unless it wants just that.
            let afresh = state.wanted > state.serving && (state.exact || state.settled);
            state.serving = state.wanted;
            state.exact = false;
            (limit, GracePeriod::new(if afresh { Vec::new() } else { state.followed.clone() }))
        };
        let connect = async {
            let socket = Socket::connect_async(target).await?;
            let hello = register::hello(self.secret.as_bytes());
            let sent = socket.get_ref().send_now(&hello)?;
            if sent < hello.len() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(socket) }
        };
        let socket = match timeout(limit, connect).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return self.unreachable(index, reason(&error)),
            Err(_) => return self.unreachable(index, "Connection timed out".into()),
        };
        lock(&self.state).connected = Some(index);
        let mut lines = Lines::default();
        let mut ping = interval_at(tokio::time::Instant::now() + PING, PING);
        let mut listed = false;
        let late = sleep(limit);
        tokio::pin!(late);
        loop {
            tokio::select! {
                line = next_line(&mut lines, &socket) => match line {
                    Ok(Some(line)) => match self.line(&line, &mut grace) {
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
                    return Error::RegisterSilent { registers: self.name(index), after: limit };
                }
                () = grace.grace_over() => {
                    self.follow(grace.give_up());
                    lock(&self.state).settled = true;
                }
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

    /// Handles a line. Returns whether it was a list.
    fn line(&self, line: &[u8], grace: &mut GracePeriod) -> Result<bool, LineError> {
        let Some(addresses) = register::addresses(line)? else {
            return Ok(false);
        };
        self.follow(grace.add_to(addresses));
        let mut state = lock(&self.state);
        state.lists += 1;
        state.list_at = Some(Instant::now());
        state.online = true;
        state.settled = grace.is_over();
        state.error = None;
        drop(state);
        self.changed.notify_all();
        Ok(true)
    }
}

/// The next line; `None` at the end of the stream. Cancelling it loses nothing.
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
