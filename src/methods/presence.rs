//! Questions: who is online, counts, lists of clients, uids and groups.

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::php::{Key, Scalar};
use gatewayworker_client::{Fields, ReplyError, reply};

use crate::arguments;
use crate::call::{Call, Failure, Result};
use crate::engine::array::entries;
use crate::engine::key::Key as ArrayKey;
use crate::engine::lists::Lists;
use crate::engine::unserializer::scalar;
use crate::engine::{ArrayBuilder, HashBuilder, PhpString, Zv};
use crate::methods::overridden;
use crate::methods::process::is_valid_group;
use crate::target::Target;

/// What is wrong with a uid of another type.
const NO_ID: &str = "a uid is neither an int nor a string";

/// `isOnline($client_id): int`, 0 or 1
pub fn is_online(call: &mut Call<'_>) -> Result {
    let mut online = 0;
    if let Some(id) = arguments::listed_client(call, 0, call.arg_or_null(0))? {
        let target = Target::of(call)?;
        if target.reaches(id) {
            online = target.cluster.is_online(id, target.patience)?;
        }
    }
    call.answer.set_long(online);
    Ok(())
}

/// `isUidOnline($uid): int`, 0 or 1
pub fn is_uid_online(call: &mut Call<'_>) -> Result {
    let uid = call.arg_or_null(0).shallow_clone();
    let online = match overridden(call, "getClientIdByUid", &[&uid])? {
        Some(answer) => answer.truthy(),
        None => {
            let mut any = false;
            clients_of_uid(call, |_, _| any = true)?;
            any
        }
    };
    call.answer.set_long(i64::from(online));
    Ok(())
}

