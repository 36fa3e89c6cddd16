//! Zvals: read the way PHP's own code does, and put into places that are somebody else's.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use ext_php_rs::ffi::{
    IS_ARRAY, convert_to_array, zend_empty_array, zend_zval_type_name, zval_get_double_func,
    zval_try_get_string_func,
};
use ext_php_rs::types::Zval;

use super::string::PhpString;

/// Moves a value to a place: its bytes and its type, and not `u2`, which belongs to the place. In
/// an element of a hash `u2` is the way to the next element of the chain: whoever copies a whole
/// zval there cuts the chain, and elements are lost.
///
/// Part by part is also faster. A value that has been put together just now is either in registers
/// still, or was written by parts of other sizes than a copy of the whole would read, which would
/// have to wait until they are there.
///
/// # Safety
/// The place is live or to be initialised, and nobody else uses it. What is there is overwritten,
/// and not let go of.
#[inline(always)]
pub unsafe fn place(to: *mut Zval, value: Zval) {
    let value = ManuallyDrop::new(value);
    // SAFETY: as promised by the caller; whatever the value is, it has these eight bytes, and its
    // type says what they are.
    unsafe {
        (*to).value.lval = value.value.lval;
        (*to).u1.type_info = value.u1.type_info;
    }
}

/// Puts a value in the place of another one, as [`place`] does it. The old value is returned: PHP
/// code may run when it is dropped.
#[inline(always)]
pub fn replace(to: &mut Zval, value: Zval) -> Zval {
    let mut before = Zval::new();
    // SAFETY: `to` is live and ours. Its value moves to the result.
    unsafe {
        before.value.lval = to.value.lval;
        before.u1.type_info = to.u1.type_info;
        place(to, value);
    }
    before
}

/// An empty array, the engine's own.
pub fn empty_array() -> Zval {
    let mut value = Zval::new();
    value.value.arr = (&raw const zend_empty_array).cast_mut();
    value.u1.type_info = IS_ARRAY;
    value
}

/// `(array) $value`: null is empty, a scalar stands alone, an object gives its properties.
pub fn to_array(value: &Zval) -> Zval {
    let mut value = value.shallow_clone();
    // SAFETY: the value is a copy of ours, which the engine puts the array into.
    unsafe { convert_to_array(&raw mut value) };
    value
}

/// How the binding reads a value.
pub trait Zv {
    /// The value behind a reference.
    fn deref_php(&self) -> &Zval;
    /// PHP's truth.
    fn truthy(&self) -> bool;
    /// PHP's `empty()`.
    fn empty(&self) -> bool {
        !self.truthy()
    }
    /// The value converted to a string as PHP does it; `None` where that threw an exception.
    fn to_php_string(&self) -> Option<PhpString>;
    /// Whether PHP can convert it to a string: not arrays, resources, and objects without
    /// `__toString`.
    fn has_string_form(&self) -> bool;
    /// The value converted to a float.
    fn to_f64(&self) -> f64;
    /// Int, float, string or bool.
    fn is_php_scalar(&self) -> bool;
    /// As error messages name the type.
    fn type_name(&self) -> String;
    /// Whether both are null, or the very same string or array; without looking into them.
    fn is_very_same(&self, other: &Zval) -> bool;
}

impl Zv for Zval {
    #[inline]
    fn deref_php(&self) -> &Zval {
        self.dereference()
    }

    #[inline]
    fn truthy(&self) -> bool {
        if self.is_null() || self.is_false() {
            return false;
        }
        if self.is_true() {
            return true;
        }
        self.coerce_to_bool()
    }

    #[inline]
    fn to_php_string(&self) -> Option<PhpString> {
        if let Some(string) = PhpString::of(self) {
            return Some(string);
        }
        // SAFETY: the engine does not change the value; the result is null or a reference that we
        // own.
        unsafe { PhpString::from_owned(zval_try_get_string_func(std::ptr::from_ref(self).cast_mut())) }
    }

    fn has_string_form(&self) -> bool {
        match self.object() {
            // SAFETY: a live object has a class.
            Some(object) => unsafe { !(*object.ce).__tostring.is_null() },
            None => !self.is_array() && !self.is_resource(),
        }
    }

    fn to_f64(&self) -> f64 {
        if let Some(value) = self.long() {
            return value as f64;
        }
        // SAFETY: the engine does not change the value.
        unsafe { zval_get_double_func(std::ptr::from_ref(self).cast_mut()) }
    }

    #[inline]
    fn is_php_scalar(&self) -> bool {
        self.is_string() || self.is_long() || self.is_double() || self.is_bool()
    }

    fn type_name(&self) -> String {
        if let Some(object) = self.object() {
            return object.get_class_name().unwrap_or_else(|_| "object".into());
        }
        // SAFETY: the engine returns a static C string, or null for a type that it does not know.
        let name = unsafe {
            let name = zend_zval_type_name(std::ptr::from_ref(self));
            if name.is_null() { c"mixed" } else { std::ffi::CStr::from_ptr(name) }
        };
        name.to_string_lossy().into_owned()
    }

    #[inline]
    fn is_very_same(&self, other: &Zval) -> bool {
        // SAFETY: the type is always set, and says which member of the union is.
        unsafe {
            self.u1.v.type_ == other.u1.v.type_
                && (self.is_null()
                    || ((self.is_string() || self.is_array()) && self.value.ptr == other.value.ptr))
        }
    }
}
