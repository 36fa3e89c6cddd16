//! Who is online: `isOnline`, counts and lists of clients.

use gatewayworker_client::wire::php::Scalar;
use gatewayworker_client::{Fields, reply};

use crate::arguments::{self, is_valid_group};
use crate::call::{Call, Failure, Result};
use crate::engine::unserializer::scalar;
use crate::engine::{ArrayBuilder, HashBuilder, PhpString};
use crate::methods::ids::{self, Shape};
use crate::methods::select::{empty_list, key_of, list_argument, select};
use crate::overrides::overridden;
use crate::target::Target;

/// `isOnline($client_id): int`, 0 or 1
pub fn is_online(call: &mut Call<'_>) -> Result {
    let mut online = 0;
    if let Some(id) = arguments::listed_client(call, 0, call.arg_or_null(0))? {
        let target = Target::of(call)?;
        if target.reaches_for_query(id) {
            online = target.cluster.is_online(id, target.options)?;
        }
    }
    call.return_value.set_long(online);
    Ok(())
}

/// `batchGetClientIdCountByGroup(array $groups): array`, group ⇒ count
pub fn batch_client_id_count_by_group(call: &mut Call<'_>) -> Result {
    if !call.arg_or_null(0).is_array() {
        return Err(Failure::Type(0, "array").into());
    }
    let groups = list_argument(call)?;
    let mut target = Target::of(call)?;
    target.ensure_known_for_query(call)?;
    let mut counts = ArrayBuilder::with_capacity(groups.count);
    target.queried().client_counts(&groups.json, target.options, |group, count| {
        let key = key_of(group);
        let before = counts.get_mut(key).and_then(|value| value.long()).unwrap_or(0);
        let sum = scalar(Scalar::Int(before.saturating_add(count)));
        counts.set_key(key, sum);
    })?;
    *call.return_value = counts.into_zval();
    Ok(())
}

/// `getAllClientIdCount(): int`
pub fn all_client_id_count(call: &mut Call<'_>) -> Result {
    match overridden(call, "getClientCountByGroup", &[])? {
        Some(returned) => *call.return_value = returned,
        None => client_count(call, b"")?,
    }
    Ok(())
}

/// `getAllClientCount(): int`, the same as `getAllClientIdCount`
pub fn all_client_count(call: &mut Call<'_>) -> Result {
    match overridden(call, "getAllClientIdCount", &[])? {
        Some(returned) => {
            *call.return_value = returned;
            Ok(())
        }
        None => all_client_id_count(call),
    }
}

/// `getClientIdCountByGroup($group = ''): int`
pub fn client_id_count_by_group(call: &mut Call<'_>) -> Result {
    let group = match call.arg(0) {
        Some(group) => arguments::string(0, group)?,
        None => PhpString::new(b""),
    };
    client_count(call, group.as_bytes())
}

/// `getClientCountByGroup($group = ''): int`, the same as `getClientIdCountByGroup`
pub fn client_count_by_group(call: &mut Call<'_>) -> Result {
    let group = call.arg_or_null(0).shallow_clone();
    match overridden(call, "getClientIdCountByGroup", &[&group])? {
        Some(returned) => {
            *call.return_value = returned;
            Ok(())
        }
        None => client_id_count_by_group(call),
    }
}

fn client_count(call: &mut Call<'_>, group: &[u8]) -> Result {
    let mut target = Target::of(call)?;
    target.ensure_known_for_query(call)?;
    let count = target.queried().client_count(group, target.options)?;
    call.return_value.set_long(count);
    Ok(())
}

/// `getClientIdListByGroup($group): array`, client_id ⇒ client_id
pub fn client_id_list_by_group(call: &mut Call<'_>) -> Result {
    if is_valid_group(call)? { client_id_list(call, true) } else { empty_list(call) }
}

/// `getAllClientIdList(): array`, client_id ⇒ client_id
pub fn all_client_id_list(call: &mut Call<'_>) -> Result {
    client_id_list(call, false)
}

fn client_id_list(call: &mut Call<'_>, by_group: bool) -> Result {
    let mut list = HashBuilder::with_room(0);
    select(call, Fields::Uid, by_group, |prefix, payload, rows| {
        list.reserve(rows);
        reply::selected_connections(payload, |connection| list.set_same(&prefix.with(connection)))
    })?;
    *call.return_value = list.into_zval();
    ids::replace(call, Shape::KeysAndValues)
}
