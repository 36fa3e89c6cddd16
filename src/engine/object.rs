//! Classes, properties, method calls, exceptions.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use ext_php_rs::convert::IntoZvalDyn;
use ext_php_rs::ffi::{
    ZEND_ACC_STATIC, ext_php_rs_executor_globals, instanceof_function_slow, object_init_ex,
    zend_call_known_function, zend_ce_argument_count_error, zend_ce_exception, zend_ce_throwable,
    zend_ce_type_error, zend_class_entry, zend_clear_exception, zend_function, zend_hash_find_known_hash,
    zend_interrupt_function, zend_lookup_class_ex, zend_read_property_ex, zend_read_static_property_ex,
    zend_throw_exception_object, zend_update_property_ex, zend_update_static_property_ex,
};
use ext_php_rs::types::{ZendObject, Zval};

use super::string::PhpString;
use super::values::Zv;

/// `ZEND_FETCH_CLASS_NO_AUTOLOAD`.
const NO_AUTOLOAD: u32 = 0x80;

/// A class of the engine. Lives at least as long as the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(NonNull<zend_class_entry>);

impl Class {
    /// Wraps a class pointer of the engine.
    pub fn new(class: *mut zend_class_entry) -> Option<Self> {
        NonNull::new(class).map(Self)
    }

    /// The pointer, for the engine's functions.
    pub fn as_ptr(self) -> *mut zend_class_entry {
        self.0.as_ptr()
    }

    /// The engine's class `Exception`.
    pub fn exception() -> Option<Self> {
        // SAFETY: the engine has set it before modules start, and never changes it.
        Self::new(unsafe { zend_ce_exception })
    }

    /// The class of this lower-case name, if it is loaded; nothing is autoloaded.
    #[inline]
    pub fn loaded(lower_name: &PhpString) -> Option<Self> {
        // SAFETY: the engine only reads the name; the result is null or a class of this request.
        // The second argument saves it a lower-case copy of the first. A name that the table lacks
        // needs no call: the engine looks there first.
        unsafe {
            let classes = (*ext_php_rs_executor_globals()).class_table;
            if zend_hash_find_known_hash(classes, lower_name.as_ptr()).is_null() {
                return None;
            }
            Self::new(zend_lookup_class_ex(lower_name.as_ptr(), lower_name.as_ptr(), NO_AUTOLOAD))
        }
    }

    /// The class on which a method was called (`static`), from the `This` of its frame.
    #[inline]
    pub fn called(this: &Zval) -> Option<Self> {
        // SAFETY: in the frame of a method, This holds the object or the called class.
        unsafe {
            match this.object() {
                Some(object) => Self::new(object.ce),
                None => Self::new(this.value.ce),
            }
        }
    }

    /// Where `static::$name` is; `None` where there is no such property.
    pub fn static_slot(self, name: &PhpString) -> Option<StaticSlot> {
        // SAFETY: class and name are live; silent, so that nothing is thrown. The result is null or
        // a slot of the class.
        unsafe { NonNull::new(zend_read_static_property_ex(self.as_ptr(), name.as_ptr(), true)) }
            .map(StaticSlot)
    }

    /// `static::$name = $value`.
    pub fn set_static_property(self, name: &PhpString, value: &Zval) {
        // SAFETY: class and name are live; the engine copies the value.
        unsafe {
            zend_update_static_property_ex(
                self.as_ptr(),
                name.as_ptr(),
                std::ptr::from_ref(value).cast_mut(),
            );
        }
    }

    /// The static method of this lower-case name, be it native or of PHP code, inherited or not.
    pub fn static_method(self, lower_name: &str) -> Option<StaticMethod> {
        // SAFETY: the function table of a live class; its values are pointers to functions, whose head says what they are.
        unsafe {
            let function = self.0.as_ref().function_table.get(lower_name)?.ptr::<zend_function>()?;
            if (*function).common.fn_flags & ZEND_ACC_STATIC == 0 {
                return None;
            }
            NonNull::new(function).map(|function| StaticMethod { function, class: self })
        }
    }

    /// The method of this lower-case name, if it is one of PHP code.
    pub fn user_method(self, lower_name: &str) -> bool {
        // SAFETY: the function table of a live class; its values are pointers to functions.
        unsafe {
            let table = &self.0.as_ref().function_table;
            table
                .get(lower_name)
                .and_then(|value| value.ptr::<ext_php_rs::ffi::zend_function>())
                .is_some_and(|function| (*function).type_ == ext_php_rs::ffi::ZEND_USER_FUNCTION as u8)
        }
    }

