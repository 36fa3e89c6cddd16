//! An owned PHP value, as replies and sessions hold it. Writing it gives the bytes of
//! `serialize()`.

use super::reader::{Key, ReadError, Reader, Scalar, Token};
use super::writer;

/// A PHP value. An array is a list of pairs in PHP's order; [`Array`] keeps its keys unique.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// A bool.
    Bool(bool),
    /// An int.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string of any bytes.
    Str(Vec<u8>),
    /// An array.
    Array(Array),
    /// A value that only PHP's engine can rebuild, as its serialized bytes.
    Engine(Vec<u8>),
}

/// A PHP array: ordered, with unique keys.
pub type Array = indexmap::IndexMap<OwnedKey, Value>;

/// The key of an array element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OwnedKey {
    /// An integer key.
    Int(i64),
    /// A string key that PHP would not turn into an integer.
    Str(Vec<u8>),
}

impl OwnedKey {
    /// The key that PHP makes of a string: an integer where the string is one in its shortest
    /// decimal form.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match integer_key(bytes) {
            Some(value) => Self::Int(value),
            None => Self::Str(bytes.to_vec()),
        }
    }

    /// The key as the string that PHP shows.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Int(value) => value.to_string().into_bytes(),
            Self::Str(bytes) => bytes.clone(),
        }
    }
}

impl From<Key<'_>> for OwnedKey {
    fn from(key: Key<'_>) -> Self {
        match key {
            Key::Int(value) => Self::Int(value),
            Key::Str(bytes) => Self::from_bytes(bytes),
        }
    }
}

/// The integer that PHP uses as an array key for this string, if it is one
/// (`ZEND_HANDLE_NUMERIC_STR`).
#[must_use]
#[inline(always)]
pub fn integer_key(bytes: &[u8]) -> Option<i64> {
    match bytes.first() {
        // Nearly all keys are told by their first byte.
        Some(b'-' | b'0'..=b'9') => numeric_key(bytes),
        _ => None,
    }
}

fn numeric_key(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    match digits {
        [] => None,
        [b'0'] if bytes.len() == 1 => Some(0),
        [b'0', ..] => None,
        _ if digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) => None,
        _ => std::str::from_utf8(bytes).ok()?.parse().ok(),
    }
}

impl Value {
    /// Reads one value that is all of `bytes`.
    ///
    /// # Errors
    /// Where the bytes are not PHP-serialized data.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let value = Self::read_from(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// Reads the next value. The recursion is bounded by the reader's depth.
    ///
    /// # Errors
    /// Where the bytes are not PHP-serialized data.
    pub fn read_from(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(match reader.token()? {
            Token::Scalar(Scalar::Null) => Self::Null,
            Token::Scalar(Scalar::Bool(value)) => Self::Bool(value),
            Token::Scalar(Scalar::Int(value)) => Self::Int(value),
            Token::Scalar(Scalar::Float(value)) => Self::Float(value),
            Token::Scalar(Scalar::Str(bytes)) => Self::Str(bytes.to_vec()),
            Token::Engine(bytes) => Self::Engine(bytes.to_vec()),
            Token::Array(len) => {
                let mut array = Array::new();
                for _ in 0..len {
                    let key = reader.key()?.into();
                    array.insert(key, Self::read_from(reader)?);
                }
                reader.end()?;
                Self::Array(array)
            }
        })
    }

    /// The bytes of PHP's `serialize()`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    /// Appends the bytes of PHP's `serialize()`.
    pub fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Null => writer::write_null(to),
            Self::Bool(value) => writer::write_bool(to, *value),
            Self::Int(value) => writer::write_int(to, *value),
            Self::Float(value) => to.extend_from_slice(format!("d:{};", php_float(*value)).as_bytes()),
            Self::Str(bytes) => writer::write_string(to, bytes),
            Self::Engine(bytes) => to.extend_from_slice(bytes),
            Self::Array(array) => {
                writer::write_array_start(to, array.len());
                for (key, value) in array {
                    match key {
                        OwnedKey::Int(value) => writer::write_int(to, *value),
                        OwnedKey::Str(bytes) => writer::write_string(to, bytes),
                    }
                    value.write(to);
                }
                writer::write_array_end(to);
            }
        }
    }

    /// A list: the values with the keys 0, 1, 2, …
    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::Array((0..).map(OwnedKey::Int).zip(values).collect())
    }
}

/// A float as `serialize()` writes it with `serialize_precision = -1`: the shortest digits that
/// read back the same, with an exponent from 1.0E+17 on and below 1.0E-4.
fn php_float(value: f64) -> String {
    if value.is_nan() {
        return "NAN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.into();
    }
    // Rust's LowerExp gives the same shortest digits: "1.5e-7".
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..17).contains(&exponent) {
        return format!("{value}");
    }
    let digits = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
    format!("{digits}E{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_back_what_it_reads() {
        for text in [
            "N;",
            "b:1;",
            "i:-5;",
            "d:0.1;",
            "d:-INF;",
            "s:3:\"a\"b\";",
            "a:0:{}",
            "a:3:{i:0;s:1:\"a\";s:2:\"01\";a:1:{i:-7;N;}s:1:\"x\";O:1:\"A\":1:{s:1:\"p\";i:1;}}",
        ] {
            let value = Value::read(text.as_bytes()).expect(text);
            assert_eq!(String::from_utf8_lossy(&value.to_bytes()), text);
        }
    }

    #[test]
    fn writes_floats_as_php_does() {
        // Each right-hand side is what PHP 8.2's serialize() printed, without "d:" and ";".
        for (value, text) in [
            (0.1, "0.1"),
            (1.0, "1"),
            (-0.0, "-0"),
            (100000.0, "100000"),
            (1e15, "1000000000000000"),
            (1.5e16, "15000000000000000"),
            (1e17, "1.0E+17"),
            (1.25e25, "1.25E+25"),
            (0.0001, "0.0001"),
            (0.00001, "1.0E-5"),
            (1.5e-7, "1.5E-7"),
            (123456789.12345678, "123456789.12345678"),
        ] {
            assert_eq!(php_float(value), text);
        }
    }

    #[test]
    fn turns_the_same_strings_into_integer_keys_as_php() {
        for (text, key) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("-3", Some(-3)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-9223372036854775809", None),
            ("18446744073709551617", None),
            ("007", None),
            ("-0", None),
            ("", None),
            ("-", None),
            ("1.5", None),
            (" 1", None),
            ("+1", None),
        ] {
            assert_eq!(integer_key(text.as_bytes()), key, "{text:?}");
        }
    }
}
