//! Pushes a message from Rust, and says how many clients are connected.
//!
//! ```sh
//! cargo run -p gatewayworker-client --example push -- 127.0.0.1:1236 all 'hello everybody'
//! cargo run -p gatewayworker-client --example push -- 127.0.0.1:1236 uid alice 'hello'
//! ```
//!
//! The environment variable `GATEWAY_SECRET_KEY` holds the secret key. Exit codes: 0 sent, 1 not
//! sent, 2 wrong usage.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use gatewayworker_client::{CallOptions, ClusterId, Discovery, Message, Process, Secret, Settings};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let secret = std::env::var("GATEWAY_SECRET_KEY").unwrap_or_default();
    match run(&arguments, &secret, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("push: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage) { 2 } else { 1 })
        }
    }
}

/// Why a message was not sent.
#[derive(Debug)]
pub enum Failure {
    /// The arguments make no sense.
    Usage,
    /// The cluster, or what became of the message.
    NotSent(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => f.write_str("usage: push <register host:port> (uid <uid> | all) <message>"),
            Self::NotSent(reason) => f.write_str(reason),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::NotSent(error.to_string())
    }
}

/// Does what the arguments say, and ends the background thread.
pub fn run(arguments: &[String], secret: &str, out: &mut impl Write) -> Result<(), Failure> {
    let (register, uid, message) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [register, "uid", uid, message] => (register, Some(uid), message),
        [register, "all", message] => (register, None, message),
        _ => return Err(Failure::Usage),
    };
    let done = push(register, secret, uid, message, out);
    // Waits until the message is out. What could not be delivered is the caller's to know.
    let end = Process::shutdown(Duration::from_secs(3));
    for line in end.log {
        eprintln!("push: {line}");
    }
    done?;
    match end.undelivered.first() {
        None => Ok(()),
        Some(left) => {
            Err(Failure::NotSent(format!("{} has not taken the message: {}", left.gateway, left.reason)))
        }
    }
}

fn push(
    register: &str,
    secret: &str,
    uid: Option<&str>,
    message: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let process = Process::current(Settings::default)?;
    let cluster = process.cluster(ClusterId {
        user: "push",
        discovery: Discovery::Registers(vec![register.to_owned()]),
        secret: Secret::new(secret.as_bytes()),
    });
    let options = CallOptions::default();
    cluster.discover(false, options)?;
    let message = Message::text(message.as_bytes());
    match uid {
        // A list of uids goes out as JSON.
        Some(uid) => cluster.send_to_uids(&serde_json::to_vec(&[uid])?, message, options)?,
        None => cluster.send_to_all(message, options)?,
    }
    writeln!(out, "{} clients are connected", cluster.client_count(b"", options)?)?;
    Ok(())
}
