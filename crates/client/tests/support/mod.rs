//! Gateways and registers that do exactly what a test tells them, and development gateways. Every
//! wait ends by itself after a while.

#![allow(clippy::unwrap_used)]
// Each test file uses its part of this.
#![allow(dead_code)]

pub mod program;
pub mod proxy;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gatewayworker_client::wire::{ClientId, Command, Frame};
use gatewayworker_client::{
    AddressMap, CallOptions, Cluster, ClusterId, Discovery, Error, OnUnavailable, Process, Secret, Settings,
};
use gatewayworker_devgateway::{Config, Devgateway, Started};
use serde_json::{Value as Json, json};

/// Far more than anything takes.
pub const SAFETY_NET: Duration = Duration::from_secs(20);
/// Calls that are to succeed wait this long.
pub const PATIENT: CallOptions = CallOptions {
    connect_timeout: SAFETY_NET,
    query_timeout: SAFETY_NET,
    on_unavailable: OnUnavailable::Fail,
};

pub const SEND_BUFFER: usize = 1 << 20;
pub const MAX_REPLY: usize = 1 << 20;

/// See [`trust_client_ids`].
static TRUST: AtomicBool = AtomicBool::new(false);

/// Has client ids alone name gateways to connect to. Every test of a file calls it first, or none:
/// it counts for the process.
pub fn trust_client_ids() {
    TRUST.store(true, Ordering::Relaxed);
}

/// The state of this process. `make test-rust` gives each test a process of its own. The plain
/// `cargo test` does not: all tests of a file share it then, each with clusters of its own, and
/// none may change what is the process's.
pub fn process() -> &'static Process {
    let address_map = AddressMap::parse("10.77.0.1=127.0.0.1").unwrap();
    Process::current(|| Settings {
        resolver,
        send_buffer: SEND_BUFFER,
        max_reply: MAX_REPLY,
        address_map,
        trust_client_ids: TRUST.load(Ordering::Relaxed),
        ..Settings::default()
    })
    .unwrap()
}

/// What the resolver of the tests knows, and how often it was asked: there is no DNS here.
#[derive(Debug, Default)]
struct Name {
    address: Option<String>,
    asked: u32,
    held: bool,
}

static NAMES: Mutex<BTreeMap<String, Name>> = Mutex::new(BTreeMap::new());

fn with_name<T>(name: &str, with: impl FnOnce(&mut Name) -> T) -> T {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    with(names.entry(name.to_owned()).or_default())
}

fn resolver(name: &str) -> io::Result<Vec<SocketAddr>> {
    let address = with_name(name, |name| {
        name.asked += 1;
        name.address.clone()
    });
    wait_until("the resolver to be let go of", || !with_name(name, |name| name.held));
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "Name or service not known");
    Ok(vec![address.ok_or_else(unknown)?.parse().unwrap()])
}

/// From now on, this `name:port` is at this `ip:port`; with `None`, nobody knows it.
pub fn name(name: &str, address: Option<&str>) {
    with_name(name, |name| name.address = address.map(str::to_owned));
}

