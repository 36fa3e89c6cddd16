//! PHP's engine as the rest of the binding uses it. All `unsafe` code of the binding is in this
//! folder, apart from two items of `lib.rs`. The lint `unsafe_code` enforces that.
//!
//! | file | what of the engine |
//! | --- | --- |
//! | [`values`] | zvals: truth, conversion to strings, moving them into place |
//! | [`string`] | strings with their reference count |
//! | [`mod@array`] | building and reading arrays |
//! | [`key`] | keys of arrays |
//! | [`hash_table`] | arrays that are filled and read in place, for long lists and sessions |
//! | [`lists`] | lists by key in one array |
//! | [`names`] | names of properties and classes, allocated once |
//! | [`class`] | descriptions of classes, and the tables by which they are registered |
//! | [`autoload`] | a class that is loaded on demand as the alias of another |
//! | [`exec`] | what runs before `pcntl_exec()` |
//! | [`object`] | classes, static and instance properties, method calls, exceptions |
//! | [`serializer`] | `serialize`, `unserialize`, `json_encode` |
//! | [`unserializer`] | serialized values of a gateway, without the engine where they are plain |
//! | [`globals`] | `$_SESSION`, the error log |
//! | [`frame`] | the frame of a running method, and how it is entered |
//! | [`ini`] | settings of php.ini |

pub mod array;
pub mod autoload;
pub mod class;
pub mod exec;
pub mod frame;
pub mod globals;
pub mod hash_table;
pub mod ini;
pub mod key;
pub mod lists;
pub mod names;
pub mod object;
pub mod serializer;
pub mod string;
pub mod unserializer;
pub mod values;

pub use array::ArrayBuilder;
pub use hash_table::HashBuilder;
pub use string::PhpString;
pub use values::Zv;
