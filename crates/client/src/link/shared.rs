//! What the handle of a link and its task both hold.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::address::GatewayAddress;
use crate::error::Error;
use crate::last_error::LastError;
use crate::link::connection::LinkConnection;
use crate::link::observer::LinkObserver;
use crate::link::send_queue::{Failure, ReadTurn, SendQueue};
use crate::runtime::background::Background;
use crate::secret::Secret;

/// One link.
pub(super) struct Shared {
    pub(super) address: GatewayAddress,
    pub(super) secret: Secret,
    /// The owner of the gateway, which hears what becomes of the link.
    pub(super) observer: Weak<dyn LinkObserver>,
    pub(super) queue: SendQueue<LinkConnection>,
    pub(super) background: Arc<Background>,
    /// There is something to write.
    pub(super) work: Arc<Notify>,
    /// Somebody wants the connection now.
    pub(super) nudge: Notify,
    /// The gateway has left the cluster, or is back.
    pub(super) membership_changed: Notify,
    /// Mirrors the queue's phase.
    pub(super) online: AtomicBool,
    /// How often the connection was made.
    pub(super) connects: AtomicU64,
    pub(super) last_error: LastError,
}

impl Shared {
    pub(super) fn new(
        address: GatewayAddress,
        secret: Secret,
        observer: Weak<dyn LinkObserver>,
        background: Arc<Background>,
    ) -> Self {
        Self {
            address,
            secret,
            observer,
            queue: SendQueue::new(background.settings.send_buffer),
            background,
            work: Arc::default(),
            nudge: Notify::new(),
            membership_changed: Notify::new(),
            online: AtomicBool::new(false),
            connects: AtomicU64::new(0),
            last_error: LastError::default(),
        }
    }

    /// The error of a connection that is not there.
    pub(super) fn error(&self, failure: &Failure) -> Error {
        let gateway = Arc::clone(&self.address.text);
        if failure.rejected {
            Error::Rejected { gateway }
        } else if self.queue.is_retired() {
            Error::Left { gateway }
        } else {
            Error::Unreachable { gateway, reason: failure.reason.clone() }
        }
    }

    /// Takes back the turn of a query.
    pub(super) fn give_back(&self, turn: ReadTurn<LinkConnection>, usable: bool) {
        self.queue.give_back(turn, usable);
        if self.queue.is_retired() {
            // The background waits for the confirmation.
            self.membership_changed.notify_one();
        }
    }

    /// Leaves a line about this gateway in the log.
    pub(super) fn log(&self, event: &str, reason: &str) {
        self.background.log.event(format_args!("tcp://{}", self.address), event, reason);
    }
}
