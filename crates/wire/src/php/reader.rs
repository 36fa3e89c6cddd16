//! A pull reader over untrusted PHP-serialized bytes.
//!
//! It borrows from the input and allocates nothing, whatever lengths the input claims (but a number for each level of a
//! value that it passes over); it bounds the depth of nesting and answers every malformed input with a [`ReadError`].
//! What only PHP's engine can rebuild (objects, enums, references) is handed out as its raw bytes, [`Token::Engine`].

/// How deep arrays may nest. PHP's own `unserialize_max_depth` is 4096; no list of a gateway nests deeper than 4,
/// and what nests deeper is a session, which goes to the engine as raw bytes.
pub const MAX_DEPTH: usize = 512;

/// The shortest array element, `i:0;N;`: no array can have more elements than its bytes have room for.
const SHORTEST_ELEMENT: usize = 6;

/// What stands next in the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// A complete scalar.
    Scalar(Scalar<'a>),
    /// The start of an array of this many elements: read that many times [`Reader::key`] and a value, then
    /// [`Reader::end`].
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
    /// A byte that cannot stand where it stands.
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
/// What is usual is read by functions that are inlined where they are used, wherever the compiler optimises, so that a reader
/// that is a variable of its caller is kept in registers. (Where it does not, they would only make the frames of recursive callers
/// larger.)
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
    /// Where the input is malformed at this place.
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

    /// Runs what reads the unusual. On a copy: a reader whose address is passed on could not be kept in registers.
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
    /// Where it is none.
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

    /// Reads the start of a value that has to be an array; answers its number of elements.
    ///
    /// # Errors
    /// Where it is none.
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
    /// Where no key stands here.
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
    /// Where the array does not end here.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn end(&mut self) -> Result<()> {
        let [b'}', rest @ ..] = self.rest else {
            return self.at_length(|reader| reader.expect(b'}', "the end of an array"));
        };
        self.rest = rest;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Reads the start of an array and whatever of it is in `head`, if exactly that stands here; otherwise nothing. As after
    /// [`Reader::array`], its end is still to be read.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn opens(&mut self, head: &[u8]) -> bool {
        let opens = self.depth < MAX_DEPTH && self.literal(head);
        self.depth += usize::from(opens);
        opens
    }

    /// Reads a string of less than 1,000 bytes. `None`: something else stands here, and nothing has been read.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = short_string(self.rest)?;
        self.rest = rest;
        Some(text)
    }

    /// Reads an element whose key and value are the same string, as the groups of a client are: the second is compared with the
    /// first. `None`: something else stands here, and nothing has been read.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn twin(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = short_string(self.rest)?;
        let one = &self.rest[..self.rest.len() - rest.len()];
        let (other, rest) = rest.split_at_checked(one.len())?;
        if !is_same(one, other) {
            return None;
        }
        self.rest = rest;
        Some(text)
    }

    /// Reads exactly these bytes, if they stand here; otherwise nothing.
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

    /// A scalar of the usual form: a string of less than 1,000 bytes, an integer of up to 18 digits without a sign, a float of
    /// up to 15 digits, null, a bool. `None`: nothing has been read, and what stands here has to be read at length, which also
    /// finds out what is wrong with it.
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

    /// Passes over one whole value; answers its bytes.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn skip(&mut self) -> Result<&'a [u8]> {
        let (value, floor) = (self.rest, self.depth);
        // The number of values still to pass in each array that is open, innermost last. Its length is the depth
        // that was really opened, which array_start() bounds, not one that was claimed.
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

    /// Says that the value was all of the input.
    ///
    /// # Errors
    /// Where bytes follow.
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

    /// Passes over a scalar, or over the head of a value that has elements: their number.
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

    /// Reads `COUNT:{` and opens a level.
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

/// The first eight bytes as a number whose lowest byte is the first one. `None`: so near to the end of the input everything is
/// read at length.
#[inline(always)]
fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Whether both are the same, for bytes that are few: without a call of the C library where they are eight or more.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) else {
        return one == other;
    };
    let (words, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let same = |(one, other): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other);
    one.len() == other.len() && same((end, other_end)) && words.iter().zip(others).all(same)
}

/// `i:NUMBER;` with up to 18 digits.
#[inline(always)]
fn short_int(bytes: &[u8]) -> Option<(i64, &[u8])> {
    match bytes {
        [b'i', b':', rest @ ..] => short_number(rest, b';'),
        _ => None,
    }
}

