//! `$_SESSION` and the error log.

#![allow(unsafe_code)]

use std::ffi::CString;

use ext_php_rs::ffi::{ext_php_rs_executor_globals, php_log_err_with_severity, virtual_cwd_activate};
use ext_php_rs::types::{ZendHashTable, Zval};

use super::values;

/// `LOG_NOTICE` of syslog.
const NOTICE: i32 = 5;

/// Writes a line to PHP's error log (the `error_log` setting, else the SAPI's: standard error for
/// the CLI). Raises no warning and prints nothing to the output. A line reads `<subject> <event>:
/// <reason>`; the subject is what it is about, as one word: a gateway or register
/// (`tcp://ip:port`), a setting, or a method.
pub fn log(subject: &str, event: &str, reason: &str) {
    log_line(&format!("{subject} {event}: {reason}"));
}

/// As [`log`], for a line that the core has made.
pub fn log_line(line: &str) {
    // Names and reasons may come from outside. They must not end the line, nor speak to a terminal.
    let mut text = String::from("gatewayworker: ");
    for char in line.chars() {
        if char.is_control() {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    if let Ok(text) = CString::new(text) {
        // SAFETY: a live C string, which the engine copies.
        unsafe { php_log_err_with_severity(text.as_ptr(), NOTICE) };
    }
}

/// Makes [`log`] possible where modules end. A thread-safe PHP has a current directory of its own
/// per thread, which goes with the request and without which it cannot open the file of
/// `error_log`; the engine lets go of it once more after modules have ended. Without thread safety
/// this does nothing of interest.
pub fn prepare_log_at_end() {
    // SAFETY: only sets up globals of this thread where they are not set up.
    unsafe { virtual_cwd_activate() };
}

/// `(array) $_SESSION`, a copy.
pub fn session_as_array() -> Zval {
    with_session(|session| session.map_or_else(values::empty_array, values::to_array))
}

/// Runs `with` on `$_SESSION`, through the indirections that the symbol table may have; on a copy,
/// which stays as it is whatever PHP code runs meanwhile.
fn with_session<T>(with: impl FnOnce(Option<&Zval>) -> T) -> T {
    // SAFETY: the table is only read, and no PHP code runs before the value is copied.
    let session = unsafe { (*symbol_table()).get("_SESSION") }
        .map(|value| value.indirect().unwrap_or(value).dereference().shallow_clone());
    with(session.as_ref().filter(|value| !value.is_null()))
}

/// Sets `$_SESSION`.
pub fn set_session(value: &Zval) {
    let new = value.shallow_clone();
    let table = symbol_table();
    // SAFETY: no PHP code runs before the new value is in its place, and this is the only reference
    // into the table.
    let old = match unsafe { (*table).get_mut("_SESSION") } {
        Some(slot) => {
            // SAFETY: an indirect zval of the symbol table points to the slot of the variable.
            let slot = if slot.is_indirect() { unsafe { &mut *slot.value.zv } } else { slot };
            Some(values::replace(slot.dereference_mut(), new))
        }
        None => {
            // SAFETY: as above; nothing was found that could be referred to. A symbol table takes
            // any name.
            let _ = unsafe { (*table).insert("_SESSION", new) };
            None
        }
    };
    // The old value goes last, when nothing of ours is borrowed: its destructors may run PHP code.
    drop(old);
}

/// The global variables. Not by `ExecutorGlobals::get()`, whose guard holds a lock: where memory
/// runs out, the engine jumps out of the middle of a call, the guard is never dropped, and the next
/// one waits for ever. A pointer: PHP code that runs reads and writes them too.
fn symbol_table() -> *mut ZendHashTable {
    // SAFETY: the globals of this thread live as long as it.
    unsafe { &raw mut (*ext_php_rs_executor_globals()).symbol_table }
}
