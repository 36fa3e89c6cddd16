//! What can go wrong. Every variant that concerns a gateway or a register names it, and says what
//! to check unless its reason does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gatewayworker_wire::Command;
use gatewayworker_wire::frame::FrameTooLong;

/// Why an operation of a cluster failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No register of the list could be reached, and no list of gateways is known from before.
    #[error(
        "cannot connect to tcp://{register}: {reason} (is the Register running, and is $registerAddress right?)"
    )]
    RegisterUnreachable {
        /// The register that was tried last.
        register: String,
        /// What the system said.
        reason: String,
    },
    /// The register closed the connection instead of sending the list of gateways.
    #[error(
        "the register tcp://{register} closed the connection instead of listing its gateways, as it does when the secret key is wrong (compare Gateway::$secretKey with the Register's $secretKey)"
    )]
    RegisterRejected {
        /// The register.
        register: String,
    },
    /// The register sent something other than a list of gateways.
    #[error("the register tcp://{register} does not reply like a GatewayWorker Register: {reason}")]
    RegisterGarbage {
        /// The register.
        register: String,
        /// What is wrong with its reply.
        reason: String,
    },
    /// The register was reached but did not list its gateways in time.
    #[error(
        "no register of {registers} listed its gateways within {} s (raise $connectTimeout if the network is slow)",
        after.as_secs_f64()
    )]
    RegisterSilent {
        /// The registers.
        registers: String,
        /// How long was waited.
        after: Duration,
    },
    /// The register knows of no gateway.
    #[error(
        "the register {registers} knows of no gateway (is a Gateway process running, with this register address and secret key?)"
    )]
    NoGateways {
        /// The registers.
        registers: String,
    },
    /// A gateway cannot be connected to.
    #[error(
        "cannot connect to tcp://{gateway}: {reason} (is the Gateway running and reachable from here? gatewayworker.address_map maps the addresses of containers)"
    )]
    Unreachable {
        /// The gateway.
        gateway: Arc<str>,
        /// What the system said.
        reason: String,
    },
    /// A gateway left the cluster before it took everything that was sent to it.
    #[error(
        "the gateway tcp://{gateway} has left the cluster and no longer takes commands (its clients get new ids when they reconnect)"
    )]
    Left {
        /// The gateway.
        gateway: Arc<str>,
    },
    /// A gateway closes connections with our secret key.
    #[error(
        "the gateway tcp://{gateway} rejects the connection, as it does when the secret key is wrong (compare Gateway::$secretKey with the Gateway's $secretKey)"
    )]
    Rejected {
        /// The gateway.
        gateway: Arc<str>,
    },
    /// A gateway did not reply in time.
    #[error(
        "the gateway tcp://{gateway} did not reply to {command:?} within {} s (it is overloaded or hangs; gatewayworker.query_timeout sets the limit)",
        after.as_secs_f64()
    )]
    TimedOut {
        /// The gateway.
        gateway: Arc<str>,
        /// The query.
        command: Command,
        /// How long was waited.
        after: Duration,
    },
    /// A gateway closed the connection instead of replying.
    #[error(
        "connection close tcp://{gateway}: the gateway closed the connection before it replied to {command:?} ({reason}), as it does when it stops or when the secret key is wrong"
    )]
    Closed {
        /// The gateway.
        gateway: Arc<str>,
        /// The query.
        command: Command,
        /// What the system said.
        reason: String,
    },
    /// A gateway sent something that cannot be the reply.
    #[error("the gateway tcp://{gateway} sent something other than the reply to {command:?}: {reason}")]
    BadReply {
        /// The gateway.
        gateway: Arc<str>,
        /// The query.
        command: Command,
        /// What is wrong with it.
        reason: String,
    },
    /// A gateway's reply is over the limit.
    #[error(
        "the gateway tcp://{gateway} announces a reply to {command:?} of {len} bytes, over the limit of {max} (gatewayworker.max_reply)"
    )]
    ReplyTooLong {
        /// The gateway.
        gateway: Arc<str>,
        /// The query.
        command: Command,
        /// The announced length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The queue of a gateway's command link has no room.
    #[error(
        "the send queue of the gateway tcp://{gateway} is full ({limit} bytes): it takes frames slower than they are sent (gatewayworker.send_buffer sets the limit)"
    )]
    QueueFull {
        /// The gateway.
        gateway: Arc<str>,
        /// The limit in bytes.
        limit: usize,
    },
    /// A frame that the protocol cannot carry.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// The background thread could not be started.
    #[error("the background thread of the gateway client could not be started: {0}")]
    Runtime(#[source] Arc<io::Error>),
}

/// The short text of an I/O error, as PHP's stream functions give it: without "(os error 111)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
