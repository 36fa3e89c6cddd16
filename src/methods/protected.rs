//! The protected methods of the original class. Subclasses call them, and override some: they call each
//! other through `static::`, as in the original. The methods of the extension do without them, but for
//! those of a subclass that overrides one, see [`super::indirect`].

use std::borrow::Cow;
use std::net::Ipv4Addr;

use ext_php_rs::types::{ZendCallable, ZendHashTable, Zval};
use gatewayworker_client::wire::frame::MAX_LEN;
use gatewayworker_client::wire::{ClientId, Command, Frame, Head};

use crate::arguments::{self, REFUSED};
use crate::call::{Call, Failure, Result};
use crate::context::Context;
use crate::engine::array::{entries, find};
use crate::engine::key::Key;
use crate::engine::serializer::{self, Serialized};
use crate::engine::unserializer::Unserializer;
use crate::engine::{ArrayBuilder, PhpString, Zv};
use crate::statics::Statics;
use crate::target::Target;
use crate::worker::Worker;

/// `getAllGatewayAddressesFromRegister(): array`
pub fn addresses_from_register(call: &mut Call<'_>) -> Result {
    let target = Target::by_register(call)?;
    target.ensure_known_for_send()?;
    *call.return_value = list(target.cluster.addresses().iter().map(|address| string(address.as_bytes())));
    Ok(())
}

/// `getAllGatewayAddress(): array`
pub fn addresses(call: &mut Call<'_>) -> Result {
    *call.return_value = match Worker::of(&Statics::of(call)) {
        Some(worker) => list(worker.known()?.iter().map(|address| string(address.as_bytes()))),
        None => call.call_static("getAllGatewayAddressesFromRegister", &[])?,
    };
    Ok(())
}

/// `sendBufferToGateway($address, $gateway_buffer): bool`
pub fn send_buffer(call: &mut Call<'_>) -> Result {
    let address = text(call, 0)?;
    let buffer = arguments::string(1, call.arg_or_null(1))?;
    let sent = send_frames(call, &address, buffer.as_bytes())?;
    call.return_value.set_bool(sent);
    Ok(())
}

/// `sendToGateway($address, $gateway_data): bool`
pub fn send_data(call: &mut Call<'_>) -> Result {
    let buffer = encode(call, 1)?;
    let address = call.arg_or_null(0).shallow_clone();
    *call.return_value = call.call_static("sendBufferToGateway", &[address, string(&buffer)])?;
    Ok(())
}

/// `sendToAllGateway($gateway_data): void`
pub fn send_to_all(call: &mut Call<'_>) -> Result {
    let buffer = encode(call, 0)?;
    if let Some(worker) = Worker::of(&Statics::of(call)).filter(Worker::sends) {
        for address in worker.connected() {
            send_frames(call, &address, &buffer)?;
        }
        return Ok(());
    }
    let addresses = call.call_static("getAllGatewayAddressesFromRegister", &[])?;
    for (_, address) in addresses.array().into_iter().flat_map(entries) {
        call.call_static("sendBufferToGateway", &[address.deref_php().shallow_clone(), string(&buffer)])?;
    }
    Ok(())
}

/// `sendCmdAndMessageToClient($client_id, $cmd, $message, $ext_data = '', $raw = false): bool`
pub fn send_command(call: &mut Call<'_>) -> Result {
    let Some(client) = arguments::client(call, 0)? else {
        call.return_value.set_bool(false);
        return Ok(());
    };
    let mut data = gateway_data(integer(call.arg_or_null(1)), client.connection);
    data.set_key(Key::Str(b"body"), call.arg_or_null(2).shallow_clone());
    if let Some(ext) = call.arg(3).filter(|ext| ext.truthy()) {
        data.set_key(Key::Str(b"ext_data"), ext.shallow_clone());
    }
    set_raw(&mut data, call.flag(4));
    *call.return_value = call.call_static("sendToGateway", &[address_of(client), data.into_zval()])?;
    Ok(())
}

/// `kickAddress($address, $connection_id, $message): bool`
pub fn kick(call: &mut Call<'_>) -> Result {
    let mut data = gateway_data(Command::Kick as i64, 0);
    data.set_key(Key::Str(b"connection_id"), call.arg_or_null(1).shallow_clone());
    data.set_key(Key::Str(b"body"), call.arg_or_null(2).shallow_clone());
    let address = call.arg_or_null(0).shallow_clone();
    *call.return_value = call.call_static("sendToGateway", &[address, data.into_zval()])?;
    Ok(())
}

