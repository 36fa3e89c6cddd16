//! `benchpeer`: a register and gateways that cost as little as possible, so that a benchmark
//! measures the client.
//!
//! Commands are discarded in the kernel (`MSG_TRUNC`), only counted; queries get replies at once,
//! which were built beforehand. One thread, one epoll set.
//!
//! ```text
//! benchpeer GATEWAYS CLIENTS [mixed]
//! ```
//! GATEWAYS gateways, each with CLIENTS clients in its replies. Prints one line of JSON:
//! `{"register":"…","control":"…","gateways":["…"]}`. The control port takes lines: `wait N` replies when N bytes of
//! commands have arrived since the last `reset`, with the CPU time and the arrival time of the last byte.
//!
//! With `mixed`, a connection may carry commands and queries, as a command link does: each frame is looked at.
//!
//! ```text
//! benchpeer wake
//! ```
//! prints how many nanoseconds it takes to wake a thread that sleeps in epoll, in the median of 500 times.

#![allow(unsafe_code)]

mod replies;
mod wake;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use gatewayworker_wire::Frame;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::replies::Replies;

/// What a connection is for.
enum Role {
    /// Lines to the register.
    Register,
    /// Lines to the control port.
    Control { waiting: Option<u64> },
    /// To a gateway, for what is not known until the first frame.
    Unknown { gateway: usize },
    /// Everything is discarded.
    Discard,
    /// Queries to a gateway get replies.
    Answer { gateway: usize },
}

struct Connection {
    stream: TcpStream,
    role: Role,
    buffer: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
}

enum Listening {
    Register,
    Control,
    Gateway,
}

struct Peer {
    poll: Poll,
    listeners: Vec<(TcpListener, Listening)>,
    connections: HashMap<usize, Connection>,
    next: usize,
    list: String,
    replies: Vec<Replies>,
    discarded: u64,
    mixed: bool,
}

fn main() -> io::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("wake") {
        println!("{}", wake::median()?.as_nanos());
        return Ok(());
    }
    let mixed = std::env::args().nth(3).as_deref() == Some("mixed");
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let (Some(Ok(gateways)), Some(Ok(clients))) = (args.next(), args.next()) else {
        eprintln!("usage: benchpeer GATEWAYS CLIENTS [mixed], or benchpeer wake");
        std::process::exit(2);
    };
    let listen = || TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let poll = Poll::new()?;
    let mut listeners = vec![(listen()?, Listening::Register), (listen()?, Listening::Control)];
    for _ in 0..gateways {
        listeners.push((listen()?, Listening::Gateway));
    }
    let mut addresses = Vec::new();
    for (index, (listener, _)) in listeners.iter_mut().enumerate() {
        poll.registry().register(listener, Token(index), Interest::READABLE)?;
        addresses.push(format!("\"{}\"", listener.local_addr()?));
    }
    let list = addresses[2..].join(",");
    println!("{{\"register\":{},\"control\":{},\"gateways\":[{list}]}}", addresses[0], addresses[1]);
    io::stdout().flush()?;
    let next = listeners.len();
    let replies = (0..gateways).map(|gateway| Replies::new(gateway, clients)).collect();
    let mut peer =
        Peer { poll, listeners, connections: HashMap::new(), next, list, replies, discarded: 0, mixed };
    let mut events = Events::with_capacity(256);
    loop {
        match peer.poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let token = event.token().0;
            if token < peer.listeners.len() {
                peer.accept(token)?;
            } else if peer.serve(token).is_err() {
                peer.connections.remove(&token);
            }
        }
    }
}

