//! A class that is loaded on demand as the alias of another one.

#![allow(unsafe_code)]

use std::sync::OnceLock;

use ext_php_rs::ffi::{
    zend_autoload, zend_class_entry, zend_lookup_class_ex, zend_register_class_alias_ex, zend_string,
};

use super::object;
use super::string::PhpString;

type Autoload =
    unsafe extern "C" fn(name: *mut zend_string, lower_name: *mut zend_string) -> *mut zend_class_entry;

/// The alias, in lower case, and the class that it stands for.
const ALIAS: &[u8] = b"protocols\\gatewayprotocol";
const CLASS: &[u8] = b"GatewayWorker\\Protocols\\GatewayProtocol";

/// The engine's own function, which runs the autoloaders of PHP code.
static ENGINE: OnceLock<Option<Autoload>> = OnceLock::new();

/// The file of the original class makes `Protocols\GatewayProtocol` an alias of
/// `GatewayWorker\Protocols\GatewayProtocol`. Nobody loads that file here, so the alias is made when
/// it is wanted and no autoloader knows it. Only while the module starts.
pub fn start() {
    // SAFETY: the module starts on one thread, and the engine calls the function through this pointer
    // only when PHP code runs.
    unsafe {
        ENGINE.get_or_init(|| zend_autoload);
        zend_autoload = Some(autoload);
    }
}

/// Puts the engine's own function back. Only while the module ends.
pub fn stop() {
    if let Some(engine) = ENGINE.get() {
        // SAFETY: no PHP code runs any more. Another extension that has put its own function in front
        // calls ours until the process ends, for which the library stays mapped.
        unsafe {
            let ours: Autoload = autoload;
            if zend_autoload.is_some_and(|function| std::ptr::fn_addr_eq(function, ours)) {
                zend_autoload = *engine;
            }
        }
    }
}

/// # Safety
/// The engine calls it, with live strings.
unsafe extern "C" fn autoload(name: *mut zend_string, lower_name: *mut zend_string) -> *mut zend_class_entry {
    // SAFETY: as promised by the caller, and as the engine itself would call it.
    unsafe {
        let class = match ENGINE.get() {
            Some(Some(engine)) => engine(name, lower_name),
            _ => std::ptr::null_mut(),
        };
        let is_alias = (*lower_name).len == ALIAS.len()
            && std::slice::from_raw_parts((*lower_name).val.as_ptr().cast::<u8>(), ALIAS.len()) == ALIAS;
        if !class.is_null() || !is_alias || object::exception_pending() {
            return class;
        }
        // It may be autoloaded in turn.
        let class = zend_lookup_class_ex(PhpString::new(CLASS).as_ptr(), std::ptr::null_mut(), 0);
        if !class.is_null() {
            zend_register_class_alias_ex((*name).val.as_ptr(), (*name).len, class, false);
        }
        class
    }
}