    /// The name.
    pub fn name(self) -> String {
        // SAFETY: a live class has a name.
        unsafe { self.0.as_ref().name() }.unwrap_or_default().to_owned()
    }
}

/// A static method and the class to call it on.
#[derive(Clone, Copy, Debug)]
pub struct StaticMethod {
    function: NonNull<zend_function>,
    class: Class,
}

impl StaticMethod {
    /// Calls the method, whatever its visibility. `None`: it has thrown.
    pub fn call(self, arguments: &[Zval]) -> Option<Zval> {
        let mut returned = Zval::new();
        // SAFETY: a live static method, called on its class or a subclass, needs no object. The
        // engine copies the arguments.
        unsafe {
            zend_call_known_function(
                self.function.as_ptr(),
                std::ptr::null_mut(),
                self.class.as_ptr(),
                &raw mut returned,
                arguments.len() as u32,
                arguments.as_ptr().cast_mut(),
                std::ptr::null_mut(),
            );
        }
        if exception_pending() { None } else { Some(returned) }
    }
}

/// The place of a static property, which stays where it is until the end of the request. Whoever
/// keeps it has to let go of it then.
#[derive(Clone, Copy, Debug)]
pub struct StaticSlot(NonNull<Zval>);

impl StaticSlot {
    /// Reads the value. To be done with before PHP code runs, which may write the property: that is
    /// why nothing but copies leaves this impl.
    #[inline]
    fn read<T>(self, read: impl FnOnce(&Zval) -> T) -> T {
        // SAFETY: the slot is there until the end of the request, and nobody keeps it longer; no
        // other thread has it. None of the functions below runs PHP code in here.
        read(unsafe { self.0.as_ref() }.dereference())
    }

    /// A copy of the value.
    #[inline]
    pub fn value(self) -> Zval {
        self.read(Zval::shallow_clone)
    }

    /// Whether it is null.
    #[inline]
    pub fn is_null(self) -> bool {
        self.read(Zval::is_null)
    }

    /// The value, if it is an int.
    #[inline]
    pub fn long(self) -> Option<i64> {
        self.read(Zval::long)
    }

    /// The value as the engine's own functions take a number: of a numeric string its number, of a
    /// float its whole part.
    #[inline]
    pub fn whole_number(self) -> Option<i64> {
        match self.long() {
            Some(number) => Some(number),
            None => numeric(&self.value()),
        }
    }

    /// PHP's truth of it.
    #[inline]
    pub fn truthy(self) -> bool {
        match self.read(Zval::bool) {
            Some(flag) => flag,
            None => self.value().truthy(),
        }
    }

    /// Whether it is the very same value, see [`Zv::is_very_same`].
    #[inline]
    pub fn is_very_same(self, other: &Zval) -> bool {
        self.read(|value| value.is_very_same(other))
    }

    /// Whether it is a string of these bytes.
    #[inline]
    pub fn is_string(self, bytes: &[u8]) -> bool {
        self.read(|value| value.zend_str().is_some_and(|text| text.as_bytes() == bytes))
    }
}

#[cold]
fn numeric(value: &Zval) -> Option<i64> {
    let number = match value.zend_str() {
        Some(text) => {
            let text = text.as_str().ok()?.trim();
            match text.parse() {
                Ok(number) => return Some(number),
                Err(_) => text.parse().ok()?,
            }
        }
        None => value.double()?,
    };
    number.is_finite().then_some(number as i64)
}

/// `$object->name`, where the property is public and not virtual; otherwise null.
pub fn property(object: &ZendObject, name: &PhpString) -> Zval {
    let mut slot = Zval::new();
    // SAFETY: object and name are live; the result points to the property or to our slot, and is
    // copied at once.
    unsafe {
        let object = std::ptr::from_ref(object).cast_mut();
        let value = zend_read_property_ex((*object).ce, object, name.as_ptr(), true, &raw mut slot);
        value.as_ref().map(|value| value.dereference().shallow_clone()).unwrap_or_default()
    }
}