impl Peer {
    fn accept(&mut self, index: usize) -> io::Result<()> {
        loop {
            let (listener, kind) = &self.listeners[index];
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let role = match kind {
                Listening::Register => Role::Register,
                Listening::Control => Role::Control { waiting: None },
                Listening::Gateway => Role::Unknown { gateway: index - 2 },
            };
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(self.next), interest)?;
            let connection = Connection { stream, role, buffer: Vec::new(), unsent: Vec::new(), sent: 0 };
            self.connections.insert(self.next, connection);
            self.next += 1;
        }
    }

    /// Reads all there is and replies to it; an error ends the connection.
    fn serve(&mut self, token: usize) -> io::Result<()> {
        let Self { connections, replies, list, discarded, mixed, .. } = self;
        let Some(connection) = connections.get_mut(&token) else { return Ok(()) };
        connection.flush()?;
        loop {
            if let Role::Discard = connection.role {
                match discard(&connection.stream) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(count) => *discarded += count as u64,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
                continue;
            }
            let mut piece = [0; 64 << 10];
            match connection.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => connection.buffer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            match connection.role {
                Role::Register => connection.lines(|_, _| {
                    format!("{{\"event\":\"broadcast_addresses\",\"addresses\":[{list}]}}\n")
                })?,
                Role::Control { .. } => connection.lines(|role, line| match line.split_once(' ') {
                    Some(("wait", count)) => {
                        *role = Role::Control { waiting: count.trim().parse().ok() };
                        String::new()
                    }
                    _ if line == "reset" => {
                        *discarded = 0;
                        "ok\n".into()
                    }
                    _ if line == "cpu" => format!("{}\n", cpu()),
                    _ => "what?\n".into(),
                })?,
                Role::Unknown { gateway } | Role::Answer { gateway } => {
                    connection.frames(gateway, &replies[gateway], discarded, *mixed)?;
                }
                Role::Discard => {}
            }
        }
        self.answer_waiting();
        Ok(())
    }

    fn answer_waiting(&mut self) {
        let count = self.discarded;
        for connection in self.connections.values_mut() {
            if let Role::Control { waiting: Some(wanted) } = connection.role
                && count >= wanted
            {
                connection.role = Role::Control { waiting: None };
                // A benchmark that has gone needs no reply.
                let _ = connection.send(format!("{} {}\n", cpu(), now()).as_bytes());
            }
        }
    }
}

impl Connection {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            match self.stream.write(&self.unsent[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(())
    }

    fn lines(&mut self, mut answer: impl FnMut(&mut Role, &str) -> String) -> io::Result<()> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let text = answer(&mut self.role, String::from_utf8_lossy(&line).trim());
            self.send(text.as_bytes())?;
        }
        Ok(())
    }

    /// The first frame tells what the connection is for; authentication counts as none.
    fn frames(
        &mut self,
        gateway: usize,
        replies: &Replies,
        discarded: &mut u64,
        mixed: bool,
    ) -> io::Result<()> {
        let mut at = 0;
        loop {
            let (frame, frame_length) = match Frame::decode(&self.buffer[at..], 1 << 30) {
                Ok(Some((frame, length))) => {
                    at += length;
                    (frame, length)
                }
                Ok(None) => break,
                Err(error) => return Err(io::Error::other(error)),
            };
            if frame.head.command == 202 {
                continue;
            }
            match replies.to(frame.head.command, frame.ext) {
                Some(reply) => {
                    self.role = Role::Answer { gateway };
                    self.unsent.extend_from_slice(reply);
                }
                None if mixed => *discarded += frame_length as u64,
                None => {
                    self.role = Role::Discard;
                    *discarded += self.buffer.len() as u64;
                    self.buffer.clear();
                    return Ok(());
                }
            }
        }
        self.buffer.drain(..at);
        self.flush()
    }
}

/// Lets the kernel throw away what has come.
fn discard(stream: &TcpStream) -> io::Result<usize> {
    // SAFETY: with MSG_TRUNC, a TCP socket of Linux copies nothing, so that no buffer is needed.
    let count = unsafe {
        libc::recv(stream.as_raw_fd(), std::ptr::null_mut(), 16 << 20, libc::MSG_TRUNC | libc::MSG_DONTWAIT)
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// The CPU time of this process, in nanoseconds.
fn cpu() -> i64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The monotonic clock, in nanoseconds: the same as PHP's hrtime().
fn now() -> i64 {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(which: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live, exclusively borrowed timespec.
    unsafe { libc::clock_gettime(which, &raw mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
