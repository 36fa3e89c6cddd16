//! PHP strings of any bytes, with their reference count.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::NonNull;

use ext_php_rs::alloc::emalloc;
use ext_php_rs::ffi::{
    IS_INTERNED_STRING_EX, IS_STRING, IS_STRING_EX, ext_php_rs_zend_string_init,
    ext_php_rs_zend_string_release, zend_string, zend_string_hash_func, zend_string_init_interned,
};
use ext_php_rs::types::Zval;

/// `IS_STR_INTERNED`: such strings are not counted.
const INTERNED: u32 = 1 << 6;
/// `GC_STRING`: a string that is counted, and of no interest to the collector of cycles.
const COUNTED: u32 = IS_STRING | 1 << 4;
/// Where a string's bytes begin.
const BYTES: usize = offset_of!(zend_string, val);

/// One reference to a PHP string.
#[derive(Debug)]
#[repr(transparent)]
pub struct PhpString(NonNull<zend_string>);

impl PhpString {
    /// A new string.
    #[inline]
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() < 2 {
            return Self::known(bytes);
        }
        let string = Self::allocate(bytes.len());
        // SAFETY: the memory is large enough for the bytes and the zero byte.
        unsafe {
            let to = string.0.as_ptr().byte_add(BYTES).cast::<u8>();
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            to.add(bytes.len()).write(0);
        }
        string
    }

    /// One of the strings of up to one byte, which the engine has already.
    fn known(bytes: &[u8]) -> Self {
        // SAFETY: the pointer and the length are those of a live slice; the function never answers null.
        unsafe {
            let string = ext_php_rs_zend_string_init(bytes.as_ptr().cast(), bytes.len(), false);
            Self(NonNull::new_unchecked(string))
        }
    }

    /// A string of this length whose bytes, and the zero byte behind them, are still to be written.
    #[inline(always)]
    fn allocate(len: usize) -> Self {
        // A multiple of eight, as the engine has it. A slice is never so long that this could overflow.
        let size = (BYTES + len + 8) & !7;
        // SAFETY: the size is not zero, and the alignment a power of two that the engine's allocator keeps. The engine never
        // answers null: where memory runs out it ends the request inside. The memory is large enough for the head.
        unsafe {
            let string: *mut zend_string = emalloc(Layout::from_size_align_unchecked(size, 8)).cast();
            (*string).gc.refcount = 1;
            (*string).gc.u.type_info = COUNTED;
            (*string).h = 0;
            (*string).len = len;
            Self(NonNull::new_unchecked(string))
        }
    }

    /// A new string that knows its hash, for a key: the bytes are copied and hashed in one pass.
    #[inline]
    pub fn hashed(bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let new = Self::allocate(bytes.len());
        let string = new.0.as_ptr();
        // SAFETY: the memory is large enough for the bytes and the zero byte, and the bytes begin at a multiple of eight.
        unsafe {
            let mut to = string.byte_add(BYTES).cast::<u8>();
            let (mut hash, mut seen) = (START, 0);
            for word in words {
                to.cast::<[u8; 8]>().write(*word);
                to = to.add(8);
                hash = hash_word(hash, *word);
                seen |= u64::from_ne_bytes(*word);
            }
            for byte in rest {
                to.write(*byte);
                to = to.add(1);
                hash = hash.wrapping_mul(33).wrapping_add(u64::from(*byte));
                seen |= u64::from(*byte);
            }
            to.write(0);
            (*string).h = hash | KNOWN;
            if seen & NOT_ASCII != 0 {
                // Whether such bytes count as negative depends on the machine.
                (*string).h = 0;
                zend_string_hash_func(string);
            }
        }
        new
    }

    /// A string that lives as long as the process. Only while the module starts.
    pub fn permanent(text: &'static str) -> Self {
        // SAFETY: the function pointer is set before modules start; the slice is live.
        let string =
            unsafe { zend_string_init_interned.map(|init| init(text.as_ptr().cast(), text.len(), true)) };
        // SAFETY: interning never answers null.
        Self(unsafe { NonNull::new_unchecked(string.unwrap_or_default()) })
    }

    /// Another reference to the string in a zval; `None` where it is no string.
    #[inline]
    pub fn of(zval: &Zval) -> Option<Self> {
        if !zval.is_string() {
            return None;
        }
        // SAFETY: the zval is a string, so that this member of the union is set, to a live string.
        let string = unsafe { NonNull::new(zval.value.str_)? };
        Some(Self(string).share())
    }

    /// The string in a zval, which keeps the reference; `None` where it is no string.
    #[inline]
    pub fn borrow(zval: &Zval) -> Option<&Self> {
        if !zval.is_string() {
            return None;
        }
        // SAFETY: the zval is a string, so that this member of the union is set, to a live string, and stays so while the zval
        // is borrowed. It is a pointer, as this type is.
        Some(unsafe { &*(&raw const zval.value.str_).cast::<Self>() })
    }

    /// Takes over a reference that the engine gave away.
    ///
    /// # Safety
    /// The pointer is null, or the caller owns a reference to it.
    pub unsafe fn from_owned(string: *mut zend_string) -> Option<Self> {
        NonNull::new(string).map(Self)
    }

    /// Adds a reference: this value stays, the answer is another one.
    #[inline]
    fn share(self) -> Self {
        let string = ManuallyDrop::new(self);
        string.add_reference();
        Self(string.0)
    }

    #[inline]
    fn add_reference(&self) {
        // SAFETY: we hold a reference, so the string is live; counts are only touched by the thread that owns the
        // string.
        unsafe {
            let gc = &mut (*self.0.as_ptr()).gc;
            if gc.u.type_info & INTERNED == 0 {
                gc.refcount += 1;
            }
        }
    }

    /// Its bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: a live zend_string has `len` bytes from `val` on.
        unsafe {
            let string = self.0.as_ptr();
            std::slice::from_raw_parts((&raw const (*string).val).cast(), (*string).len)
        }
    }

    /// The bytes of a key of a hash; `None` for the null of an integer key.
    ///
    /// # Safety
    /// The pointer is null or that of a string that stays live while the answer is used.
    #[inline]
    pub unsafe fn bytes_at<'a>(key: *const zend_string) -> Option<&'a [u8]> {
        if key.is_null() {
            return None;
        }
        // SAFETY: a live zend_string has `len` bytes from `val` on.
        Some(unsafe { std::slice::from_raw_parts(key.byte_add(BYTES).cast(), (*key).len) })
    }

    /// Its hash (`zend_string_hash_val`).
    #[inline]
    pub fn hash(&self) -> u64 {
        // SAFETY: a live string. Its hash is 0 until somebody has asked for it; the engine's function keeps it in the string.
        unsafe {
            let known = (*self.0.as_ptr()).h;
            if known == 0 { zend_string_hash_func(self.0.as_ptr()) } else { known }
        }
    }

    /// The reference itself, which whoever takes it has to let go of.
    #[inline]
    pub fn into_raw(self) -> *mut zend_string {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// For the engine's functions, which do not take over the reference.
    #[inline]
    pub fn as_ptr(&self) -> *mut zend_string {
        self.0.as_ptr()
    }

    /// The reference as a zval.
    #[inline]
    pub fn into_zval(self) -> Zval {
        let string = ManuallyDrop::new(self);
        let mut zval = Zval::new();
        // SAFETY: the string is live, and the zval takes over our reference.
        unsafe {
            let interned = (*string.0.as_ptr()).gc.u.type_info & INTERNED != 0;
            zval.value.str_ = string.0.as_ptr();
            zval.u1.type_info = if interned { IS_INTERNED_STRING_EX } else { IS_STRING_EX };
        }
        zval
    }
}

