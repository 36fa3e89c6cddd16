//! Real sockets to a development gateway in this process. Every wait ends by itself after a while.

// Each test file uses its part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use gatewayworker_devgateway::{Config, Devgateway, GatewayAddresses, Started};
use gatewayworker_wire::php::Value;
use gatewayworker_wire::{ClientId, Command, Frame, Head};
use serde_json::{Value as Json, json};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A development gateway that greets.
pub struct Cluster(pub Started);

impl Cluster {
    pub fn start() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        Self(Devgateway::start(Config { greet: true, ..config }).expect("free ports"))
    }

    pub fn gateway(&self, index: usize) -> GatewayAddresses {
        self.0.addresses().gateways[index]
    }

    pub fn register(&self) -> SocketAddrV4 {
        self.0.addresses().register.expect("a register")
    }

    /// A link to the first gateway.
    pub fn link(&self) -> Link {
        Link::connect(self.gateway(0).internal)
    }

    /// A text client of the first gateway.
    pub fn client(&self) -> TextClient {
        TextClient::connect(self.gateway(0).text)
    }

    pub fn control(&self, request: Json) -> Json {
        let reply = self.0.control(&request);
        assert!(reply.get("error").is_none(), "the reply to {request} is {reply}");
        reply
    }

    /// What the first gateway has counted.
    pub fn stats(&self) -> Json {
        self.control(json!({"cmd": "stats"}))["gateways"][0].clone()
    }

    /// Waits until the first gateway's numbers are as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Json) -> bool) {
        wait_until(what, || wanted(&self.stats()));
    }
}

pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

fn open(address: SocketAddrV4) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// An internal connection.
pub struct Link(pub TcpStream);

impl Link {
    pub fn connect(address: SocketAddrV4) -> Self {
        Self(open(address))
    }

    pub fn send_frame(&mut self, head: Head, ext: &[u8], body: &[u8]) {
        self.0.write_all(&head.frame(ext, body).expect("it fits")).expect("the gateway reads");
    }

    /// A command without a reply.
    pub fn send(&mut self, command: Command, id: u32, ext: impl AsRef<[u8]>, body: impl AsRef<[u8]>) {
        self.send_frame(Head::new(command, id), ext.as_ref(), body.as_ref());
    }

    /// The bytes of the reply to a query, without their length.
    pub fn query_bytes(&mut self, command: Command, id: u32, ext: impl AsRef<[u8]>) -> Vec<u8> {
        self.send(command, id, ext, "");
        self.reply()
    }

    /// The reply to a query, as `serialize()` shows it.
    pub fn query(&mut self, command: Command, id: u32, ext: impl AsRef<[u8]>) -> String {
        String::from_utf8(self.query_bytes(command, id, ext)).expect("UTF-8")
    }

    pub fn reply(&mut self) -> Vec<u8> {
        let mut len = [0; 4];
        self.0.read_exact(&mut len).expect("a reply");
        let mut reply = vec![0; u32::from_be_bytes(len) as usize];
        self.0.read_exact(&mut reply).expect("a whole reply");
        reply
    }

    /// Waits until all that was sent before has been carried out.
    pub fn fence(&mut self) {
        self.query_bytes(Command::IsOnline, 0, "");
    }

    pub fn introduce(&mut self, key: &str) {
        self.send(Command::GatewayClientConnect, 0, "", json!({ "secret_key": key }).to_string());
    }

    pub fn introduce_as_worker(&mut self, name: &str, key: &str) {
        let body = json!({"worker_key": name, "secret_key": key});
        self.send(Command::WorkerConnect, 0, "", body.to_string());
    }

    /// The next frame that the gateway sends to this worker: head, ext, body.
    pub fn event(&mut self) -> (Head, String, Vec<u8>) {
        let mut bytes = vec![0; 4];
        self.0.read_exact(&mut bytes).expect("an event");
        bytes.resize(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize, 0);
        self.0.read_exact(&mut bytes[4..]).expect("a whole event");
        let (frame, _) = Frame::decode(&bytes, 1 << 20).expect("a frame").expect("all of it");
        (frame.head, String::from_utf8_lossy(frame.ext).into_owned(), frame.body.to_vec())
    }

    /// Waits for the end; returns whether nothing came before it.
    pub fn is_closed(&mut self) -> bool {
        closed(&mut self.0)
    }
}

fn closed(stream: &mut impl Read) -> bool {
    // A reset is an end as well.
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// A client that speaks in lines.
pub struct TextClient {
    stream: BufReader<TcpStream>,
    /// Its number on its gateway.
    pub id: u32,
    pub client_id: String,
}

impl TextClient {
    pub fn connect(address: SocketAddrV4) -> Self {
        let mut client = Self { stream: BufReader::new(open(address)), id: 0, client_id: String::new() };
        let greeting: Json = serde_json::from_str(&client.line()).expect("a greeting");
        assert_eq!(greeting["type"], "init");
        client.client_id = greeting["client_id"].as_str().expect("an id").to_owned();
        client.id = ClientId::parse(client.client_id.as_bytes()).expect("an id").connection;
        client
    }

    /// The next message.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        assert_eq!(line.pop(), Some('\n'), "the connection ended");
        line
    }

    /// Exactly these bytes, whatever they are.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the gateway reads");
    }

    pub fn is_closed(&mut self) -> bool {
        closed(&mut self.stream)
    }

    pub fn close(self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }

    /// Asserts that exactly these messages have come since; the last one is sent for that purpose.
    pub fn has_got(&mut self, link: &mut Link, messages: &[&str]) {
        link.send(Command::SendToOne, self.id, "", "that is all");
        let mut got = Vec::new();
        loop {
            match self.line() {
                line if line == "that is all" => break,
                line => got.push(line),
            }
        }
        assert_eq!(got, messages);
    }
}

/// A connection to a register.
pub struct RegisterLink(BufReader<TcpStream>);

impl RegisterLink {
    pub fn connect(address: SocketAddrV4) -> Self {
        Self(BufReader::new(open(address)))
    }

    pub fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).expect("the register reads");
    }

    /// The addresses that are announced next.
    pub fn addresses(&mut self) -> Json {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        let mut announcement: Json = serde_json::from_str(&line).expect("JSON");
        assert_eq!(announcement["event"], "broadcast_addresses");
        announcement["addresses"].take()
    }

    pub fn is_closed(&mut self) -> bool {
        closed(&mut self.0)
    }

    /// The line before the end.
    pub fn last_line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        assert!(self.is_closed());
        line
    }

    /// A worker that has been told the addresses.
    pub fn worker(address: SocketAddrV4) -> (Self, Json) {
        let mut worker = Self::connect(address);
        worker.send(r#"{"event":"worker_connect","secret_key":""}"#);
        let addresses = worker.addresses();
        (worker, addresses)
    }
}

/// The bytes of `serialize()` as they go into an ext.
pub fn serialized(text: &str) -> String {
    assert!(Value::read(text.as_bytes()).is_ok(), "{text}");
    text.to_owned()
}
