//! Settings of php.ini: how they are registered with the engine, set and shown.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};

use ext_php_rs::ffi::{
    PHP_INI_ALL, PHP_INI_SYSTEM, display_ini_entries, zend_ini_entry, zend_ini_entry_def,
    zend_register_ini_entries, zend_string, zend_unregister_ini_entries,
};
use ext_php_rs::zend::{ModuleEntry, output_write};

/// `ZEND_INI_STAGE_STARTUP`.
const ZEND_INI_STAGE_STARTUP: c_int = 1 << 0;

/// A setting.
pub trait Setting: Sync + 'static {
    /// Its full name.
    fn name(&self) -> &'static CStr;
    /// Its value where php.ini has none.
    fn default(&self) -> &'static CStr;
    /// Whether scripts can change it.
    fn is_for_scripts(&self) -> bool;
    /// Takes over a value, while PHP or one of its threads starts or later; false refuses it.
    fn set(&self, text: &str, starting: bool) -> bool;
    /// What is shown in place of its value; `None` for one that is no secret. Always the one or the
    /// other.
    fn shown(&self) -> Option<&'static str>;
}

/// A value is set; a panic refuses it.
unsafe extern "C" fn modified<S: Setting>(
    _entry: *mut zend_ini_entry,
    value: *mut zend_string,
    setting: *mut c_void,
    _unused: *mut c_void,
    _unused_too: *mut c_void,
    stage: c_int,
) -> c_int {
    // SAFETY: the engine passes what register() has registered: a pointer to a static of this type.
    let setting = unsafe { &*setting.cast::<S>() };
    let text = if value.is_null() {
        String::new()
    } else {
        // SAFETY: a live string of the engine.
        unsafe {
            let bytes = std::slice::from_raw_parts((&raw const (*value).val).cast::<u8>(), (*value).len);
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    let starting = stage == ZEND_INI_STAGE_STARTUP;
    let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| setting.set(&text, starting)));
    if taken.unwrap_or(false) { 0 } else { -1 }
}

/// Shows a secret, in phpinfo and in `php --ini`-like listings.
unsafe extern "C" fn show<S: Setting>(entry: *mut zend_ini_entry, _kind: c_int) {
    // SAFETY: the engine passes the entry of a setting that register() has registered, with a
    // pointer to a static of this type.
    let setting = unsafe { &*(*entry).mh_arg1.cast::<S>() };
    // A failure to write would be one of the output itself.
    let _ = output_write(setting.shown().unwrap_or_default().as_bytes());
}

/// Registers settings. Only while the module starts.
pub fn register<S: Setting>(settings: &'static [S], module: i32) {
    let mut entries: Vec<zend_ini_entry_def> = settings
        .iter()
        .map(|setting| zend_ini_entry_def {
            name: setting.name().as_ptr(),
            on_modify: Some(modified::<S>),
            mh_arg1: std::ptr::from_ref(setting).cast_mut().cast(),
            mh_arg2: std::ptr::null_mut(),
            mh_arg3: std::ptr::null_mut(),
            value: setting.default().as_ptr(),
            displayer: setting.shown().is_some().then_some(show::<S> as _),
            value_length: setting.default().count_bytes() as u32,
            name_length: setting.name().count_bytes() as u16,
            modifiable: if setting.is_for_scripts() { PHP_INI_ALL } else { PHP_INI_SYSTEM } as u8,
        })
        .collect();
    // SAFETY: zeros are the mark of the end.
    entries.push(unsafe { std::mem::zeroed() });
    // SAFETY: the table is leaked: later PHP versions keep pointers into it.
    unsafe { zend_register_ini_entries(Vec::leak(entries).as_ptr(), module) };
}

/// Takes the settings away. Only while the module ends.
pub fn unregister(module: i32) {
    // SAFETY: a module takes away its own settings.
    unsafe { zend_unregister_ini_entries(module) };
}

/// Shows the settings of a module, in phpinfo.
///
/// # Safety
/// The engine has passed this module to its info function.
pub unsafe fn show_all(module: *mut ModuleEntry) {
    // SAFETY: as promised by the caller.
    unsafe { display_ini_entries(module) };
}
