//! The query connections of one gateway: taken for one query, put back after its reply.
//!
//! Replies have no request id, so a connection carries one query at a time, and one that did not get its reply
//! is never used again: the late reply would be taken for that of the next query.

pub(crate) mod connection;
pub(crate) mod latency;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::address::GatewayAddress;
use crate::last_error::LastError;
use crate::pool::connection::QueryConnection;
use crate::pool::latency::Latency;
use crate::receive::buffers::Buffers;
use crate::receive::query_error::QueryError;
use crate::secret::Secret;
use crate::sys::lock::lock;

/// More idle connections than this are not kept: one per thread that asks at the same time is enough.
const MAX_IDLE: usize = 8;

/// The query connections of one gateway.
#[derive(Debug)]
pub(crate) struct QueryPool {
    address: GatewayAddress,
    pub(crate) auth: Vec<u8>,
    pub(crate) max_reply: usize,
    /// Where replies are received.
    pub(crate) buffers: Arc<Buffers>,
    idle: Mutex<Vec<QueryConnection>>,
    /// One reference for each open connection, and this one.
    open: Arc<()>,
    pub(crate) counters: QueryCounters,
    absent: AtomicBool,
    pub(crate) latency: Latency,
    pub(crate) last_error: LastError,
}

/// What a pool has done so far.
#[derive(Debug, Default)]
pub(crate) struct QueryCounters {
    pub(crate) sent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) retried: AtomicU64,
}

impl QueryCounters {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl QueryPool {
    pub(crate) fn new(
        address: GatewayAddress,
        secret: &Secret,
        max_reply: usize,
        buffers: Arc<Buffers>,
    ) -> Self {
        Self {
            address,
            auth: secret.auth_frame(),
            max_reply,
            buffers,
            idle: Mutex::default(),
            open: Arc::default(),
            counters: QueryCounters::default(),
            latency: Latency::default(),
            last_error: LastError::default(),
            absent: AtomicBool::new(false),
        }
    }

    /// Notes whether the gateway is absent from replies; whether it was so far.
    pub(crate) fn is_absent(&self, now: bool) -> bool {
        // A load is cheaper than a swap, and the usual case.
        let before = self.absent.load(Ordering::Relaxed);
        if before == now { before } else { self.absent.swap(now, Ordering::Relaxed) }
    }

    /// A connection that was used before, is young enough, and on which nothing has come since its last reply, nor its end.
    pub(crate) fn take(&self, now: Instant) -> Option<QueryConnection> {
        let mut idle = lock(&self.idle);
        loop {
            let connection = idle.pop()?;
            if !connection.is_old(now) && connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// Starts a new connection.
    pub(crate) fn open(&self) -> Result<QueryConnection, QueryError> {
        QueryCounters::count(&self.counters.opened);
        QueryConnection::start(&self.address, Arc::clone(&self.open))
    }

    /// Takes back a connection whose query was answered.
    pub(crate) fn put(&self, connection: QueryConnection) {
        let mut idle = lock(&self.idle);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    /// Lets go of an idle connection: a gateway that replies nonsense once may be out of step.
    #[cold]
    pub(crate) fn discard(&self, serial: u64) {
        // It is not there if PHP code that ran meanwhile has sent a query, which is still on its way.
        lock(&self.idle).retain(|connection| connection.serial != serial);
    }

    /// How many connections there are: those that wait for a query, and those that carry one.
    pub(crate) fn open_now(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    /// How many connections wait for a query.
    pub(crate) fn idle(&self) -> usize {
        lock(&self.idle).len()
    }
}