/// `destroyAddress($address, $connection_id): bool`
pub fn destroy(call: &mut Call<'_>) -> Result {
    let mut data = gateway_data(Command::Destroy as i64, 0);
    data.set_key(Key::Str(b"connection_id"), call.arg_or_null(1).shallow_clone());
    let address = call.arg_or_null(0).shallow_clone();
    *call.return_value = call.call_static("sendToGateway", &[address, data.into_zval()])?;
    Ok(())
}

/// `clientIdArrayToAddressArray(array $client_id_array): array`, address ⇒ (connection ⇒ connection)
pub fn address_array(call: &mut Call<'_>) -> Result {
    if !call.arg_or_null(0).is_array() {
        return Err(Failure::Type(0, "array").into());
    }
    let clients = arguments::clients(call, 0)?;
    *call.return_value = by_address(&clients).into_zval();
    Ok(())
}

/// `formatClientIdFromGatewayBuffer($data): array`, client_id ⇒ client_id
pub fn format_client_ids(call: &mut Call<'_>) -> Result {
    let context = Context::with_own_ids(call);
    let mut ids = ArrayBuilder::with_capacity(8);
    for (ip, ports) in call.arg_or_null(0).array().into_iter().flat_map(entries) {
        for (port, rows) in ports.deref_php().array().into_iter().flat_map(entries) {
            for (connection, _) in rows.deref_php().array().into_iter().flat_map(entries) {
                let client = ClientId {
                    ip: key_integer(ip) as u32,
                    port: key_integer(port) as u16,
                    connection: key_integer(connection) as u32,
                };
                let id = match context {
                    Some(context) => context.id_of(client)?,
                    None => string(&client.to_hex()),
                };
                let key = id.to_php_string().ok_or(Failure::Thrown)?;
                ids.set_key(Key::from(key.as_bytes()), id);
            }
        }
    }
    *call.return_value = ids.into_zval();
    Ok(())
}

/// `select($fields = ['session', 'uid', 'groups'], $where = []): array`, ip ⇒ (port ⇒ rows)
pub fn select(call: &mut Call<'_>) -> Result {
    let fields = match call.arg(0) {
        Some(fields) => fields.shallow_clone(),
        None => list([b"session".as_slice(), b"uid", b"groups"].map(string)),
    };
    let no_condition = ArrayBuilder::with_capacity(0).into_zval();
    let condition = call.arg(1).unwrap_or(&no_condition).shallow_clone();
    let clients = condition.array().and_then(|condition| find(condition, b"client_id"));
    let Some(clients) = clients.filter(|clients| !clients.is_null()) else {
        let data = select_data(fields, condition.shallow_clone())?;
        *call.return_value = call.call_static("getBufferFromAllGateway", &[data])?;
        return Ok(());
    };
    let mut others = ArrayBuilder::with_capacity(1);
    for (key, value) in condition.array().into_iter().flat_map(entries) {
        if !matches!(key, Key::Str(b"client_id")) {
            others.set_key(key, value.shallow_clone());
        }
    }
    let others = others.into_zval();
    let with_connections = |connections: Zval| {
        let mut condition = copy(&others);
        condition.set_key(Key::Str(b"connection_id"), connections);
        select_data(fields.shallow_clone(), condition.into_zval())
    };
    let addresses =
        call.call_static("clientIdArrayToAddressArray", &[clients.deref_php().shallow_clone()])?;
    let mut data = ArrayBuilder::with_capacity(2);
    for (address, connections) in addresses.array().into_iter().flat_map(entries) {
        data.set_key(address, with_connections(connections.shallow_clone())?);
    }
    // With other conditions, all gateways are queried.
    if others.array().is_some_and(|others| !others.is_empty()) {
        let all = call.call_static("getAllGatewayAddress", &[])?;
        for (_, address) in all.array().into_iter().flat_map(entries) {
            let address = address.to_php_string().ok_or(Failure::Thrown)?;
            let key = Key::from(address.as_bytes());
            if data.get_mut(key).is_none() {
                data.set_key(key, with_connections(ArrayBuilder::with_capacity(0).into_zval())?);
            }
        }
    }
    *call.return_value = call.call_static("getBufferFromSomeGateway", &[data.into_zval()])?;
    Ok(())
}

