//! Limits and times of the whole process.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::{AddressMap, Resolver, system_resolver};

/// How the connections of this process behave; fixed when the first one is needed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many bytes may wait for one gateway. The original's `sendToGatewayBufferSize`.
    pub send_buffer: usize,
    /// The longest reply that is accepted, in bytes.
    pub max_reply: usize,
    /// Advertised → reachable addresses.
    pub address_map: AddressMap,
    /// Who looks names of registers and gateways up.
    pub resolver: Resolver,
    /// The directory in which this process publishes its status, if it does: see [`crate::status`].
    pub status_path: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            send_buffer: 10_240_000,
            max_reply: 256 << 20,
            address_map: AddressMap::default(),
            resolver: system_resolver,
            status_path: None,
        }
    }
}

/// How long one call may wait, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a register or a gateway to be connected (`Gateway::$connectTimeout`).
    pub connect: Duration,
    /// For a question, all in all (the original has 5 seconds for the reply alone): for gateways to have done what they were
    /// told before, to be connected (no longer than `connect`), and to reply.
    pub reply: Duration,
    /// What a question to all gateways does about those that are absent.
    pub absent: Absent,
}

/// What becomes of a question to all gateways when some of them are absent: cannot be reached, reject the secret key, close
/// the connection or do not answer in time. Where all are absent, or one answers nonsense, it always fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// The question fails: what its answer would lack is not known.
    #[default]
    Fail,
    /// The answer is that of the others. The log tells who is absent from then on, and who is back.
    LeaveOut,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), reply: Duration::from_secs(5), absent: Absent::Fail }
    }
}
