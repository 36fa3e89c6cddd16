//! The operating system: forks, sockets, signals, locks. Holds the unsafe code of this crate,
//! except for one block each in `process.rs` and `query/parked.rs`.

pub(crate) mod descriptors;
pub(crate) mod directory_lock;
pub mod fork;
pub(crate) mod lock;
pub(crate) mod signals;
pub(crate) mod socket;
