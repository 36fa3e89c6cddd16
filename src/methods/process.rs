//! Binding, groups, and what concerns the process: `bindUid`, `unbindUid`, `joinGroup`, `leaveGroup`, `ungroup`,
//! `setBusinessWorker`, `flush`, `status`.

use gatewayworker_client::Process;
use gatewayworker_client::wire::{ClientId, Command};

use crate::arguments::{self, REFUSED, complain};
use crate::call::{Call, Failure, Result};
use crate::engine::names::names;
use crate::engine::{PhpString, Zv};
use crate::phpinfo;
use crate::target::{Target, seconds};

/// `bindUid($client_id, $uid): void`
pub fn bind_uid(call: &mut Call<'_>) -> Result {
    about_client(call, Command::BindUid)
}

/// `unbindUid($client_id, $uid): void`
pub fn unbind_uid(call: &mut Call<'_>) -> Result {
    about_client(call, Command::UnbindUid)
}

/// `joinGroup($client_id, $group): void`
pub fn join_group(call: &mut Call<'_>) -> Result {
    about_client(call, Command::JoinGroup)
}

/// `leaveGroup($client_id, $group): void`
pub fn leave_group(call: &mut Call<'_>) -> Result {
    about_client(call, Command::LeaveGroup)
}

fn about_client(call: &mut Call<'_>, command: Command) -> Result {
    let client = arguments::client(call, 0)?;
    send_ext(call, command, client).map(|_sent| ())
}

/// Sends a command about a client, with the second argument as its text; whether it was taken. An `empty()` one goes out
/// as an empty text, as in the original; the gateway refuses it.
pub fn send_ext(call: &Call<'_>, command: Command, client: Option<ClientId>) -> Result<bool> {
    let Some(id) = client else { return Ok(false) };
    let value = call.arg_or_null(1);
    let text = if value.empty() { PhpString::new(b"") } else { arguments::string(1, value)? };
    send_text(call, command, id, text.as_bytes())
}

/// Sends a command about a client with a text; whether it was taken.
pub fn send_text(call: &Call<'_>, command: Command, id: ClientId, text: &[u8]) -> Result<bool> {
    Target::send_to(call, id, |cluster, patience| cluster.about_client(command, id, text, patience))
}

/// `ungroup($group): void`, false for an empty group
pub fn ungroup(call: &mut Call<'_>) -> Result {
    if !is_valid_group(call) {
        call.answer.set_bool(false);
        return Ok(());
    }
    let group = arguments::string(0, call.arg_or_null(0))?;
    let target = Target::of(call)?;
    target.for_sending()?;
    let result = target.cluster.ungroup(group.as_bytes(), target.patience);
    target.accepted(result)?;
    Ok(())
}

/// Whether the first argument can be a group; complains if not.
pub fn is_valid_group(call: &Call<'_>) -> bool {
    let valid = call.arg_or_null(0).truthy();
    if !valid {
        complain(call, REFUSED, "the group is empty (null, '', 0, '0', false or [])");
    }
    valid
}

/// `setBusinessWorker($business_worker_instance): void`
pub fn set_business_worker(call: &mut Call<'_>) -> Result {
    call.scope.set_static_property(&names().business_worker, call.arg_or_null(0));
    Ok(())
}

/// `flush(float $timeout = 5.0): bool`: waits until everything accepted so far, by this process, has been handed over
pub fn flush(call: &mut Call<'_>) -> Result {
    let timeout = match call.arg(0) {
        None => 5.0,
        Some(value) => match value.zend_str() {
            Some(text) => text
                .as_str()
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .ok_or(Failure::Type(0, "float"))?,
            None if value.is_array() || value.is_object() => return Err(Failure::Type(0, "float").into()),
            None => value.to_f64(),
        },
    };
    let timeout = seconds(timeout);
    let left = Process::existing().map(|process| process.flush(timeout)).unwrap_or_default();
    for left in &left {
        phpinfo::log_undelivered(left, timeout);
    }
    call.answer.set_bool(left.is_empty());
    Ok(())
}

/// `status(): array`: the state of everything, see the stub for its shape
pub fn status(call: &mut Call<'_>) -> Result {
    *call.answer = phpinfo::status_array();
    Ok(())
}
