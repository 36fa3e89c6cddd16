//! Sessions: `getSession`, `setSession`, `updateSession`, `setSocketSession`,
//! `getAllClientSessions` and the like.

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::{ClientId, Command};
use gatewayworker_client::{ReplyError, reply};

use crate::arguments::{self, is_valid_group};
use crate::call::{Call, Failure, Result};
use crate::context::Context;
use crate::engine::serializer::Serialized;
use crate::engine::unserializer::Unserializer;
use crate::engine::{ArrayBuilder, HashBuilder, PhpString, Zv, globals, object, serializer};
use crate::methods::command::{ClientCommand, send_ext, send_text};
use crate::methods::ids;
use crate::methods::indirect;
use crate::methods::protected::string;
use crate::overrides::{Overrides, overridden};
use crate::target::Target;

/// `getSession($client_id)`: array, null for a client that is not connected, false for a bad id
pub fn get(call: &mut Call<'_>) -> Result {
    let Some(id) = arguments::listed_client(call, 0, call.arg_or_null(0))? else {
        call.return_value.set_bool(false);
        return Ok(());
    };
    let target = Target::of(call)?;
    if !target.reaches_for_query(id) {
        return Ok(());
    }
    let context = Context::with_own_sessions(call);
    let mut session = Zval::new();
    target.cluster.session(id, target.options, |payload| {
        session = match (Unserializer::new().read(payload), context) {
            // What the gateway itself says is serialized in any case: that there is none.
            (Err(_), Some(context)) if !object::exception_pending() => decode(context, payload)?,
            (session, _) => session?,
        };
        Ok(())
    })?;
    *call.return_value = session;
    Ok(())
}

/// `setSocketSession($client_id, $session_str): bool`
pub fn set_socket_session(call: &mut Call<'_>) -> Result {
    if Overrides::of(call).sends {
        let (id, session) = (call.arg_or_null(0), call.arg_or_null(1));
        let sent = indirect::command(call, Command::SetSession, id, &string(b""), session, false)?;
        *call.return_value = sent;
        return Ok(());
    }
    let client = arguments::client(call, 0)?;
    let sent = send_ext(call, ClientCommand::SetSession, client)?;
    call.return_value.set_bool(sent);
    Ok(())
}

/// `setSession($client_id, array $session): void`
pub fn set(call: &mut Call<'_>) -> Result {
    let session = session(call)?;
    let context = Context::of(call);
    if let Some(context) = context
        && is_current(context, call)
    {
        globals::set_session(&session);
        context.set_old_session(&session);
        no_exception()?;
    }
    let text = encode(context, &session)?;
    if call.is_on_own_class() {
        return send_serialized(call, ClientCommand::SetSession, text);
    }
    let (id, text) = (call.arg_or_null(0).shallow_clone(), text.into_string());
    if overridden(call, "setSocketSession", &[&id, &text.clone().into_zval()])?.is_some() {
        return Ok(());
    }
    send_serialized(call, ClientCommand::SetSession, Serialized::Engine(text))
}

/// `updateSession($client_id, array $session): void`
pub fn update(call: &mut Call<'_>) -> Result {
    let session = session(call)?;
    let context = Context::of(call);
    if let (Some(context), Some(changes)) = (context, session.array())
        && is_current(context, call)
    {
        let now = globals::session_as_array();
        let merged = match now.array() {
            Some(now) => serializer::replace_recursive(now, changes),
            None => session.shallow_clone(),
        };
        // The session before has to go when it is replaced, and not later: its destructors may throw.
        drop(now);
        globals::set_session(&merged);
        context.set_old_session(&merged);
        no_exception()?;
    }
    let text = encode(context, &session)?;
    send_serialized(call, ClientCommand::UpdateSession, text)
}

/// Sends a session to the client in the first argument.
fn send_serialized(call: &Call<'_>, command: ClientCommand, session: Serialized) -> Result {
    // To convert anything else to an id may run PHP code.
    let session =
        if call.arg_or_null(0).is_string() { session } else { Serialized::Engine(session.into_string()) };
    if Overrides::of(call).sends {
        let session = string(session.as_bytes());
        indirect::command(call, command.number(), call.arg_or_null(0), &string(b""), &session, false)?;
        return Ok(());
    }
    if let Some(id) = arguments::client(call, 0)? {
        send_text(call, command, id, session.as_bytes())?;
    }
    Ok(())
}

/// `getAllClientSessions($group = ''): array`
pub fn all(call: &mut Call<'_>) -> Result {
    let group = call.arg_or_null(0);
    let group = if group.truthy() { Some(arguments::string(0, group)?) } else { None };
    sessions(call, group.as_ref())
}

