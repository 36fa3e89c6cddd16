//! The userland class `Context`, which says which client the running callback is about.
//!
//! It stays userland: read and written where it is loaded, taken for empty where it is not; never
//! autoloaded.

use std::cell::Cell;

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::ClientId;

use crate::call::Call;
use crate::classes::GatewayClass;
use crate::engine::PhpString;
use crate::engine::names::names;
use crate::engine::object::{Class, StaticSlot};

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
pub struct Context(Class);

impl Context {
    /// The `Context` of the called class: each of the two Gateway classes has its own.
    #[inline]
    pub fn of(call: &Call<'_>) -> Option<Self> {
        let family = call.class();
        match LAST.get() {
            // A class stays loaded until the end of the request. (One that is not may be at any
            // time.)
            Some((last, context)) if last == family => Some(context),
            _ => {
                let name = match family {
                    GatewayClass::Worker => &names().context,
                    GatewayClass::Client => &names().client_context,
                };
                let context = Class::loaded(name).map(Self)?;
                LAST.set(Some((family, context)));
                Some(context)
            }
        }
    }

    /// The place of a static property.
    #[inline]
    fn slot(&self, name: &PhpString) -> Option<StaticSlot> {
        self.0.static_slot(name)
    }

    /// Whether this is the id of the current client (`===`).
    #[inline]
    pub fn is_current(&self, id: &Zval) -> bool {
        id.zend_str().is_some_and(|id| self.is_current_bytes(id.as_bytes()))
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
        let number = |name| self.slot(name).and_then(StaticSlot::long);
        Some(ClientId {
            ip: u32::try_from(number(&names().local_ip)?).ok()?,
            port: u16::try_from(number(&names().local_port)?).ok()?,
            connection: u32::try_from(number(&names().connection_id)?).ok()?,
        })
    }

    /// Sets `Context::$old_session`.
    pub fn set_old_session(&self, session: &Zval) {
        self.0.set_static_property(&names().old_session, session);
    }
}
