//! The background thread, and what the rest of the crate sees of it.

pub(crate) mod background;
pub(crate) mod events;
pub mod log;
pub(crate) mod pace;
pub(crate) mod thread;
pub(crate) mod waker;
