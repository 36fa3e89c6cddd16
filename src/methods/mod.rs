//! What each method does. Where the original calls one public method from another through `static::`, so that a subclass
//! can override it, so do these: see [`overridden`].
//!
//! | file | methods |
//! | --- | --- |
//! | [`send`] | `sendTo…` |
//! | [`close`] | `close…`, `destory…`, `destroy…` |
//! | [`process`] | binding, groups, and what concerns the process: `setBusinessWorker`, `flush`, `status` |
//! | [`session`] | sessions |
//! | [`presence`] | questions: who is online, counts, lists |

pub mod close;
pub mod presence;
pub mod process;
pub mod send;
pub mod session;

use ext_php_rs::convert::IntoZvalDyn;
use ext_php_rs::types::{ZendCallable, Zval};

use crate::call::{Call, Failure, Result};
use crate::engine::object;

/// Calls the method of this name if the called class, a subclass, overrides it; `None` where it does not. Nearly always
/// `None`, at the cost of a comparison, since most calls are on the class itself.
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
    let answer = ZendCallable::try_from_name(&name).and_then(|callable| callable.try_call(args.to_vec()));
    if object::exception_pending() {
        return Err(Failure::Thrown.into());
    }
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => Err(Failure::Exception(format!("{name} could not be called: {error}")).into()),
    }
}
