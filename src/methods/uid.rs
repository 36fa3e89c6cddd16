//! Uids: `bindUid`, `unbindUid`, `isUidOnline`, the clients of a uid, lists of uids.

use gatewayworker_client::wire::php::Scalar;
use gatewayworker_client::{Fields, ReplyError, reply};

use crate::arguments::{self, is_valid_group};
use crate::call::{Call, Failure, Result};
use crate::engine::array::entries;
use crate::engine::unserializer::scalar;
use crate::engine::{ArrayBuilder, HashBuilder, PhpString, Zv};
use crate::methods::command::{ClientCommand, about_client};
use crate::methods::ids::{self, Shape};
use crate::methods::select::{INVALID_UID, empty_list, key_of, list_argument, select};
use crate::overrides::overridden;
use crate::target::Target;

/// `bindUid($client_id, $uid): void`
pub fn bind_uid(call: &mut Call<'_>) -> Result {
    about_client(call, ClientCommand::BindUid)
}

/// `unbindUid($client_id, $uid): void`
pub fn unbind_uid(call: &mut Call<'_>) -> Result {
    about_client(call, ClientCommand::UnbindUid)
}

/// `isUidOnline($uid): int`, 0 or 1
pub fn is_uid_online(call: &mut Call<'_>) -> Result {
    let uid = call.arg_or_null(0).shallow_clone();
    let online = match overridden(call, "getClientIdByUid", &[&uid])? {
        Some(returned) => returned.truthy(),
        None => {
            let mut any = false;
            clients_of_uid(call, |_, _| any = true)?;
            any
        }
    };
    call.return_value.set_long(i64::from(online));
    Ok(())
}

/// `isUidsOnline($uids): array`, uid ⇒ 0 or 1
pub fn is_uids_online(call: &mut Call<'_>) -> Result {
    let uids = call.arg_or_null(0).shallow_clone();
    let lists = match overridden(call, "batchGetClientIdByUid", &[&uids])? {
        Some(returned) => returned,
        None => batch(call)?.into_zval(),
    };
    let lists = lists.array().ok_or_else(|| {
        let (class, given) = (call.scope.name(), lists.type_name());
        let method = "batchGetClientIdByUid";
        Failure::Exception(format!(
            "{class}::{method}(): Return value must be of type array, {given} returned"
        ))
    })?;
    let mut online = ArrayBuilder::with_capacity(lists.len());
    for (uid, list) in entries(lists) {
        let value = scalar(Scalar::Int(i64::from(list.dereference().truthy())));
        online.set_key(uid, value);
    }
    *call.return_value = online.into_zval();
    Ok(())
}

/// `getClientIdByUid($uid): array`, a list
pub fn client_id_by_uid(call: &mut Call<'_>) -> Result {
    let mut list = None;
    clients_of_uid(call, |id, rows| {
        let list = list.get_or_insert_with(|| ArrayBuilder::with_capacity(rows));
        list.push(PhpString::new(&id).into_zval());
    })?;
    *call.return_value = list.unwrap_or_else(|| ArrayBuilder::with_capacity(0)).into_zval();
    ids::replace(call, Shape::Values)
}

/// Passes on each client of the uid in the first argument, with how many there are at all gateways.
fn clients_of_uid(call: &Call<'_>, mut each: impl FnMut([u8; 20], usize)) -> Result {
    let uid = arguments::string(0, call.arg_or_null(0))?;
    let mut target = Target::of(call)?;
    target.ensure_known_for_query(call)?;
    target.queried().clients_of_uid(uid.as_bytes(), target.options, |prefix, payload, rows| {
        reply::connections(payload, |connection| each(prefix.with(connection), rows))
    })?;
    Ok(())
}

/// `batchGetClientIdByUid($uids): array`, uid ⇒ list
pub fn batch_client_id_by_uid(call: &mut Call<'_>) -> Result {
    *call.return_value = batch(call)?.into_zval();
    ids::replace(call, Shape::ListsOfValues)
}

/// `getClientIdByUids($uids): array`, the same as `batchGetClientIdByUid`
pub fn client_id_by_uids(call: &mut Call<'_>) -> Result {
    let uids = call.arg_or_null(0).shallow_clone();
    match overridden(call, "batchGetClientIdByUid", &[&uids])? {
        Some(returned) => {
            *call.return_value = returned;
            Ok(())
        }
        None => batch_client_id_by_uid(call),
    }
}

fn batch(call: &Call<'_>) -> Result<ArrayBuilder> {
    let uids = list_argument(call)?;
    let mut target = Target::of(call)?;
    target.ensure_known_for_query(call)?;
    let mut lists = ArrayBuilder::with_capacity(uids.count);
    target.queried().clients_of_uids(&uids.json, target.options, |uid, client| {
        let list = lists.list_at(key_of(uid));
        if let (Some(id), Some(list)) = (client, list) {
            ArrayBuilder::push_to(list, PhpString::new(&id).into_zval());
        }
    })?;
    Ok(lists)
}

/// `getUidListByGroup($group): array`, uid ⇒ uid
pub fn uid_list_by_group(call: &mut Call<'_>) -> Result {
    if is_valid_group(call)? {
        *call.return_value = uid_list(call, true)?.into_zval();
        Ok(())
    } else {
        empty_list(call)
    }
}

/// `getUidCountByGroup($group): int`
pub fn uid_count_by_group(call: &mut Call<'_>) -> Result {
    let mut count = 0;
    if is_valid_group(call)? {
        let group = call.arg_or_null(0).shallow_clone();
        count = match overridden(call, "getUidListByGroup", &[&group])? {
            Some(returned) => returned.array().map_or(0, |list| list.len()),
            None => uid_list(call, true)?.len(),
        };
    }
    call.return_value.set_long(count as i64);
    Ok(())
}

/// `getAllUidList(): array`, uid ⇒ uid
pub fn all_uid_list(call: &mut Call<'_>) -> Result {
    *call.return_value = uid_list(call, false)?.into_zval();
    Ok(())
}

/// `getAllUidCount(): int`
pub fn all_uid_count(call: &mut Call<'_>) -> Result {
    let count = match overridden(call, "getAllUidList", &[])? {
        Some(returned) => returned.array().map_or(0, |list| list.len()),
        None => uid_list(call, false)?.len(),
    };
    call.return_value.set_long(count as i64);
    Ok(())
}

fn uid_list(call: &Call<'_>, by_group: bool) -> Result<HashBuilder> {
    let mut list = HashBuilder::with_room(0);
    select(call, Fields::Uid, by_group, |_, payload, rows| {
        list.reserve(rows);
        reply::selected(payload, |_, uid, _| {
            match uid.text() {
                Some(text) if reply::is_empty(Scalar::Str(text)) => {}
                Some(text) => list.set_same(text),
                None => match uid.scalar() {
                    uid if reply::is_empty(uid) => {}
                    Scalar::Int(number) => list.set_int(number, scalar(Scalar::Int(number))),
                    _ => return Err(ReplyError::Shape(INVALID_UID)),
                },
            }
            Ok(())
        })
    })?;
    Ok(list)
}

/// `getUidByClientId($client_id): string|null`
pub fn uid_by_client_id(call: &mut Call<'_>) -> Result {
    let Some(id) = arguments::listed_client(call, 0, call.arg_or_null(0))? else {
        return Ok(());
    };
    let target = Target::of(call)?;
    let mut found = None;
    target.cluster.uid_of_client(id, target.options, |uid| {
        found.get_or_insert_with(|| scalar(uid));
    })?;
    if let Some(uid) = found {
        *call.return_value = uid;
    }
    Ok(())
}
