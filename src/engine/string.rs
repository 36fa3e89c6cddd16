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
        // SAFETY: the pointer and the length are those of a live slice; the function never returns
        // null.
        unsafe {
            let string = ext_php_rs_zend_string_init(bytes.as_ptr().cast(), bytes.len(), false);
            Self(NonNull::new_unchecked(string))
        }
    }

    /// A string of this length whose bytes, and the zero byte behind them, are still to be written.
    #[inline(always)]
    fn allocate(len: usize) -> Self {
        // A multiple of eight, as the engine has it. A slice is never so long that this could
        // overflow.
        let size = (BYTES + len + 8) & !7;
        // SAFETY: the size is not zero, and the alignment a power of two that the engine's
        // allocator keeps. The engine never returns null: where memory runs out it ends the request
        // inside. The memory is large enough for the head.
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
        let new = Self::allocate(bytes.len());
        let string = new.0.as_ptr();
        let (mut hash, mut seen) = (START, 0);
        // SAFETY: the memory is large enough for the bytes and the zero byte.
        unsafe {
            let to = string.byte_add(BYTES).cast::<u8>();
            match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
                (Some(first), Some(last)) => {
                    let mut add = |place: usize, bytes: &[u8; 8], fresh: usize| {
                        to.add(place).cast::<[u8; 8]>().write_unaligned(*bytes);
                        let word = u64::from_le_bytes(*bytes);
                        seen |= word;
                        // Those that have been hashed already are taken for zeros, which add
                        // nothing.
                        let word = if fresh == 0 { 0 } else { word & u64::MAX << (64 - 8 * fresh) };
                        hash = hash.wrapping_mul(POWERS[fresh]).wrapping_add(hash_word(word));
                    };
                    add(0, first, 8);
                    for (place, word) in bytes.as_chunks::<8>().0.iter().enumerate().skip(1) {
                        add(8 * place, word, 8);
                    }
                    add(bytes.len() - 8, last, bytes.len() % 8);
                }
                _ => {
                    for (place, byte) in bytes.iter().enumerate() {
                        to.add(place).write(*byte);
                        hash = hash.wrapping_mul(33).wrapping_add(u64::from(*byte));
                        seen |= u64::from(*byte);
                    }
                }
            }
            to.add(bytes.len()).write(0);
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
        // SAFETY: interning never returns null.
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
        // SAFETY: the zval is a string, so that this member of the union is set, to a live string,
        // and stays so while the zval is borrowed. It is a pointer, as this type is.
        Some(unsafe { &*(&raw const zval.value.str_).cast::<Self>() })
    }

    /// Takes over a reference that the engine gave away.
    ///
    /// # Safety
    /// The pointer is null, or the caller owns a reference to it.
    pub unsafe fn from_owned(string: *mut zend_string) -> Option<Self> {
        NonNull::new(string).map(Self)
    }

    /// Adds a reference: this value stays, the result is another one.
    #[inline]
    fn share(self) -> Self {
        let string = ManuallyDrop::new(self);
        string.add_reference();
        Self(string.0)
    }

    #[inline]
    fn add_reference(&self) {
        // SAFETY: we hold a reference, so the string is live; counts are only touched by the thread
        // that owns the string.
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
    /// The pointer is null or that of a string that stays live while the result is used.
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
        // SAFETY: a live string. Its hash is 0 until it is first needed; the engine's function
        // keeps it in the string.
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

    /// This many references in the place of one, each of which somebody has to let go of.
    ///
    /// # Safety
    /// It is the only reference, to a string that is counted: one made by [`PhpString::hashed`] is.
    /// There is at least one.
    #[inline]
    pub unsafe fn into_references(self, references: u32) -> *mut zend_string {
        let string = self.into_raw();
        // SAFETY: a live string, which only this thread counts.
        unsafe { (*string).gc.refcount = references };
        string
    }

    /// A reference as a zval, without a look at the string.
    ///
    /// # Safety
    /// The caller owns the reference, to a string that is counted: one made by
    /// [`PhpString::hashed`] is.
    #[inline]
    pub unsafe fn counted_zval(string: *mut zend_string) -> Zval {
        let mut zval = Zval::new();
        zval.value.str_ = string;
        zval.u1.type_info = IS_STRING_EX;
        zval
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
        // SAFETY: this value owns one reference, which ends here. It is only counted down where
        // others are left; the last one, and strings that are not counted, are the engine's
        // business.
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

/// `zend_inline_hash_func`, times 33 for each byte (DJBX33A), the same in every version of PHP: its
/// start, and a bit that every hash has, so that 0 stands for one that is not known yet.
const START: u64 = 5381;
const KNOWN: u64 = 1 << 63;
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// The powers of 33.
const POWERS: [u64; 9] = {
    let mut powers = [1; 9];
    let mut place = 1;
    while place < powers.len() {
        powers[place] = powers[place - 1] * 33;
        place += 1;
    }
    powers
};

/// What eight bytes add to the hash, the lowest byte first: pairs are joined to fours, fours to
/// eight, none of which overflows its place.
#[inline(always)]
const fn hash_word(word: u64) -> u64 {
    const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
    const PAIRS: u64 = 0x0000_ffff_0000_ffff;
    let pairs = (word & BYTES) * POWERS[1] + (word >> 8 & BYTES);
    let fours = (pairs & PAIRS) * POWERS[2] + (pairs >> 16 & PAIRS);
    (fours & 0xffff_ffff) * POWERS[4] + (fours >> 32)
}