/// Throws an exception of this class. The message may have any bytes, a zero byte too.
pub fn throw(class: Class, message: &str, code: i64) {
    if exception_pending() {
        // One is on its way already; it says what came first.
        return;
    }
    let mut exception = Zval::new();
    // SAFETY: a class that extends Exception can be instantiated; the properties are those of
    // Exception; the engine takes over the object.
    unsafe {
        if object_init_ex(&raw mut exception, class.as_ptr()) != 0 {
            return;
        }
        let object = exception.value.obj;
        let base = zend_ce_exception;
        let text = PhpString::new(message.as_bytes()).into_zval();
        let name = PhpString::new(b"message");
        zend_update_property_ex(base, object, name.as_ptr(), std::ptr::from_ref(&text).cast_mut());
        let mut number = Zval::new();
        number.set_long(code);
        let name = PhpString::new(b"code");
        zend_update_property_ex(base, object, name.as_ptr(), &raw mut number);
        zend_throw_exception_object(&raw mut exception);
    }
    std::mem::forget(exception);
}

/// A class of errors that the engine itself throws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// `Error`
    Error,
    /// `TypeError`
    Type,
    /// `ArgumentCountError`
    ArgumentCount,
}

/// Throws an error of the engine.
pub fn throw_engine(error: EngineError, message: &str) {
    if exception_pending() {
        return;
    }
    // SAFETY: the engine has set both before modules start, and never changes them.
    let class = unsafe {
        match error {
            // Where no class is given, it is this one.
            EngineError::Error => std::ptr::null_mut(),
            EngineError::Type => zend_ce_type_error,
            EngineError::ArgumentCount => zend_ce_argument_count_error,
        }
    };
    let text = CString::new(message.replace('\0', "\\0")).unwrap_or_default();
    // SAFETY: a class of the engine and a live C string; "%s" keeps the text from being a format.
    unsafe { ext_php_rs::ffi::zend_throw_error(class, c"%s".as_ptr(), text.as_ptr()) };
}

/// Lets PHP code that waits to interrupt this call run now: the handlers of signals that have come
/// meanwhile (`pcntl_async_signals`). To be called before an exception is thrown: the engine
/// forgets an interrupt that it finds while one is on its way, and the signal would be lost. A
/// handler may throw itself; that exception then goes first.
pub fn run_interrupts() {
    if exception_pending() {
        return;
    }
    // SAFETY: the globals of this thread live as long as it. The two flags are atomics of the size
    // of a bool, which signal handlers of the C library set; that of max_execution_time is left to
    // the engine. The interrupt function is called as the engine itself does between two
    // instructions, with the frame that is running.
    unsafe {
        let globals = ext_php_rs_executor_globals();
        let interrupt = AtomicBool::from_ptr((&raw mut (*globals).vm_interrupt).cast());
        let timed_out = AtomicBool::from_ptr((&raw mut (*globals).timed_out).cast());
        if !interrupt.load(Ordering::SeqCst) || timed_out.load(Ordering::SeqCst) {
            return;
        }
        interrupt.store(false, Ordering::SeqCst);
        if let Some(run) = zend_interrupt_function {
            run((*globals).current_execute_data);
        }
    }
}

/// Whether a value is a closure.
pub fn is_closure(value: &Zval) -> bool {
    // The class is final.
    value.object().is_some_and(|object| object.get_class_name().is_ok_and(|name| name == "Closure"))
}

/// Calls a closure; null where it throws.
pub fn call_closure(closure: &Zval, arguments: &[Zval]) -> Zval {
    let arguments: Vec<&dyn IntoZvalDyn> = arguments.iter().map(|value| value as _).collect();
    closure.try_call(arguments).unwrap_or_default()
}

/// Throws a value that can be thrown; whether it was one.
pub fn throw_if_throwable(value: &Zval) -> bool {
    // SAFETY: the class is the engine's, set before modules start; a live object has a class.
    let throwable = value
        .object()
        .is_some_and(|object| unsafe { instanceof_function_slow(object.ce, zend_ce_throwable) });
    if throwable {
        let mut exception = ManuallyDrop::new(value.shallow_clone());
        // SAFETY: a live exception; the engine takes over the reference.
        unsafe { zend_throw_exception_object(&raw mut *exception) };
    }
    throwable
}

/// Drops the exception that is on its way.
pub fn clear_exception() {
    // SAFETY: does nothing where there is none.
    unsafe { zend_clear_exception() };
}

/// Whether an exception is on its way.
pub fn exception_pending() -> bool {
    // SAFETY: the globals of this thread live as long as it.
    unsafe { !(*ext_php_rs_executor_globals()).exception.is_null() }
}
