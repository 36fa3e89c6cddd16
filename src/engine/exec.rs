//! `pcntl_exec()`, which ends a process without its end: no destructor runs, and no module is told.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ext_php_rs::ffi::{
    ZEND_INTERNAL_FUNCTION, ext_php_rs_executor_globals, zend_execute_data, zend_function,
};
use ext_php_rs::types::Zval;

type Handler = unsafe extern "C" fn(frame: *mut zend_execute_data, returned: *mut Zval);

/// What runs before it.
static BEFORE: OnceLock<fn()> = OnceLock::new();
/// How often the module has started: each time the engine builds its functions anew.
static STARTS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The start for which this thread's functions have been seen to: each thread has its own.
    static SEEN_TO: Cell<u32> = const { Cell::new(0) };
    /// The handler that was there before: pcntl's, or that of another extension in front of it.
    /// After a restart of the modules pcntl may be at another place.
    static PCNTL: Cell<Option<Handler>> = const { Cell::new(None) };
}

/// Runs a function before each `pcntl_exec()`. Only while the module starts.
pub fn start(before: fn()) {
    BEFORE.get_or_init(|| before);
    STARTS.fetch_add(1, Ordering::Relaxed);
}

/// Puts our handler in front of that of pcntl, which may have been loaded behind us: at the start of
/// a request all modules are there. Once for each start of the module, and not where our handler is
/// in front already, so that neither calls itself. Without pcntl, or where the function is disabled,
/// nothing happens.
pub fn start_request() {
    let starts = STARTS.load(Ordering::Relaxed);
    if SEEN_TO.replace(starts) == starts {
        return;
    }
    // SAFETY: at the start of a request the engine has set this thread's function table; no PHP code
    // runs, so that nobody else reads or changes it. An internal function of a name is one whose
    // handler takes a frame and a return value.
    unsafe {
        let Some(functions) = (*ext_php_rs_executor_globals()).function_table.as_ref() else { return };
        let Some(function) = functions.get("pcntl_exec").and_then(|function| function.ptr::<zend_function>())
        else {
            return;
        };
        if u32::from((*function).type_) != ZEND_INTERNAL_FUNCTION {
            return;
        }
        let ours: Handler = exec;
        let Some(theirs) = (*function).internal_function.handler else { return };
        if !std::ptr::fn_addr_eq(theirs, ours) {
            PCNTL.set(Some(theirs));
            (*function).internal_function.handler = Some(ours);
        }
    }
}

/// # Safety
/// The engine calls it in place of pcntl's.
unsafe extern "C" fn exec(frame: *mut zend_execute_data, returned: *mut Zval) {
    if let Some(before) = BEFORE.get() {
        // A panic must not cross into the engine; what could not be done keeps nobody from going on.
        let _ = std::panic::catch_unwind(before);
    }
    if let Some(pcntl) = PCNTL.get() {
        // SAFETY: the modules that were there when this thread took the handler are there still; the
        // frame and the return value are those that the engine has made for this call.
        unsafe { pcntl(frame, returned) };
    }
}
