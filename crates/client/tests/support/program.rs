//! `gatewayd` as a process of its own, which can be killed and stopped.

#![allow(unsafe_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::SAFETY_NET;

/// A process of `gatewayd`. It ends when this is dropped.
#[derive(Debug)]
pub struct Gatewayd {
    child: Child,
    info: Json,
    control: BufReader<TcpStream>,
    /// When it was started, in µs since 1970: before it listened.
    pub started_at: u64,
}

impl Gatewayd {
    /// Starts it; returns when everything listens.
    pub fn start(options: &[&str]) -> Self {
        Self::start_in(&[], options)
    }

    /// As [`Gatewayd::start`], by way of another program that runs it, such as one that enters a
    /// namespace.
    pub fn start_in(by: &[&str], options: &[&str]) -> Self {
        let program = program();
        let mut command = match by {
            [] => Command::new(program),
            [by, arguments @ ..] => {
                let mut command = Command::new(by);
                command.args(arguments).arg(program);
                command
            }
        };
        let started_at = now();
        let mut child = command
            .args(options)
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let info: Json = serde_json::from_str(&line).expect("gatewayd says where it listens");
        let control = TcpStream::connect(info["control"].as_str().unwrap()).unwrap();
        control.set_read_timeout(Some(SAFETY_NET)).unwrap();
        control.set_nodelay(true).unwrap();
        Self { child, info, control: BufReader::new(control), started_at }
    }

    /// One gateway at this address, which records what it gets, and no register.
    pub fn gateway(address: &str) -> Self {
        Self::start(&["--no-register", "--gateway", address, "--record"])
    }

    /// The internal address of its first gateway.
    pub fn address(&self) -> String {
        self.info["gateways"][0]["internal"].as_str().unwrap().to_owned()
    }

    /// The address of its register.
    pub fn register(&self) -> String {
        self.info["register"].as_str().unwrap().to_owned()
    }

    pub fn control(&mut self, request: Json) -> Json {
        self.control.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut reply = String::new();
        self.control.read_line(&mut reply).unwrap();
        let reply: Json = serde_json::from_str(&reply).unwrap();
        assert!(reply.get("error").is_none(), "{request} was answered with {reply}");
        reply
    }

    /// What has come since this was asked last, of the messages to all: the number each begins
    /// with, and when it came, in µs since 1970.
    pub fn numbers(&mut self) -> Vec<(u32, u64)> {
        let taken = self.control(json!({"cmd": "take_frames", "gateway": 0}));
        let frames = taken["frames"].as_array().unwrap();
        let to_all = frames.iter().filter(|frame| frame["command"] == 6);
        to_all
            .map(|frame| {
                let hex = frame["hex"].as_str().unwrap();
                // The head has 28 bytes; a number has ten digits.
                let digits = hex.as_bytes()[56..76].chunks(2).map(|pair| pair[1]);
                (String::from_utf8(digits.collect()).unwrap().parse().unwrap(), frame["us"].as_u64().unwrap())
            })
            .collect()
    }

    /// Ends it without a word, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It does nothing any more, but its connections stay.
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: no memory is involved; the process is our child, and has not been waited for.
        let sent = unsafe { libc::kill(self.child.id().cast_signed(), signal) };
        assert_eq!(sent, 0);
    }
}

impl Drop for Gatewayd {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A message that begins with a number, as [`Gatewayd::numbers`] reads it.
pub fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut body = format!("{number:010}").into_bytes();
    body.resize(body.len().max(len), b'.');
    body
}

/// The time of day in µs since 1970, as recorded frames have it.
pub fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Where the program is: next to the tests, where a build of the whole workspace puts it, or where
/// `GATEWAYD` says.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("gatewayd");
    let named = std::env::var_os("GATEWAYD").map(PathBuf::from);
    let mut found = [Some(built), named].into_iter().flatten().filter(|path| path.exists());
    found.next().expect("gatewayd is not built: cargo build -p gatewayworker-devgateway")
}
