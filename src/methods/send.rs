//! `sendToAll`, `sendToClient`, `sendToCurrentClient`, `sendToUid`, `sendToGroup`.

use gatewayworker_client::wire::ClientId;

use crate::arguments::{self, Body, REFUSED, is_valid_group};
use crate::call::{Call, Result};
use crate::classes::GatewayClass;
use crate::engine::Zv;
use crate::target::Target;

/// `sendToClient($client_id, $message, $raw = false): bool`
pub fn to_client(call: &mut Call<'_>) -> Result {
    let raw = (call.class() == GatewayClass::Worker).then_some(2);
    let client = arguments::client(call, 0)?;
    to(call, client, 1, raw)
}

/// `sendToCurrentClient($message, $raw = false): bool`
pub fn to_current_client(call: &mut Call<'_>) -> Result {
    let client = arguments::current_client(call)?;
    to(call, client, 0, Some(1))
}

#[inline(always)]
fn to(call: &mut Call<'_>, client: Option<ClientId>, message: usize, raw: Option<usize>) -> Result {
    let mut sent = false;
    if let Some(id) = client {
        let body = Body::of(call, message, raw)?;
        sent = Target::send_to(call, id, |cluster, options| {
            cluster.send_to_client(id, body.message(), options)
        })?;
    }
    call.return_value.set_bool(sent);
    Ok(())
}

/// `sendToAll($message, $client_id_array = null, $exclude_client_id = null, $raw = false): void`
pub fn to_all(call: &mut Call<'_>) -> Result {
    let only = call.arg_or_null(1);
    let any_excluded = call.arg_or_null(2).truthy();
    if only.truthy() && !only.is_array() {
        call.complain(REFUSED, "$client_id_array is not an array");
        return Ok(());
    }
    if only.is_array() && !only.truthy() {
        return Ok(());
    }
    let body = Body::of(call, 0, Some(3))?;
    if only.is_array() {
        return to_some(call, &body);
    }
    let excluded = if any_excluded { arguments::clients(call, 2)? } else { Vec::new() };
    let target = Target::of(call)?;
    let (message, options) = (body.message(), target.options);
    target.ensure_known_for_send()?;
    let result = if any_excluded {
        target.cluster.send_to_all_except(&excluded, message, options)
    } else {
        target.cluster.send_to_all(message, options)
    };
    target.accepted(result)?;
    Ok(())
}

/// `sendToAll` with a list of clients.
fn to_some(call: &Call<'_>, body: &Body) -> Result {
    let excluded = call.arg_or_null(2);
    let mut ids = if excluded.truthy() {
        arguments::clients_except(call, 1, excluded)?
    } else {
        arguments::clients(call, 1)?
    };
    let target = Target::of(call)?;
    ids.retain(|id| target.reaches(*id));
    target.accepted(target.cluster.send_to_clients(&ids, body.message(), target.options))?;
    Ok(())
}

/// `sendToUid($uid, $message, $raw = false): void`
pub fn to_uid(call: &mut Call<'_>) -> Result {
    let raw = (call.class() == GatewayClass::Worker).then_some(2);
    let body = Body::of(call, 1, raw)?;
    let uids = arguments::json_list(call.arg_or_null(0))?;
    let target = Target::of(call)?;
    target.ensure_known_for_send()?;
    let uids = uids.unwrap_or_default();
    let result = target.cluster.send_to_uids(&uids, body.message(), target.options);
    target.accepted(result)?;
    Ok(())
}

/// `sendToGroup($group, $message, $exclude_client_id = null, $raw = false): void`, false for an
/// empty group
pub fn to_group(call: &mut Call<'_>) -> Result {
    if !is_valid_group(call) {
        call.return_value.set_bool(false);
        return Ok(());
    }
    let body = Body::of(call, 1, Some(3))?;
    let groups = arguments::json_list(call.arg_or_null(0))?;
    let excluded = if call.arg_or_null(2).truthy() { arguments::clients(call, 2)? } else { Vec::new() };
    let target = Target::of(call)?;
    target.ensure_known_for_send()?;
    let message = body.message();
    let result = target.cluster.send_to_groups(groups.as_deref(), &excluded, message, target.options);
    target.accepted(result)?;
    Ok(())
}
