//! The section of phpinfo().

use ext_php_rs::{info_table_end, info_table_row, info_table_start};
use gatewayworker_client::status::{EndedLinks, GatewayStatus, ProcessStatus, RegisterStatus};

use crate::settings;

/// Prints the section.
pub fn show() {
    info_table_start!();
    let classes = if settings::enabled() {
        "GatewayWorker\\Lib\\Gateway, native"
    } else {
        "switched off (gatewayworker.enable)"
    };
    info_table_row!("gatewayworker", classes);
    let status = ProcessStatus::now();
    info_table_row!("version", status.version);
    info_table_row!("background", if status.threads > 0 { "running" } else { "not started" });
    info_table_row!("process", format!("pid {}, threads of this extension: {}", status.pid, status.threads));
    for cluster in &status.clusters {
        if let Some(register) = &cluster.register {
            show_register(register);
        }
        for gateway in &cluster.gateways {
            show_gateway(gateway);
        }
        show_ended(&cluster.ended);
    }
    info_table_end!();
}

fn show_register(register: &RegisterStatus) {
    let names = register.registers.join(", ");
    let connected = register.connected.as_deref().unwrap_or("not connected");
    info_table_row!(row(&format!("register {names}")), row(connected));
    let age = register.list_age.map_or_else(String::new, |age| format!(", the last one {age:.1} s ago"));
    let list = format!("{}, {} lists{age}", register.state, register.lists);
    info_table_row!(row(&format!("list of register {names}")), row(&list));
    show_error(&format!("list of register {names}"), &register.last_error, register.last_error_age);
}

fn show_gateway(gateway: &GatewayStatus) {
    let GatewayStatus { address, commands, .. } = gateway;
    let text = format!(
        "{}, {} accepted, {} written, {} queued ({} bytes), {} dropped, {} refused, {} reconnects",
        gateway.link,
        commands.accepted,
        commands.written,
        commands.queued,
        commands.queued_bytes,
        commands.dropped,
        commands.refused,
        gateway.reconnects
    );
    info_table_row!(row(&format!("gateway {address}")), row(&text));
    show_error(&format!("gateway {address}"), &gateway.last_error, gateway.last_error_age);
    let latency = match (gateway.latency_p50, gateway.latency_p99) {
        (Some(p50), Some(p99)) => format!(", latency p50 {p50} us, p99 {p99} us"),
        _ => String::new(),
    };
    let text = format!(
        "{} queries, {} failed, {} timed out{latency}, {} connections open, {} idle",
        gateway.queries,
        gateway.queries_failed,
        gateway.queries_timed_out,
        gateway.queries_open,
        gateway.queries_idle
    );
    info_table_row!(row(&format!("queries to {address}")), row(&text));
    show_error(&format!("queries to {address}"), &gateway.query_error, gateway.query_error_age);
}

/// Most clusters have none, and no row then.
fn show_ended(ended: &EndedLinks) {
    let EndedLinks { links, accepted, written, dropped, .. } = ended;
    if *links > 0 {
        let text = format!("{links}, {accepted} accepted, {written} written, {dropped} dropped");
        info_table_row!("links to gateways that have left", row(&text));
    }
}

fn show_error(of: &str, error: &Option<String>, age: Option<f64>) {
    if let (Some(error), Some(age)) = (error, age) {
        info_table_row!(row(&format!("{of}, last error")), row(&format!("{error} ({age:.1} s ago)")));
    }
}

/// A text that came from outside, as the engine's C strings can hold it.
fn row(text: &str) -> String {
    text.replace('\0', "\\0")
}
