//! A line protocol by which tests look inside and break things: a JSON object a line, a JSON object in answer.
//!
//! | `cmd` | with | does |
//! | --- | --- | --- |
//! | `stats` | | counters of the register and of every gateway |
//! | `frames` | `gateway`, `on` | records the frames of internal connections |
//! | `take_frames` | `gateway` | answers with what was recorded, and forgets it |
//! | `stop_gateway`, `start_gateway` | `gateway` | ends a gateway as if its process had; brings it back empty |
//! | `pause_gateway` | `gateway`, `paused` | stops reading internal connections |
//! | `mute_gateway` | `gateway`, `muted` | reads questions, but does not answer |
//! | `disconnect_internal` | `gateway` | closes the internal connections |
//! | `remove_address`, `add_address` | `gateway` | changes the register's list only |
//! | `stop_register`, `start_register` | | ends the register; brings it back on the same port |
//! | `reply` | `gateway`, `command`, `hex`, `times` | answers the next questions of this command with these bytes (none: closes) |

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Member, World};

#[derive(Deserialize)]
struct Request {
    cmd: String,
    #[serde(default)]
    gateway: usize,
    #[serde(default)]
    on: bool,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    muted: bool,
    #[serde(default)]
    command: u8,
    #[serde(default)]
    hex: String,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

/// Accepts connections.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, Arc::clone(&world)));
    }
}

async fn connection(stream: TcpStream, world: Arc<World>) {
    let _ = stream.set_nodelay(true);
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match answer(&world, &line).await {
            Ok(answer) => answer,
            Err(error) => json!({"error": error}),
        };
        if writer.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer(world: &World, line: &str) -> Result<Json, String> {
    let request: Request = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let ok = || json!({"ok": true});
    match request.cmd.as_str() {
        "stats" => return Ok(stats(world)),
        "stop_register" => {
            world.stop_register();
            return Ok(ok());
        }
        "start_register" => {
            world.start_register().await.map_err(|error| error.to_string())?;
            return Ok(ok());
        }
        _ => {}
    }
    let member = world.member(request.gateway).ok_or("there is no such gateway")?;
    let gateway = &member.gateway;
    let address = member.addresses.internal.to_string();
    match request.cmd.as_str() {
        "frames" => gateway.record(request.on),
        "take_frames" => return Ok(json!({"frames": gateway.take_recorded()})),
        "stop_gateway" => world.stop_gateway(member),
        "start_gateway" => world.start_gateway(member).await.map_err(|error| error.to_string())?,
        "pause_gateway" => drop(gateway.paused.send_replace(request.paused)),
        "mute_gateway" => gateway.mute(request.muted),
        "disconnect_internal" => gateway.epoch.send_modify(|epoch| *epoch += 1),
        "remove_address" => world.register.as_ref().ok_or("there is no register")?.remove(&address),
        "add_address" => world.register.as_ref().ok_or("there is no register")?.add(&address),
        "reply" => {
            let bytes = from_hex(&request.hex).ok_or("hex is not hex digits")?;
            gateway.override_answer(request.command, &bytes, request.times);
        }
        other => return Err(format!("there is no command {other}")),
    }
    Ok(ok())
}

fn stats(world: &World) -> Json {
    let gateway = |member: &Arc<Member>| {
        let mut stats = member.gateway.stats();
        stats["address"] = json!(member.addresses.internal.to_string());
        stats["alive"] = json!(world.is_alive(member));
        stats
    };
    json!({
        "register": world.register.as_ref().map(|register| register.stats()),
        "gateways": world.gateways.iter().map(gateway).collect::<Vec<_>>(),
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    let digits = digits?;
    (digits.len() % 2 == 0).then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
