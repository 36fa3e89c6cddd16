//! The names of properties and classes as permanent strings: looked up by pointer, allocated once
//! per process.

#![allow(unsafe_code)]

use once_cell::sync::OnceCell;

use super::string::PhpString;

macro_rules! names {
    ($($(#[$doc:meta])* $field:ident = $text:literal,)*) => {
        /// All names.
        pub struct Names { $($(#[$doc])* pub $field: PhpString,)* }

        impl Names {
            fn new() -> Self {
                Self { $($field: PhpString::permanent($text),)* }
            }
        }
    };
}

names! {
    /// `$registerAddress`
    register_address = "registerAddress",
    /// `$secretKey`
    secret_key = "secretKey",
    /// `$connectTimeout`
    connect_timeout = "connectTimeout",
    /// `$addressesCacheDisable`
    addresses_cache_disable = "addressesCacheDisable",
    /// `$businessWorker`
    business_worker = "businessWorker",
    /// `$gatewayConnections`, of the BusinessWorker
    gateway_connections = "gatewayConnections",
    /// `Context::$client_id`
    client_id = "client_id",
    /// `Context::$local_ip`
    local_ip = "local_ip",
    /// `Context::$local_port`
    local_port = "local_port",
    /// `Context::$connection_id`
    connection_id = "connection_id",
    /// `Context::$old_session`
    old_session = "old_session",
    /// The userland class that says which client is the current one, as the table of classes has
    /// it.
    context = "gatewayworker\\lib\\context",
    /// The same for `GatewayClient\Gateway`.
    client_context = "gatewayclient\\context",
}

struct Shared(Names);

// SAFETY: permanent strings are interned: nobody counts their references, and nobody changes them.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

static NAMES: OnceCell<Shared> = OnceCell::new();

/// Makes the names. When the module starts.
pub fn start() {
    NAMES.get_or_init(|| Shared(Names::new()));
}

/// The names.
#[inline]
pub fn names() -> &'static Names {
    &NAMES.get_or_init(|| Shared(Names::new())).0
}
