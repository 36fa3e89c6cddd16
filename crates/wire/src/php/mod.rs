//! PHP-serialized data (`serialize()`), the form of every reply and of every session.

pub mod reader;
mod short;
pub mod value;
pub mod writer;

pub use reader::{Key, Reader, Scalar, Token};
pub use value::Value;
