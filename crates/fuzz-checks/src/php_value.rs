//! PHP-serialized values: any bytes are read within bounds, and what is written is read back the
//! same.

use arbitrary::Unstructured;
use gatewayworker_wire::php::reader::{MAX_DEPTH, ReadError};
use gatewayworker_wire::php::value::{Array, OwnedKey};
use gatewayworker_wire::php::{Key, Reader, Scalar, Token, Value};

use crate::memory::bounded;

/// What the reader may take to pass over a value: a number for each open array, and as much while
/// its list grows.
pub(crate) const SKIPPING: usize = 2 * MAX_DEPTH * size_of::<usize>();
/// What an owned value may take for each byte of its serialized form: a table for `a:1:{i:0;`,
/// above all.
const PER_BYTE: usize = 160;

/// Takes `data` for serialized bytes, for what nests deep, for rows of a list of uids, and for what
/// a value is made of.
pub fn check(data: &[u8]) {
    any_bytes(data);
    deep(data);
    rows(data);
    written(data);
}

fn any_bytes(data: &[u8]) {
    let mut reader = Reader::new(data);
    let skipped = bounded(SKIPPING, || reader.skip());
    let end = reader.position();
    let mut reader = Reader::new(data);
    let read = bounded(PER_BYTE * data.len() + 1024, || Value::read_from(&mut reader));
    match (skipped, read) {
        (Ok(bytes), Ok(value)) => {
            assert_eq!(bytes, &data[..end]);
            assert_eq!(reader.position(), end, "both ways end at the same place");
            assert_eq!(reader.rest(), &data[end..]);
            let finished = if end == data.len() { Ok(()) } else { Err(ReadError::Trailing { at: end }) };
            assert_eq!(reader.finish(), finished);
            // Written again it may be shorter (i:+07;) or have lost a key that came twice; from
            // then on it is the same.
            let written = value.to_bytes();
            assert_eq!(Value::read(&written).unwrap().to_bytes(), written);
            for cut in (0..end).step_by(1 + end / 64) {
                let error = Reader::new(&data[..cut]).skip().unwrap_err();
                assert!(
                    matches!(error, ReadError::End { .. } | ReadError::Claim { .. }),
                    "{cut} bytes: {error}"
                );
            }
        }
        (Err(skipped), Err(read)) => {
            assert_eq!(skipped, read, "both ways find the same fault");
            assert!(position(read) <= data.len(), "{read}");
            assert!(read.to_string().contains(&format!("byte {}", position(read))), "{read}");
        }
        (skipped, read) => panic!("{skipped:?}, but {read:?}"),
    }
}

fn position(error: ReadError) -> usize {
    match error {
        ReadError::End { at }
        | ReadError::Unexpected { at, .. }
        | ReadError::Number { at }
        | ReadError::Claim { at, .. }
        | ReadError::Depth { at }
        | ReadError::Trailing { at } => at,
    }
}

/// Arrays and objects that nest about as deep as they may: no more than that.
fn deep(data: &[u8]) {
    let Some((first, objects)) = data.split_first().filter(|_| data.len() <= 64) else { return };
    let levels = MAX_DEPTH - 8 + usize::from(first % 16);
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for level in 0..levels {
        let object = objects.get(level / 8).is_some_and(|bits| bits >> (level % 8) & 1 == 1);
        starts.push(bytes.len());
        bytes.extend_from_slice(if object { b"O:1:\"A\":1:{i:0;" } else { b"a:1:{i:0;" });
    }
    bytes.extend_from_slice(b"N;");
    bytes.resize(bytes.len() + levels, b'}');
    let due = match starts.get(MAX_DEPTH) {
        Some(at) => Err(ReadError::Depth { at: *at }),
        None => Ok(&bytes[..]),
    };
    assert_eq!(bounded(SKIPPING, || Reader::new(&bytes).skip()), due);
    assert_eq!(Value::read(&bytes).map(|value| value.to_bytes()), due.map(<[u8]>::to_vec));
}