impl Clone for PhpString {
    #[inline]
    fn clone(&self) -> Self {
        self.add_reference();
        Self(self.0)
    }
}

impl Drop for PhpString {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this value owns one reference, which ends here. It is only counted down where others are left; the last
        // one, and strings that are not counted, are the engine's business.
        unsafe {
            let gc = &mut (*self.0.as_ptr()).gc;
            if gc.refcount > 1 && gc.u.type_info & INTERNED == 0 {
                gc.refcount -= 1;
            } else {
                ext_php_rs_zend_string_release(self.0.as_ptr());
            }
        }
    }
}

/// `zend_inline_hash_func`, times 33 for each byte (DJBX33A), the same in every version of PHP: its start, and a bit that every
/// hash has, so that 0 stands for one that is not known yet.
const START: u64 = 5381;
const KNOWN: u64 = 1 << 63;
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// Eight steps of the hash at once: none of the products waits for another one.
#[inline(always)]
fn hash_word(hash: u64, word: [u8; 8]) -> u64 {
    const POWERS: [u64; 9] = {
        let mut powers = [1; 9];
        let mut place = 7;
        loop {
            powers[place] = powers[place + 1] * 33;
            if place == 0 {
                break powers;
            }
            place -= 1;
        }
    };
    word.iter().zip(&POWERS[1..]).fold(hash.wrapping_mul(POWERS[0]), |sum, (byte, power)| {
        sum.wrapping_add(u64::from(*byte).wrapping_mul(*power))
    })
}
