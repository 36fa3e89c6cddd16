//! `serialize`, `unserialize` and `json_encode`: those of the engine, and what is plain without it.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::mem::ManuallyDrop;

use ext_php_rs::ffi::{php_var_serialize, php_var_serialize_destroy, php_var_serialize_init, zend_string};
use ext_php_rs::types::{ZendHashTable, Zval};
use gatewayworker_client::wire::php::writer;

use super::array::entries;
use super::key::Key;
use super::object;
use super::string::PhpString;

/// The engine's growing string (`smart_str`).
#[repr(C)]
struct SmartString {
    string: *mut zend_string,
    allocated: usize,
}

// Not in the headers that ext-php-rs reads. SAFETY: as ext/json/php_json.h, ext/standard/php_var.h
// and ext/standard/php_array.h of PHP 8.1 to 8.4 declare them: a smart_str is a pointer and a
// size_t, zend_long is i64 on the 64-bit platforms that are supported, and the second of them
// returns nothing.
unsafe extern "C" {
    fn php_json_encode_ex(to: *mut SmartString, value: *mut Zval, options: c_int, depth: i64) -> c_int;
    fn php_unserialize_with_options(
        value: *mut Zval,
        bytes: *const c_char,
        len: usize,
        options: *mut ZendHashTable,
        function: *const c_char,
    );
    fn php_array_replace_recursive(to: *mut ZendHashTable, from: *mut ZendHashTable) -> c_int;
}

thread_local! {
    /// Where plain values are written. Without a destructor: PHP code may call us when those of a
    /// thread have run.
    static SCRATCH: ManuallyDrop<Cell<Vec<u8>>> = const { ManuallyDrop::new(Cell::new(Vec::new())) };
}
/// What is longer goes to the engine, which has it in memory of the request.
const PLAIN_LENGTH: usize = 64 << 10;
/// What nests deeper goes to the engine.
const PLAIN_DEPTH: usize = 32;

/// The default depth of `json_encode`.
const JSON_DEPTH: i64 = 512;

impl SmartString {
    const EMPTY: Self = Self { string: std::ptr::null_mut(), allocated: 0 };

    /// The string, with the length that the engine keeps up to date.
    fn finish(self) -> Option<PhpString> {
        // SAFETY: null, or a string of which we own the only reference; the engine has kept room
        // for the zero byte at its end, which smart_str_0() would write.
        unsafe {
            if let Some(string) = self.string.as_mut() {
                *string.val.as_mut_ptr().add(string.len) = 0;
            }
            PhpString::from_owned(self.string)
        }
    }
}

/// Serialized bytes.
pub enum Serialized {
    /// Of a plain value, in the buffer that this thread has for it.
    Plain(Scratch),
    /// Of any other.
    Engine(PhpString),
}

impl Serialized {
    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Plain(scratch) => &scratch.0,
            Self::Engine(text) => text.as_bytes(),
        }
    }

    /// The bytes as a string.
    pub fn into_string(self) -> PhpString {
        match self {
            Self::Plain(scratch) => {
                let text = std::ptr::from_ref(scratch.0.as_slice());
                // Given back before the engine makes a string of it: where memory runs out it jumps
                // out of here.
                drop(scratch);
                // SAFETY: the bytes are on the heap, where they stay when the buffer is moved, and
                // nobody else takes it meanwhile.
                PhpString::new(unsafe { &*text })
            }
            Self::Engine(text) => text,
        }
    }
}

/// The buffer of this thread, which gets it back when this is dropped. Nobody holds it while PHP
/// code runs: the engine may jump out of the call then, and the buffer would be lost to the
/// process.
pub struct Scratch(Vec<u8>);

impl Scratch {
    fn take() -> Self {
        let mut bytes = SCRATCH.with(|scratch| scratch.take());
        bytes.clear();
        Self(bytes)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.with(|scratch| scratch.set(std::mem::take(&mut self.0)));
    }
}

/// `serialize($value)`; `None` where that threw an exception.
pub fn serialize(value: &Zval) -> Option<Serialized> {
    let mut scratch = Scratch::take();
    if write_plain(&mut scratch.0, value, 0) {
        return Some(Serialized::Plain(scratch));
    }
    drop(scratch);
    serialize_by_engine(value).map(Serialized::Engine)
}

/// Writes what has neither objects nor references nor floats in it. False: something else, and what
/// was written is of no use.
fn write_plain(to: &mut Vec<u8>, value: &Zval, depth: usize) -> bool {
    // The functions below look through a reference, but it has a form of its own.
    if value.is_reference() || to.len() > PLAIN_LENGTH {
        return false;
    }
    if let Some(number) = value.long() {
        writer::write_int(to, number);
    } else if let Some(text) = PhpString::borrow(value) {
        if text.as_bytes().len() > PLAIN_LENGTH {
            return false;
        }
        writer::write_string(to, text.as_bytes());
    } else if value.is_null() {
        writer::write_null(to);
    } else if value.is_bool() {
        writer::write_bool(to, value.is_true());
    } else if let (Some(array), true) = (value.array(), depth < PLAIN_DEPTH) {
        writer::write_array_start(to, array.len());
        for (key, value) in entries(array) {
            match key {
                Key::Int(key) => writer::write_int(to, key),
                Key::Str(key) => writer::write_string(to, key),
            }
            if !write_plain(to, value, depth + 1) {
                return false;
            }
        }
        writer::write_array_end(to);
    } else {
        return false;
    }
    true
}

fn serialize_by_engine(value: &Zval) -> Option<PhpString> {
    let mut to = SmartString::EMPTY;
    // SAFETY: init/destroy enclose the call, which does not change the value (objects may run their
    // own code).
    unsafe {
        let mut data = php_var_serialize_init();
        php_var_serialize((&raw mut to).cast(), std::ptr::from_ref(value).cast_mut(), &raw mut data);
        php_var_serialize_destroy(data);
    }
    let string = to.finish();
    if object::exception_pending() { None } else { string }
}

/// `unserialize($bytes)`; false, with PHP's notice, where they are not serialized data.
pub fn unserialize(bytes: &[u8]) -> Zval {
    let mut value = Zval::new();
    // SAFETY: the slice is live; null options are the defaults; the name is a static C string.
    unsafe {
        php_unserialize_with_options(
            &raw mut value,
            bytes.as_ptr().cast(),
            bytes.len(),
            std::ptr::null_mut(),
            c"unserialize".as_ptr(),
        );
    }
    value
}

/// `json_encode($value)`; `None` where it fails (invalid UTF-8, for one) or where it threw an
/// exception.
pub fn json_encode(value: &Zval) -> Option<PhpString> {
    let mut to = SmartString::EMPTY;
    // SAFETY: the call does not change the value (objects may run their own code); `to` has
    // smart_str's layout.
    let result =
        unsafe { php_json_encode_ex(&raw mut to, std::ptr::from_ref(value).cast_mut(), 0, JSON_DEPTH) };
    let string = to.finish();
    if result == 0 && !object::exception_pending() { string } else { None }
}

/// `array_replace_recursive($base, $replacements)`.
pub fn replace_recursive(base: &ZendHashTable, replacements: &ZendHashTable) -> Zval {
    let mut merged = Zval::new();
    merged.set_hashtable(base.to_owned());
    if let Some(array) = merged.array_mut() {
        // SAFETY: the first array is a fresh copy of ours, the second is only read.
        unsafe { php_array_replace_recursive(array, std::ptr::from_ref(replacements).cast_mut()) };
    }
    merged
}
