//! `benchclient`: clients of a gateway's text port, each with one message under way.
//!
//! ```text
//! benchclient CLIENTS SECONDS MESSAGE ADDRESS…
//! ```
//! CLIENTS connections are spread over the ADDRESSes. Each sends the line MESSAGE, waits for a line, and sends
//! again, for SECONDS. A line `message`, as `sendToAll` brings it, and the
//! greeting of gatewayd, which is JSON, are passed over. Prints one line of JSON: `messages`, the length of the run in `seconds`, the median round
//! trip in `rtt_ns`, and the median of the numbers in the replies, where these are numbers, in `value_ns`.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream as Connecting;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Round trips of each client that are not counted.
const WARM_UP: usize = 20;
/// A worker that does not reply has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Client {
    stream: TcpStream,
    sent: Instant,
    replies: usize,
    buffer: VecDeque<u8>,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [clients, seconds, message, addresses @ ..] = &arguments[..] else { return usage() };
    let (Ok(clients), Ok(seconds)) = (clients.parse::<usize>(), seconds.parse::<f64>()) else {
        return usage();
    };
    if clients == 0 || addresses.is_empty() {
        return usage();
    }
    let line = format!("{message}\n");
    let mut poll = Poll::new()?;
    let mut connected = Vec::new();
    for (index, address) in addresses.iter().cycle().take(clients).enumerate() {
        let stream = Connecting::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
        connected.push(Client { stream, sent: Instant::now(), replies: 0, buffer: VecDeque::new() });
    }
    for client in &mut connected {
        client.send(&line)?;
    }
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut began = None;
    let mut events = Events::with_capacity(256);
    loop {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err(io::Error::other(format!("no reply to {message} within {PATIENCE:?}")));
        }
        for event in &events {
            let client = &mut connected[event.token().0];
            while let Some(reply) = client.receive()? {
                client.replies += 1;
                if client.replies > WARM_UP {
                    began.get_or_insert(client.sent);
                    times.push(client.sent.elapsed().as_nanos() as u64);
                    values.extend(reply.trim().parse::<u64>());
                }
                client.send(&line)?;
            }
        }
        if let Some(began) = began
            && began.elapsed().as_secs_f64() >= seconds
        {
            let (messages, seconds) = (times.len(), began.elapsed().as_secs_f64());
            let (rtt, value) = (median(&mut times), median(&mut values));
            println!(
                "{{\"messages\":{messages},\"seconds\":{seconds},\"rtt_ns\":{rtt},\"value_ns\":{value}}}"
            );
            return Ok(());
        }
    }
}

fn usage() -> io::Result<()> {
    Err(io::Error::other("usage: benchclient CLIENTS SECONDS MESSAGE ADDRESS…"))
}

fn median(values: &mut [u64]) -> String {
    values.sort_unstable();
    values.get(values.len() / 2).map_or("null".into(), u64::to_string)
}

impl Client {
    fn send(&mut self, line: &str) -> io::Result<()> {
        self.sent = Instant::now();
        self.stream.write_all(line.as_bytes())
    }

    /// The next whole reply, if it has come.
    fn receive(&mut self) -> io::Result<Option<String>> {
        let mut piece = [0; 4096];
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if line == b"message\n" || line.starts_with(b"{") {
                    continue;
                }
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::Error::other("the gateway closed the connection")),
                Ok(count) => self.buffer.extend(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}
