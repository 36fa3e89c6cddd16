//! Groups: `joinGroup`, `leaveGroup`, `ungroup`, and what there is in each group.

use gatewayworker_client::wire::Command;
use gatewayworker_client::wire::php::Scalar;
use gatewayworker_client::{Fields, ReplyError, reply};

use crate::arguments::{self, is_valid_group};
use crate::call::{Call, Result};
use crate::engine::ArrayBuilder;
use crate::engine::key::Key as ArrayKey;
use crate::engine::lists::Lists;
use crate::engine::unserializer::scalar;
use crate::methods::command::{ClientCommand, about_client};
use crate::methods::ids::{self, Shape};
use crate::methods::indirect;
use crate::methods::protected::string;
use crate::methods::select::{INVALID_UID, counts_of, select};
use crate::overrides::{Overrides, overridden};
use crate::target::Target;

/// `joinGroup($client_id, $group): void`
pub fn join_group(call: &mut Call<'_>) -> Result {
    about_client(call, ClientCommand::JoinGroup)
}

/// `leaveGroup($client_id, $group): void`
pub fn leave_group(call: &mut Call<'_>) -> Result {
    about_client(call, ClientCommand::LeaveGroup)
}

/// `ungroup($group): void`, false for an empty group
pub fn ungroup(call: &mut Call<'_>) -> Result {
    if !is_valid_group(call)? {
        call.return_value.set_bool(false);
        return Ok(());
    }
    let group = arguments::string(0, call.arg_or_null(0))?;
    if Overrides::of(call).sends {
        let returned = indirect::to_all(call, Command::Ungroup, group.as_bytes(), &string(b""), false)?;
        *call.return_value = returned;
        return Ok(());
    }
    let target = Target::of(call)?;
    target.ensure_known_for_send()?;
    let result = target.cluster.ungroup(group.as_bytes(), target.options);
    target.accepted(result)?;
    Ok(())
}

/// `getAllGroupIdList(): array`, id ⇒ id
pub fn all_group_id_list(call: &mut Call<'_>) -> Result {
    let mut target = Target::of(call)?;
    target.ensure_known_for_query(call)?;
    let mut list = ArrayBuilder::with_capacity(64);
    target.queried().group_ids(target.options, |id| {
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
    *call.return_value = list.into_zval();
    Ok(())
}

/// `getAllGroupUidList(): array`, group ⇒ (uid ⇒ uid)
pub fn all_group_uid_list(call: &mut Call<'_>) -> Result {
    *call.return_value = group_uid_list(call)?.into_zval();
    Ok(())
}

/// `getAllGroupUidCount(): array`, group ⇒ count
pub fn all_group_uid_count(call: &mut Call<'_>) -> Result {
    *call.return_value = match overridden(call, "getAllGroupUidList", &[])? {
        Some(returned) => counts_of(&returned),
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
                    _ => return Err(ReplyError::Shape(INVALID_UID)),
                },
            }
            groups.each(|group| set_grouped(&mut grouped, group))
        })
    })?;
    Ok(grouped)
}

/// `getAllGroupClientIdList(): array`, group ⇒ (client_id ⇒ client_id)
pub fn all_group_client_id_list(call: &mut Call<'_>) -> Result {
    *call.return_value = group_client_id_list(call)?.into_zval();
    ids::replace(call, Shape::ListsOfKeysAndValues)
}

/// `getAllGroupClientIdCount(): array`, group ⇒ count
pub fn all_group_client_id_count(call: &mut Call<'_>) -> Result {
    *call.return_value = match overridden(call, "getAllGroupClientIdList", &[])? {
        Some(returned) => counts_of(&returned),
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

/// Sets `grouped[group][id] = id` for the id that was begun with. A group is keyed as PHP keys it:
/// 5 and '5' are the same.
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
