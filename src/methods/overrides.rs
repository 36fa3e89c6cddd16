//! Calls of public methods that a subclass overrides, where the original calls them through
//! `static::`.

use ext_php_rs::convert::IntoZvalDyn;
use ext_php_rs::types::{ZendCallable, Zval};

use crate::call::{Call, Failure, Result};
use crate::engine::object;

/// Calls the method of this name if the called class, a subclass, overrides it; `None` where it
/// does not. Nearly always `None`, at the cost of a comparison, since most calls are on the class
/// itself.
///
/// # Errors
/// Where the override throws.
#[inline]
pub fn overridden(call: &Call<'_>, method: &str, args: &[&dyn IntoZvalDyn]) -> Result<Option<Zval>> {
    if call.is_on_own_class() {
        return Ok(None);
    }
    call_override(call, method, args)
}

#[cold]
fn call_override(call: &Call<'_>, method: &str, args: &[&dyn IntoZvalDyn]) -> Result<Option<Zval>> {
    if !call.scope.user_method(&method.to_ascii_lowercase()) {
        return Ok(None);
    }
    let name = format!("{}::{method}", call.scope.name());
    let returned = ZendCallable::try_from_name(&name).and_then(|callable| callable.try_call(args.to_vec()));
    if object::exception_pending() {
        return Err(Failure::Thrown.into());
    }
    match returned {
        Ok(returned) => Ok(Some(returned)),
        Err(error) => Err(Failure::Exception(format!("{name} could not be called: {error}")).into()),
    }
}
