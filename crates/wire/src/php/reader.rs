//! A pull reader over untrusted PHP-serialized bytes.
//!
//! It borrows from the input and allocates nothing, whatever lengths the input claims, except one
//! number for each level of a value that it skips. It bounds the depth of nesting and returns a
//! [`ReadError`] for every malformed input. What only PHP's engine can rebuild (objects, enums,
//! references) is returned as raw bytes, [`Token::Engine`].

use super::short::{is_same, short_float, short_int, short_number, short_string, word};

/// How deep arrays may nest. PHP's own `unserialize_max_depth` is 4096; no list of a gateway nests
/// deeper than 4, and what nests deeper is a session, which goes to the engine as raw bytes.
pub const MAX_DEPTH: usize = 512;

/// The shortest array element, `i:0;N;`: no array can have more elements than its bytes have room
/// for.
const SHORTEST_ELEMENT: usize = 6;

/// What comes next in the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// A complete scalar.
    Scalar(Scalar<'a>),
    /// The start of an array of this many elements: read that many times [`Reader::key`] and a
    /// value, then [`Reader::end`].
    Array(usize),
    /// A value that only PHP's engine can rebuild: its bytes, whole.
    Engine(&'a [u8]),
}

/// A value without parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `N;`
    Null,
    /// `b:1;`
    Bool(bool),
    /// `i:42;`
    Int(i64),
    /// `d:0.5;`
    Float(f64),
    /// `s:2:"hi";`
    Str(&'a [u8]),
}

/// The key of an array element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// An integer key.
    Int(i64),
    /// A string key.
    Str(&'a [u8]),
}

/// Why the input is not PHP-serialized data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The input ends inside a value.
    #[error("the data ends at byte {at}, in the middle of a value")]
    End {
        /// The input's length.
        at: usize,
    },
    /// A byte that is not allowed here.
    #[error("byte {at} is not serialized PHP data where {wanted} is due")]
    Unexpected {
        /// Its position.
        at: usize,
        /// What should have been there.
        wanted: &'static str,
    },
    /// A number that is out of range.
    #[error("the number at byte {at} is out of range")]
    Number {
        /// Its position.
        at: usize,
    },
    /// A length or count that the rest of the input has no room for.
    #[error("{claimed} bytes or elements are announced at byte {at}, there is room for {room}")]
    Claim {
        /// Its position.
        at: usize,
        /// What is announced.
        claimed: usize,
        /// What there is room for.
        room: usize,
    },
    /// Arrays nest deeper than [`MAX_DEPTH`].
    #[error("arrays nest deeper than {MAX_DEPTH} at byte {at}")]
    Depth {
        /// The position of the array that is too deep.
        at: usize,
    },
    /// Bytes follow the value.
    #[error("the value ends at byte {at}, more bytes follow")]
    Trailing {
        /// Where the value ends.
        at: usize,
    },
}

/// A position in PHP-serialized bytes.
///
/// Common forms are read by functions that are inlined in optimised builds, so that a reader in a
/// local variable is kept in registers. (In other builds they would only enlarge the stack frames
/// of recursive callers.)
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// What has not been read yet.
    rest: &'a [u8],
    /// The length of the whole input.
    len: usize,
    depth: usize,
}

