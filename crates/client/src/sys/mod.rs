//! What the system gives us, in the form in which the rest of the crate uses it.

pub mod fork;
pub(crate) mod lock;
pub(crate) mod signals;
pub(crate) mod socket;
