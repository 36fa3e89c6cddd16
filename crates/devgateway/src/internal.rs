//! The internal protocol: the listener that workers and clients such as the extension connect to.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{Buf, Bytes, BytesMut};
use gatewayworker_wire::Command;
use gatewayworker_wire::frame::Frame;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::listener::ACCEPT_PAUSE;
use crate::log::complain;
use crate::node::Node;

/// The longest frame. (The original accepts 10 MiB, Workerman's default.)
const MAX_FRAME: usize = 128 << 20;

/// Accepts internal connections. While the gateway is paused they stay in the kernel's backlog.
pub(crate) async fn accept(node: Rc<Node>, listener: TcpListener) {
    let mut paused = node.paused.subscribe();
    loop {
        if paused.wait_for(|paused| !paused).await.is_err() {
            return;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = paused.changed() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let number = {
                    let mut counters = node.counters.borrow_mut();
                    counters.internal_total += 1;
                    counters.internal_total
                };
                // Small replies follow each other; Nagle's algorithm would hold them back.
                let _ = stream.set_nodelay(true);
                let task = spawn_local(Link::serve(node.clone(), number, peer, stream));
                node.link_opened(number, task.abort_handle());
            }
            Err(error) => {
                complain(format_args!("cannot accept an internal connection: {error}"));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Pings the workers of a gateway at intervals.
pub(crate) async fn ping_workers(node: Rc<Node>) {
    let mut timer = interval(node.config.ping_interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.tick().await;
    loop {
        timer.tick().await;
        node.gateway.borrow().workers.ping();
    }
}

/// What happens to a connection after a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Read,
    Close,
}

/// One internal connection.
struct Link {
    node: Rc<Node>,
    number: u64,
    peer: SocketAddr,
    authorized: bool,
    introduced: bool,
    /// The queue of a worker's events.
    queue: mpsc::UnboundedSender<Bytes>,
    output: BytesMut,
}

impl Link {
    async fn serve(node: Rc<Node>, number: u64, peer: SocketAddr, mut stream: TcpStream) {
        let (queue, mut events) = mpsc::unbounded_channel();
        let mut paused = node.paused.subscribe();
        let authorized = node.config.secret.is_empty();
        let mut link =
            Self { node, number, peer, authorized, introduced: false, queue, output: BytesMut::new() };
        let mut input = BytesMut::new();
        let mut next = Next::Read;
        let (mut reader, mut writer) = stream.split();
        // One task for both directions: replies need no wake-up of another one, and go out in
        // order.
        while next == Next::Read || !link.output.is_empty() {
            let reads = next == Next::Read && !*paused.borrow();
            input.reserve(64 << 10);
            tokio::select! {
                read = reader.read_buf(&mut input), if reads => match read {
                    Ok(read @ 1..) => {
                        link.node.counters.borrow_mut().bytes_in += read as u64;
                        next = link.take_frames(&mut input, &paused);
                    }
                    _ => next = Next::Close,
                },
                changed = paused.changed(), if next == Next::Read => {
                    next = if changed.is_ok() { link.take_frames(&mut input, &paused) } else { Next::Close };
                }
                Some(event) = events.recv(), if next == Next::Read => {
                    link.output.extend_from_slice(&event);
                    while let Ok(event) = events.try_recv() {
                        link.output.extend_from_slice(&event);
                    }
                }
                written = writer.write_buf(&mut link.output), if !link.output.is_empty() => {
                    if written.is_err() {
                        break;
                    }
                }
            }
        }
        // Before the socket is closed, so that whoever sees it closed finds it gone from the
        // counters.
        link.node.link_closed(number);
    }

    /// Carries out the whole frames that have arrived.
    fn take_frames(&mut self, input: &mut BytesMut, paused: &watch::Receiver<bool>) -> Next {
        while !*paused.borrow() {
            match Frame::decode(input, MAX_FRAME) {
                Ok(Some((frame, len))) => {
                    self.node.faults.borrow_mut().arrived(self.number, self.node.clock, &input[..len]);
                    if self.take_frame(&frame) == Next::Close {
                        return Next::Close;
                    }
                    input.advance(len);
                }
                Ok(None) => break,
                Err(error) => {
                    complain(format_args!("internal connection {} is closed: {error}", self.peer));
                    return Next::Close;
                }
            }
        }
        Next::Read
    }

    fn take_frame(&mut self, frame: &Frame<'_>) -> Next {
        let number = frame.head.command;
        *self.node.counters.borrow_mut().frames.entry(number).or_default() += 1;
        let muted = self.node.faults.borrow().muted;
        if !muted && let Some(bytes) = self.node.faults.borrow_mut().take_reply(number) {
            self.output.extend_from_slice(&bytes);
            return if bytes.is_empty() { Next::Close } else { Next::Read };
        }
        let command = Command::try_from(number);
        if let Ok(Command::WorkerConnect | Command::GatewayClientConnect) = command {
            return self.introduce(command == Ok(Command::WorkerConnect), frame.body);
        }
        if !self.authorized {
            complain(format_args!(
                "internal connection {} is closed, it did not introduce itself",
                self.peer
            ));
            self.node.counters.borrow_mut().unauthorized += 1;
            return Next::Close;
        }
        match command {
            Ok(command) => {
                let reply = self.node.gateway.borrow_mut().execute(command, frame);
                if let Some(reply) = reply.filter(|_| !muted) {
                    // No reply is over 4 GiB, since no session and no list is.
                    self.output
                        .extend_from_slice(&u32::try_from(reply.len()).unwrap_or(u32::MAX).to_be_bytes());
                    self.output.extend_from_slice(&reply);
                }
            }
            Err(error) => complain(error),
        }
        Next::Read
    }

    /// Checks the key in an introduction, even where no key is required, as the original does.
    fn introduce(&mut self, as_worker: bool, body: &[u8]) -> Next {
        let info: Json = serde_json::from_slice(body).unwrap_or_default();
        if info["secret_key"].as_str() != Some(&self.node.config.secret) {
            complain(format_args!("internal connection {} is closed, its key does not match", self.peer));
            self.node.counters.borrow_mut().unauthorized += 1;
            return Next::Close;
        }
        self.authorized = true;
        if !std::mem::replace(&mut self.introduced, true) {
            self.node.counters.borrow_mut().authorized += 1;
        }
        if as_worker {
            let key = format!("{}:{}", self.peer.ip(), info["worker_key"].as_str().unwrap_or_default());
            let queue = self.queue.clone();
            let old = self.node.gateway.borrow_mut().workers.connect(&key, self.number, queue);
            if let Some(old) = old {
                complain(format_args!("two workers call themselves {key}; the older one is closed"));
                self.node.close_link(old);
            }
        }
        Next::Read
    }
}
