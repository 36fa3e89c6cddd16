//! The exceptions of the extension. All extend `Exception`, which is what code written for the original catches.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::ffi::{zend_ce_exception, zend_class_entry, zend_register_internal_class_ex};
use gatewayworker_client::Error;

use crate::engine::PhpString;
use crate::engine::object::{self, Class};

/// A class of exceptions, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The base of the others.
    Gateway,
    /// A register or a gateway cannot be connected to: try again later.
    Unreachable,
    /// No answer in time, or none at all: the outcome is unknown.
    NoAnswer,
    /// The secret key is wrong: fix the configuration.
    Rejected,
    /// An answer that cannot be one: look at the gateway.
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
    for (index, name) in NAMES.into_iter().enumerate() {
        // SAFETY: a zeroed class with a name is what INIT_CLASS_ENTRY makes; the engine copies it. The parent is the
        // engine's, or the first of ours.
        let class = unsafe {
            let mut entry: zend_class_entry = std::mem::zeroed();
            entry.name = PhpString::permanent(name).as_ptr();
            let base = CLASSES[0].load(Ordering::Relaxed);
            let parent = if index == 0 { zend_ce_exception } else { base };
            zend_register_internal_class_ex(&raw mut entry, parent)
        };
        CLASSES[index].store(class, Ordering::Relaxed);
    }
}

/// Throws what became of an operation.
pub fn throw(error: &Error) {
    let kind = match error {
        Error::RegisterUnreachable { .. }
        | Error::RegisterSilent { .. }
        | Error::NoGateways { .. }
        | Error::Unreachable { .. } => Kind::Unreachable,
        Error::RegisterRejected { .. } | Error::Rejected { .. } => Kind::Rejected,
        Error::TimedOut { .. } | Error::Closed { .. } => Kind::NoAnswer,
        Error::RegisterGarbage { .. } | Error::BadReply { .. } | Error::ReplyTooLong { .. } => Kind::BadReply,
        Error::QueueFull { .. } => Kind::QueueFull,
        Error::FrameTooLong(_) | Error::Runtime(_) => Kind::Gateway,
    };
    if let Some(class) = Class::new(CLASSES[kind as usize].load(Ordering::Relaxed)) {
        object::throw(class, &error.to_string(), 0);
    }
}
