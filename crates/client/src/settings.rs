//! Limits and times of the whole process.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::{AddressMap, Resolver, system_resolver};

/// How the connections of this process behave. Fixed when the first one is needed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most bytes queued for one gateway (the original's `sendToGatewayBufferSize`).
    pub send_buffer: usize,
    /// The longest reply that is accepted, in bytes.
    pub max_reply: usize,
    /// Advertised → reachable addresses.
    pub address_map: AddressMap,
    /// The resolver for names of registers and gateways.
    pub resolver: Resolver,
    /// Whether a client id alone names a gateway that is connected to and told the secret key, listed
    /// by a register or not. Client ids often come from browsers: anybody can make one up. Without
    /// it, only gateways that the register lists are.
    pub trust_client_ids: bool,
    /// The directory for the status file of this process, if there is to be one: see
    /// [`crate::status`].
    pub status_path: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            send_buffer: 10_240_000,
            max_reply: 256 << 20,
            address_map: AddressMap::default(),
            resolver: system_resolver,
            trust_client_ids: false,
            status_path: None,
        }
    }
}

/// How long one call may wait, and what it does without some of the gateways.
#[derive(Clone, Copy, Debug)]
pub struct CallOptions {
    /// The limit for connecting to a register or a gateway (`Gateway::$connectTimeout`).
    pub connect_timeout: Duration,
    /// The limit for a query as a whole: until the gateways have processed earlier commands, are
    /// connected (no longer than `connect_timeout`), and have replied. The original has 5 seconds
    /// for the reply alone.
    pub query_timeout: Duration,
    /// What a query to all gateways does when some of them are unavailable.
    pub on_unavailable: OnUnavailable,
}

/// What a query to all gateways does when some of them are unavailable: they cannot be reached,
/// reject the secret key, close the connection or do not reply in time. It always fails where all
/// are unavailable, or where one sends an invalid reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnavailable {
    /// Fail: nobody knows what the result would lack.
    #[default]
    Fail,
    /// Return the result of the others. The log says once which gateway is missing, and once when
    /// it is back.
    Skip,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            query_timeout: Duration::from_secs(5),
            on_unavailable: OnUnavailable::Fail,
        }
    }
}