/// `generateAuthBuffer(): string`
pub fn auth_buffer(call: &mut Call<'_>) -> Result {
    let secret = Statics::of(call).secret_key.map(|slot| slot.value()).unwrap_or_default();
    let mut body = ArrayBuilder::with_capacity(1);
    body.set_key(Key::Str(b"secret_key"), secret);
    let body = json(&body.into_zval())?;
    let mut data = gateway_data(Command::GatewayClientConnect as i64, 0);
    data.set_key(Key::Str(b"body"), body);
    *call.return_value = string(&encode_data(&data.into_zval())?);
    Ok(())
}

/// `getBufferFromSomeGateway($gateway_data_array): array`, ip ⇒ (port ⇒ reply)
pub fn query_some(call: &mut Call<'_>) -> Result {
    let auth = auth_in_front(call)?;
    let mut buffers = ArrayBuilder::with_capacity(4);
    for (address, data) in call.arg_or_null(0).array().into_iter().flat_map(entries) {
        let buffer = [auth.as_bytes(), &encode_data(data.deref_php())?].concat();
        buffers.set_key(address, string(&buffer));
    }
    *call.return_value = call.call_static("getBufferFromGateway", &[buffers.into_zval()])?;
    Ok(())
}

/// `getBufferFromAllGateway($gateway_data): array`, ip ⇒ (port ⇒ reply)
pub fn query_all(call: &mut Call<'_>) -> Result {
    let addresses = call.call_static("getAllGatewayAddress", &[])?;
    let buffer = [auth_in_front(call)?.as_bytes(), &encode(call, 0)?].concat();
    let mut buffers = ArrayBuilder::with_capacity(4);
    for (_, address) in addresses.array().into_iter().flat_map(entries) {
        let address = address.to_php_string().ok_or(Failure::Thrown)?;
        buffers.set_key(Key::from(address.as_bytes()), string(&buffer));
    }
    *call.return_value = call.call_static("getBufferFromGateway", &[buffers.into_zval()])?;
    Ok(())
}

/// `getBufferFromGateway($gateway_buffer_array): array`, ip ⇒ (port ⇒ reply)
pub fn query_buffers(call: &mut Call<'_>) -> Result {
    let mut queries = Vec::new();
    for (address, buffer) in call.arg_or_null(0).array().into_iter().flat_map(entries) {
        let buffer = arguments::string(0, buffer.deref_php())?;
        let address = match address {
            Key::Int(number) => number.to_string(),
            Key::Str(text) => String::from_utf8_lossy(text).into_owned(),
        };
        queries.push((address, query_in(call, buffer.as_bytes())?));
    }
    let mut replies = ArrayBuilder::with_capacity(queries.len());
    run(call, &queries, |ip, port, reply| {
        if let Some(ports) = replies.list_at(Key::Int(i64::from(ip))) {
            ArrayBuilder::set_int_in(ports, i64::from(port), reply);
        }
    })?;
    *call.return_value = replies.into_zval();
    Ok(())
}

/// `sendAndRecv($address, $data): mixed`
pub fn query_one(call: &mut Call<'_>) -> Result {
    let query = (text(call, 0)?.into_owned(), encode(call, 1)?);
    let mut value = Zval::new();
    run(call, &[query], |_, _, reply| value = reply)?;
    *call.return_value = value;
    Ok(())
}

/// `isValidGroupId($group): bool`
pub fn is_valid_group(call: &mut Call<'_>) -> Result {
    let valid = arguments::is_group(call);
    call.return_value.set_bool(valid);
    Ok(())
}

/// `getGatewayConnection($address): resource`: a stream of the caller's own, which nothing else uses
pub fn connection(call: &mut Call<'_>) -> Result {
    let statics = Statics::of(call);
    let address = call.arg_or_null(0).shallow_clone();
    let timeout = statics.connect_timeout.map(|slot| slot.value().to_f64()).unwrap_or(3.0);
    let mut seconds = Zval::new();
    seconds.set_double(timeout);
    let stream = ZendCallable::try_from_name("stream_socket_client")
        .and_then(|connect| connect.try_call_named(&[("address", &address), ("timeout", &seconds)]));
    match stream {
        Ok(stream) if !stream.is_false() => {
            *call.return_value = stream;
            Ok(())
        }
        _ if crate::engine::object::exception_pending() => Err(Failure::Thrown.into()),
        _ => Err(Failure::Unreachable(format!("can not connect to {}", text(call, 0)?).into()).into()),
    }
}