/// `getAllClientInfo($group = ''): array`: deprecated in the original too
pub fn all_deprecated(call: &mut Call<'_>) -> Result {
    call.complain("is deprecated", "use getAllClientSessions()");
    delegated(call).unwrap_or_else(|| all(call))
}

/// `getClientInfoByGroup($group): array`: deprecated in the original too
pub fn of_group_deprecated(call: &mut Call<'_>) -> Result {
    call.complain("is deprecated", "use getClientSessionsByGroup()");
    delegated(call).unwrap_or_else(|| all(call))
}

/// `getClientSessionsByGroup($group): array`
pub fn of_group(call: &mut Call<'_>) -> Result {
    if !is_valid_group(call)? {
        *call.return_value = ArrayBuilder::with_capacity(0).into_zval();
        return Ok(());
    }
    delegated(call).unwrap_or_else(|| all(call))
}

/// Calls `getAllClientSessions` of a subclass that overrides it.
fn delegated(call: &mut Call<'_>) -> Option<Result> {
    let group = call.arg_or_null(0).shallow_clone();
    match overridden(call, "getAllClientSessions", &[&group]) {
        Ok(None) => None,
        Ok(Some(returned)) => {
            *call.return_value = returned;
            Some(Ok(()))
        }
        Err(failure) => Some(Err(failure)),
    }
}

fn sessions(call: &mut Call<'_>, group: Option<&PhpString>) -> Result {
    let mut target = Target::of(call)?;
    target.ensure_known_for_query(call)?;
    let context = Context::of(call);
    let own_sessions = Context::with_own_sessions(call);
    let mut all = HashBuilder::with_room(0);
    let mut unserializer = Unserializer::new();
    let mut broken = 0;
    let mut session_of = |id: &[u8; ClientId::LEN], session: &[u8]| {
        let value = if context.is_some_and(|context| context.is_current_bytes(id)) {
            globals::session_as_array()
        } else if matches!(session, b"" | b"0") {
            ArrayBuilder::with_capacity(0).into_zval()
        } else if let Some(context) = own_sessions {
            decode(context, session)?
        } else {
            match unserializer.read(session) {
                Ok(value) => value,
                Err(error) if object::exception_pending() => return Err(error),
                // Somebody has stored nonsense with setSocketSession(). The other clients' sessions
                // are fine.
                Err(_) => {
                    broken += 1;
                    let mut value = Zval::new();
                    value.set_bool(false);
                    value
                }
            }
        };
        Ok(value)
    };
    target.queried().session_lists(
        group.map(PhpString::as_bytes),
        target.options,
        |prefix, payload, rows| {
            all.reserve(rows);
            reply::sessions(payload, |connection, session| {
                let id = prefix.with(connection);
                let value = session_of(&id, session)?;
                // As a key it is a string always: it has a letter, or one digit more than any
                // integer.
                all.set_str(PhpString::hashed(&id), value);
                Ok(())
            })
        },
    )?;
    if broken > 0 {
        call.complain(
            "left out",
            &format!("{broken} sessions are not serialized data and are given as false"),
        );
    }
    *call.return_value = match Context::with_own_ids(call) {
        None => all.into_zval(),
        Some(context) => ids::sessions(context, &all.into_zval(), globals::session_as_array)?,
    };
    Ok(())
}

/// A session as it is stored at the gateway.
#[inline]
fn encode(context: Option<Context>, session: &Zval) -> Result<Serialized> {
    match context.filter(Context::has_own_sessions) {
        None => Ok(serializer::serialize(session).ok_or(Failure::Thrown)?),
        Some(context) => Ok(Serialized::Engine(context.encode(session)?)),
    }
}

/// A session that the `Context` has encoded in a way of its own.
#[cold]
fn decode(context: Context, session: &[u8]) -> Result<Zval, ReplyError> {
    // The exception, where there is one, goes before this error.
    context.decode(session).map_err(|_| ReplyError::Shape("Context::sessionDecode() fails"))
}

/// The session argument, which the engine does not check for internal functions.
fn session(call: &Call<'_>) -> Result<Zval> {
    let session = call.arg_or_null(1);
    if session.is_array() { Ok(session.shallow_clone()) } else { Err(Failure::Type(1, "array").into()) }
}

/// Ends the call where an object of the session before has thrown when it went away.
fn no_exception() -> Result {
    if object::exception_pending() { Err(Failure::Thrown.into()) } else { Ok(()) }
}

/// Whether the call is about the current client: outside of a callback null is that.
#[inline]
fn is_current(context: Context, call: &Call<'_>) -> bool {
    let id = call.arg_or_null(0);
    context.is_current(id) || (id.is_null() && context.is_cleared())
}
