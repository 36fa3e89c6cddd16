//! The userland class `Context`: which client the running callback is about, how client ids are made,
//! and how sessions are encoded.
//!
//! It stays userland: it is used where it is loaded, and never autoloaded. Without it there is no
//! current client, and ids and sessions are those of the original class. A `Context` that was
//! changed, with ids or sessions of its own, is found by trying a few fixed values once per request.

use std::cell::Cell;

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::ClientId;

use crate::call::{Call, Failure, Result};
use crate::classes::GatewayClass;
use crate::engine::names::names;
use crate::engine::object::{self, Class, StaticSlot};
use crate::engine::string::PhpString;
use crate::engine::{ArrayBuilder, Zv, array};

thread_local! {
    /// The class that was found last, and for whom.
    static LAST: Cell<Option<(GatewayClass, Context)>> = const { Cell::new(None) };
}

/// Lets go of what belongs to the request.
pub fn forget() {
    LAST.set(None);
}

/// The loaded `Context` class.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    class: Class,
    own_ids: bool,
    own_sessions: bool,
}

impl Context {
    /// The `Context` of the called class: each of the two Gateway classes has its own.
    #[inline]
    pub fn of(call: &Call<'_>) -> Option<Self> {
        let class = call.class();
        match LAST.get() {
            // A class stays loaded until the end of the request. (One that is not may be at any time.)
            Some((last, context)) if last == class => Some(context),
            _ => {
                let name = match class {
                    GatewayClass::Worker => &names().context,
                    GatewayClass::Client => &names().client_context,
                };
                Class::loaded(name).map(|context| Self::found(class, context))
            }
        }
    }

    #[cold]
    fn found(class: GatewayClass, context: Class) -> Self {
        let mut context = Self { class: context, own_ids: false, own_sessions: false };
        // Before it is tried: PHP code that runs then may call us.
        LAST.set(Some((class, context)));
        context.own_ids = !context.has_original_ids();
        context.own_sessions = !context.has_original_sessions();
        LAST.set(Some((class, context)));
        context
    }

    /// Whether the class makes client ids in a way of its own.
    #[inline]
    pub fn has_own_ids(&self) -> bool {
        self.own_ids
    }

    /// As [`Context::of`], where the class makes client ids in a way of its own.
    #[inline]
    pub fn with_own_ids(call: &Call<'_>) -> Option<Self> {
        Self::of(call).filter(|context| context.own_ids)
    }

    /// Whether the class encodes sessions in a way of its own.
    #[inline]
    pub fn has_own_sessions(&self) -> bool {
        self.own_sessions
    }

    /// As [`Context::of`], where the class encodes sessions in a way of its own.
    #[inline]
    pub fn with_own_sessions(call: &Call<'_>) -> Option<Self> {
        Self::of(call).filter(|context| context.own_sessions)
    }

    /// The place of a static property.
    #[inline]
    fn slot(&self, name: &PhpString) -> Option<StaticSlot> {
        self.class.static_slot(name)
    }

    /// Whether this is the id of the current client (`===`).
    #[inline]
    pub fn is_current(&self, id: &Zval) -> bool {
        id.zend_str().is_some_and(|id| self.is_current_bytes(id.as_bytes()))
    }

    /// Whether no client is the current one: outside of a callback.
    pub fn is_cleared(&self) -> bool {
        self.slot(&names().client_id).is_none_or(StaticSlot::is_null)
    }

    /// Whether these are the bytes of the current client's id.
    #[inline]
    pub fn is_current_bytes(&self, id: &[u8]) -> bool {
        self.slot(&names().client_id).is_some_and(|slot| slot.is_string(id))
    }

    /// The current client, by the numbers that the gateway's event carried; `None` outside of a
    /// callback.
    #[inline]
    pub fn current(&self) -> Option<ClientId> {
        let number = |name| self.slot(name).and_then(StaticSlot::whole_number);
        Some(ClientId {
            // Of both numbers the original takes the lower 32 bits.
            ip: number(&names().local_ip)? as u32,
            port: u16::try_from(number(&names().local_port)?).ok()?,
            connection: number(&names().connection_id)? as u32,
        })
    }

    /// Sets `Context::$old_session`.
    pub fn set_old_session(&self, session: &Zval) {
        self.class.set_static_property(&names().old_session, session);
    }

