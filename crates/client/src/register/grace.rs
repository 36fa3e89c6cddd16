//! Gateways that a restarted register does not list yet.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A restarted register learns of its gateways one by one, as each reconnects. For this long after
/// a subscription was re-established, gateways missing from its lists are kept.
const GRACE: Duration = Duration::from_secs(5);

/// The gateways that were known before a subscription was lost. Lists of the next one may lack them
/// for [`GRACE`].
#[derive(Debug)]
pub(super) struct GracePeriod {
    known: Vec<String>,
    /// The last list as the register gave it.
    listed: Vec<String>,
    /// Set when the first list arrives.
    until: Option<Instant>,
}

impl GracePeriod {
    pub(super) fn new(known: Vec<String>) -> Self {
        Self { known, listed: Vec::new(), until: None }
    }

    /// The list, with the gateways that may still come back. Known ones keep their places.
    pub(super) fn add_to(&mut self, listed: Vec<String>) -> Vec<String> {
        if self.known.is_empty() {
            return listed;
        }
        self.until.get_or_insert_with(|| Instant::now() + GRACE);
        self.listed.clone_from(&listed);
        let added = listed.into_iter().filter(|address| !self.known.contains(address));
        self.known.iter().cloned().chain(added).collect()
    }

    /// Whether no gateway is waited for.
    pub(super) fn is_over(&self) -> bool {
        self.known.is_empty()
    }

    /// Ready when the grace period is over; never if no gateway is waited for.
    pub(super) async fn grace_over(&self) {
        match self.until {
            Some(until) if !self.known.is_empty() => sleep_until(until).await,
            _ => std::future::pending().await,
        }
    }

    /// The list as the register gave it.
    pub(super) fn give_up(&mut self) -> Vec<String> {
        self.known.clear();
        std::mem::take(&mut self.listed)
    }
}