/// Has the resolver take its time with this `name:port`, until the reply is dropped.
pub fn hold(name: &'static str) -> impl Drop {
    struct Held(&'static str);
    impl Drop for Held {
        fn drop(&mut self) {
            with_name(self.0, |name| name.held = false);
        }
    }
    with_name(name, |name| name.held = true);
    Held(name)
}

/// How often this `name:port` was looked up so far.
pub fn looked_up(name: &str) -> u32 {
    with_name(name, |name| name.asked)
}

/// A cluster in worker mode, of these gateways.
pub fn worker(user: &'static str, peers: &[&Peer]) -> &'static Cluster {
    worker_with(user, "", peers)
}

pub fn worker_with(user: &'static str, secret: &str, peers: &[&Peer]) -> &'static Cluster {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let discovery = Discovery::Caller(NUMBER.fetch_add(1, Ordering::Relaxed));
    let cluster = process().cluster(ClusterId { user, discovery, secret: Secret::new(secret.as_bytes()) });
    let addresses: Vec<&str> = peers.iter().map(|peer| &*peer.address).collect();
    cluster.follow(&addresses);
    cluster
}

/// A cluster in client mode.
pub fn client(user: &'static str, secret: &str, registers: &[&str]) -> &'static Cluster {
    let discovery = Discovery::Registers(registers.iter().map(|register| (*register).to_owned()).collect());
    process().cluster(ClusterId { user, discovery, secret: Secret::new(secret.as_bytes()) })
}

/// A register that lists what the test wants.
pub fn register_of(addresses: &[&str]) -> Started {
    register_with("", addresses)
}

pub fn register_with(secret: &str, addresses: &[&str]) -> Started {
    let config = Config { gateways: Vec::new(), secret: secret.into(), ..Config::default() };
    let register = Devgateway::start(config).unwrap();
    for address in addresses {
        control(&register, json!({"cmd": "add_address", "address": address}));
    }
    register
}

pub fn register_address(started: &Started) -> String {
    started.addresses().register.unwrap().to_string()
}

pub fn gateway_address(started: &Started, index: usize) -> String {
    started.addresses().gateways[index].internal.to_string()
}

pub fn control(started: &Started, request: Json) -> Json {
    let reply = started.control(&request);
    assert!(reply.get("error").is_none(), "{request} was answered with {reply}");
    reply
}

/// A cluster in client mode with these gateways, whose list is known. The register has to be kept.
pub fn client_of(user: &'static str, peers: &[&Peer]) -> (&'static Cluster, Started) {
    let addresses: Vec<&str> = peers.iter().map(|peer| &*peer.address).collect();
    let register = register_of(&addresses);
    let cluster = client(user, "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    (cluster, register)
}

pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + SAFETY_NET;
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a gateway takes nothing more of what is queued for it. The background may be late on a
/// busy machine: nothing must have moved in a row of tries.
pub fn is_stuck(cluster: &Cluster, address: &str) -> bool {
    let before = status(cluster, address)["queued_bytes"].clone();
    (0..10).all(|_| {
        process().flush(Duration::from_millis(50)).iter().any(|left| *left.gateway == *address)
            && status(cluster, address)["queued_bytes"] == before
    })
}

/// What the status has for a gateway.
pub fn status(cluster: &Cluster, address: &str) -> Json {
    let status = serde_json::to_value(cluster.status()).unwrap();
    let gateways = status["gateways"].as_array().unwrap();
    gateways.iter().find(|gateway| gateway["address"] == address).cloned().unwrap_or_default()
}

pub fn link_state(cluster: &Cluster, address: &str) -> String {
    status(cluster, address)["link"]["state"].as_str().unwrap_or_default().to_owned()
}

pub fn listed(cluster: &Cluster) -> Vec<String> {
    cluster.status().gateways.into_iter().map(|gateway| gateway.address).collect()
}

/// Whether a line of the log has the one format that there is: a subject of one word, an event of a
/// few, a reason.
fn is_log_line(line: &str) -> bool {
    let Some((subject, rest)) = line.split_once(' ') else { return false };
    let Some((event, reason)) = rest.split_once(": ") else { return false };
    let is_event =
        event.split(' ').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
    let subjects = ["tcp://", "gatewayworker.", "log"];
    is_event && subjects.iter().any(|start| subject.starts_with(start)) && !reason.trim().is_empty()
}

/// The lines of the log so far that contain this. Each test asks for those of its own addresses:
/// there is one log for all tests of a file.
pub fn log_lines(of: &str) -> Vec<String> {
    static TAKEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let new = process().log().take();
    for line in &new {
        assert!(is_log_line(line), "`<subject> <event>: <reason>` is due, not {line:?}");
    }
    taken.extend(new);
    taken.iter().filter(|line| line.contains(of)).cloned().collect()
}

/// The id of a client of the gateway at this address.
pub fn id(address: &str, connection: u32) -> ClientId {
    let address: std::net::SocketAddrV4 = address.parse().unwrap();
    ClientId { ip: address.ip().to_bits(), port: address.port(), connection }
}

/// Ends the threads of a test that fails, too.
pub struct StopAtEnd<'a>(pub &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks for the session of a client, and replies how long it is.
pub fn session_len(cluster: &Cluster, peer: &Peer) -> Result<usize, Error> {
    let mut len = 0;
    let read = |payload: &[u8]| {
        len = payload.len();
        Ok(())
    };
    cluster.session(peer.id(1), PATIENT, read).map(|()| len)
}

/// Has the clients of a gateway counted that has commands outstanding: the query comes behind them, on the link. The count.
pub fn count_behind_commands(cluster: &Cluster, link: &mut Conn) -> i64 {
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| cluster.client_count(b"", PATIENT));
        link.expect(Command::GetClientCountByGroup);
        link.reply("i:1;");
        counting.join().unwrap().unwrap()
    })
}

/// How many bytes have come at the other end of a connection, in this process, that nobody has read there.
#[cfg(target_os = "linux")]
pub fn unread(conn: &Conn) -> usize {
    let hex = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else { panic!("{address}") };
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let (there, here) = (hex(conn.0.peer_addr().unwrap()), hex(conn.0.local_addr().unwrap()));
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut rows = sockets.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1] == there && row[2] == here).expect("its other end");
    let (_, received) = row[4].split_once(':').unwrap();
    usize::from_str_radix(received, 16).unwrap()
}