/// The quick ways to read the rows of long lists read nothing else than the long ways do.
fn rows(data: &[u8]) {
    quick(data);
    let mut from = Unstructured::new(data);
    let Ok(len) = from.arbitrary::<u8>() else { return };
    let rest = from.take_rest();
    let text = &rest[..rest.len().min(usize::from(len))];
    let token = [format!("s:{}:\"", text.len()).as_bytes(), text, b"\";"].concat();
    let twice = [&token, &token, rest].concat();
    quick(&twice);
    assert_eq!(Reader::new(&twice).short_string(), Some(text));
    assert_eq!(Reader::new(&twice).repeated_string(), Some(text));
    quick(&twice[..2 * token.len() - 1]);
    let row = [HEAD, &token, b"}", rest].concat();
    quick(&row);
    assert!(Reader::new(&row).array_prefix(HEAD));
    quick(&row[..HEAD.len() - 1]);
}

/// The start of a row.
const HEAD: &[u8] = b"a:1:{s:3:\"uid\";";

fn quick(data: &[u8]) {
    let (mut quick, mut long) = (Reader::new(data), Reader::new(data));
    if let Some(text) = bounded(0, || quick.short_string()) {
        assert_eq!(long.scalar(), Ok(Scalar::Str(text)));
    }
    assert_eq!(long.position(), quick.position());
    let (mut quick, mut long) = (Reader::new(data), Reader::new(data));
    if let Some(text) = bounded(0, || quick.repeated_string()) {
        assert_eq!((long.key(), long.scalar()), (Ok(Key::Str(text)), Ok(Scalar::Str(text))));
    }
    assert_eq!(long.position(), quick.position());
    let (mut quick, mut long) = (Reader::new(data), Reader::new(data));
    if bounded(0, || quick.array_prefix(HEAD)) {
        // The array may be cut off behind its head, which array() knows and array_prefix() does
        // not.
        assert!(matches!(long.token(), Ok(Token::Array(1)) | Err(ReadError::Claim { .. })));
        let head = HEAD.len();
        assert_eq!(quick.position(), head);
    } else {
        assert_eq!(quick.position(), 0, "nothing has been read");
    }
}

fn written(data: &[u8]) {
    let Ok(value) = value(&mut Unstructured::new(data), 0) else { return };
    let bytes = value.to_bytes();
    let read = Value::read(&bytes).unwrap();
    assert!(same(&read, &value), "{value:?} is read as {read:?}");
    assert_eq!(read.to_bytes(), bytes);
}

/// Equal, where NAN equals itself and -0 does not equal 0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::Array(a), Value::Array(b)) => {
            let mut pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.all(|((key_a, a), (key_b, b))| key_a == key_b && same(a, b))
        }
        (a, b) => a == b,
    }
}

fn value(from: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Value> {
    Ok(match from.int_in_range(0..=if depth < 6 { 8 } else { 6 })? {
        0 => Value::Null,
        1 => Value::Bool(from.arbitrary()?),
        2 => Value::Int(from.arbitrary()?),
        3 => Value::Float(from.arbitrary()?),
        4 => Value::Float(f64::from(from.arbitrary::<i16>()?) * 10f64.powi(from.int_in_range(-30..=30)?)),
        5 => Value::Str(from.arbitrary()?),
        6 => Value::Engine(b"O:1:\"A\":1:{s:1:\"p\";R:1;}".to_vec()),
        _ => {
            let mut array = Array::new();
            for _ in 0..from.int_in_range(0..=8)? {
                let key = match from.int_in_range(0..=2)? {
                    0 => OwnedKey::Int(from.arbitrary()?),
                    1 => OwnedKey::from_bytes(from.arbitrary::<i64>()?.to_string().as_bytes()),
                    _ => OwnedKey::from_bytes(from.arbitrary()?),
                };
                array.insert(key, value(from, depth + 1)?);
            }
            Value::Array(array)
        }
    })
}
