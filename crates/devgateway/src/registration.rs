//! How a gateway registers itself at a register that runs elsewhere.

use std::net::SocketAddrV4;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::log::complain;

/// How long to wait before the next attempt.
const RECONNECT: Duration = Duration::from_secs(1);

/// Keeps a gateway registered, whatever happens to the register.
pub(crate) async fn keep(register: String, internal: SocketAddrV4, config: Config) {
    loop {
        match stay(&register, internal, &config).await {
            Ok(()) => complain(format_args!("the register at {register} closed the connection")),
            Err(error) => complain(format_args!("the register at {register} is out of reach: {error}")),
        }
        sleep(RECONNECT).await;
    }
}

/// Registers a gateway until the connection ends.
async fn stay(register: &str, internal: SocketAddrV4, config: &Config) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(register).await?;
    let line = json!({"event": "gateway_connect", "address": internal, "secret_key": config.secret});
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut timer = interval(config.ping_interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.tick().await;
    let mut ignored = [0; 1024];
    loop {
        tokio::select! {
            read = stream.read(&mut ignored) => if read? == 0 {
                return Ok(());
            },
            _ = timer.tick() => stream.write_all(b"{\"event\":\"ping\"}\n").await?,
        }
    }
}
