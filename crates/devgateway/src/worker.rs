//! The BusinessWorkers at a gateway, and which one gets the events of a client.

use std::rc::Rc;

use bytes::Bytes;
use gatewayworker_wire::{Command, Head};
use indexmap::IndexMap;
use tokio::sync::mpsc::UnboundedSender;

/// A worker's key: its host and the name it gives itself.
pub(crate) type WorkerKey = Rc<str>;

struct Worker {
    /// The number of its internal connection.
    connection: u64,
    queue: UnboundedSender<Bytes>,
    /// The clients bound to it since it connected.
    clients: usize,
}

/// The workers of one gateway, in the order in which they connected.
#[derive(Default)]
pub(crate) struct Workers(IndexMap<WorkerKey, Worker>);

impl Workers {
    /// Whether there is no worker.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a worker; returns the connection that had its key before and has to go.
    pub(crate) fn connect(
        &mut self,
        key: &str,
        connection: u64,
        queue: UnboundedSender<Bytes>,
    ) -> Option<u64> {
        let old = self.0.insert(key.into(), Worker { connection, queue, clients: 0 })?;
        (old.connection != connection).then_some(old.connection)
    }

    /// Removes the worker with this connection, if there is one.
    pub(crate) fn disconnect(&mut self, connection: u64) {
        self.0.retain(|_, worker| worker.connection != connection);
    }

    /// Sends a frame to the worker that the client is bound to. A client without one, or whose
    /// worker is gone, is bound to the one with the fewest clients, the original's default.
    pub(crate) fn send(&mut self, bound: &mut Option<WorkerKey>, frame: Bytes) {
        if bound.as_ref().is_none_or(|key| !self.0.contains_key(key)) {
            *bound = self.0.iter_mut().min_by_key(|(_, worker)| worker.clients).map(|(key, worker)| {
                worker.clients += 1;
                key.clone()
            });
        }
        if let Some(worker) = bound.as_ref().and_then(|key| self.0.get(key)) {
            // An error is a worker that is going away, which takes its client's events with it.
            let _ = worker.queue.send(frame);
        }
    }

    /// Notes that a client that was bound to this worker is gone.
    pub(crate) fn unbind(&mut self, key: &str) {
        if let Some(worker) = self.0.get_mut(key) {
            worker.clients = worker.clients.saturating_sub(1);
        }
    }

    /// Sends a ping to each worker.
    pub(crate) fn ping(&self) {
        // The original's ping has an empty body, which is a scalar.
        if let Ok(frame) = Head::new(Command::Ping, 0).frame(b"", b"") {
            let frame = Bytes::from(frame);
            for worker in self.0.values() {
                let _ = worker.queue.send(frame.clone());
            }
        }
    }
}
