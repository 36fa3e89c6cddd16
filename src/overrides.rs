//! What a subclass overrides. The original calls its own methods through `static::`, and so do we where
//! that makes a difference: see [`overridden`] for public methods and [`Overrides`] for protected ones.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ext_php_rs::types::Zval;

use crate::call::{Call, Result};
use crate::engine::object::Class;

/// Calls the method of this name if the called class, a subclass, overrides it; `None` where it
/// does not. Nearly always `None`, at the cost of a comparison, since most calls are on the class
/// itself.
///
/// # Errors
/// Where the override throws.
#[inline]
pub fn overridden(call: &Call<'_>, method: &str, arguments: &[&Zval]) -> Result<Option<Zval>> {
    if call.is_on_own_class() {
        return Ok(None);
    }
    call_override(call, method, arguments)
}

#[cold]
fn call_override(call: &Call<'_>, method: &str, arguments: &[&Zval]) -> Result<Option<Zval>> {
    if !call.scope.user_method(&method.to_ascii_lowercase()) {
        return Ok(None);
    }
    let arguments: Vec<Zval> = arguments.iter().map(|value| value.shallow_clone()).collect();
    call.call_static(method, &arguments).map(Some)
}

/// Which protected methods a class overrides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Those that sends go through.
    pub sends: bool,
    /// Those that say which gateways are queried.
    pub addresses: bool,
}

/// Protected methods that sends go through.
const SENDS: [&str; 8] = [
    "sendToGateway",
    "sendBufferToGateway",
    "sendToAllGateway",
    "sendCmdAndMessageToClient",
    "kickAddress",
    "destroyAddress",
    "clientIdArrayToAddressArray",
    "getAllGatewayAddressesFromRegister",
];

/// Protected methods that say which gateways are queried.
const ADDRESSES: [&str; 2] = ["getAllGatewayAddress", "getAllGatewayAddressesFromRegister"];

/// Protected methods that nothing goes through: queries are sent and read natively.
const UNUSED: [&str; 8] = [
    "select",
    "generateAuthBuffer",
    "getBufferFromSomeGateway",
    "getBufferFromAllGateway",
    "getBufferFromGateway",
    "formatClientIdFromGatewayBuffer",
    "sendAndRecv",
    "getGatewayConnection",
];

thread_local! {
    /// The subclass that was looked at last.
    static LAST: Cell<Option<(Class, Overrides)>> = const { Cell::new(None) };
}

/// The subclasses that the log was told about.
static TOLD: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Lets go of what belongs to the request.
pub fn forget() {
    LAST.set(None);
}

impl Overrides {
    /// Those of the called class. A comparison where that is the class itself.
    #[inline]
    pub fn of(call: &Call<'_>) -> Self {
        if call.is_on_own_class() { Self::default() } else { Self::of_subclass(call) }
    }

    #[cold]
    fn of_subclass(call: &Call<'_>) -> Self {
        if let Some((class, overrides)) = LAST.get()
            && class == call.scope
        {
            return overrides;
        }
        let is_overridden = |method: &&str| call.scope.user_method(&method.to_ascii_lowercase());
        let overrides =
            Self { sends: SENDS.iter().any(&is_overridden), addresses: ADDRESSES.iter().any(&is_overridden) };
        LAST.set(Some((call.scope, overrides)));
        let unused: Vec<&str> = UNUSED.into_iter().filter(is_overridden).collect();
        if !unused.is_empty() {
            tell(call, &unused);
        }
        overrides
    }
}

/// Tells the log once for each class.
fn tell(call: &Call<'_>, unused: &[&str]) {
    let class = call.scope.name();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.get_or_insert_default().insert(class.clone()) {
        drop(told);
        let methods = unused.join("(), ");
        call.complain(
            "does not use an override",
            &format!("{class} overrides {methods}(), which queries of the extension do not go through"),
        );
    }
}
