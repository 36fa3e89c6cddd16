//! One gateway of a cluster: its two kinds of connection.

use std::sync::{Arc, Weak};

use crate::address::GatewayAddress;
use crate::link::CommandLink;
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
}
