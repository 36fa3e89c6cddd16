//! Arrays that are filled and read in place: the lists of tens of thousands of clients, and
//! sessions.
//!
//! For each element the engine's own functions are called, look at the form of the array and at the
//! key, and compute the key's hash in a call of its own. Here the form is known and the hash comes
//! with the key, so that an element costs little more than its memory. Whatever is unusual (no room
//! left) goes to the engine's functions still.
//!
//! The layout is that of `zend_types.h`. A hash is the same in PHP 8.1 to 8.5: the elements lie in
//! the order in which they came, and before them, from the end backwards, a table of the first
//! element for each hash; elements of the same place are chained. Of a packed array, whose keys are
//! 0, 1, 2 and so on, the elements are values alone since PHP 8.2.

#![allow(unsafe_code)]

use std::mem::{ManuallyDrop, offset_of, size_of};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::ffi::{
    Bucket, HashTable, IS_UNDEF, ZEND_MODULE_API_NO, zend_array_dup, zend_hash_extend,
    zend_hash_index_update, zend_hash_real_init_mixed, zend_hash_update, zend_string,
};
use ext_php_rs::types::{ZendHashTable, Zval};
use gatewayworker_client::wire::php::value::integer_key;

use super::key::Key;
use super::string::PhpString;
use super::values;

/// `HT_INVALID_IDX`: the end of a chain.
const END: u32 = u32::MAX;
/// `HASH_FLAG_STATIC_KEYS`: no key is counted.
const STATIC_KEYS: u32 = 1 << 4;
/// `HASH_FLAG_PACKED`: the keys are 0, 1, 2 and so on.
const PACKED: u32 = 1 << 2;
/// Whether the elements of a packed array are values alone.
const PACKED_WITHOUT_KEYS: bool = ZEND_MODULE_API_NO >= 20_220_829;
/// More room than this is not made on a reply's word.
const MOST_ROOM: usize = 1 << 18;

/// Where the pointer to the elements lies in a `zend_array`: it has another name in each version,
/// but the same neighbours.
const ELEMENTS: usize = 16;
const _: () = assert!(
    offset_of!(HashTable, nTableMask) == ELEMENTS - 4
        && offset_of!(HashTable, nNumUsed) == ELEMENTS + 8
        && size_of::<Bucket>() == 32
        && size_of::<usize>() == 8
);

/// A hash under construction.
#[derive(Debug)]
pub struct HashBuilder {
    table: ZBox<ZendHashTable>,
}

impl HashBuilder {
    /// A hash with room for this many elements. A hint: an exaggerated one is cut.
    pub fn with_room(elements: usize) -> Self {
        let mut table = ZendHashTable::with_capacity(elements.clamp(8, MOST_ROOM) as u32);
        // SAFETY: the table is new: it is initialised here, once. Its keys will be counted strings.
        unsafe {
            zend_hash_real_init_mixed(&raw mut *table);
            table.u.flags &= !STATIC_KEYS;
        }
        Self { table }
    }

    /// Makes room for this many elements in all. A hint, as in [`HashBuilder::with_room`].
    pub fn reserve(&mut self, elements: usize) {
        let wanted = elements.min(MOST_ROOM) as u32;
        if wanted > self.table.nTableSize {
            // SAFETY: the table is ours and live, and a hash since it was made.
            unsafe { zend_hash_extend(&raw mut *self.table, wanted, false) };
        }
    }

    /// Sets `hash[text] = text`, with one string for both. What PHP takes for an integer as a key
    /// becomes one.
    #[inline]
    pub fn set_same(&mut self, text: &[u8]) {
        match integer_key(text) {
            Some(number) => self.set_int(number, PhpString::new(text).into_zval()),
            None => {
                let string = PhpString::hashed(text);
                let value = string.clone().into_zval();
                self.set_str(string, value);
            }
        }
    }

