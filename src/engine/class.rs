//! How classes are described, and how they are registered: builds the tables that the engine reads.
//!
//! `ext-php-rs`'s own class attributes are not used: they declare return types (which makes a
//! subclass that overrides a method a fatal error), add a constructor, and cannot give an untyped
//! parameter the default `false`.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::mem::zeroed;
use std::ptr;

use ext_php_rs::ffi::{
    _IS_BOOL, IS_ARRAY, IS_DOUBLE, IS_FALSE, IS_TRUE, ZEND_ACC_PROTECTED, ZEND_ACC_PUBLIC, ZEND_ACC_STATIC,
    zend_class_entry, zend_declare_property_ex, zend_function_entry, zend_internal_arg_info,
    zend_internal_function, zend_register_internal_class_ex, zend_type,
};
use ext_php_rs::types::Zval;

use super::frame::Handler;
use super::object::Class;
use super::string::PhpString;
use super::values;

/// A class.
pub struct ClassSpec {
    /// Its full name.
    pub name: &'static str,
    /// Its static properties.
    pub statics: &'static [StaticSpec],
    /// Its public methods, in order.
    pub methods: &'static [MethodSpec],
    /// Its protected methods, which stand behind them.
    pub protected: &'static [MethodSpec],
}

/// A static property.
pub struct StaticSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether it is protected instead of public.
    pub protected: bool,
    /// Its value at the start of each request.
    pub default: StaticDefault,
}

/// The value of a static property at the start of each request.
pub enum StaticDefault {
    /// null
    Null,
    /// A bool.
    Bool(bool),
    /// An int.
    Int(i64),
    /// An empty array.
    EmptyArray,
    /// A string that is known when the module starts.
    Text(fn() -> &'static str),
}

/// A static method.
pub struct MethodSpec {
    /// Its name.
    pub name: &'static CStr,
    /// Its parameters.
    pub params: &'static [Param],
    /// Its declared return type; the original declares none.
    pub returns: Option<Type>,
    /// What runs.
    pub handler: Handler,
}

/// A parameter.
pub struct Param {
    /// Its name.
    pub name: &'static CStr,
    /// Its default as PHP code; a parameter without one is required.
    pub default: Option<&'static CStr>,
    /// Its declared type; the original declares hardly any.
    pub ty: Option<Type>,
}

/// A declared type.
#[derive(Clone, Copy)]
pub enum Type {
    /// `array`
    Array,
    /// `float`
    Float,
    /// `bool`
    Bool,
}

/// Registers a class. Only while the module starts.
pub fn register(spec: &'static ClassSpec) -> *mut zend_class_entry {
    let mut methods: Vec<zend_function_entry> = {
        let public = spec.methods.iter().map(|method| function(method, ZEND_ACC_PUBLIC));
        let protected = spec.protected.iter().map(|method| function(method, ZEND_ACC_PROTECTED));
        public.chain(protected).collect()
    };
    // SAFETY: zeros are the mark of the end.
    methods.push(unsafe { zeroed() });
    // The engine keeps pointers into these tables as long as the process lives.
    let methods: &'static [zend_function_entry] = Vec::leak(methods);
    let class = register_entry(spec.name, methods.as_ptr(), ptr::null_mut());
    for property in spec.statics {
        let mut value = default(&property.default);
        let visibility = if property.protected { ZEND_ACC_PROTECTED } else { ZEND_ACC_PUBLIC };
        let name = PhpString::permanent(property.name);
        // SAFETY: a class that is being registered; name and value live as long as the process: the
        // value of an internal class must not be counted, see default().
        unsafe {
            zend_declare_property_ex(
                class,
                name.as_ptr(),
                &raw mut value,
                (visibility | ZEND_ACC_STATIC) as i32,
                ptr::null_mut(),
            );
        }
        std::mem::forget(value);
    }
    class
}

/// Registers a class that adds nothing to its parent but a name. Only while the module starts.
pub fn register_exception(name: &'static str, parent: Class) -> *mut zend_class_entry {
    register_entry(name, ptr::null(), parent.as_ptr())
}

/// Registers a class of this name. Methods and parent are null, or live as long as the process.
fn register_entry(
    name: &'static str,
    methods: *const zend_function_entry,
    parent: *mut zend_class_entry,
) -> *mut zend_class_entry {
    // SAFETY: zeros with a name and methods are what INIT_CLASS_ENTRY makes in PHP 8.1 and 8.2.
    // From 8.3 on it also sets default_object_handlers, to what the engine sets them to itself in
    // every class that it registers here; with a parent, they are then the parent's. The engine
    // copies the entry; the pointers that it keeps are permanent.
    unsafe {
        let mut entry: zend_class_entry = zeroed();
        entry.name = PhpString::permanent(name).as_ptr();
        entry.info.internal.builtin_functions = methods;
        zend_register_internal_class_ex(&raw mut entry, parent)
    }
}

/// A default that is not counted: a scalar, a permanent string or the engine's empty array.
fn default(default: &StaticDefault) -> Zval {
    let mut value = Zval::new();
    match default {
        StaticDefault::Null => {}
        StaticDefault::Bool(flag) => value.set_bool(*flag),
        StaticDefault::Int(number) => value.set_long(*number),
        StaticDefault::Text(text) => return PhpString::permanent(text()).into_zval(),
        StaticDefault::EmptyArray => return values::empty_array(),
    }
    value
}

// PHP 8.4 has added fields, which have to be zero there.
#[allow(clippy::needless_update)]
fn function(spec: &MethodSpec, visibility: u32) -> zend_function_entry {
    let required = spec.params.iter().filter(|param| param.default.is_none()).count();
    // The first entry is the function itself: the number of required arguments in place of a name,
    // and the return type.
    let mut info = vec![zend_internal_arg_info {
        name: ptr::without_provenance(required),
        type_: declared(spec.returns),
        default_value: ptr::null(),
    }];
    info.extend(spec.params.iter().map(parameter));
    let info: &'static [zend_internal_arg_info] = Vec::leak(info);
    zend_function_entry {
        fname: spec.name.as_ptr(),
        handler: Some(spec.handler),
        arg_info: info.as_ptr(),
        num_args: spec.params.len() as u32,
        flags: visibility | ZEND_ACC_STATIC,
        // SAFETY: all fields may be zero.
        ..unsafe { zeroed() }
    }
}

fn parameter(param: &Param) -> zend_internal_arg_info {
    let default_value = param.default.map_or(ptr::null(), CStr::as_ptr);
    zend_internal_arg_info { name: param.name.as_ptr(), type_: declared(param.ty), default_value }
}

/// A declared type as the engine's mask: one bit per type; none for an untyped parameter.
fn declared(ty: Option<Type>) -> zend_type {
    let type_mask = match ty {
        None => 0,
        Some(Type::Array) => 1 << IS_ARRAY,
        Some(Type::Float) => 1 << IS_DOUBLE,
        Some(Type::Bool) => 1 << IS_FALSE | 1 << IS_TRUE,
    };
    const { assert!(_IS_BOOL != IS_FALSE) };
    zend_type { ptr: ptr::null_mut::<c_void>(), type_mask }
}

/// The name of a method's parameter, as messages use it.
pub fn parameter_name(function: &zend_internal_function, index: usize) -> String {
    if index >= function.num_args as usize {
        return String::new();
    }
    // SAFETY: arg_info has num_args entries; their names are those of parameter() above.
    unsafe {
        let name: *const c_char = (*function.arg_info.add(index)).name;
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}
