//! What phpinfo() shows, and the sentences about what was left undone.

use std::time::Duration;

use ext_php_rs::types::Zval;
use ext_php_rs::{info_table_end, info_table_row, info_table_start};
use gatewayworker_client::Process;
use gatewayworker_client::runtime::Undelivered;
use serde_json::Value;

use crate::engine::{ArrayBuilder, PhpString};

/// The section of phpinfo().
pub fn show() {
    info_table_start!();
    info_table_row!("gatewayworker", "GatewayWorker\\Lib\\Gateway, native");
    info_table_row!("version", env!("CARGO_PKG_VERSION"));
    info_table_row!("background", if Process::existing().is_some() { "running" } else { "not started" });
    for cluster in Process::existing().map(Process::clusters).unwrap_or_default() {
        let status = cluster.status();
        if let Some(register) = &status.register {
            let connected = register.connected.as_deref().unwrap_or("not connected");
            info_table_row!(row(&format!("register {}", register.registers.join(", "))), row(connected));
        }
        for gateway in &status.gateways {
            let text = format!(
                "{:?}, {} accepted, {} written, {} queued, {} dropped, {} questions",
                gateway.link,
                gateway.commands.accepted,
                gateway.commands.written,
                gateway.commands.queued,
                gateway.commands.dropped,
                gateway.queries
            );
            info_table_row!(row(&format!("gateway {}", gateway.address)), row(&text));
        }
    }
    info_table_end!();
}

/// A text that came from outside, as the engine's C strings can hold it.
fn row(text: &str) -> String {
    text.replace('\0', "\\0")
}

/// The line about frames that could not be delivered before the process ended.
pub fn undelivered(left: &Undelivered, waited: Duration) -> String {
    let Undelivered { gateway, frames, reason } = left;
    let reason = if reason.is_empty() { "it takes frames too slowly" } else { reason };
    format!(
        "tcp://{gateway} undelivered: {frames} frames were still queued after {waited:?} (gatewayworker.flush_timeout): {reason}"
    )
}

/// What `Gateway::status()` answers.
pub fn status_array() -> Zval {
    let process = Process::existing();
    let clusters: Vec<_> =
        process.map(Process::clusters).unwrap_or_default().iter().map(|c| c.status()).collect();
    let status = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "threads": i32::from(process.is_some()),
        "clusters": clusters,
    });
    to_zval(&status)
}

fn to_zval(value: &Value) -> Zval {
    let mut zval = Zval::new();
    match value {
        Value::Null => {}
        Value::Bool(flag) => zval.set_bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => zval.set_long(number),
            None => zval.set_double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => return PhpString::new(text.as_bytes()).into_zval(),
        Value::Array(list) => {
            let mut array = ArrayBuilder::with_capacity(list.len());
            for value in list {
                array.push(to_zval(value));
            }
            return array.into_zval();
        }
        Value::Object(map) => {
            let mut array = ArrayBuilder::with_capacity(map.len());
            for (key, value) in map {
                array.set(key.as_bytes(), to_zval(value));
            }
            return array.into_zval();
        }
    }
    zval
}
