//! The gateways that the reply to a query to all of them does without.

use std::sync::Arc;

use crate::error::Error;
use crate::gateway::Gateway;
use crate::query::in_flight::Query;
use crate::settings::OnUnavailable;

/// The gateways without a reply, where the query can do without them.
pub(super) struct UnavailableGateways {
    on_unavailable: OnUnavailable,
    errors: Vec<(Arc<Gateway>, Error)>,
}

impl UnavailableGateways {
    pub(super) fn new(on_unavailable: OnUnavailable) -> Self {
        Self { on_unavailable, errors: Vec::new() }
    }

    /// Leaves a gateway out.
    ///
    /// # Errors
    /// Its error, where the query cannot do without it.
    pub(super) fn add(&mut self, gateway: &Arc<Gateway>, error: Error) -> Result<(), Error> {
        match (self.on_unavailable, error) {
            // These are there, and wrong.
            (_, error @ (Error::BadReply { .. } | Error::ReplyTooLong { .. })) => Err(error),
            (OnUnavailable::Fail, error) => Err(error),
            (OnUnavailable::Skip, error) => {
                self.errors.push((Arc::clone(gateway), error));
                Ok(())
            }
        }
    }

    fn has(&self, gateway: &Arc<Gateway>) -> bool {
        self.errors.iter().any(|(missing, _)| Arc::ptr_eq(missing, gateway))
    }

    /// Tells the log who is missing and who is back: each once, however many queries follow.
    ///
    /// # Errors
    /// The first error where nobody has replied.
    pub(super) fn settle(self, queries: &[Query<'_>]) -> Result<(), Error> {
        if self.on_unavailable == OnUnavailable::Fail {
            return Ok(());
        }
        if let Some((_, error)) = self.errors.first()
            && self.errors.len() == queries.len()
        {
            return Err(error.clone());
        }
        for Query { gateway, .. } in queries.iter().filter(|query| !self.has(query.gateway)) {
            if gateway.queries.is_absent(false) {
                gateway.link.log("answers again", "its clients are in the results again");
            }
        }
        for (gateway, error) in self.errors {
            if !gateway.queries.is_absent(true) {
                gateway.link.log("left out of results", &format!("{error} (gatewayworker.partial_results)"));
            }
        }
        Ok(())
    }
}
