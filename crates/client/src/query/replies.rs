//! Replies on their way to whoever reads them. Their connections are back in the pool.

use std::sync::Arc;

use gatewayworker_wire::Command;
use gatewayworker_wire::reply::{self, ReplyError};

use crate::error::Error;
use crate::gateway::Gateway;
use crate::pool::QueryCounters;
use crate::query::parked::{Parked, ParkedReply, ReplySource};
use crate::receive::Reply;

pub use crate::query::parked::forget;

/// The replies to a query, each of which is read once.
///
/// PHP's memory may run out while one is read: the engine then jumps out of the call, and what the call holds is never
/// dropped. So nothing is held here but places in what the thread keeps, which is given back at the end of the request.
pub(crate) struct Replies {
    command: Command,
    parked: Parked,
    rows: usize,
}

impl Replies {
    /// None yet.
    pub(crate) fn to(command: Command) -> Self {
        Self { command, parked: Parked::default(), rows: 0 }
    }

    /// Takes over the reply of a connection.
    pub(crate) fn push(&mut self, gateway: &Arc<Gateway>, source: ReplySource, reply: Reply) {
        self.rows += reply::announced_len(reply.payload());
        self.parked.push(ParkedReply { gateway: Arc::clone(gateway), source, reply });
    }

    /// Lets go of them unread: another gateway has not replied.
    pub(crate) fn discard(mut self) {
        while let Some(reply) = self.parked.take() {
            reply.settle(true);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Passes on each reply's payload, with its gateway's advertised ip and port, and with the number of rows that all replies
    /// announce together. Whoever calls it holds nothing that has to be dropped, see [`Replies`].
    ///
    /// # Errors
    /// That of `read`, as [`Error::BadReply`].
    pub(crate) fn read(
        mut self,
        mut read: impl FnMut((u32, u16), &[u8], usize) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        while let Some((address, payload)) = self.parked.first() {
            let result = read(address, payload, self.rows);
            let Some(reply) = self.parked.take() else { break };
            let gateway = reply.settle(result.is_ok());
            if let Err(wrong) = result {
                QueryCounters::count(&gateway.queries.counters.failed);
                let error = Error::BadReply {
                    gateway: Arc::clone(&gateway.address.text),
                    command: self.command,
                    reason: wrong.to_string(),
                };
                gateway.queries.last_error.set(error.to_string());
                return Err(error);
            }
        }
        Ok(())
    }
}
