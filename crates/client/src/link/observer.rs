//! What a link reports to whoever owns it.

use crate::address::GatewayAddress;

/// Called on the background thread, and only after a failure or at the end of a link.
pub(crate) trait LinkObserver: Send + Sync {
    /// An attempt to connect failed, or the connection ended.
    fn link_down(&self, address: &GatewayAddress);
    /// The link has been down for long, with frames queued.
    fn link_given_up(&self, address: &GatewayAddress);
    /// The gateway left the cluster, and the link has ended.
    fn link_ended(&self);
}
