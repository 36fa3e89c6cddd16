//! One call of a method: its arguments, the class it was called on, its answer; and what becomes of a failure.

use std::panic::AssertUnwindSafe;

use ext_php_rs::ffi::{
    zend_ce_argument_count_error, zend_ce_exception, zend_ce_type_error, zend_internal_function,
};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::{ExecuteData, run_handler};
use gatewayworker_client::{Error, Process};

use crate::engine::object::Class;
use crate::engine::{Zv, globals, object};
use crate::exceptions;
use crate::surface;

/// What the engine calls.
pub type Handler = unsafe extern "C" fn(frame: *mut ExecuteData, returned: *mut Zval);

/// What a method is.
pub type Method = fn(&mut Call<'_>) -> Result<(), Failure>;

/// Makes a [`Handler`] of a [`Method`].
macro_rules! handler {
    ($run:path) => {{
        unsafe extern "C" fn raw(
            frame: *mut ext_php_rs::zend::ExecuteData,
            returned: *mut ext_php_rs::types::Zval,
        ) {
            // SAFETY: the engine calls a handler with a live frame and a place for the answer, which are its own for
            // the time of the call.
            unsafe { $crate::call::enter(frame, returned, $run) }
        }
        raw
    }};
}
pub(crate) use handler;

/// Runs a method. A panic becomes a PHP `Error`, a failure an exception.
///
/// # Safety
/// Frame and answer are those that the engine has passed to a handler.
#[inline]
pub unsafe fn enter(frame: *mut ExecuteData, returned: *mut Zval, method: Method) {
    // SAFETY: as promised by the caller.
    let (frame, returned) = unsafe { (&mut *frame, &mut *returned) };
    run_handler(AssertUnwindSafe(|| {
        let Some(mut call) = Call::new(frame, returned) else { return };
        if let Err(failure) = method(&mut call) {
            failure.throw(&call);
        }
        tell_background_log();
    }));
}

/// Writes what the background has to tell to PHP's error log. One load where it has nothing.
#[inline]
pub fn tell_background_log() {
    if let Some(process) = Process::existing() {
        for line in process.log().take() {
            globals::log_line(&line);
        }
    }
}

/// Why a call ends without an answer.
#[derive(Debug)]
pub enum Failure {
    /// The cluster could not do it.
    Cluster(Error),
    /// An argument of a type that has no meaning there: index and what is due.
    Type(usize, &'static str),
    /// An exception of the class `Exception` itself, as the original throws it.
    Exception(String),
    /// PHP code that we called, or a conversion, has thrown already.
    Thrown,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Cluster(error)
    }
}

impl Failure {
    #[cold]
    fn throw(self, call: &Call<'_>) {
        object::run_interrupts();
        match self {
            Self::Thrown => {}
            Self::Cluster(error) => exceptions::throw(&error),
            // SAFETY: the class is one of the engine's own.
            Self::Exception(message) => unsafe {
                if let Some(class) = Class::new(zend_ce_exception) {
                    object::throw(class, &message, 0);
                }
            },
            Self::Type(index, due) => {
                let given = call.arg(index).map_or_else(|| "none".into(), Zv::type_name);
                let (method, parameter) = (call.name(), call.parameter_name(index));
                let number = index + 1;
                let message = format!(
                    "{method}(): Argument #{number} (${parameter}) must be of type {due}, {given} given"
                );
                // SAFETY: the class is one of the engine's own.
                object::throw_engine(unsafe { zend_ce_type_error }, &message);
            }
        }
    }
}

/// Which of the two classes a method belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `GatewayWorker\Lib\Gateway`
    Worker,
    /// `GatewayClient\Gateway`
    Client,
}

/// The running call.
pub struct Call<'a> {
    frame: &'a mut ExecuteData,
    /// The answer; null until it is set.
    pub answer: &'a mut Zval,
    /// The class it was called on (`static`).
    pub scope: Class,
    args: usize,
}

