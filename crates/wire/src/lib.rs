//! The bytes of the GatewayWorker protocol, without any I/O.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`command`] | the command numbers |
//! | [`frame`] | the 28-byte head, its extension data and its body |
//! | [`client_id`] | the 20 hex digits by which PHP code names a client |
//! | [`json`] | JSON as PHP's `json_encode` writes it |
//! | [`php`] | PHP-serialized data: a reader over untrusted bytes, an owned value, a writer |
//! | [`reply`] | the replies of gateways, read in one pass |
//! | [`register`] | the lines that are spoken with the register |
//!
//! The client and the development gateway are both built on this crate, so there is one definition
//! of every byte.

#![forbid(unsafe_code)]

pub mod client_id;
pub mod command;
pub mod frame;
pub mod json;
pub mod php;
pub mod register;
pub mod reply;

pub use client_id::ClientId;
pub use command::Command;
pub use frame::{Frame, Head};
