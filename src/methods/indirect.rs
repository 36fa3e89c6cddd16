//! Sends of a subclass that overrides a protected method: they go through the protected methods, each of
//! which may be the override.

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::{ClientId, Command};

use crate::arguments;
use crate::call::{Call, Result};
use crate::engine::array::{entries, find};
use crate::engine::key::Key;
use crate::engine::{ArrayBuilder, Zv};
use crate::methods::protected::{
    address_of, by_address, gateway_data, json, send_frames_of, set_raw, string,
};
use crate::statics::Statics;
use crate::worker::Worker;

/// A command about a client, which `id` names: null is the current one. What
/// `sendCmdAndMessageToClient` returns.
///
/// # Errors
/// Where a protected method throws.
#[cold]
pub fn command(
    call: &Call<'_>,
    command: Command,
    id: &Zval,
    message: &Zval,
    ext: &Zval,
    raw: bool,
) -> Result<Zval> {
    let mut number = Zval::new();
    number.set_long(command as i64);
    let mut arguments = vec![id.shallow_clone(), number, message.shallow_clone(), ext.shallow_clone()];
    if raw {
        let mut flag = Zval::new();
        flag.set_bool(true);
        arguments.push(flag);
    }
    call.call_static("sendCmdAndMessageToClient", &arguments)
}

/// Closes a client: with a message, or at once.
///
/// # Errors
/// As [`command`].
#[cold]
pub fn close(call: &Call<'_>, client: ClientId, message: Option<&Zval>) -> Result<Zval> {
    let mut connection = Zval::new();
    connection.set_long(i64::from(client.connection));
    let mut arguments = vec![address_of(client), connection];
    let method = match message {
        Some(message) => {
            arguments.push(message.shallow_clone());
            "kickAddress"
        }
        None => "destroyAddress",
    };
    call.call_static(method, &arguments)
}

/// A command for all gateways. What `sendToAllGateway` returns.
///
/// # Errors
/// As [`command`].
#[cold]
pub fn to_all(call: &Call<'_>, command: Command, ext: &[u8], message: &Zval, raw: bool) -> Result<Zval> {
    let data = data_of(command, ext, message, raw);
    call.call_static("sendToAllGateway", &[data.into_zval()])
}

/// A message to the clients of this list.
///
/// # Errors
/// As [`command`].
#[cold]
pub fn to_clients(call: &Call<'_>, clients: &[ClientId], message: &Zval, raw: bool) -> Result {
    let addresses = by_address(clients).into_zval();
    for (address, connections) in addresses.array().into_iter().flat_map(entries) {
        let ext = member(b"connections", connections)?;
        let data = data_with(Command::SendToAll, ext, message, raw);
        call.call_static("sendToGateway", &[address_value(address), data.into_zval()])?;
    }
    Ok(())
}

/// A message to all gateways, with `ext` for those that have none of the excluded clients, and what
/// `special` makes of the excluded connections for the others.
///
/// # Errors
/// As [`command`].
#[cold]
pub fn to_all_except(
    call: &Call<'_>,
    command: Command,
    ext: &[u8],
    excluded: &Zval,
    special: impl Fn(&Zval) -> Result<Zval>,
    message: &Zval,
    raw: bool,
) -> Result {
    let excluded = if excluded.is_array() {
        excluded.shallow_clone()
    } else {
        let mut list = ArrayBuilder::with_capacity(1);
        list.push(excluded.shallow_clone());
        list.into_zval()
    };
    let excluded = call.call_static("clientIdArrayToAddressArray", &[excluded])?;
    let data_for = |address: &[u8]| -> Result<Zval> {
        let ext = match excluded.array().and_then(|excluded| find(excluded, address)) {
            Some(connections) => special(connections.deref_php())?,
            None => string(ext),
        };
        Ok(data_with(command, ext, message, raw).into_zval())
    };
    // The connections of a BusinessWorker are no method of the class.
    if let Some(worker) = Worker::of(&Statics::of(call)).filter(Worker::sends) {
        for address in worker.connected() {
            send_frames_of(call, &address, &data_for(address.as_bytes())?)?;
        }
        return Ok(());
    }
    let addresses = call.call_static("getAllGatewayAddressesFromRegister", &[])?;
    for (_, address) in addresses.array().into_iter().flat_map(entries) {
        let address = address.deref_php();
        let data = data_for(arguments::string(0, address)?.as_bytes())?;
        call.call_static("sendToGateway", &[address.shallow_clone(), data])?;
    }
    Ok(())
}

/// `{"exclude":connections}`
///
/// # Errors
/// Where encoding it throws.
pub fn exclude(connections: &Zval) -> Result<Zval> {
    member(b"exclude", connections)
}

/// `{"group":groups,"exclude":connections}`
///
/// # Errors
/// Where encoding it throws.
pub fn group_exclude(groups: &Zval, connections: &Zval) -> Result<Zval> {
    let mut ext = ArrayBuilder::with_capacity(2);
    ext.set_key(Key::Str(b"group"), groups.shallow_clone());
    ext.set_key(Key::Str(b"exclude"), connections.shallow_clone());
    json(&ext.into_zval())
}

fn member(name: &[u8], value: &Zval) -> Result<Zval> {
    let mut ext = ArrayBuilder::with_capacity(1);
    ext.set_key(Key::Str(name), value.shallow_clone());
    json(&ext.into_zval())
}

fn data_of(command: Command, ext: &[u8], message: &Zval, raw: bool) -> ArrayBuilder {
    data_with(command, string(ext), message, raw)
}

fn data_with(command: Command, ext: Zval, message: &Zval, raw: bool) -> ArrayBuilder {
    let mut data = gateway_data(command as i64, 0);
    set_raw(&mut data, raw);
    data.set_key(Key::Str(b"ext_data"), ext);
    data.set_key(Key::Str(b"body"), message.shallow_clone());
    data
}

fn address_value(address: Key<'_>) -> Zval {
    match address {
        Key::Int(number) => string(number.to_string().as_bytes()),
        Key::Str(text) => string(text),
    }
}
