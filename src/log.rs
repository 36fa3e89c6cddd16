//! Lines of PHP's error log that the core has a part in.

use std::time::Duration;

use gatewayworker_client::Process;
use gatewayworker_client::process::{Unconfirmed, Undelivered};

use crate::engine::globals;

/// Writes the lines that the background thread has kept to PHP's error log. One load where there
/// are none.
#[inline]
pub fn write_background_lines() {
    if let Some(process) = Process::existing() {
        for line in process.log().take() {
            globals::log_line(&line);
        }
    }
}

/// The line in the log about frames that could not be delivered before the process ended.
pub fn undelivered(left: &Undelivered, waited: Duration) {
    let Undelivered { gateway, frames, reason } = left;
    let reason = if reason.is_empty() { "it takes frames too slowly" } else { reason };
    let frames = if *frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") };
    let waited = waited.as_secs_f64();
    let reason = format!("{frames} still queued after {waited} s (gatewayworker.flush_timeout): {reason}");
    globals::log(&format!("tcp://{gateway}"), "undelivered", &reason);
}

/// The line in the log about a gateway that has not confirmed.
pub fn unconfirmed(Unconfirmed { gateway, reason, .. }: &Unconfirmed) {
    globals::log(&format!("tcp://{gateway}"), "not confirmed", reason);
}