/// Up to 18 digits, which is what an `i64` always has room for, and the byte behind them.
#[inline(always)]
fn short_number(bytes: &[u8], behind: u8) -> Option<(i64, &[u8])> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Eight bytes at once, of which the first few are digits: these become 0 to 9, and the highest bit of the first other byte is
    // set. (Those behind it may be wrong: a sum may have carried into them.)
    let digits = word(bytes)? ^ (0x30 * EACH);
    let other = ((digits.wrapping_add(0x76 * EACH)) | digits) & (0x80 * EACH);
    if other == 0 {
        return longer_number(bytes, behind);
    }
    let len = other.trailing_zeros() / 8;
    if len == 0 || bytes[len as usize] != behind {
        return None;
    }
    // Digits to pairs, pairs to fours, fours to the number; the first digit is in the lowest byte that is left.
    let number = digits << (64 - 8 * len);
    let number = (number & (0x0f * EACH)).wrapping_mul(0xa01) >> 8;
    let number = (number & 0x00ff_00ff_00ff_00ff).wrapping_mul(0x64_0001) >> 16;
    let number = (number & 0x0000_ffff_0000_ffff).wrapping_mul(0x2710_0000_0001) >> 32;
    Some((number as i64, &bytes[len as usize + 1..]))
}

/// As [`short_number`], digit by digit.
fn longer_number(bytes: &[u8], behind: u8) -> Option<(i64, &[u8])> {
    let mut value = 0i64;
    for (index, byte) in bytes.iter().enumerate().take(19) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (*byte == behind && index > 0).then(|| (value, &bytes[index + 1..]));
        }
        // Where this wraps, it was the 19th digit, and the value is not used.
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
    }
    None
}

/// `d:NUMBER;` with up to 15 digits, a point among them or not, and no exponent. The digits alone and the power of ten are exact
/// as floats, so that their quotient is the float that is nearest to the number.
#[inline(always)]
fn short_float(bytes: &[u8]) -> Option<(f64, &[u8])> {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let rest = bytes.strip_prefix(b"d:")?;
    let (negative, rest) = match rest.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (mut value, mut digits, mut point) = (0u64, 0usize, None);
    for (index, byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits < 15 => {
                value = 10 * value + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if point.is_none() && digits > 0 => point = Some(digits),
            // At least one digit, and one behind a point.
            b';' if digits > point.unwrap_or(0) => {
                let number = value as f64 / POWERS[point.map_or(0, |whole| digits - whole)];
                return Some((if negative { -number } else { number }, &rest[index + 1..]));
            }
            _ => return None,
        }
    }
    None
}

