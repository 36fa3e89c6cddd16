//! Writes PHP-serialized bytes piece by piece, without building a [`super::Value`].

/// `N;`
pub fn write_null(to: &mut Vec<u8>) {
    to.extend_from_slice(b"N;");
}

/// `b:1;`
pub fn write_bool(to: &mut Vec<u8>, flag: bool) {
    to.extend_from_slice(if flag { b"b:1;" } else { b"b:0;" });
}

/// `i:42;`, a value or a key.
pub fn write_int(to: &mut Vec<u8>, number: i64) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => to.extend_from_slice(&[b'i', b':', b'0' + digit, b';']),
        _ => {
            to.extend_from_slice(b"i:");
            to.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            to.push(b';');
        }
    }
}

/// `s:2:"hi";`, a value or a key.
pub fn write_string(to: &mut Vec<u8>, text: &[u8]) {
    // Lengths of up to two digits, as nearly all are, go out in one piece with what is around them.
    match u8::try_from(text.len()) {
        Ok(digit @ 0..=9) => to.extend_from_slice(&[b's', b':', b'0' + digit, b':', b'"']),
        Ok(len @ 10..=99) => {
            to.extend_from_slice(&[b's', b':', b'0' + len / 10, b'0' + len % 10, b':', b'"']);
        }
        _ => {
            to.extend_from_slice(b"s:");
            to.extend_from_slice(itoa::Buffer::new().format(text.len()).as_bytes());
            to.extend_from_slice(b":\"");
        }
    }
    to.extend_from_slice(text);
    to.extend_from_slice(b"\";");
}

/// `a:2:{`: so many keys and values follow, and then [`write_array_end`].
pub fn write_array_start(to: &mut Vec<u8>, len: usize) {
    match u8::try_from(len) {
        Ok(digit @ 0..=9) => to.extend_from_slice(&[b'a', b':', b'0' + digit, b':', b'{']),
        _ => {
            to.extend_from_slice(b"a:");
            to.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
            to.extend_from_slice(b":{");
        }
    }
}

/// `}`
pub fn write_array_end(to: &mut Vec<u8>) {
    to.push(b'}');
}
