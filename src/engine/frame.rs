//! The frame of a running method: what the engine passes to it, and how it is entered.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;

use ext_php_rs::ffi::{IS_UNDEF, zend_internal_function};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::{ExecuteData, run_handler};

use super::object::Class;
use super::values::Zv;

/// What the engine calls.
pub type Handler = unsafe extern "C" fn(frame: *mut ExecuteData, returned: *mut Zval);

/// Makes a [`Handler`] of what runs a method. It has to be a function or a closure that captures
/// nothing: anything else does not compile. A panic in it becomes a PHP `Error`.
pub const fn handler<F: Fn(Frame<'_>, &mut Zval) + Copy>(_run: F) -> Handler {
    const { assert!(size_of::<F>() == 0, "it captures something") };
    enter::<F>
}

/// # Safety
/// Frame and return value are those that the engine passes to a handler: live, and the handler's
/// own for the time of the call.
#[inline]
unsafe extern "C" fn enter<F: Fn(Frame<'_>, &mut Zval) + Copy>(frame: *mut ExecuteData, returned: *mut Zval) {
    // SAFETY: as promised by the caller. Nobody else knows the place of the return value.
    let returned = unsafe { &mut *returned };
    // SAFETY: F has no bytes (see handler()), so that any aligned pointer is one to a value of it;
    // one was there, and it is Copy, so that another one does no harm.
    let run = unsafe { NonNull::<F>::dangling().as_ref() };
    // SAFETY: as promised by the caller.
    run_handler(AssertUnwindSafe(|| run(unsafe { Frame::new(frame) }, returned)));
}

/// The frame of a running method. A pointer, and not a reference: the arguments stand behind what
/// it points to, and PHP code that runs meanwhile reads and writes the frame, for example for a
/// backtrace.
pub struct Frame<'a> {
    data: *const ExecuteData,
    args: usize,
    running: PhantomData<&'a ExecuteData>,
}

/// How many zvals a frame takes up (`ZEND_CALL_FRAME_SLOT`).
const FRAME_SLOTS: usize = size_of::<ExecuteData>().div_ceil(size_of::<Zval>());

impl Frame<'_> {
    /// # Safety
    /// The frame is that of a method of ours, which runs for the time of `'a`.
    #[inline]
    unsafe fn new(data: *const ExecuteData) -> Self {
        // SAFETY: as promised by the caller. u2 holds the number of arguments in the frame of a
        // call.
        let args = unsafe { (*data).This.u2.num_args } as usize;
        Self { data, args, running: PhantomData }
    }

    /// How many arguments were passed.
    #[inline]
    pub fn args(&self) -> usize {
        self.args
    }

    /// The argument at this place, behind a reference if it is one; `None` where it was not passed.
    #[inline]
    pub fn arg(&self, index: usize) -> Option<&Zval> {
        if index >= self.args {
            return None;
        }
        // SAFETY: the arguments stand behind the frame, in as many zvals as were passed.
        let value = unsafe { &*self.data.cast::<Zval>().add(FRAME_SLOTS + index) };
        // SAFETY: the type is always set. An undefined argument was skipped by name.
        let undefined = unsafe { value.u1.v.type_ == IS_UNDEF as u8 };
        if undefined { None } else { Some(value.deref_php()) }
    }

    /// The class on which the method was called (`static`).
    #[inline]
    pub fn called_class(&self) -> Option<Class> {
        // SAFETY: the frame of a running method, whose This is not written to.
        Class::called(unsafe { &(*self.data).This })
    }

    /// The method.
    #[inline]
    pub fn function(&self) -> &zend_internal_function {
        // SAFETY: the frame of an internal function has its function.
        unsafe { &(*(*self.data).func).internal_function }
    }

    /// The name of the method.
    pub fn function_name(&self) -> &str {
        // SAFETY: a method has a name, which lives as long as its class.
        let name = unsafe { self.function().function_name.as_ref() };
        name.and_then(|name| name.as_str().ok()).unwrap_or_default()
    }
}

/// A null that is always there.
pub fn null() -> &'static Zval {
    &NULL.0
}

struct NullZval(Zval);

// SAFETY: a null zval has no parts, and nobody writes to it.
unsafe impl Sync for NullZval {}

static NULL: NullZval = NullZval(Zval::new());