/// Any port at a host of this process alone. While nobody listens there, it is given to no test that runs in another
/// process.
pub fn own_address() -> String {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    format!("127.{}.{middle}.{low}:0", 64 | (high & 63))
}

/// The whole text of the error about a gateway that cannot be connected to.
pub fn unreachable_text(address: &str, reason: &str) -> String {
    format!(
        "cannot connect to tcp://{address}: {reason} (is the Gateway running and reachable from here? \
         gatewayworker.address_map maps the addresses of containers)"
    )
}

/// An address at which nobody listens.
pub fn dead_address() -> String {
    TcpListener::bind(own_address()).unwrap().local_addr().unwrap().to_string()
}

/// A gateway or register that does nothing by itself.
#[derive(Debug)]
pub struct Peer {
    listener: TcpListener,
    pub address: String,
}

impl Peer {
    pub fn listen() -> Self {
        Self::listen_at("127.0.0.1:0")
    }

    pub fn listen_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    pub fn id(&self, connection: u32) -> ClientId {
        id(&self.address, connection)
    }

    /// The next connection, once there is one.
    pub fn accept(&self) -> Conn {
        let mut conn = None;
        wait_until("a connection", || {
            conn = self.pending();
            conn.is_some()
        });
        conn.unwrap()
    }

    /// A connection that is there already.
    pub fn pending(&self) -> Option<Conn> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(SAFETY_NET)).unwrap();
                stream.set_write_timeout(Some(SAFETY_NET)).unwrap();
                stream.set_nodelay(true).unwrap();
                Some(Conn(stream))
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                None
            }
        }
    }
}

/// An address that refuses connections, and that nobody else gets meanwhile.
#[derive(Debug)]
pub struct Refusing {
    _bound: socket2::Socket,
    pub address: String,
}

impl Refusing {
    pub fn new() -> Self {
        let (bound, address) = bound_socket();
        Self { _bound: bound, address: address.to_string() }
    }
}

fn bound_socket() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A listener that lets nobody in: its backlog is full.
#[derive(Debug)]
pub struct Hanging {
    listener: socket2::Socket,
    backlog: Vec<TcpStream>,
    pub address: String,
}

