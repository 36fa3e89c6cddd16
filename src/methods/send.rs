//! `sendToAll`, `sendToClient`, `sendToCurrentClient`, `sendToUid`, `sendToGroup`.

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::{ClientId, Command};

use crate::arguments::{self, Body, REFUSED, is_valid_group};
use crate::call::{Call, Result};
use crate::classes::GatewayClass;
use crate::engine::{ArrayBuilder, Zv};
use crate::methods::indirect;
use crate::methods::protected::string;
use crate::overrides::Overrides;
use crate::target::Target;

/// `sendToClient($client_id, $message, $raw = false): bool`
pub fn to_client(call: &mut Call<'_>) -> Result {
    let raw = (call.class() == GatewayClass::Worker).then_some(2);
    if Overrides::of(call).sends {
        let raw = raw.is_some_and(|raw| call.flag(raw));
        *call.return_value = to_indirect(call, call.arg_or_null(0), call.arg_or_null(1), raw)?;
        return Ok(());
    }
    let client = arguments::client(call, 0)?;
    to(call, client, 1, raw)
}

/// `sendToCurrentClient($message, $raw = false): bool`
pub fn to_current_client(call: &mut Call<'_>) -> Result {
    if Overrides::of(call).sends {
        *call.return_value = to_indirect(call, &Zval::new(), call.arg_or_null(0), call.flag(1))?;
        return Ok(());
    }
    let client = arguments::current_client(call)?;
    to(call, client, 0, Some(1))
}

#[cold]
fn to_indirect(call: &Call<'_>, id: &Zval, message: &Zval, raw: bool) -> Result<Zval> {
    indirect::command(call, Command::SendToOne, id, message, &string(b""), raw)
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
    let indirect = Overrides::of(call).sends;
    let (message, raw) = (call.arg_or_null(0), call.flag(3));
    if only.is_array() {
        let ids = match call.arg_or_null(2) {
            excluded if excluded.truthy() => arguments::clients_except(call, 1, excluded)?,
            _ => arguments::clients(call, 1)?,
        };
        if indirect {
            return indirect::to_clients(call, &ids, message, raw);
        }
        return to_some(call, ids);
    }
    if indirect && any_excluded {
        let (excluded, ext) = (call.arg_or_null(2), indirect::exclude);
        return indirect::to_all_except(call, Command::SendToAll, b"", excluded, ext, message, raw);
    }
    if indirect {
        *call.return_value = indirect::to_all(call, Command::SendToAll, b"", message, raw)?;
        return Ok(());
    }
    let body = Body::of(call, 0, Some(3))?;
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
fn to_some(call: &Call<'_>, mut ids: Vec<ClientId>) -> Result {
    let body = Body::of(call, 0, Some(3))?;
    let target = Target::of(call)?;
    ids.retain(|id| target.reaches(*id));
    target.accepted(target.cluster.send_to_clients(&ids, body.message(), target.options))?;
    Ok(())
}

/// `sendToUid($uid, $message, $raw = false): void`
pub fn to_uid(call: &mut Call<'_>) -> Result {
    let raw = (call.class() == GatewayClass::Worker).then_some(2);
    if Overrides::of(call).sends {
        return to_uid_indirect(call, raw);
    }
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
    if !is_valid_group(call)? {
        call.return_value.set_bool(false);
        return Ok(());
    }
    if Overrides::of(call).sends {
        return to_group_indirect(call);
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

#[cold]
fn to_uid_indirect(call: &Call<'_>, raw: Option<usize>) -> Result {
    let uids = arguments::json_list(call.arg_or_null(0))?.unwrap_or_default();
    let raw = raw.is_some_and(|raw| call.flag(raw));
    indirect::to_all(call, Command::SendToUid, &uids, call.arg_or_null(1), raw).map(|_sent| ())
}

#[cold]
fn to_group_indirect(call: &mut Call<'_>) -> Result {
    let groups = call.arg_or_null(0);
    let groups = if groups.is_array() { groups.shallow_clone() } else { list_of(groups) };
    let ext = indirect::group_exclude(&groups, &Zval::new())?;
    let ext = arguments::string(0, &ext)?;
    let (message, excluded, raw) = (call.arg_or_null(1), call.arg_or_null(2), call.flag(3));
    let command = Command::SendToGroup;
    if excluded.truthy() {
        let special = |connections: &Zval| indirect::group_exclude(&groups, connections);
        return indirect::to_all_except(call, command, ext.as_bytes(), excluded, special, message, raw);
    }
    *call.return_value = indirect::to_all(call, command, ext.as_bytes(), message, raw)?;
    Ok(())
}

fn list_of(value: &Zval) -> Zval {
    let mut list = ArrayBuilder::with_capacity(1);
    list.push(value.shallow_clone());
    list.into_zval()
}
