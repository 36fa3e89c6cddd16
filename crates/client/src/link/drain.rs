//! How long the link of a gateway that left the cluster goes on.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::link::connection::LinkConnection;
use crate::link::send_queue::SendQueue;

/// How long the queue of a gateway that left the cluster is still sent. One that is restarted is back by then.
const DRAIN: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });

/// The end of a link whose gateway has left the cluster: what waits has [`DRAIN`] to get out.
#[derive(Debug, Default)]
pub(super) struct Drain {
    until: Option<Instant>,
}

impl Drain {
    /// Begins where the gateway has left the cluster, and is called off where it is back.
    pub(super) fn follow(&mut self, queue: &SendQueue<LinkConnection>) {
        self.until = queue.is_retired().then(|| self.until.unwrap_or_else(|| Instant::now() + DRAIN));
    }

    /// Whether the gateway has left the cluster.
    pub(super) fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    pub(super) fn is_over(&self, queue: &SendQueue<LinkConnection>) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until || queue.is_drained())
    }

    pub(super) async fn deadline(&self) {
        match self.until {
            Some(until) => sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    }
}