impl Hanging {
    pub fn new() -> Self {
        let (listener, address) = bound_socket();
        listener.listen(0).unwrap();
        let mut backlog = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            backlog.push(stream);
        }
        Self { listener, backlog, address: address.to_string() }
    }

    /// Lets in whoever comes from now on. Who has tried in vain tries again after a second or two:
    /// the kernel does.
    pub fn let_in(self) -> Peer {
        let Self { listener, backlog, address } = self;
        (0..backlog.len()).for_each(|_| drop(listener.accept().unwrap()));
        listener.listen(128).unwrap();
        listener.set_nonblocking(true).unwrap();
        Peer { listener: listener.into(), address }
    }
}

/// A frame that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub command: u8,
    pub connection: u32,
    pub ext: Vec<u8>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn is(&self, command: Command) -> bool {
        self.command == command as u8
    }

    /// The query that proves that all before it was processed.
    pub fn is_barrier(&self) -> bool {
        self.is(Command::IsOnline) && self.connection == 0
    }
}

impl From<&Frame<'_>> for Received {
    fn from(frame: &Frame<'_>) -> Self {
        Self {
            command: frame.head.command,
            connection: frame.head.connection,
            ext: frame.ext.to_vec(),
            body: frame.body.to_vec(),
        }
    }
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Conn(pub TcpStream);

impl Conn {
    pub fn frame(&mut self) -> Received {
        let mut bytes = self.read(4);
        let rest = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize - 4;
        bytes.extend(self.read(rest));
        let (frame, _) = Frame::decode(&bytes, usize::MAX).unwrap().unwrap();
        Received::from(&frame)
    }

    /// The next frame that is no barrier. A link whose connection was closed soon after it was made
    /// asks first on the next one whether the gateway replies it.
    pub fn command(&mut self) -> Received {
        loop {
            let frame = self.frame();
            if !frame.is_barrier() {
                return frame;
            }
            self.reply("i:0;");
        }
    }

    /// The next frame, which has to be this one.
    pub fn expect(&mut self, command: Command) -> Received {
        let frame = self.frame();
        assert!(frame.is(command), "{command:?} is due, not {frame:?}");
        frame
    }

    /// The introduction with this key.
    pub fn expect_key(&mut self, key: &str) {
        let body = self.expect(Command::GatewayClientConnect).body;
        assert_eq!(serde_json::from_slice::<Json>(&body).unwrap(), json!({ "secret_key": key }));
    }

    /// The connection numbers of this many frames.
    pub fn numbers(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.frame().connection).collect()
    }

    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).expect("more was due");
        bytes
    }

    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            match self.read(1)[0] {
                b'\n' => return String::from_utf8(line).unwrap(),
                byte => line.push(byte),
            }
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is read");
    }

    /// Answers a query.
    pub fn reply(&mut self, payload: &str) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.send(&[&length, payload.as_bytes()].concat());
    }

    /// Answers the barrier that has to come next.
    pub fn pass_barrier(&mut self) {
        let frame = self.frame();
        assert!(frame.is_barrier(), "a barrier is due, not {frame:?}");
        self.reply("i:0;");
    }

    /// Waits for the end of the connection; replies whether nothing came before it.
    pub fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => {
                assert!(error.kind() == io::ErrorKind::ConnectionReset, "{error}");
                true
            }
        }
    }

    /// The whole frames that came before the end of the connection. Barriers among them are
    /// answered.
    pub fn frames_until_closed(mut self) -> Vec<Received> {
        let (mut frames, mut bytes) = (Vec::new(), Vec::new());
        loop {
            let mut chunk = [0; 4096];
            match self.0.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                Err(error) => {
                    assert!(error.kind() == io::ErrorKind::ConnectionReset, "{error}");
                    break;
                }
            }
            let mut taken = 0;
            while let Some((frame, len)) = Frame::decode(&bytes[taken..], usize::MAX).unwrap() {
                frames.push(Received::from(&frame));
                taken += len;
                if frames.last().is_some_and(Received::is_barrier) {
                    self.reply("i:0;");
                }
            }
            bytes.drain(..taken);
        }
        frames
    }
}