/// A command with nothing in it but its number and the client that it is about.
pub fn gateway_data(command: i64, connection: u32) -> ArrayBuilder {
    let mut data = ArrayBuilder::with_capacity(10);
    let mut set = |name: &str, value| data.set_str(&PhpString::new(name.as_bytes()), int(value));
    set("cmd", command);
    for name in ["local_ip", "local_port", "client_ip", "client_port"] {
        set(name, 0);
    }
    set("connection_id", i64::from(connection));
    set("flag", 0);
    set("gateway_port", 0);
    data.set_key(Key::Str(b"ext_data"), string(b""));
    data.set_key(Key::Str(b"body"), string(b""));
    data
}

/// Sets the flag that keeps the gateway from using its protocol's encoder.
pub fn set_raw(data: &mut ArrayBuilder, raw: bool) {
    if raw {
        data.set_key(Key::Str(b"flag"), int(i64::from(Head::RAW)));
    }
}

/// The address of a client's gateway.
pub fn address_of(client: ClientId) -> Zval {
    string(client.gateway().to_string().as_bytes())
}

/// address ⇒ (connection ⇒ connection)
pub fn by_address(clients: &[ClientId]) -> ArrayBuilder {
    let mut addresses = ArrayBuilder::with_capacity(2);
    for client in clients {
        let address = client.gateway().to_string();
        if let Some(connections) = addresses.list_at(Key::Str(address.as_bytes())) {
            let connection = i64::from(client.connection);
            ArrayBuilder::set_int_in(connections, connection, int(connection));
        }
    }
    addresses
}

/// What `json_encode` makes of a value; false where it fails, which is an empty string in a frame.
pub fn json(value: &Zval) -> Result<Zval> {
    let json = serializer::json_encode(value);
    if crate::engine::object::exception_pending() {
        return Err(Failure::Thrown.into());
    }
    Ok(json.map_or_else(|| string(b""), PhpString::into_zval))
}

