//! `closeClient`, `closeCurrentClient`, `destoryClient`, `destoryCurrentClient`, and the right
//! spelling of the latter two.

use gatewayworker_client::wire::ClientId;

use crate::arguments::{self, Body};
use crate::call::{Call, Failure, Result};
use crate::classes::GatewayClass;
use crate::context::Context;
use crate::methods::indirect;
use crate::overrides::{Overrides, overridden};
use crate::target::Target;

/// `closeClient($client_id, $message = null): bool`
pub fn close_client(call: &mut Call<'_>) -> Result {
    // That of GatewayClient\Gateway does not know of a current client; its destoryClient() does.
    if call.class() == GatewayClass::Worker && is_current(call) {
        if let Some(returned) =
            overridden(call, "closeCurrentClient", &[&call.arg_or_null(1).shallow_clone()])?
        {
            *call.return_value = returned;
            return Ok(());
        }
        let client = current(call, "closeCurrentClient")?;
        return close(call, Some(client), 1);
    }
    let client = named(call)?;
    close(call, client, 1)
}

/// `closeCurrentClient($message = null): bool`
pub fn close_current_client(call: &mut Call<'_>) -> Result {
    let client = current(call, "closeCurrentClient")?;
    close(call, Some(client), 0)
}

/// `destoryClient($client_id): bool`: the spelling is the API
pub fn destory_client(call: &mut Call<'_>) -> Result {
    destroy_named(call, "destoryCurrentClient")
}

/// `destoryCurrentClient(): bool`
pub fn destory_current_client(call: &mut Call<'_>) -> Result {
    let client = current(call, "destoryCurrentClient")?;
    destroy(call, Some(client))
}

/// `destroyClient($client_id): bool`
pub fn destroy_client(call: &mut Call<'_>) -> Result {
    destroy_named(call, "destroyCurrentClient")
}

/// `destroyCurrentClient(): bool`
pub fn destroy_current_client(call: &mut Call<'_>) -> Result {
    let client = current(call, "destroyCurrentClient")?;
    destroy(call, Some(client))
}

fn destroy_named(call: &mut Call<'_>, current_method: &str) -> Result {
    if is_current(call) {
        if let Some(returned) = overridden(call, current_method, &[])? {
            *call.return_value = returned;
            return Ok(());
        }
        let client = current(call, current_method)?;
        return destroy(call, Some(client));
    }
    let client = named(call)?;
    destroy(call, client)
}

fn close(call: &mut Call<'_>, client: Option<ClientId>, message: usize) -> Result {
    let mut sent = false;
    if let Some(id) = client {
        if Overrides::of(call).sends {
            *call.return_value = indirect::close(call, id, Some(call.arg_or_null(message)))?;
            return Ok(());
        }
        let body = Body::of(call, message, None)?;
        sent = Target::send_to(call, id, |cluster, options| cluster.kick(id, body.message(), options))?;
    }
    call.return_value.set_bool(sent);
    Ok(())
}

fn destroy(call: &mut Call<'_>, client: Option<ClientId>) -> Result {
    let mut sent = false;
    if let Some(id) = client {
        if Overrides::of(call).sends {
            *call.return_value = indirect::close(call, id, None)?;
            return Ok(());
        }
        sent = Target::send_to(call, id, |cluster, options| cluster.destroy(id, options))?;
    }
    call.return_value.set_bool(sent);
    Ok(())
}

/// The client of the first argument, which is not the current one.
fn named(call: &Call<'_>) -> Result<Option<ClientId>> {
    arguments::listed_client(call, 0, call.arg_or_null(0))
}

/// Whether the first argument is the current client's id. Outside of a callback null is.
fn is_current(call: &Call<'_>) -> bool {
    let id = call.arg_or_null(0);
    match Context::of(call) {
        Some(context) => context.is_current(id) || (id.is_null() && context.is_cleared()),
        None => id.is_null(),
    }
}

fn current(call: &Call<'_>, method: &str) -> Result<ClientId> {
    Context::of(call)
        .and_then(|context| context.current())
        .filter(|client| client.connection != 0)
        .ok_or_else(|| Failure::Exception(format!("{method} can not be called in async context")).into())
}
