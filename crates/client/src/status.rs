//! The state of everything, to be looked at: from within ([`ProcessStatus::now`]), and from other processes where
//! [`Settings::status_path`](crate::Settings::status_path) names a directory. There it is written once a second, from the
//! first use of the process to its end, as `<pid>.json`: a [`ProcessStatus`] and the `time` of writing in seconds since 1970.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::cluster::{Cluster, Discovery};
use crate::register::Register;

pub use crate::link::counters::{Counters, EndedLinks};
pub use crate::link::state::LinkState;
pub use crate::register::status::{RegisterState, RegisterStatus};

/// The state of one process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessStatus {
    /// The version of this crate.
    pub version: &'static str,
    /// The number of the process.
    pub pid: u32,
    /// How many threads of ours it has: one from the first use on.
    pub threads: u32,
    /// The clusters, in the order in which they were used first.
    pub clusters: Vec<ClusterStatus>,
}

/// The state of one cluster.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterStatus {
    /// Who uses it.
    pub user: &'static str,
    /// `registers` or `worker`.
    pub mode: &'static str,
    /// Whether connections authenticate. The key itself is shown nowhere.
    pub secret: bool,
    /// The subscription to the register, in client mode.
    pub register: Option<RegisterStatus>,
    /// What became of the frames of gateways that have left, and whose links have ended.
    pub ended: EndedLinks,
    /// The gateways.
    pub gateways: Vec<GatewayStatus>,
}

/// The state of one gateway.
#[derive(Clone, Debug, Serialize)]
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
    /// Query connections that wait for a question.
    pub queries_idle: usize,
    /// Query connections opened so far.
    pub queries_opened: u64,
    /// Questions asked.
    pub queries: u64,
    /// Questions that failed, for whatever reason.
    pub queries_failed: u64,
    /// Questions that were not answered in time.
    pub queries_timed_out: u64,
    /// Questions that were asked again, because an idle connection had died.
    pub queries_retried: u64,
    /// How often the command link was made again after it had ended.
    pub reconnects: u64,
    /// What went wrong with the command link last, also where all is well since.
    pub last_error: Option<String>,
    /// How long ago that was, in seconds.
    pub last_error_age: Option<f64>,
    /// Query connections that there are: those that wait, and those that carry a question.
    pub queries_open: usize,
    /// What went wrong with a question last.
    pub query_error: Option<String>,
    /// How long ago that was, in seconds.
    pub query_error_age: Option<f64>,
    /// How many answers were timed. In a question to several gateways those are not that came while another one was waited
    /// for.
    pub latency_count: u64,
    /// Half of the answers took no longer than this from the sending of the question, in microseconds; within 3.2 %.
    pub latency_p50: Option<u64>,
    /// As [`GatewayStatus::latency_p50`], 99 of 100 answers.
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