/// `s:LENGTH:"BYTES";` with a length of up to three digits. All of it up to the bytes is compared at once.
#[inline(always)]
fn short_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const ONE_DIGIT: u64 = u64::from_le_bytes(*b"s:\0:\"\0\0\0");
    const TWO_DIGITS: u64 = u64::from_le_bytes(*b"s:\0\0:\"\0\0");
    const THREE_DIGITS: u64 = u64::from_le_bytes(*b"s:\0\0\0:\"\0");
    let word = word(bytes)?;
    let digit = |place: u32| (word >> (8 * place) & 0xff).wrapping_sub(u64::from(b'0'));
    let (len, start) = if word & 0x0000_00ff_ff00_ffff == ONE_DIGIT && digit(2) < 10 {
        (digit(2), 5)
    } else if word & 0x0000_ffff_0000_ffff == TWO_DIGITS && digit(2) < 10 && digit(3) < 10 {
        (10 * digit(2) + digit(3), 6)
    } else if word & 0x00ff_ff00_0000_ffff == THREE_DIGITS && digit(2) < 10 && digit(3) < 10 && digit(4) < 10
    {
        (100 * digit(2) + 10 * digit(3) + digit(4), 7)
    } else {
        return None;
    };
    let (text, rest) = bytes.get(start..)?.split_at_checked(len as usize)?;
    Some((text, rest.strip_prefix(b"\";")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_scalar() {
        let read = |text: &'static [u8]| {
            let mut reader = Reader::new(text);
            let scalar = reader.scalar()?;
            reader.finish()?;
            Ok::<_, ReadError>(scalar)
        };
        assert_eq!(read(b"N;"), Ok(Scalar::Null));
        assert_eq!(read(b"b:1;"), Ok(Scalar::Bool(true)));
        assert_eq!(read(b"b:0;"), Ok(Scalar::Bool(false)));
        assert_eq!(read(b"i:-9223372036854775808;"), Ok(Scalar::Int(i64::MIN)));
        assert_eq!(read(b"d:0.1;"), Ok(Scalar::Float(0.1)));
        assert_eq!(read(b"d:1.0E+25;"), Ok(Scalar::Float(1e25)));
        assert_eq!(read(b"d:-INF;"), Ok(Scalar::Float(f64::NEG_INFINITY)));
        assert!(matches!(read(b"d:NAN;"), Ok(Scalar::Float(value)) if value.is_nan()));
        assert_eq!(read(b"s:4:\"a\";b\";"), Ok(Scalar::Str(b"a\";b")));
        assert_eq!(read(b"s:0:\"\";"), Ok(Scalar::Str(b"")));
    }

    #[test]
    fn answers_malformed_input_with_an_error() {
        for bad in [
            &b""[..],
            b"x",
            b"N",
            b"N:",
            b"i:;",
            b"i:-;",
            b"i:9223372036854775808;",
            b"i:1",
            b"b:2;",
            b"b:-0;",
            b"b:01;",
            b"d:;",
            b"d:x;",
            b"d:infinity;",
            b"s:1:\"",
            b"s:2:\"a\";",
            b"s:99999999999999999999:\"\";",
            b"s::\"\";",
            b"a:1:{}",
            b"a:-1:{}",
            b"a:4294967295:{i:0;N;}",
            b"a:0:{",
            b"a:1:{N;N;}",
            b"a:1:{i:0;N;",
            b"O:1:\"A\":1:{}",
            b"C:1:\"A\":9:{}",
            b"E:3:\"A:B\"",
            b"r:;",
        ] {
            let mut reader = Reader::new(bad);
            let result = reader.skip().and_then(|_| reader.finish());
            assert!(result.is_err(), "{:?} was read", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn opens_an_array_by_its_head_or_reads_nothing() {
        let row = b"a:2:{s:1:\"k\";i:5;i:0;N;}";
        let mut reader = Reader::new(row);
        assert!(!reader.opens(b"a:1:{"));
        assert!(!reader.opens(b"a:2:{s:1:\"l\";"));
        assert_eq!((reader.position(), reader.depth), (0, 0), "nothing has been read");
        assert!(reader.opens(b"a:2:{s:1:\"k\";"));
        assert_eq!(reader.scalar(), Ok(Scalar::Int(5)));
        assert_eq!((reader.key(), reader.scalar()), (Ok(Key::Int(0)), Ok(Scalar::Null)));
        reader.end().expect("the end");
        assert_eq!((reader.finish(), reader.depth), (Ok(()), 0));
        let nested = "a:1:{i:0;".repeat(MAX_DEPTH + 1);
        let mut reader = Reader::new(nested.as_bytes());
        for _ in 0..MAX_DEPTH {
            assert!(reader.opens(b"a:1:{i:0;"));
        }
        assert!(!reader.opens(b"a:1:{i:0;"), "it is too deep");
    }

    #[test]
    fn reads_a_string_that_stands_there_twice_and_nothing_else() {
        for text in [
            "",
            "g",
            "group",
            "a\";s:1:\"",
            "group-12",
            "a group with a name of some length",
            &"x".repeat(999),
        ] {
            let token = format!("s:{}:\"{text}\";", text.len());
            let twice = format!("{token}{token}i:1;N;");
            let mut reader = Reader::new(twice.as_bytes());
            assert_eq!(reader.twin(), Some(text.as_bytes()));
            assert_eq!(reader.rest(), b"i:1;N;");
            // Every byte of the second one counts, and each of them has to be there.
            for place in token.len()..2 * token.len() {
                let mut other = twice.clone().into_bytes();
                other[place] ^= 1;
                for other in [&other[..], &twice.as_bytes()[..place]] {
                    let mut reader = Reader::new(other);
                    assert_eq!(reader.twin(), None, "{:?}", String::from_utf8_lossy(other));
                    assert_eq!(reader.position(), 0, "nothing has been read");
                }
            }
        }
        assert_eq!(Reader::new(b"i:1;i:1;i:1;i:1;").twin(), None);
    }

    /// Every prefix of each text, and each text with every byte replaced by some others: whatever is read in one look is read the
    /// same, and to the same place, byte by byte.
    #[test]
    fn reads_in_one_look_what_it_reads_byte_by_byte() {
        let texts: [&[u8]; 20] = [
            b"i:0;",
            b"i:7;xxxxxxxx",
            b"i:1234567;i:1;",
            b"i:12345678;i:1;",
            b"i:123456789012345678;i:1;",
            b"i:1234567890123456789;i:1;",
            b"i:-12;i:1;i:1;",
            b"i:+12;i:1;i:1;",
            b"s:0:\"\";i:1;i:1;",
            b"s:3:\"a\";\";i:1;",
            b"s:12:\"abcdefghijkl\";i:1;",
            b"s:005:\"hello\";i:1;",
            b"s:0005:\"hello\";i:1;",
            b"d:0.5;i:1;",
            b"d:-0;i:1;",
            b"d:123456.789012345;i:1;",
            b"d:1234567.8901234567;i:1;",
            b"b:1;i:1;i:1;",
            b"N;i:1;i:1;",
            b"a:2:{i:0;N;i:1;N;}",
        ];
        let check = |text: &[u8]| {
            let (mut one, mut other) = (Reader::new(text), Reader::new(text));
            if let Some(scalar) = one.short_scalar() {
                let same = Token::Scalar(scalar);
                match (other.token_at_length(), same) {
                    (Ok(Token::Scalar(Scalar::Float(read))), Token::Scalar(Scalar::Float(float))) => {
                        assert_eq!(read.to_bits(), float.to_bits(), "{:?}", String::from_utf8_lossy(text));
                    }
                    (read, _) => assert_eq!(read, Ok(same), "{:?}", String::from_utf8_lossy(text)),
                }
            } else if let Some(len) = one.short_array() {
                assert_eq!(other.token_at_length(), Ok(Token::Array(len)));
            } else {
                assert_eq!(one.position(), 0, "nothing has been read");
                return;
            }
            assert_eq!((one.position(), one.depth), (other.position(), other.depth));
            let (mut one, mut other) = (Reader::new(text), Reader::new(text));
            assert_eq!(one.key(), other.key_at_length(), "{:?}", String::from_utf8_lossy(text));
            assert_eq!(one.position(), other.position());
        };
        for text in texts {
            assert!(
                Reader::new(text).token().is_ok() || text.len() > 20,
                "{:?}",
                String::from_utf8_lossy(text)
            );
            for end in 0..=text.len() {
                check(&text[..end]);
            }
            for place in 0..text.len() {
                for byte in *b"09:/;.-\"\0\xffsid{9" {
                    let mut other = text.to_vec();
                    other[place] = byte;
                    check(&other);
                }
            }
        }
    }

    #[test]
    fn never_believes_a_claimed_length() {
        assert_eq!(
            Reader::new(b"a:4000000000:{i:0;N;}").array(),
            Err(ReadError::Claim { at: 2, claimed: 4_000_000_000, room: 1 })
        );
    }

    #[test]
    fn bounds_the_depth() {
        let nest = |depth: usize| "a:1:{i:0;".repeat(depth) + "N;" + &"}".repeat(depth);
        let (fits, too_deep) = (nest(MAX_DEPTH), nest(MAX_DEPTH + 1));
        assert!(Reader::new(fits.as_bytes()).skip().is_ok());
        assert!(matches!(Reader::new(too_deep.as_bytes()).skip(), Err(ReadError::Depth { .. })));
    }

    #[test]
    fn hands_out_engine_values_whole() {
        let text = b"a:5:{i:0;O:1:\"A\":1:{s:1:\"x\";a:1:{i:0;i:1;}}i:1;C:1:\"B\":1:{}}i:2;E:3:\"A:B\";i:3;R:1;i:4;i:7;}";
        let mut reader = Reader::new(text);
        assert_eq!(reader.array(), Ok(5));
        let mut values = Vec::new();
        for _ in 0..5 {
            reader.key().expect("a key");
            values.push(reader.token().expect("a value"));
        }
        reader.end().expect("the end");
        reader.finish().expect("all of it");
        assert_eq!(
            values,
            [
                Token::Engine(b"O:1:\"A\":1:{s:1:\"x\";a:1:{i:0;i:1;}}"),
                Token::Engine(b"C:1:\"B\":1:{}}"),
                Token::Engine(b"E:3:\"A:B\";"),
                Token::Engine(b"R:1;"),
                Token::Scalar(Scalar::Int(7)),
            ]
        );
    }
}
