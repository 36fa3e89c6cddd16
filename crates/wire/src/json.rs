//! JSON as PHP's `json_encode` writes it without options: `/` and everything beyond ASCII is
//! escaped.

use std::collections::HashSet;
use std::io::Write;

/// Appends an integer.
pub fn write_int(to: &mut Vec<u8>, value: i64) {
    to.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a string with its quotes.
///
/// # Errors
/// Where it is not valid UTF-8 (`json_encode` returns false then); nothing has been appended.
pub fn write_string(to: &mut Vec<u8>, value: &[u8]) -> Result<(), NotUtf8> {
    let text = std::str::from_utf8(value).map_err(|_| NotUtf8)?;
    to.reserve(value.len() + 2);
    to.push(b'"');
    for c in text.chars() {
        match c {
            '"' => to.extend_from_slice(b"\\\""),
            '\\' => to.extend_from_slice(b"\\\\"),
            '/' => to.extend_from_slice(b"\\/"),
            '\u{8}' => to.extend_from_slice(b"\\b"),
            '\u{c}' => to.extend_from_slice(b"\\f"),
            '\n' => to.extend_from_slice(b"\\n"),
            '\r' => to.extend_from_slice(b"\\r"),
            '\t' => to.extend_from_slice(b"\\t"),
            ' '..='\u{7f}' => to.push(c as u8),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a Vec cannot fail.
                    let _ = write!(to, "\\u{unit:04x}");
                }
            }
        }
    }
    to.push(b'"');
    Ok(())
}

/// Bytes that are not valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid UTF-8")]
pub struct NotUtf8;

/// Appends what `json_encode` makes of the PHP array `[id => id, …]` built from `ids` in this
/// order: an object, or a list where the keys happen to count up from 0. A repeated id is written
/// once.
pub fn write_connection_map(to: &mut Vec<u8>, ids: &[u32]) {
    /// Up to here, looking through them is faster than hashing them.
    const FEW: usize = 16;
    if ids.len() <= FEW {
        let is_first = |(index, id): &(usize, &u32)| !ids[..*index].contains(id);
        write_unique(to, ids.iter().enumerate().filter(is_first).map(|(_, id)| *id));
    } else {
        let mut seen = HashSet::with_capacity(ids.len());
        let unique: Vec<u32> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
        write_unique(to, unique.into_iter());
    }
}

/// As [`write_connection_map`], of ids without repetitions.
fn write_unique(to: &mut Vec<u8>, ids: impl Iterator<Item = u32> + Clone) {
    let is_list = ids.clone().enumerate().all(|(index, id)| index == id as usize);
    to.push(if is_list { b'[' } else { b'{' });
    for (index, id) in ids.enumerate() {
        if index > 0 {
            to.push(b',');
        }
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(id).as_bytes();
        if !is_list {
            to.push(b'"');
            to.extend_from_slice(digits);
            to.extend_from_slice(b"\":");
        }
        to.extend_from_slice(digits);
    }
    to.push(if is_list { b']' } else { b'}' });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &str) -> String {
        let mut json = Vec::new();
        write_string(&mut json, value.as_bytes()).expect("UTF-8");
        String::from_utf8(json).expect("ASCII")
    }

    #[test]
    fn escapes_as_json_encode_does() {
        // Each right-hand side is what PHP 8.2's json_encode() printed.
        assert_eq!(string("用户\"/\\"), r#""\u7528\u6237\"\/\\""#);
        assert_eq!(
            string("\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}<>&'"),
            "\"\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}<>&'\""
        );
        assert_eq!(string("\u{1f600}é"), r#""\ud83d\ude00\u00e9""#);
    }

    #[test]
    fn refuses_invalid_utf8_and_appends_nothing() {
        let mut json = b"[".to_vec();
        assert_eq!(write_string(&mut json, b"a\xff"), Err(NotUtf8));
        assert_eq!(json, b"[");
    }

    #[test]
    fn writes_connection_maps_as_json_encode_does() {
        let map = |ids: &[u32]| {
            let mut json = Vec::new();
            write_connection_map(&mut json, ids);
            String::from_utf8(json).expect("ASCII")
        };
        assert_eq!(map(&[1, 4_294_967_295, 1]), r#"{"1":1,"4294967295":4294967295}"#);
        assert_eq!(map(&[0, 1, 2]), "[0,1,2]");
        assert_eq!(map(&[1, 0]), r#"{"1":1,"0":0}"#);
        assert_eq!(map(&[]), "[]");
    }
}
