//! The static properties of the called class, with the semantics of `static::`: a subclass that
//! declares one anew has its own, one that does not shares its parent's.
//!
//! Looking a static property up costs several times what reading it does, so the places of those of
//! the class that was called last are kept. They are valid for one request; [`forget`] lets go of
//! them at its end.

use std::cell::Cell;

use crate::call::Call;
use crate::engine::names::names;
use crate::engine::object::{Class, StaticSlot};

/// Where the static properties of a class are.
#[derive(Clone, Copy, Debug)]
pub struct Statics {
    class: Class,
    /// `$businessWorker`
    pub business_worker: Option<StaticSlot>,
    /// `$registerAddress`
    pub register_address: Option<StaticSlot>,
    /// `$secretKey`
    pub secret_key: Option<StaticSlot>,
    /// `$connectTimeout`
    pub connect_timeout: Option<StaticSlot>,
    /// `$addressesCacheDisable`
    pub addresses_cache_disable: Option<StaticSlot>,
}

thread_local! {
    static LAST: Cell<Option<Statics>> = const { Cell::new(None) };
}

/// Lets go of what belongs to the request.
pub fn forget() {
    LAST.set(None);
}

impl Statics {
    /// Those of the called class.
    #[inline]
    pub fn of(call: &Call<'_>) -> Self {
        match LAST.get() {
            Some(last) if last.class == call.scope => last,
            _ => Self::look_up(call.scope),
        }
    }

    /// The same, as if `$businessWorker` were null.
    pub fn without_worker(self) -> Self {
        Self { business_worker: None, ..self }
    }

    #[cold]
    fn look_up(class: Class) -> Self {
        let names = names();
        let statics = Self {
            class,
            business_worker: class.static_slot(&names.business_worker),
            register_address: class.static_slot(&names.register_address),
            secret_key: class.static_slot(&names.secret_key),
            connect_timeout: class.static_slot(&names.connect_timeout),
            addresses_cache_disable: class.static_slot(&names.addresses_cache_disable),
        };
        LAST.set(Some(statics));
        statics
    }
}