    /// Sets `hash[key] = value` for a key that PHP would not turn into an integer.
    #[inline]
    pub fn set_str(&mut self, key: PhpString, value: Zval) {
        self.set_hashed(key.hash(), key, value);
    }

    /// As [`HashBuilder::set_str`], with the key's hash, so that the key need not be looked at.
    #[inline]
    pub fn set_hashed(&mut self, hash: u64, key: PhpString, value: Zval) {
        let is_key = |other: *mut zend_string| {
            // SAFETY: the key of an element is null or a live string.
            other == key.as_ptr() || unsafe { PhpString::bytes_at(other) } == Some(key.as_bytes())
        };
        match self.set(hash, key.as_ptr(), is_key, value) {
            // The key is the new element's.
            Ok(true) => {
                let _ = key.into_raw();
            }
            Ok(false) => {}
            Err(value) => {
                let mut value = ManuallyDrop::new(value);
                // SAFETY: the table is ours and live; it takes over the value, and adds its own
                // reference to the key.
                unsafe { zend_hash_update(&raw mut *self.table, key.as_ptr(), &raw mut *value) };
            }
        }
    }

    /// Sets `hash[key] = value` for an integer key.
    #[inline]
    pub fn set_int(&mut self, key: i64, value: Zval) {
        match self.set(key as u64, std::ptr::null_mut(), |other| other.is_null(), value) {
            Ok(_) => {
                let next = &mut self.table.nNextFreeElement;
                *next = (*next).max(key.saturating_add(1));
            }
            Err(value) => {
                let mut value = ManuallyDrop::new(value);
                // SAFETY: as in set_hashed(); an integer key is passed as its bits.
                unsafe { zend_hash_index_update(&raw mut *self.table, key as u64, &raw mut *value) };
            }
        }
    }

    /// Sets the value of the element with this hash and key. True: the element is new, and has
    /// taken over the key. The value comes back where there is no room for a new one.
    #[inline(always)]
    fn set(
        &mut self,
        hash: u64,
        key: *mut zend_string,
        is_key: impl Fn(*mut zend_string) -> bool,
        value: Zval,
    ) -> Result<bool, Zval> {
        let table: *mut HashTable = &raw mut *self.table;
        // SAFETY: the table is ours, live, and an initialised hash, so that `nTableSize` elements
        // have room, the first `nNumUsed` of them are set (none is ever deleted), and the table
        // before them has a place for every value of a hash combined with the mask, which is
        // negative. Chains end with END, and lead to elements that are set.
        unsafe {
            let elements = elements(table);
            let first = elements.cast::<u32>().offset((hash as u32 | (*table).nTableMask) as i32 as isize);
            let mut index = *first;
            while index != END {
                let element = elements.add(index as usize);
                if (*element).h == hash && is_key((*element).key) {
                    drop(values::replace(&mut (*element).val, value));
                    return Ok(false);
                }
                index = (*element).val.u2.next;
            }
            let used = (*table).nNumUsed;
            if used >= (*table).nTableSize {
                return Err(value);
            }
            let element = elements.add(used as usize);
            values::place(&raw mut (*element).val, value);
            (*element).val.u2.next = *first;
            (*element).h = hash;
            (*element).key = key;
            *first = used;
            (*table).nNumUsed = used + 1;
            (*table).nNumOfElements += 1;
        }
        Ok(true)
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The hash as a zval.
    pub fn into_zval(self) -> Zval {
        let mut zval = Zval::new();
        zval.set_hashtable(self.table);
        zval
    }
}

/// A hash whose copies have the same string keys, and values of their own.
#[derive(Debug)]
pub struct Template {
    table: ZBox<ZendHashTable>,
}

impl Template {
    /// With these keys, none of which comes twice or is one that PHP would turn into an integer.
    pub fn new(keys: Vec<PhpString>) -> Self {
        let mut hash = HashBuilder::with_room(keys.len());
        for key in keys {
            hash.set_str(key, Zval::new());
        }
        Self { table: hash.table }
    }

