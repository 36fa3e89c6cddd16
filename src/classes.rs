//! The two classes: which of them a method belongs to, and the settings in their static properties.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::ffi::zend_class_entry;

use crate::engine::PhpString;
use crate::engine::class::{self, ClassSpec};
use crate::engine::names::names;
use crate::engine::object::Class;
use crate::settings;

/// Which of the two classes a method belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayClass {
    /// `GatewayWorker\Lib\Gateway`
    Worker,
    /// `GatewayClient\Gateway`
    Client,
}

/// The registered classes, in the order of [`GatewayClass`].
static REGISTERED: [AtomicPtr<zend_class_entry>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];

fn place(class: GatewayClass) -> &'static AtomicPtr<zend_class_entry> {
    &REGISTERED[class as usize]
}

/// Registers a class. Only while the module starts.
pub fn register(class: GatewayClass, spec: &'static ClassSpec) {
    place(class).store(class::register(spec), Ordering::Relaxed);
}

/// Which of the classes declares a method, by the scope of the method.
#[inline]
pub fn of(scope: *mut zend_class_entry) -> GatewayClass {
    // GatewayWorker\Lib\Gateway is registered first and always: everything else belongs to it.
    if place(GatewayClass::Client).load(Ordering::Relaxed) == scope {
        GatewayClass::Client
    } else {
        GatewayClass::Worker
    }
}

/// At the start of a request: updates the static properties that hold settings, where a setting has
/// changed since the properties were declared. A php-fpm pool, for example, sets its own values
/// after the classes have been registered.
pub fn start_request() {
    let Some(changed) = settings::changed_defaults() else { return };
    let values =
        [(&names().register_address, changed.register_address), (&names().secret_key, changed.secret_key)];
    for class in REGISTERED.iter().filter_map(|place| Class::new(place.load(Ordering::Relaxed))) {
        for (name, value) in &values {
            class.set_static_property(name, &PhpString::new(value.as_bytes()).into_zval());
        }
    }
}
