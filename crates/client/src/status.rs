//! The state of everything, to be looked at.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::cluster::{Cluster, Discovery};
use crate::command_link::LinkState;
use crate::register::RegisterStatus;
use crate::send_queue::Counters;

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
}

impl Cluster {
    /// The state of this cluster.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        let gateways = self.members.everybody();
        ClusterStatus {
            user: self.id().user,
            mode: match self.id().discovery {
                Discovery::Registers(_) => "registers",
                Discovery::Caller(_) => "worker",
            },
            secret: self.id().secret.is_set(),
            register: self.register.as_ref().map(|register| register.status()),
            gateways: gateways
                .iter()
                .map(|gateway| {
                    let queries = &gateway.queries.counters;
                    GatewayStatus {
                        address: gateway.address.text.to_string(),
                        reach: gateway.address.reach.to_string(),
                        link: gateway.link.phase(),
                        commands: gateway.link.counters(),
                        queries_idle: gateway.queries.idle(),
                        queries_opened: queries.opened.load(Ordering::Relaxed),
                        queries: queries.asked.load(Ordering::Relaxed),
                        queries_failed: queries.failed.load(Ordering::Relaxed),
                        queries_timed_out: queries.timed_out.load(Ordering::Relaxed),
                        queries_retried: queries.retried.load(Ordering::Relaxed),
                    }
                })
                .collect(),
        }
    }
}