/// `isUidsOnline($uids): array`, uid ⇒ 0 or 1
pub fn is_uids_online(call: &mut Call<'_>) -> Result {
    let uids = call.arg_or_null(0).shallow_clone();
    let lists = match overridden(call, "batchGetClientIdByUid", &[&uids])? {
        Some(answer) => answer,
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
    *call.answer = online.into_zval();
    Ok(())
}

/// `getClientIdByUid($uid): array`, a list
pub fn client_id_by_uid(call: &mut Call<'_>) -> Result {
    let mut list = None;
    clients_of_uid(call, |id, rows| {
        let list = list.get_or_insert_with(|| ArrayBuilder::with_capacity(rows));
        list.push(PhpString::new(&id).into_zval());
    })?;
    *call.answer = list.unwrap_or_else(|| ArrayBuilder::with_capacity(0)).into_zval();
    Ok(())
}

/// Passes on each client of the uid in the first argument, with how many there are at all gateways.
fn clients_of_uid(call: &Call<'_>, mut each: impl FnMut([u8; 20], usize)) -> Result {
    let uid = arguments::string(0, call.arg_or_null(0))?;
    let target = Target::of(call)?;
    target.for_asking()?;
    target.cluster.clients_of_uid(uid.as_bytes(), target.patience, |prefix, payload, rows| {
        reply::connections(payload, |connection| each(prefix.with(connection), rows))
    })?;
    Ok(())
}

/// `batchGetClientIdByUid($uids): array`, uid ⇒ list
pub fn batch_client_id_by_uid(call: &mut Call<'_>) -> Result {
    *call.answer = batch(call)?.into_zval();
    Ok(())
}

/// `getClientIdByUids($uids): array`, the same as `batchGetClientIdByUid`
pub fn client_id_by_uids(call: &mut Call<'_>) -> Result {
    let uids = call.arg_or_null(0).shallow_clone();
    *call.answer = match overridden(call, "batchGetClientIdByUid", &[&uids])? {
        Some(answer) => answer,
        None => batch(call)?.into_zval(),
    };
    Ok(())
}

fn batch(call: &Call<'_>) -> Result<ArrayBuilder> {
    let uids = list_argument(call)?;
    let target = Target::of(call)?;
    target.for_asking()?;
    let mut lists = ArrayBuilder::with_capacity(uids.count);
    target.cluster.clients_of_uids(&uids.json, target.patience, |uid, client| {
        let list = lists.list_at(key_of(uid));
        if let (Some(id), Some(list)) = (client, list) {
            ArrayBuilder::push_to(list, PhpString::new(&id).into_zval());
        }
    })?;
    Ok(lists)
}

/// `batchGetClientIdCountByGroup(array $groups): array`, group ⇒ count
pub fn batch_client_id_count_by_group(call: &mut Call<'_>) -> Result {
    if !call.arg_or_null(0).is_array() {
        return Err(Failure::Type(0, "array").into());
    }
    let groups = list_argument(call)?;
    let target = Target::of(call)?;
    target.for_asking()?;
    let mut counts = ArrayBuilder::with_capacity(groups.count);
    target.cluster.client_counts(&groups.json, target.patience, |group, count| {
        let key = key_of(group);
        let before = counts.get_mut(key).and_then(|value| value.long()).unwrap_or(0);
        let sum = scalar(Scalar::Int(before.saturating_add(count)));
        counts.set_key(key, sum);
    })?;
    *call.answer = counts.into_zval();
    Ok(())
}

/// A list of uids or groups for the batch commands, whose replies the gateway keys by them.
struct ListArgument {
    json: Vec<u8>,
    count: usize,
}

fn list_argument(call: &Call<'_>) -> Result<ListArgument> {
    let value = call.arg_or_null(0);
    let count = value.array().ok_or(Failure::Type(0, "array"))?.len();
    let json = arguments::json_list(value)?.ok_or_else(|| {
        Failure::Exception(format!("{}(): the list cannot be written as JSON (invalid UTF-8?)", call.name()))
    })?;
    Ok(ListArgument { json, count })
}

/// `getAllClientIdCount(): int`
pub fn all_client_id_count(call: &mut Call<'_>) -> Result {
    match overridden(call, "getClientCountByGroup", &[])? {
        Some(answer) => *call.answer = answer,
        None => client_count(call, b"")?,
    }
    Ok(())
}

/// `getAllClientCount(): int`, the same as `getAllClientIdCount`
pub fn all_client_count(call: &mut Call<'_>) -> Result {
    match overridden(call, "getAllClientIdCount", &[])? {
        Some(answer) => {
            *call.answer = answer;
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
        Some(answer) => {
            *call.answer = answer;
            Ok(())
        }
        None => client_id_count_by_group(call),
    }
}

fn client_count(call: &mut Call<'_>, group: &[u8]) -> Result {
    let target = Target::of(call)?;
    target.for_asking()?;
    let count = target.cluster.client_count(group, target.patience)?;
    call.answer.set_long(count);
    Ok(())
}

/// `getClientIdListByGroup($group): array`, client_id ⇒ client_id
pub fn client_id_list_by_group(call: &mut Call<'_>) -> Result {
    if is_valid_group(call) { client_id_list(call, true) } else { empty_list(call) }
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
    *call.answer = list.into_zval();
    Ok(())
}

/// `getUidListByGroup($group): array`, uid ⇒ uid
pub fn uid_list_by_group(call: &mut Call<'_>) -> Result {
    if is_valid_group(call) {
        *call.answer = uid_list(call, true)?.into_zval();
        Ok(())
    } else {
        empty_list(call)
    }
}

/// `getUidCountByGroup($group): int`
pub fn uid_count_by_group(call: &mut Call<'_>) -> Result {
    let mut count = 0;
    if is_valid_group(call) {
        let group = call.arg_or_null(0).shallow_clone();
        count = match overridden(call, "getUidListByGroup", &[&group])? {
            Some(answer) => answer.array().map_or(0, |list| list.len()),
            None => uid_list(call, true)?.len(),
        };
    }
    call.answer.set_long(count as i64);
    Ok(())
}

/// `getAllUidList(): array`, uid ⇒ uid
pub fn all_uid_list(call: &mut Call<'_>) -> Result {
    *call.answer = uid_list(call, false)?.into_zval();
    Ok(())
}

/// `getAllUidCount(): int`
pub fn all_uid_count(call: &mut Call<'_>) -> Result {
    let count = match overridden(call, "getAllUidList", &[])? {
        Some(answer) => answer.array().map_or(0, |list| list.len()),
        None => uid_list(call, false)?.len(),
    };
    call.answer.set_long(count as i64);
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
                    _ => return Err(ReplyError::Shape(NO_ID)),
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
    target.cluster.uid_of_client(id, target.patience, |uid| {
        found.get_or_insert_with(|| scalar(uid));
    })?;
    if let Some(uid) = found {
        *call.answer = uid;
    }
    Ok(())
}

/// `getAllGroupIdList(): array`, id ⇒ id
pub fn all_group_id_list(call: &mut Call<'_>) -> Result {
    let target = Target::of(call)?;
    target.for_asking()?;
    let mut list = ArrayBuilder::with_capacity(64);
    target.cluster.group_ids(target.patience, |id| {
        let key = match id {
            Scalar::Int(id) => ArrayKey::Int(id),
            Scalar::Str(id) => ArrayKey::from(id),
            _ => return Err(ReplyError::Shape("a group id is neither an int nor a string")),
        };
        if list.get_mut(key).is_none() {
            list.set_key(key, scalar(id));
        }
        Ok(())
    })?;
    *call.answer = list.into_zval();
    Ok(())
}

/// `getAllGroupUidList(): array`, group ⇒ (uid ⇒ uid)
pub fn all_group_uid_list(call: &mut Call<'_>) -> Result {
    *call.answer = group_uid_list(call)?.into_zval();
    Ok(())
}

/// `getAllGroupUidCount(): array`, group ⇒ count
pub fn all_group_uid_count(call: &mut Call<'_>) -> Result {
    *call.answer = match overridden(call, "getAllGroupUidList", &[])? {
        Some(answer) => counts_of(&answer),
        None => counts_of(&group_uid_list(call)?.into_zval()),
    };
    Ok(())
}

fn group_uid_list(call: &Call<'_>) -> Result<Lists> {
    let mut grouped = Lists::new();
    select(call, Fields::UidAndGroups, false, |_, payload, _| {
        reply::selected(payload, |_, uid, groups| {
            match uid.text() {
                Some(text) if reply::is_empty(Scalar::Str(text)) => return Ok(()),
                Some(text) => grouped.text(text),
                None => match uid.scalar() {
                    uid if reply::is_empty(uid) => return Ok(()),
                    Scalar::Int(number) => grouped.int(number),
                    _ => return Err(ReplyError::Shape(NO_ID)),
                },
            }
            groups.each(|group| set_grouped(&mut grouped, group))
        })
    })?;
    Ok(grouped)
}

/// `getAllGroupClientIdList(): array`, group ⇒ (client_id ⇒ client_id)
pub fn all_group_client_id_list(call: &mut Call<'_>) -> Result {
    *call.answer = group_client_id_list(call)?.into_zval();
    Ok(())
}

/// `getAllGroupClientIdCount(): array`, group ⇒ count
pub fn all_group_client_id_count(call: &mut Call<'_>) -> Result {
    *call.answer = match overridden(call, "getAllGroupClientIdList", &[])? {
        Some(answer) => counts_of(&answer),
        None => counts_of(&group_client_id_list(call)?.into_zval()),
    };
    Ok(())
}

fn group_client_id_list(call: &Call<'_>) -> Result<Lists> {
    let mut grouped = Lists::new();
    select(call, Fields::Groups, false, |prefix, payload, _| {
        reply::selected(payload, |connection, _, groups| {
            grouped.text(&prefix.with(connection));
            groups.each(|group| set_grouped(&mut grouped, group))
        })
    })?;
    Ok(grouped)
}

/// Sets `grouped[group][id] = id` for the id that was begun with. A group is keyed as PHP keys it: 5 and '5' are the same.
#[inline(always)]
fn set_grouped(grouped: &mut Lists, group: Scalar<'_>) {
    match group {
        Scalar::Str(name) => grouped.set_named(name),
        Scalar::Int(number) => grouped.set(ArrayKey::Int(number)),
        // What PHP's array keys make of the other scalars.
        Scalar::Null => grouped.set(ArrayKey::Str(b"")),
        Scalar::Bool(flag) => grouped.set(ArrayKey::Int(i64::from(flag))),
        Scalar::Float(number) => grouped.set(ArrayKey::Int(number as i64)),
    }
}

/// The lengths of lists, by their keys.
fn counts_of(lists: &Zval) -> Zval {
    let mut counts = ArrayBuilder::with_capacity(8);
    if let Some(lists) = lists.array() {
        for (group, list) in entries(lists) {
            let count = scalar(Scalar::Int(list.dereference().array().map_or(0, |list| list.len()) as i64));
            counts.set_key(group, count);
        }
    }
    counts.into_zval()
}

/// Asks every gateway for fields of its clients, or of those of the groups in the first argument. `each` gets a gateway's
/// answer, and how many rows all answers have together.
fn select(
    call: &Call<'_>,
    fields: Fields,
    by_group: bool,
    each: impl FnMut(
        gatewayworker_client::wire::client_id::ClientIdPrefix,
        &[u8],
        usize,
    ) -> Result<(), ReplyError>,
) -> Result {
    let groups = if by_group {
        let json = arguments::json_list(call.arg_or_null(0))?;
        Some(json.ok_or_else(|| {
            let name = call.name();
            Failure::Exception(format!("{name}(): the group cannot be written as JSON (invalid UTF-8?)"))
        })?)
    } else {
        None
    };
    let target = Target::of(call)?;
    target.for_asking()?;
    target.cluster.select(fields, groups.as_deref(), target.patience, each)?;
    Ok(())
}

fn empty_list(call: &mut Call<'_>) -> Result {
    *call.answer = ArrayBuilder::with_capacity(0).into_zval();
    Ok(())
}

fn key_of(key: Key<'_>) -> ArrayKey<'_> {
    match key {
        Key::Int(number) => ArrayKey::Int(number),
        Key::Str(text) => ArrayKey::from(text),
    }
}
