//! One call of a method: its arguments, the class it was called on, its return value; and how a
//! failure becomes an exception.

use std::borrow::Cow;

use ext_php_rs::ffi::zend_internal_function;
use ext_php_rs::types::Zval;
use gatewayworker_client::Error;

use crate::classes::{self, GatewayClass};
use crate::engine::class;
use crate::engine::frame::{self, Frame};
use crate::engine::key::Key;
use crate::engine::object::{Class, EngineError};
use crate::engine::{ArrayBuilder, Zv, globals, object};
use crate::exceptions;
use crate::log;
use crate::recorder::{self, Outcome};

/// The result of something that can fail. The failure is boxed, so that success fits into a
/// register.
pub type Result<T = (), E = Box<Failure>> = std::result::Result<T, E>;

/// What a method is.
pub type Method = fn(&mut Call<'_>) -> Result;

/// Makes what the engine calls of a [`Method`]. A macro, for each method to be entered directly.
macro_rules! handler {
    ($run:path) => {
        $crate::engine::frame::handler(|frame, returned| $crate::call::enter(frame, returned, $run))
    };
}
pub(crate) use handler;

/// Runs a method. A failure becomes an exception.
#[inline]
pub fn enter(frame: Frame<'_>, return_value: &mut Zval, method: Method) {
    let Some(mut call) = Call::new(frame, return_value) else { return };
    if recorder::is_on() && call.is_recorded() {
        return;
    }
    if let Err(failure) = method(&mut call) {
        failure.throw(&call);
    }
    log::write_background_lines();
}

/// Why a call ends without a return value.
#[derive(Debug)]
pub enum Failure {
    /// The cluster could not do it.
    Cluster(Error),
    /// No gateway is known to the caller, in the words of the original; an exception that says so
    /// by its class.
    Unreachable(Cow<'static, str>),
    /// An argument of a type that has no meaning there: index and what is due.
    Type(usize, &'static str),
    /// An exception of the class `Exception` itself, as the original throws it.
    Exception(String),
    /// An `Error` of the engine, where the original would make it throw one.
    Error(String),
    /// PHP code that we called, or a conversion, has thrown already.
    Thrown,
}

impl From<Error> for Box<Failure> {
    #[cold]
    fn from(error: Error) -> Self {
        Self::new(Failure::Cluster(error))
    }
}

impl Failure {
    #[cold]
    fn throw(self, call: &Call<'_>) {
        object::run_interrupts();
        match self {
            Self::Thrown => {}
            Self::Cluster(error) => exceptions::throw(&error),
            Self::Unreachable(message) => exceptions::throw_unreachable(&message),
            Self::Exception(message) => {
                if let Some(class) = Class::exception() {
                    object::throw(class, &message, 0);
                }
            }
            Self::Error(message) => object::throw_engine(EngineError::Error, &message),
            Self::Type(index, due) => {
                let given = call.arg(index).map_or_else(|| "none".into(), Zv::type_name);
                let (method, parameter) = (call.name(), call.parameter_name(index));
                let number = index + 1;
                let message = format!(
                    "{method}(): Argument #{number} (${parameter}) must be of type {due}, {given} given"
                );
                object::throw_engine(EngineError::Type, &message);
            }
        }
    }
}

/// The running call.
pub struct Call<'a> {
    frame: Frame<'a>,
    /// The return value; null until it is set.
    pub return_value: &'a mut Zval,
    /// The class it was called on (`static`).
    pub scope: Class,
}

impl<'a> Call<'a> {
    /// `None`: arguments are missing, and the exception that says so has been thrown.
    #[inline]
    fn new(frame: Frame<'a>, return_value: &'a mut Zval) -> Option<Self> {
        let scope = frame.called_class()?;
        let call = Self { frame, return_value, scope };
        let required = call.function().required_num_args as usize;
        if call.frame.args() < required {
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
            format!("{}() expects {bound} {required} argument{s}, {} given", self.name(), self.frame.args());
        object::throw_engine(EngineError::ArgumentCount, &message);
    }

    #[inline]
    fn function(&self) -> &zend_internal_function {
        self.frame.function()
    }

    /// The argument at this place, behind a reference if it is one.
    #[inline]
    pub fn arg(&self, index: usize) -> Option<&Zval> {
        self.frame.arg(index)
    }

    /// As [`Call::arg`], null where it was not passed.
    #[inline]
    pub fn arg_or_null(&self, index: usize) -> &Zval {
        self.arg(index).unwrap_or(frame::null())
    }

    /// Whether an optional flag was passed as true.
    #[inline]
    pub fn flag(&self, index: usize) -> bool {
        self.arg(index).is_some_and(Zv::truthy)
    }

    /// The class that the running method was declared in.
    #[inline]
    pub fn class(&self) -> GatewayClass {
        classes::of(self.function().scope)
    }

    /// Calls `static::$method(…)`, which a subclass may have overridden, whatever its visibility.
    ///
    /// # Errors
    /// Where it throws.
    pub fn call_static(&self, method: &str, arguments: &[Zval]) -> Result<Zval> {
        let Some(function) = self.scope.static_method(&method.to_ascii_lowercase()) else {
            let class = self.scope.name();
            return Err(Failure::Error(format!("Call to undefined method {class}::{method}()")).into());
        };
        Ok(function.call(arguments).ok_or(Failure::Thrown)?)
    }

    /// Whether the method was called on the class that declares it, and not on a subclass.
    #[inline]
    pub fn is_on_own_class(&self) -> bool {
        self.scope.as_ptr() == self.function().scope
    }

    /// The method as messages name it.
    pub fn name(&self) -> String {
        let class = Class::new(self.function().scope).map(Class::name).unwrap_or_default();
        format!("{class}::{}", self.frame.function_name())
    }

    /// Writes a complaint about this call to the error log. The original prints it to the output;
    /// the return value stays the original's.
    #[cold]
    pub fn complain(&self, event: &str, reason: &str) {
        globals::log(&format!("{}()", self.name()), event, reason);
    }

    /// Records the call, where this thread's recorder is on. False: it is to be made.
    #[cold]
    fn is_recorded(&mut self) -> bool {
        let mut arguments = ArrayBuilder::with_capacity(4);
        for index in 0..self.function().num_args as usize {
            if let Some(value) = self.arg(index) {
                let name = self.parameter_name(index);
                arguments.set_key(Key::Str(name.as_bytes()), value.shallow_clone());
            }
        }
        match recorder::record(&self.scope.name(), self.frame.function_name(), arguments) {
            Outcome::Made => false,
            Outcome::Returns(value) => {
                *self.return_value = self.faked(value);
                true
            }
        }
    }

    /// What a test has given for a method to return: a closure is called with the arguments, an
    /// exception is thrown, and everything else is returned.
    fn faked(&self, value: Zval) -> Zval {
        if object::is_closure(&value) {
            let arguments: Vec<Zval> =
                (0..self.frame.args()).map_while(|index| self.arg(index).map(Zval::shallow_clone)).collect();
            return object::call_closure(&value, &arguments);
        }
        if object::throw_if_throwable(&value) { Zval::new() } else { value }
    }

    fn parameter_name(&self, index: usize) -> String {
        class::parameter_name(self.function(), index)
    }
}