type Result<T> = std::result::Result<T, ReadError>;

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len(), depth: 0 }
    }

    /// Reads the next scalar, the start of an array, or a whole engine value.
    ///
    /// # Errors
    /// If the input is malformed here.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn token(&mut self) -> Result<Token<'a>> {
        if let Some(scalar) = self.short_scalar() {
            return Ok(Token::Scalar(scalar));
        }
        match self.short_array() {
            Some(len) => Ok(Token::Array(len)),
            None => self.at_length(Self::token_at_length),
        }
    }

    /// Reads an uncommon form. On a copy: a reader whose address is taken could not be kept in
    /// registers.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn at_length<T>(&mut self, read: fn(&mut Self) -> Result<T>) -> Result<T> {
        let mut copy = self.clone();
        let result = read(&mut copy);
        *self = copy;
        result
    }

    #[inline(never)]
    fn token_at_length(&mut self) -> Result<Token<'a>> {
        let (start, value) = (self.position(), self.rest);
        let kind = self.byte()?;
        Ok(match kind {
            b's' => Token::Scalar(Scalar::Str(self.string(b';')?)),
            b'i' => Token::Scalar(Scalar::Int(self.colon_int(b';')?)),
            b'a' => Token::Array(self.array_start(start)?),
            b'N' => {
                self.expect(b';', "';'")?;
                Token::Scalar(Scalar::Null)
            }
            b'b' => Token::Scalar(Scalar::Bool(self.flag()?)),
            b'd' => Token::Scalar(Scalar::Float(self.float()?)),
            b'O' | b'C' | b'E' | b'r' | b'R' => {
                self.rest = value;
                Token::Engine(self.skip()?)
            }
            _ => return Err(ReadError::Unexpected { at: start, wanted: "a value" }),
        })
    }

    /// Reads a value that has to be a scalar.
    ///
    /// # Errors
    /// If it is none.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn scalar(&mut self) -> Result<Scalar<'a>> {
        match self.short_scalar() {
            Some(scalar) => Ok(scalar),
            None => self.at_length(Self::scalar_at_length),
        }
    }

    #[inline(never)]
    fn scalar_at_length(&mut self) -> Result<Scalar<'a>> {
        let at = self.position();
        match self.token_at_length()? {
            Token::Scalar(scalar) => Ok(scalar),
            _ => Err(ReadError::Unexpected { at, wanted: "a scalar" }),
        }
    }

    /// Reads the start of a value that has to be an array; returns its number of elements.
    ///
    /// # Errors
    /// If it is none.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn array(&mut self) -> Result<usize> {
        match self.short_array() {
            Some(len) => Ok(len),
            None => self.at_length(Self::array_at_length),
        }
    }

    #[inline(never)]
    fn array_at_length(&mut self) -> Result<usize> {
        let at = self.position();
        match self.token_at_length()? {
            Token::Array(len) => Ok(len),
            _ => Err(ReadError::Unexpected { at, wanted: "an array" }),
        }
    }

    /// Reads the key of the next element.
    ///
    /// # Errors
    /// If there is no key here.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn key(&mut self) -> Result<Key<'a>> {
        let (key, rest) = match self.rest.first() {
            Some(b's') => match short_string(self.rest) {
                Some((text, rest)) => (Key::Str(text), rest),
                None => return self.at_length(Self::key_at_length),
            },
            _ => match short_int(self.rest) {
                Some((number, rest)) => (Key::Int(number), rest),
                None => return self.at_length(Self::key_at_length),
            },
        };
        self.rest = rest;
        Ok(key)
    }

    #[inline(never)]
    fn key_at_length(&mut self) -> Result<Key<'a>> {
        let at = self.position();
        match self.byte()? {
            b'i' => Ok(Key::Int(self.colon_int(b';')?)),
            b's' => Ok(Key::Str(self.string(b';')?)),
            _ => Err(ReadError::Unexpected { at, wanted: "an array key" }),
        }
    }

    /// Reads the end of an array, after its last element.
    ///
    /// # Errors
    /// If the array does not end here.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn end(&mut self) -> Result<()> {
        let [b'}', rest @ ..] = self.rest else {
            return self.at_length(|reader| reader.expect(b'}', "the end of an array"));
        };
        self.rest = rest;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Reads the start of an array and as much of it as `head` holds, if exactly these bytes come
    /// next; otherwise reads nothing. As after [`Reader::array`], the end is still to be read.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn array_prefix(&mut self, head: &[u8]) -> bool {
        let is_there = self.depth < MAX_DEPTH && self.literal(head);
        self.depth += usize::from(is_there);
        is_there
    }

    /// Reads a string of less than 1,000 bytes. `None`: something else comes next, and nothing has
    /// been read.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn short_string(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = short_string(self.rest)?;
        self.rest = rest;
        Some(text)
    }

    /// Reads an element whose key and value are the same string, as for the groups of a client: the
    /// second is compared with the first. `None`: something else comes next, and nothing has been
    /// read.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn repeated_string(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = short_string(self.rest)?;
        let one = &self.rest[..self.rest.len() - rest.len()];
        let (other, rest) = rest.split_at_checked(one.len())?;
        if !is_same(one, other) {
            return None;
        }
        self.rest = rest;
        Some(text)
    }

    /// Reads exactly these bytes, if they come next; otherwise reads nothing.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn literal(&mut self, bytes: &[u8]) -> bool {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A scalar in its common form: a string of less than 1,000 bytes, an integer of up to 18
    /// digits without a sign, a float of up to 15 digits, null, a bool. `None`: nothing has been
    /// read, and the value has to be read in full, which also finds any error in it.
    #[inline(always)]
    fn short_scalar(&mut self) -> Option<Scalar<'a>> {
        let rest = self.rest;
        let (scalar, rest) = match rest.first()? {
            b's' => {
                let (text, rest) = short_string(rest)?;
                (Scalar::Str(text), rest)
            }
            b'i' => {
                let (number, rest) = short_int(rest)?;
                (Scalar::Int(number), rest)
            }
            b'd' => {
                let (number, rest) = short_float(rest)?;
                (Scalar::Float(number), rest)
            }
            _ => match rest {
                [b'N', b';', rest @ ..] => (Scalar::Null, rest),
                [b'b', b':', flag @ (b'0' | b'1'), b';', rest @ ..] => (Scalar::Bool(*flag == b'1'), rest),
                _ => return None,
            },
        };
        self.rest = rest;
        Some(scalar)
    }

    /// As [`Reader::short_scalar`], the start of an array.
    #[inline(always)]
    fn short_array(&mut self) -> Option<usize> {
        const ONE_DIGIT: u64 = u64::from_le_bytes(*b"a:\0:{\0\0\0");
        let word = word(self.rest)?;
        let digit = (word >> 16 & 0xff).wrapping_sub(u64::from(b'0'));
        let (claimed, rest) = if word & 0x0000_00ff_ff00_ffff == ONE_DIGIT && digit < 10 {
            (digit as usize, self.rest.get(5..)?)
        } else {
            let (claimed, rest) = short_number(self.rest.strip_prefix(b"a:")?, b':')?;
            (usize::try_from(claimed).ok()?, rest.strip_prefix(b"{")?)
        };
        // A number of 18 digits has room for a factor of six.
        if claimed * SHORTEST_ELEMENT > rest.len() || self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        self.rest = rest;
        Some(claimed)
    }

    /// Skips one whole value; returns its bytes.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn skip(&mut self) -> Result<&'a [u8]> {
        let (value, floor) = (self.rest, self.depth);
        // The number of values still to pass in each array that is open, innermost last. Its length
        // is the depth that was really opened, which array_start() bounds, not one that was
        // claimed.
        let mut open: Vec<usize> = Vec::new();
        loop {
            if let Some(elements) = self.skip_head()? {
                open.push(elements);
            }
            loop {
                match open.last_mut() {
                    None => {
                        self.depth = floor;
                        return Ok(&value[..value.len() - self.rest.len()]);
                    }
                    Some(0) => {
                        self.end()?;
                        open.pop();
                    }
                    Some(left) => {
                        *left -= 1;
                        self.key()?;
                        break;
                    }
                }
            }
        }
    }

    /// Checks that the value was all of the input.
    ///
    /// # Errors
    /// If bytes follow.
    pub fn finish(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReadError::Trailing { at: self.position() }) }
    }

    /// The bytes that have not been read yet.
    #[must_use]
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The position of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Skips a scalar, or the head of a value that has elements; returns their number.
    fn skip_head(&mut self) -> Result<Option<usize>> {
        let start = self.position();
        match self.rest.first() {
            Some(b'O') => {
                self.byte()?;
                self.string(b':')?;
                Ok(Some(self.elements(start)?))
            }
            Some(b'C') => {
                self.byte()?;
                self.string(b':')?;
                let at = self.position();
                let len = self.length(b':')?;
                self.expect(b'{', "'{'")?;
                self.take(len, at)?;
                self.expect(b'}', "'}'")?;
                Ok(None)
            }
            Some(b'E') => {
                self.byte()?;
                self.string(b';')?;
                Ok(None)
            }
            Some(b'r' | b'R') => {
                self.byte()?;
                self.colon_int(b';')?;
                Ok(None)
            }
            _ => match self.token()? {
                Token::Array(elements) => Ok(Some(elements)),
                Token::Scalar(_) | Token::Engine(_) => Ok(None),
            },
        }
    }

    /// Reads `:COUNT:{`.
    fn array_start(&mut self, start: usize) -> Result<usize> {
        self.expect(b':', "':'")?;
        self.elements(start)
    }

    /// Reads `COUNT:{` and enters a level.
    fn elements(&mut self, start: usize) -> Result<usize> {
        let at = self.position();
        let claimed = self.length(b':')?;
        self.expect(b'{', "'{'")?;
        let room = self.rest.len() / SHORTEST_ELEMENT;
        if claimed > room {
            return Err(ReadError::Claim { at, claimed, room });
        }
        if self.depth >= MAX_DEPTH {
            return Err(ReadError::Depth { at: start });
        }
        self.depth += 1;
        Ok(claimed)
    }

    /// Reads `:LENGTH:"BYTES"` and the byte behind it.
    #[inline]
    fn string(&mut self, behind: u8) -> Result<&'a [u8]> {
        self.expect(b':', "':'")?;
        let at = self.position();
        let len = self.length(b':')?;
        self.expect(b'"', "'\"'")?;
        let bytes = self.take(len, at)?;
        self.expect(b'"', "'\"'")?;
        self.expect(behind, "the end of a string")?;
        Ok(bytes)
    }

    /// Takes as many bytes as are announced at this position.
    #[inline]
    fn take(&mut self, len: usize, at: usize) -> Result<&'a [u8]> {
        let split = self.rest.split_at_checked(len);
        let (taken, rest) = split.ok_or(ReadError::Claim { at, claimed: len, room: self.rest.len() })?;
        self.rest = rest;
        Ok(taken)
    }

    /// Reads digits and the byte behind them.
    #[inline]
    fn length(&mut self, behind: u8) -> Result<usize> {
        let at = self.position();
        let mut value = 0usize;
        loop {
            match self.byte()? {
                digit @ b'0'..=b'9' => {
                    value = value
                        .checked_mul(10)
                        .and_then(|value| value.checked_add(usize::from(digit - b'0')))
                        .ok_or(ReadError::Number { at })?;
                }
                byte if byte == behind && self.position() - at > 1 => return Ok(value),
                _ => return Err(ReadError::Unexpected { at: self.position() - 1, wanted: "a length" }),
            }
        }
    }

    /// Reads `:`, an integer and the byte behind it.
    #[inline]
    fn colon_int(&mut self, behind: u8) -> Result<i64> {
        self.expect(b':', "':'")?;
        let at = self.position();
        let negative = match self.rest.first() {
            Some(sign @ (b'-' | b'+')) => {
                self.byte()?;
                *sign == b'-'
            }
            _ => false,
        };
        let digits = self.position();
        let mut value = 0i64;
        loop {
            match self.byte()? {
                digit @ b'0'..=b'9' => {
                    let digit = i64::from(digit - b'0');
                    value =
                        value
                            .checked_mul(10)
                            .and_then(|value| {
                                if negative { value.checked_sub(digit) } else { value.checked_add(digit) }
                            })
                            .ok_or(ReadError::Number { at })?;
                }
                byte if byte == behind && self.position() - digits > 1 => return Ok(value),
                _ => return Err(ReadError::Unexpected { at: self.position() - 1, wanted: "an integer" }),
            }
        }
    }

    /// Reads `:0;` or `:1;`.
    fn flag(&mut self) -> Result<bool> {
        self.expect(b':', "':'")?;
        let flag = match self.byte()? {
            b'0' => false,
            b'1' => true,
            _ => return Err(ReadError::Unexpected { at: self.position() - 1, wanted: "0 or 1" }),
        };
        self.expect(b';', "';'")?;
        Ok(flag)
    }

    /// Reads `:FLOAT;`.
    fn float(&mut self) -> Result<f64> {
        self.expect(b':', "':'")?;
        let at = self.position();
        let len = self.rest.iter().position(|byte| *byte == b';').ok_or(ReadError::End { at: self.len })?;
        let text = self.take(len, at)?;
        self.byte()?;
        match text {
            b"INF" => return Ok(f64::INFINITY),
            b"-INF" => return Ok(f64::NEG_INFINITY),
            b"NAN" => return Ok(f64::NAN),
            _ => {}
        }
        let plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
        let unexpected = ReadError::Unexpected { at, wanted: "a float" };
        if !text.iter().all(plain) {
            return Err(unexpected);
        }
        let text = std::str::from_utf8(text).map_err(|_| unexpected)?;
        text.parse().map_err(|_| unexpected)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(ReadError::End { at: self.len })?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<()> {
        if self.byte()? == byte {
            Ok(())
        } else {
            Err(ReadError::Unexpected { at: self.position() - 1, wanted })
        }
    }
}

#[cfg(test)]
mod tests;
