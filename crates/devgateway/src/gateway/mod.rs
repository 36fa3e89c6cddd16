//! One gateway without its sockets: messages go into the queues of clients and workers.

mod commands;
mod index;
mod queries;
mod select;
mod state;

pub(crate) use state::Gateway;