    /// `Context::clientIdToAddress($id)`. `None`: it is no client id, which the class says itself.
    ///
    /// # Errors
    /// Where it throws, or returns what is no address.
    #[cold]
    pub fn client(&self, id: &Zval) -> Result<Option<ClientId>> {
        let address = self.call("clientidtoaddress", &[id.shallow_clone()])?;
        if !address.truthy() {
            return Ok(None);
        }
        let number = |name: &str| {
            let value = array::find(address.array()?, name.as_bytes())?.dereference();
            value.long().or_else(|| value.zend_str()?.as_str().ok()?.parse().ok())
        };
        let client = || {
            Some(ClientId {
                // As long2ip() takes it.
                ip: number("local_ip")? as u32,
                port: u16::try_from(number("local_port")?).ok()?,
                connection: u32::try_from(number("connection_id")?).ok()?,
            })
        };
        client().map(Some).ok_or_else(|| {
            let class = self.class.name();
            Failure::Exception(format!(
                "{class}::clientIdToAddress() must return local_ip, local_port and connection_id as integers"
            ))
            .into()
        })
    }

    /// `Context::addressToClientId($local_ip, $local_port, $connection_id)`.
    ///
    /// # Errors
    /// Where it throws.
    #[cold]
    pub fn id_of(&self, client: ClientId) -> Result<Zval> {
        let numbers = [i64::from(client.ip), i64::from(client.port), i64::from(client.connection)];
        self.call("addresstoclientid", &numbers.map(int))
    }

    /// `Context::sessionEncode($session)`, as a string.
    ///
    /// # Errors
    /// Where it throws.
    #[cold]
    pub fn encode(&self, session: &Zval) -> Result<PhpString> {
        let text = self.call("sessionencode", &[session.shallow_clone()])?;
        Ok(text.to_php_string().ok_or(Failure::Thrown)?)
    }

    /// `Context::sessionDecode($bytes)`.
    ///
    /// # Errors
    /// Where it throws.
    #[cold]
    pub fn decode(&self, session: &[u8]) -> Result<Zval> {
        self.call("sessiondecode", &[PhpString::new(session).into_zval()])
    }

    fn call(&self, lower_name: &str, arguments: &[Zval]) -> Result<Zval> {
        let Some(method) = self.class.static_method(lower_name) else {
            let class = self.class.name();
            return Err(Failure::Exception(format!("{class} has no static method {lower_name}()")).into());
        };
        Ok(method.call(arguments).ok_or(Failure::Thrown)?)
    }

    /// Whether ids are made as the original class makes them. One that lacks a method makes none.
    fn has_original_ids(&self) -> bool {
        let clients = [
            ClientId { ip: 0x7F00_0001, port: 2900, connection: 7 },
            ClientId { ip: 0x0A01_0203, port: u16::MAX, connection: u32::MAX },
        ];
        // In this order: an id of another form is not passed to a class that would complain about it.
        self.is_or_lacks("addresstoclientid", || {
            clients.iter().all(|&client| {
                self.id_of(client)
                    .is_ok_and(|id| id.zend_str().is_some_and(|id| *id.as_bytes() == client.to_hex()))
            })
        }) && self.is_or_lacks("clientidtoaddress", || {
            clients.iter().all(|&client| {
                let id = PhpString::new(&client.to_hex()).into_zval();
                self.client(&id).is_ok_and(|found| found == Some(client))
            })
        })
    }

    /// Whether sessions are encoded as the original class encodes them.
    fn has_original_sessions(&self) -> bool {
        const ENCODED: &[u8] = br#"a:1:{s:5:"probe";i:1;}"#;
        let mut session = ArrayBuilder::with_capacity(1);
        session.set_str(&PhpString::new(b"probe"), int(1));
        let session = session.into_zval();
        self.is_or_lacks("sessionencode", || {
            self.encode(&session).is_ok_and(|text| text.as_bytes() == ENCODED)
        }) && self.is_or_lacks("sessiondecode", || {
            self.decode(ENCODED).is_ok_and(|session| {
                let value = session.array().filter(|array| array.len() == 1);
                value.and_then(|array| array::find(array, b"probe")).is_some_and(|one| one.long() == Some(1))
            })
        })
    }

    /// Whether the class lacks a method, or has one that does as is wanted.
    fn is_or_lacks(&self, lower_name: &str, does: impl FnOnce() -> bool) -> bool {
        if self.class.static_method(lower_name).is_none() {
            return true;
        }
        let done = does();
        if object::exception_pending() {
            object::clear_exception();
        }
        done
    }
}

fn int(number: i64) -> Zval {
    let mut zval = Zval::new();
    zval.set_long(number);
    zval
}
