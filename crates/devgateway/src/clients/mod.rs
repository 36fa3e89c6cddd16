//! The connections of the people.

pub mod text;
pub mod websocket;

use std::sync::Arc;

use crate::gateway::Gateway;

/// A client that is known to its gateway, until it is dropped, however its task ends.
struct Known {
    gateway: Arc<Gateway>,
    id: u32,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.gateway.disconnect(self.id);
    }
}
