//! Lists by key in one array, such as the clients of each group.
//!
//! The rows of a reply name few keys, again and again. The list of a key is therefore remembered under the bytes that named
//! it, and the engine is asked for it only where it has not been met yet.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use ext_php_rs::ffi::{zend_hash_index_update, zend_hash_update};
use ext_php_rs::types::{ZendHashTable, Zval};
use gatewayworker_client::wire::php::value::integer_key;

use super::array::Key;
use super::{ArrayBuilder, PhpString};

/// How many lists are remembered.
const PLACES: usize = 256;
/// How many places are looked at.
const NEXT: usize = 8;

/// An array of arrays under construction, in the order in which their keys come first.
pub struct Lists {
    all: ArrayBuilder,
    known: Box<[Option<Known>; PLACES]>,
}

/// A list, and what named it.
struct Known {
    name: PhpString,
    /// An array that is an element of `all`.
    list: *mut ZendHashTable,
}

/// A string or an integer that goes into several lists: one string for all of them.
pub enum Id {
    /// Keyed by an integer; the value may be a string nevertheless.
    Int(i64, Zval),
    /// Keyed by itself.
    Str(PhpString),
}

impl Id {
    /// The id of a text. What PHP would take for an integer as a key becomes one there.
    #[inline]
    pub fn text(text: &[u8]) -> Self {
        let string = PhpString::new(text);
        match integer_key(text) {
            Some(number) => Self::Int(number, string.into_zval()),
            None => Self::Str(string),
        }
    }
}

impl Lists {
    /// No list yet.
    pub fn new() -> Self {
        Self { all: ArrayBuilder::with_capacity(32), known: Box::new([const { None }; PLACES]) }
    }

    /// Sets `all[name][id] = id`. A decimal integer in the name is an integer key, as everywhere in PHP.
    #[inline]
    pub fn set_named(&mut self, name: &[u8], id: &Id) {
        let first = place(name);
        // Where another name has the place, the next ones are for this one.
        for place in first..first + NEXT {
            match &self.known[place % PLACES] {
                Some(known) if known.name.as_bytes() == name => return set(known.list, id),
                Some(_) => {}
                None => return set(self.meet(name, place % PLACES), id),
            }
        }
        set(self.meet(name, first), id);
    }

    /// Sets `all[key][id] = id`.
    pub fn set(&mut self, key: Key<'_>, id: &Id) {
        set(self.list(key), id);
    }

    /// All lists as one zval.
    pub fn into_zval(self) -> Zval {
        self.all.into_zval()
    }

    #[cold]
    fn meet(&mut self, name: &[u8], place: usize) -> *mut ZendHashTable {
        let list = self.list(Key::from(name));
        self.known[place] = Some(Known { name: PhpString::new(name), list });
        list
    }

    fn list(&mut self, key: Key<'_>) -> *mut ZendHashTable {
        let list = self.all.list_at(key).and_then(Zval::array_mut);
        list.map_or(std::ptr::null_mut(), std::ptr::from_mut)
    }
}

/// `list[id] = id`
#[inline]
fn set(list: *mut ZendHashTable, id: &Id) {
    if list.is_null() {
        return;
    }
    // SAFETY: the list is an array of ours that an element of the array of all lists holds: it stays where it is when that
    // array grows, it is never removed nor replaced, and nobody else has got a reference to it before into_zval(), which
    // takes the array away from who could call this. It takes over the value, and adds its own reference to the key.
    unsafe {
        match id {
            Id::Int(number, value) => {
                let mut value = ManuallyDrop::new(value.shallow_clone());
                zend_hash_index_update(list, *number as u64, &raw mut *value);
            }
            Id::Str(text) => {
                let mut value = ManuallyDrop::new(text.clone().into_zval());
                zend_hash_update(list, text.as_ptr(), &raw mut *value);
            }
        }
    }
}

/// Where the list of a name is remembered: by its length and its last eight bytes, in which numbered names differ.
#[inline]
fn place(name: &[u8]) -> usize {
    let end = match name.last_chunk::<8>() {
        Some(end) => u64::from_le_bytes(*end),
        None => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(start), Some(end)) => {
                u64::from(u32::from_le_bytes(*start)) << 32 | u64::from(u32::from_le_bytes(*end))
            }
            _ => name.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        },
    };
    // Fibonacci hashing: the high bits of the product depend on all bits of the number.
    ((end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % PLACES
}
