//! What command links have done with their frames.

use serde::Serialize;

/// The counters of a queue. `accepted == written + queued + dropped` holds whenever they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Frames taken over from callers.
    pub accepted: u64,
    /// Frames handed to the kernel.
    pub written: u64,
    /// Frames that wait, whole or in part.
    pub queued: u64,
    /// Frames that were given up.
    pub dropped: u64,
    /// Frames that were not accepted for want of room.
    pub refused: u64,
    /// Bytes that wait.
    pub queued_bytes: usize,
    /// Bytes handed to the kernel.
    pub written_bytes: u64,
    /// Batches that the background wrote.
    pub batches: u64,
    /// Frames that callers wrote themselves.
    pub direct: u64,
    /// Barriers that were asked for.
    pub barriers: u64,
}

/// The total of the command links of a cluster that have ended, and of the queries to their gateways: those of gateways that
/// have left it. `accepted == written + dropped` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndedLinks {
    /// How many there were, without those that have never had a frame.
    pub links: u64,
    /// Frames taken over from callers.
    pub accepted: u64,
    /// Frames handed to the kernel.
    pub written: u64,
    /// Frames that were given up.
    pub dropped: u64,
    /// How often links were made again after they had ended.
    pub reconnects: u64,
    /// Queries sent to these gateways.
    pub queries: u64,
    /// Queries that failed, for whatever reason.
    pub queries_failed: u64,
    /// Queries without a reply in time.
    pub queries_timed_out: u64,
    /// Queries that were sent again, because an idle connection had died.
    pub queries_retried: u64,
}

impl EndedLinks {
    /// Takes in another link.
    pub(crate) fn add(&mut self, Counters { accepted, written, dropped, .. }: Counters, reconnects: u64) {
        self.reconnects += reconnects;
        self.links += u64::from(accepted > 0);
        self.accepted += accepted;
        self.written += written;
        self.dropped += dropped;
    }
}
