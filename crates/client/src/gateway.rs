//! One gateway of a cluster: its two kinds of connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::address::GatewayAddress;
use crate::link::CommandLink;
use crate::link::counters::EndedLinks;
use crate::link::observer::LinkObserver;
use crate::pool::QueryPool;
use crate::runtime::background::Background;
use crate::secret::Secret;

/// A gateway: commands go over its link, queries over the connections of its pool.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: GatewayAddress,
    pub(crate) link: CommandLink,
    pub(crate) queries: QueryPool,
}

impl Gateway {
    pub(crate) fn new(
        address: GatewayAddress,
        secret: &Secret,
        observer: Weak<dyn LinkObserver>,
        background: &Arc<Background>,
    ) -> Arc<Self> {
        Arc::new(Self {
            link: CommandLink::new(address.clone(), secret.clone(), observer, Arc::clone(background)),
            queries: QueryPool::new(
                address.clone(),
                secret,
                background.settings.max_reply,
                Arc::clone(&background.buffers),
            ),
            address,
        })
    }

    /// Adds what it has counted to the total of those that are gone.
    pub(crate) fn count_as_ended(&self, ended: &mut EndedLinks) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let queries = &self.queries.counters;
        ended.add(self.link.counters(), self.link.reconnects());
        ended.queries += of(&queries.sent);
        ended.queries_failed += of(&queries.failed);
        ended.queries_timed_out += of(&queries.timed_out);
        ended.queries_retried += of(&queries.retried);
    }
}