    /// A copy, with null under every key.
    #[inline]
    pub fn copy(&self) -> TemplateCopy {
        // SAFETY: the template is a live hash, which is read only. The engine never returns null.
        let table = unsafe { ZBox::from_raw(zend_array_dup(std::ptr::from_ref(&*self.table).cast_mut())) };
        TemplateCopy { table }
    }
}

/// A copy of a [`Template`] under construction.
#[derive(Debug)]
pub struct TemplateCopy {
    table: ZBox<ZendHashTable>,
}

impl TemplateCopy {
    /// Puts a value under the key at this place, in the place of null.
    ///
    /// # Panics
    /// Where there is no such place.
    #[inline]
    pub fn set(&mut self, place: usize, value: Zval) {
        assert!(place < self.table.nNumUsed as usize, "a template has no place {place}");
        // SAFETY: the table is ours and a hash, of which the first `nNumUsed` elements are set.
        drop(unsafe { values::replace(&mut (*elements(&raw mut *self.table).add(place)).val, value) });
    }

    /// The hash as a zval.
    pub fn into_zval(self) -> Zval {
        let mut zval = Zval::new();
        zval.set_hashtable(self.table);
        zval
    }
}

/// Appends a value to a packed array that has room. It comes back where it is another array, or has
/// none.
///
/// # Safety
/// The array is live, and nobody else has a reference to it.
#[inline]
pub(super) unsafe fn append(array: *mut HashTable, value: Zval) -> Result<(), Zval> {
    // SAFETY: as promised by the caller. Behind the first `nNumUsed` elements, which are set, there
    // is room for up to `nTableSize`. Where the next key is that number, none of them is missing at
    // the end.
    unsafe {
        let used = (*array).nNumUsed;
        let fits = PACKED_WITHOUT_KEYS
            && (*array).u.flags & PACKED != 0
            && used < (*array).nTableSize
            && (*array).nNextFreeElement == i64::from(used);
        if !fits {
            return Err(value);
        }
        values::place(elements(array).cast::<Zval>().add(used as usize), value);
        (*array).nNumUsed = used + 1;
        (*array).nNumOfElements += 1;
        (*array).nNextFreeElement = i64::from(used) + 1;
        Ok(())
    }
}

/// The first element of any array from this place on, which is left behind it; `None` behind the
/// last one. Deleted ones are passed over: of these nothing but their type may be looked at.
///
/// # Safety
/// The array is live, and stays so while the result is used.
#[inline]
pub(super) unsafe fn next<'a>(array: *const HashTable, place: &mut u32) -> Option<(Key<'a>, &'a Zval)> {
    // SAFETY: as promised by the caller. The first `nNumUsed` elements are there, each with a type;
    // where that is not undefined, with a value, and with a key or without one.
    unsafe {
        let elements = elements(array.cast_mut());
        let packed = PACKED_WITHOUT_KEYS && (*array).u.flags & PACKED != 0;
        while *place < (*array).nNumUsed {
            let index = *place as usize;
            *place += 1;
            let value =
                if packed { elements.cast::<Zval>().add(index) } else { &raw mut (*elements.add(index)).val };
            if (*value).u1.v.type_ == IS_UNDEF as u8 {
                continue;
            }
            let key = if packed {
                Key::Int(index as i64)
            } else {
                let element = elements.add(index);
                PhpString::bytes_at((*element).key).map_or(Key::Int((*element).h as i64), Key::Str)
            };
            return Some((key, &*value));
        }
    }
    None
}

/// The elements of a hash.
///
/// # Safety
/// The table is live and an initialised hash.
#[inline(always)]
unsafe fn elements(table: *mut HashTable) -> *mut Bucket {
    // SAFETY: the pointer is there, see ELEMENTS.
    unsafe { table.cast::<*mut Bucket>().byte_add(ELEMENTS).read() }
}