impl<'a> Call<'a> {
    /// `None`: arguments are missing, and the exception that says so has been thrown.
    #[inline]
    fn new(frame: &'a mut ExecuteData, returned: &'a mut Zval) -> Option<Self> {
        let scope = Class::called(frame)?;
        // SAFETY: u2 holds the number of arguments in the frame of a call.
        let args = unsafe { frame.This.u2.num_args } as usize;
        let call = Self { frame, answer: returned, scope, args };
        let required = call.function().required_num_args as usize;
        if args < required {
            call.too_few(required);
            return None;
        }
        Some(call)
    }

    #[cold]
    fn too_few(&self, required: usize) {
        let all = self.function().num_args as usize;
        let bound = if all == required { "exactly" } else { "at least" };
        let s = if required == 1 { "" } else { "s" };
        let message =
            format!("{}() expects {bound} {required} argument{s}, {} given", self.name(), self.args);
        // SAFETY: the class is one of the engine's own.
        object::throw_engine(unsafe { zend_ce_argument_count_error }, &message);
    }

    #[inline]
    fn function(&self) -> &zend_internal_function {
        // SAFETY: the frame of an internal function has its function.
        unsafe { &(*self.frame.func).internal_function }
    }

    /// The argument at this place, behind a reference if it is one.
    #[inline]
    pub fn arg(&self, index: usize) -> Option<&Zval> {
        if index >= self.args {
            return None;
        }
        // SAFETY: the arguments stand behind the frame, in as many zvals as were passed.
        let value = unsafe {
            let frame: *const ExecuteData = &raw const *self.frame;
            &*frame.cast::<Zval>().add(FRAME_SLOTS + index)
        };
        // SAFETY: the type is always set. An undefined argument was skipped by name.
        let undefined = unsafe { value.u1.v.type_ == ext_php_rs::ffi::IS_UNDEF as u8 };
        if undefined { None } else { Some(value.deref_php()) }
    }

    /// As [`Call::arg`], null where it was not passed.
    #[inline]
    pub fn arg_or_null(&self, index: usize) -> &Zval {
        self.arg(index).unwrap_or(NULL.get())
    }

    /// Whether an optional flag was passed as true.
    #[inline]
    pub fn flag(&self, index: usize) -> bool {
        self.arg(index).is_some_and(Zv::truthy)
    }

    /// The class that the running method was declared in.
    #[inline]
    pub fn family(&self) -> Family {
        // The class of the original is registered first and always: everything else is the other one.
        if crate::class::is(&surface::GATEWAY_CLIENT, self.function().scope) {
            Family::Client
        } else {
            Family::Worker
        }
    }

    /// Whether the method was called on the class that declares it, and not on a subclass.
    #[inline]
    pub fn is_on_own_class(&self) -> bool {
        self.scope.as_ptr() == self.function().scope
    }

    /// The method as messages name it.
    pub fn name(&self) -> String {
        // SAFETY: a method has a name, which lives as long as its class.
        let method = unsafe { self.function().function_name.as_ref() };
        let method = method.and_then(|name| name.as_str().ok()).unwrap_or_default();
        let class = Class::new(self.function().scope).map(Class::name).unwrap_or_default();
        format!("{class}::{method}")
    }

    fn parameter_name(&self, index: usize) -> String {
        crate::class::parameter_name(self.function(), index)
    }
}

/// How many zvals a frame takes up (`ZEND_CALL_FRAME_SLOT`).
const FRAME_SLOTS: usize = size_of::<ExecuteData>().div_ceil(size_of::<Zval>());

/// A null that is always there.
struct NullZval(Zval);

// SAFETY: a null zval has no parts, and nobody writes to it.
unsafe impl Sync for NullZval {}

impl NullZval {
    fn get(&self) -> &Zval {
        &self.0
    }
}

static NULL: NullZval = NullZval(Zval::new());
