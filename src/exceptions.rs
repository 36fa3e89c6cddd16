//! The exceptions of the extension. All extend `Exception`, which is what code written for the
//! original catches.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::ffi::zend_class_entry;
use gatewayworker_client::Error;

use crate::engine::class;
use crate::engine::object::{self, Class};

/// A class of exceptions, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The base of the others.
    Gateway,
    /// A register or a gateway cannot be connected to: try again later.
    Unreachable,
    /// No reply in time, or none at all: the outcome is unknown.
    NoAnswer,
    /// The secret key is wrong: fix the configuration.
    Rejected,
    /// A malformed reply: look at the gateway.
    BadReply,
    /// Frames are sent faster than they are taken: slow down.
    QueueFull,
}

/// The names, in the order of [`Kind`].
const NAMES: [&str; 6] = [
    "GatewayWorker\\Lib\\GatewayException",
    "GatewayWorker\\Lib\\UnreachableException",
    "GatewayWorker\\Lib\\NoAnswerException",
    "GatewayWorker\\Lib\\RejectedException",
    "GatewayWorker\\Lib\\BadReplyException",
    "GatewayWorker\\Lib\\QueueFullException",
];

static CLASSES: [AtomicPtr<zend_class_entry>; 6] = [const { AtomicPtr::new(ptr::null_mut()) }; 6];

/// Registers the classes. Only while the module starts.
pub fn register() {
    let mut parent = Class::exception();
    for (place, name) in CLASSES.iter().zip(NAMES) {
        let class = parent.map_or(ptr::null_mut(), |parent| class::register_exception(name, parent));
        place.store(class, Ordering::Relaxed);
        // The first one is the base of the others.
        parent = registered(Kind::Gateway);
    }
}

fn registered(kind: Kind) -> Option<Class> {
    Class::new(CLASSES[kind as usize].load(Ordering::Relaxed))
}

/// Throws what became of an operation.
pub fn throw(error: &Error) {
    let kind = match error {
        Error::RegisterUnreachable { .. }
        | Error::RegisterSilent { .. }
        | Error::NoGateways { .. }
        | Error::Unreachable { .. }
        | Error::Left { .. } => Kind::Unreachable,
        Error::RegisterRejected { .. } | Error::Rejected { .. } => Kind::Rejected,
        Error::TimedOut { .. } | Error::Closed { .. } => Kind::NoAnswer,
        Error::RegisterGarbage { .. } | Error::BadReply { .. } | Error::ReplyTooLong { .. } => Kind::BadReply,
        Error::QueueFull { .. } => Kind::QueueFull,
        // FrameTooLong and Runtime, which have no class of their own.
        _ => Kind::Gateway,
    };
    throw_kind(kind, &error.to_string());
}

/// Throws that no gateway is known, where the core was not called.
pub fn throw_unreachable(message: &str) {
    throw_kind(Kind::Unreachable, message);
}

fn throw_kind(kind: Kind, message: &str) {
    if let Some(class) = registered(kind) {
        object::throw(class, message, 0);
    }
}
