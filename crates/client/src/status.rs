//! The state of everything, from within ([`ProcessStatus::now`]) and for other processes, if
//! [`Settings::status_path`](crate::Settings::status_path) names a directory. Its file `<pid>.json`
//! is written once a second from the first use to the end of the process: a [`ProcessStatus`], and
//! the `time` of writing in seconds since 1970.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::cluster::{Cluster, Discovery};
use crate::register::Register;

pub use crate::link::counters::{Counters, EndedLinks};
pub use crate::link::state::LinkState;
pub use crate::register::status::{RegisterState, RegisterStatus};

/// The state of one process.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ProcessStatus {
    /// The version of this crate.
    pub version: &'static str,
    /// The id of the process.
    pub pid: u32,
    /// The number of background threads: one from the first use on.
    pub threads: u32,
    /// The clusters, in the order of first use.
    pub clusters: Vec<ClusterStatus>,
}

/// The state of one cluster.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// The class that uses it.
    pub user: &'static str,
    /// `registers` or `worker`.
    pub mode: &'static str,
    /// Whether connections authenticate. The key itself is never shown.
    pub secret: bool,
    /// The subscription to the register, in client mode.
    pub register: Option<RegisterStatus>,
    /// The totals of the links that have ended, of gateways that have left.
    pub ended: EndedLinks,
    /// The gateways.
    pub gateways: Vec<GatewayStatus>,
}

/// The state of one gateway.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct GatewayStatus {
    /// As the register advertises it.
    pub address: String,
    /// Where it is reached.
    pub reach: String,
    /// The state of the command link.
    pub link: LinkState,
    /// The counters of the command link.
    #[serde(flatten)]
    pub commands: Counters,
    /// Idle query connections.
    pub queries_idle: usize,
    /// Query connections opened so far.
    pub queries_opened: u64,
    /// Queries sent.
    pub queries: u64,
    /// Queries that failed, for whatever reason.
    pub queries_failed: u64,
    /// Queries without a reply in time.
    pub queries_timed_out: u64,
    /// Queries that were repeated because an idle connection had died.
    pub queries_retried: u64,
    /// How often the command link reconnected.
    pub reconnects: u64,
    /// The last error of the command link, kept after recovery.
    pub last_error: Option<String>,
    /// How long ago that was, in seconds.
    pub last_error_age: Option<f64>,
    /// Open query connections, idle or in use.
    pub queries_open: usize,
    /// The last error of a query.
    pub query_error: Option<String>,
    /// How long ago that was, in seconds.
    pub query_error_age: Option<f64>,
    /// The number of replies that were timed. A query to several gateways does not time replies
    /// that arrived while it waited for another one.
    pub latency_count: u64,
    /// The median time from sending a query to its reply, in microseconds; within 3.2 %.
    pub latency_p50: Option<u64>,
    /// The 99th percentile, like [`GatewayStatus::latency_p50`].
    pub latency_p99: Option<u64>,
}

impl Cluster {
    /// The state of this cluster.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        let (gateways, ended) = self.members.everybody_and_ended();
        ClusterStatus {
            user: self.id().user,
            mode: match self.id().discovery {
                Discovery::Registers(_) => "registers",
                Discovery::Caller(_) => "worker",
            },
            secret: self.id().secret.is_set(),
            register: self.register.as_ref().map(Register::status),
            ended,
            gateways: gateways
                .iter()
                .map(|gateway| {
                    let queries = &gateway.queries.counters;
                    let latency = gateway.queries.latency.summary();
                    let (last_error, last_error_age) = gateway.link.last_error();
                    let (query_error, query_error_age) = gateway.queries.last_error.get();
                    GatewayStatus {
                        address: gateway.address.text.to_string(),
                        reach: gateway.address.reach.to_string(),
                        link: gateway.link.phase(),
                        commands: gateway.link.counters(),
                        queries_idle: gateway.queries.idle(),
                        queries_opened: queries.opened.load(Ordering::Relaxed),
                        queries: queries.sent.load(Ordering::Relaxed),
                        queries_failed: queries.failed.load(Ordering::Relaxed),
                        queries_timed_out: queries.timed_out.load(Ordering::Relaxed),
                        queries_retried: queries.retried.load(Ordering::Relaxed),
                        reconnects: gateway.link.reconnects(),
                        last_error,
                        last_error_age,
                        queries_open: gateway.queries.open_now(),
                        query_error,
                        query_error_age,
                        latency_count: latency.count,
                        latency_p50: latency.p50,
                        latency_p99: latency.p99,
                    }
                })
                .collect(),
        }
    }
}