/// Sends the frames in a buffer to the gateway at an address; whether they were taken.
pub fn send_frames(call: &Call<'_>, address: &str, buffer: &[u8]) -> Result<bool> {
    let target = Target::of(call)?;
    if !target.reaches_address(address) {
        return Ok(false);
    }
    let Some(frames) = frames(buffer) else {
        call.complain(REFUSED, "the buffer is not made of whole frames");
        return Ok(false);
    };
    for frame in frames {
        if !target.accepted(target.cluster.send_frame(address, frame, target.options))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As [`send_frames`], for the frame of a `$gateway_data`.
pub fn send_frames_of(call: &Call<'_>, address: &str, data: &Zval) -> Result<bool> {
    send_frames(call, address, &encode_data(data)?)
}

/// The frames in a buffer, without those that authenticate: connections do that themselves. `None`: the
/// buffer has something else in it.
fn frames(mut buffer: &[u8]) -> Option<Vec<&[u8]>> {
    let mut frames = Vec::new();
    while !buffer.is_empty() {
        let (frame, len) = Frame::decode(buffer, MAX_LEN).ok()??;
        if frame.head.command != Command::GatewayClientConnect as u8 {
            frames.push(&buffer[..len]);
        }
        buffer = &buffer[len..];
    }
    Some(frames)
}

/// The one query in a buffer.
fn query_in(call: &Call<'_>, buffer: &[u8]) -> Result<Vec<u8>> {
    match frames(buffer).as_deref() {
        Some([frame]) => Ok(frame.to_vec()),
        _ => Err(Failure::Exception(format!("{}(): a buffer is not one whole frame", call.name())).into()),
    }
}

/// Sends queries and passes on what each gateway replies.
fn run(call: &Call<'_>, queries: &[(String, Vec<u8>)], mut each: impl FnMut(u32, u16, Zval)) -> Result {
    let target = Target::of(call)?;
    let command = queries.first().map(|(_, frame)| frame[4]);
    let command = command.and_then(|number| Command::try_from(number).ok()).unwrap_or(Command::Select);
    let mut unserializer = Unserializer::new();
    target.cluster.query_frames(command, queries, target.options, |ip, port, reply| {
        each(ip, port, unserializer.read(reply)?);
        Ok(())
    })?;
    Ok(())
}

/// `generateAuthBuffer()`, where there is a secret key.
fn auth_in_front(call: &Call<'_>) -> Result<PhpString> {
    let is_set = Statics::of(call).secret_key.is_some_and(|slot| slot.truthy());
    let auth = if is_set { call.call_static("generateAuthBuffer", &[])? } else { string(b"") };
    Ok(auth.to_php_string().ok_or(Failure::Thrown)?)
}

fn select_data(fields: Zval, condition: Zval) -> Result<Zval> {
    let mut ext = ArrayBuilder::with_capacity(2);
    ext.set_key(Key::Str(b"fields"), fields);
    ext.set_key(Key::Str(b"where"), condition);
    let mut data = gateway_data(Command::Select as i64, 0);
    data.set_key(Key::Str(b"ext_data"), json(&ext.into_zval())?);
    Ok(data.into_zval())
}

/// The frame of the `$gateway_data` in the argument at this place.
fn encode(call: &Call<'_>, index: usize) -> Result<Vec<u8>> {
    let data = call.arg_or_null(index);
    if data.is_array() { encode_data(data) } else { Err(Failure::Type(index, "array").into()) }
}

/// `GatewayProtocol::encode($gateway_data)`
fn encode_data(data: &Zval) -> Result<Vec<u8>> {
    let fields: Option<&ZendHashTable> = data.array();
    let field = |name: &str| fields.and_then(|fields| find(fields, name.as_bytes())).map(Zv::deref_php);
    let number = |name: &str| field(name).map_or(0, integer);
    let nothing = Zval::new();
    let body = field("body").unwrap_or(&nothing);
    let scalar = body.is_php_scalar();
    let body =
        if scalar { body.to_php_string() } else { serializer::serialize(body).map(Serialized::into_string) };
    let body = body.ok_or(Failure::Thrown)?;
    let ext = field("ext_data").unwrap_or(&nothing).to_php_string().ok_or(Failure::Thrown)?;
    let head = Head {
        command: number("cmd") as u8,
        local_ip: number("local_ip") as u32,
        local_port: number("local_port") as u16,
        client_ip: number("client_ip") as u32,
        client_port: number("client_port") as u16,
        connection: number("connection_id") as u32,
        flag: number("flag") as u8 | if scalar { Head::SCALAR } else { 0 },
        gateway_port: number("gateway_port") as u16,
    };
    let frame = head.frame(ext.as_bytes(), body.as_bytes());
    Ok(frame.map_err(|error| Failure::Exception(error.to_string()))?)
}

fn copy(array: &Zval) -> ArrayBuilder {
    let mut copy = ArrayBuilder::with_capacity(8);
    for (key, value) in array.array().into_iter().flat_map(entries) {
        copy.set_key(key, value.shallow_clone());
    }
    copy
}

fn list(values: impl IntoIterator<Item = Zval>) -> Zval {
    let mut list = ArrayBuilder::with_capacity(4);
    for value in values {
        list.push(value);
    }
    list.into_zval()
}

fn text(call: &Call<'_>, index: usize) -> Result<Cow<'static, str>> {
    let text = arguments::string(index, call.arg_or_null(index))?;
    Ok(Cow::Owned(String::from_utf8_lossy(text.as_bytes()).into_owned()))
}

fn integer(value: &Zval) -> i64 {
    value.long().unwrap_or_else(|| value.to_f64() as i64)
}

/// A key as a number; an ip may also be written with dots.
fn key_integer(key: Key<'_>) -> i64 {
    match key {
        Key::Int(number) => number,
        Key::Str(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<Ipv4Addr>().ok())
            .map_or(0, |ip| i64::from(ip.to_bits())),
    }
}

fn int(number: i64) -> Zval {
    let mut zval = Zval::new();
    zval.set_long(number);
    zval
}

/// A string as a value.
pub fn string(bytes: &[u8]) -> Zval {
    PhpString::new(bytes).into_zval()
}
