//! Values in their common, short form, read several bytes at a time. `None` means that something
//! else comes next: the caller reads it in full, which also finds any error in it.

/// The first eight bytes as a number whose lowest byte is the first one. `None`: this close to the
/// end of the input, everything is read in full.
#[inline(always)]
pub(super) fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Whether both are the same, for short slices. Without a call into the C library for eight bytes
/// or more.
#[inline(always)]
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) else {
        return one == other;
    };
    let (words, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let same = |(one, other): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other);
    one.len() == other.len() && same((end, other_end)) && words.iter().zip(others).all(same)
}

/// `i:NUMBER;` with up to 18 digits.
#[inline(always)]
pub(super) fn short_int(bytes: &[u8]) -> Option<(i64, &[u8])> {
    match bytes {
        [b'i', b':', rest @ ..] => short_number(rest, b';'),
        _ => None,
    }
}

/// Up to 18 digits, which is what an `i64` always has room for, and the byte behind them.
#[inline(always)]
pub(super) fn short_number(bytes: &[u8], behind: u8) -> Option<(i64, &[u8])> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Eight bytes at once, which begin with the digits: these become 0 to 9, and the highest bit of
    // the first other byte is set. (Bytes after that may be wrong: a sum may have carried into
    // them.)
    let digits = word(bytes)? ^ (0x30 * EACH);
    let other = ((digits.wrapping_add(0x76 * EACH)) | digits) & (0x80 * EACH);
    if other == 0 {
        return longer_number(bytes, behind);
    }
    let len = other.trailing_zeros() / 8;
    if len == 0 || bytes[len as usize] != behind {
        return None;
    }
    // Digits to pairs, pairs to fours, fours to the number; the first digit is in the lowest byte
    // that is left.
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

/// `d:NUMBER;` with up to 15 digits, with or without a point, and no exponent. The digits and the
/// power of ten are exact as floats, so their quotient is the float nearest to the number.
#[inline(always)]
pub(super) fn short_float(bytes: &[u8]) -> Option<(f64, &[u8])> {
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

/// `s:LENGTH:"BYTES";` with a length of up to three digits. All of it up to the bytes is compared
/// at once.
#[inline(always)]
pub(super) fn short_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
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
