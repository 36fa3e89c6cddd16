//! PHP arrays: built in one pass, and read.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::ffi::{
    zend_hash_get_current_data_ex, zend_hash_index_find, zend_hash_index_update, zend_hash_move_backwards_ex,
    zend_hash_next_index_insert, zend_hash_str_find, zend_hash_update,
};
use ext_php_rs::types::{ZendHashTable, Zval};

use super::key::Key;
use super::string::PhpString;
use super::{hash_table, values};

/// An array under construction.
#[derive(Debug)]
pub struct ArrayBuilder {
    array: ZBox<ZendHashTable>,
}

impl ArrayBuilder {
    /// An array with room for this many elements. A hint: an exaggerated one is cut.
    pub fn with_capacity(elements: usize) -> Self {
        Self { array: ZendHashTable::with_capacity(elements.clamp(8, 1 << 20) as u32) }
    }

    /// Appends a value under the next integer key.
    #[inline]
    pub fn push(&mut self, value: Zval) {
        let array = &raw mut *self.array;
        // SAFETY: the array is ours and live; it takes over the value, in either way.
        unsafe {
            if let Err(value) = hash_table::append(array, value) {
                let mut value = ManuallyDrop::new(value);
                zend_hash_next_index_insert(array, &raw mut *value);
            }
        }
    }

    /// Sets `array[key] = value` for an integer key.
    #[inline]
    pub fn set_int(&mut self, key: i64, value: Zval) {
        let mut value = ManuallyDrop::new(value);
        // SAFETY: as in push(); an integer key is passed as its bits.
        unsafe { zend_hash_index_update(&raw mut *self.array, key as u64, &raw mut *value) };
    }

    /// Sets `array[key] = value` for a key that PHP would not turn into an integer.
    #[inline]
    pub fn set_str(&mut self, key: &PhpString, value: Zval) {
        let mut value = ManuallyDrop::new(value);
        // SAFETY: as in push(); the array adds its own reference to the key.
        unsafe { zend_hash_update(&raw mut *self.array, key.as_ptr(), &raw mut *value) };
    }

    /// Sets `array[key] = value`.
    #[inline]
    pub fn set_key(&mut self, key: Key<'_>, value: Zval) {
        match key {
            Key::Int(key) => self.set_int(key, value),
            Key::Str(key) => self.set_str(&PhpString::new(key), value),
        }
    }

    /// `array[key]`, for a change in place: an element is never assigned to as a whole, since it holds
    /// a link of the hash's chains. [`values::replace`] leaves that alone.
    #[inline]
    pub fn get_mut(&mut self, key: Key<'_>) -> Option<&mut Zval> {
        // SAFETY: the array is ours and live; the result is null or points to one of its elements,
        // which stays where it is as long as the array is borrowed.
        unsafe {
            let found = match key {
                Key::Int(key) => zend_hash_index_find(&raw const *self.array, key as u64),
                Key::Str(key) => zend_hash_str_find(&raw const *self.array, key.as_ptr().cast(), key.len()),
            };
            found.as_mut()
        }
    }

    /// `array[key]`, which is an empty array from now on where there was nothing.
    pub fn list_at(&mut self, key: Key<'_>) -> Option<&mut Zval> {
        if self.get_mut(key).is_none() {
            self.set_key(key, Self::with_capacity(0).into_zval());
        }
        self.get_mut(key)
    }

    /// The array, to be read.
    pub fn as_table(&self) -> &ZendHashTable {
        &self.array
    }

    /// The array as a zval.
    pub fn into_zval(self) -> Zval {
        let mut zval = Zval::new();
        zval.set_hashtable(self.array);
        zval
    }

    /// Puts another value in the place of each, from the last one to the first.
    pub fn replace_each_backwards(&mut self, mut with: impl FnMut() -> Zval) {
        let array = &raw mut *self.array;
        // SAFETY: the array is ours and live; nothing is added or removed meanwhile. The functions
        // skip deleted elements and end with null.
        unsafe {
            let mut position = (*array).nNumUsed.wrapping_sub(1);
            while let Some(value) = zend_hash_get_current_data_ex(array, &raw mut position).as_mut() {
                values::replace(value, with());
                zend_hash_move_backwards_ex(array, &raw mut position);
            }
        }
    }

    /// Sets `list[key] = value` for the list in a zval that holds an array of ours.
    pub fn set_int_in(list: &mut Zval, key: i64, value: Zval) {
        if let Some(array) = list.array_mut() {
            let mut value = ManuallyDrop::new(value);
            // SAFETY: array_mut() has separated the array; it takes over the value.
            unsafe { zend_hash_index_update(std::ptr::from_mut(array), key as u64, &raw mut *value) };
        }
    }

    /// Appends a value to the list in a zval that holds an array of ours.
    pub fn push_to(list: &mut Zval, value: Zval) {
        if let Some(array) = list.array_mut() {
            let mut value = ManuallyDrop::new(value);
            // SAFETY: array_mut() has separated the array; it takes over the value.
            unsafe { zend_hash_next_index_insert(std::ptr::from_mut(array), &raw mut *value) };
        }
    }
}

/// `array[key]` for a string that may hold a decimal integer.
pub fn find<'a>(array: &'a ZendHashTable, key: &[u8]) -> Option<&'a Zval> {
    // SAFETY: the array is live while borrowed, and so is the element that is found in it.
    unsafe {
        let array: *const ZendHashTable = array;
        match Key::from(key) {
            Key::Int(key) => zend_hash_index_find(array, key as u64).as_ref(),
            Key::Str(key) => zend_hash_str_find(array, key.as_ptr().cast(), key.len()).as_ref(),
        }
    }
}

/// The elements of an array in order: each key and value.
#[inline]
pub fn entries(array: &ZendHashTable) -> impl Iterator<Item = (Key<'_>, &Zval)> {
    let mut place = 0;
    // SAFETY: the array is live while borrowed, and so are its elements.
    std::iter::from_fn(move || unsafe { hash_table::next(array, &mut place) })
}
