//! Tests of the reader.

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
    assert!(!reader.array_prefix(b"a:1:{"));
    assert!(!reader.array_prefix(b"a:2:{s:1:\"l\";"));
    assert_eq!((reader.position(), reader.depth), (0, 0), "nothing has been read");
    assert!(reader.array_prefix(b"a:2:{s:1:\"k\";"));
    assert_eq!(reader.scalar(), Ok(Scalar::Int(5)));
    assert_eq!((reader.key(), reader.scalar()), (Ok(Key::Int(0)), Ok(Scalar::Null)));
    reader.end().expect("the end");
    assert_eq!((reader.finish(), reader.depth), (Ok(()), 0));
    let nested = "a:1:{i:0;".repeat(MAX_DEPTH + 1);
    let mut reader = Reader::new(nested.as_bytes());
    for _ in 0..MAX_DEPTH {
        assert!(reader.array_prefix(b"a:1:{i:0;"));
    }
    assert!(!reader.array_prefix(b"a:1:{i:0;"), "it is too deep");
}

#[test]
fn reads_a_string_that_stands_there_twice_and_nothing_else() {
    for text in
        ["", "g", "group", "a\";s:1:\"", "group-12", "a group with a name of some length", &"x".repeat(999)]
    {
        let token = format!("s:{}:\"{text}\";", text.len());
        let twice = format!("{token}{token}i:1;N;");
        let mut reader = Reader::new(twice.as_bytes());
        assert_eq!(reader.repeated_string(), Some(text.as_bytes()));
        assert_eq!(reader.rest(), b"i:1;N;");
        // Every byte of the second one counts, and each of them has to be there.
        for place in token.len()..2 * token.len() {
            let mut other = twice.clone().into_bytes();
            other[place] ^= 1;
            for other in [&other[..], &twice.as_bytes()[..place]] {
                let mut reader = Reader::new(other);
                assert_eq!(reader.repeated_string(), None, "{:?}", String::from_utf8_lossy(other));
                assert_eq!(reader.position(), 0, "nothing has been read");
            }
        }
    }
    assert_eq!(Reader::new(b"i:1;i:1;i:1;i:1;").repeated_string(), None);
}

/// Every prefix of each text, and each text with every byte replaced by some others: whatever is
/// read in one look is read the same, and to the same place, byte by byte.
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
        assert!(Reader::new(text).token().is_ok() || text.len() > 20, "{:?}", String::from_utf8_lossy(text));
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
