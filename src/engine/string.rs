//! PHP strings of any bytes, with their reference count.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use ext_php_rs::ffi::{
    IS_INTERNED_STRING_EX, IS_STRING_EX, ext_php_rs_zend_string_init, ext_php_rs_zend_string_release,
    zend_string, zend_string_init_interned,
};
use ext_php_rs::types::Zval;

/// `IS_STR_INTERNED`: such strings are not counted.
const INTERNED: u32 = 1 << 6;

/// One reference to a PHP string.
#[derive(Debug)]
pub struct PhpString(NonNull<zend_string>);

impl PhpString {
    /// A new string.
    #[inline]
    pub fn new(bytes: &[u8]) -> Self {
        // SAPI memory exhaustion ends the request inside; the function never returns null.
        // SAFETY: the pointer and the length are those of a live slice, from which the engine copies.
        let string = unsafe { ext_php_rs_zend_string_init(bytes.as_ptr().cast(), bytes.len(), false) };
        // SAFETY: never null, see above.
        Self(unsafe { NonNull::new_unchecked(string) })
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
