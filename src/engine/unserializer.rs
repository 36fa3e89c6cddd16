//! Serialized values from a gateway: plain ones are built right from the bytes, without the
//! engine's unserializer; the rest (objects, references) goes to it.

use ext_php_rs::types::Zval;
use gatewayworker_client::ReplyError;
use gatewayworker_client::wire::php::reader::ReadError;
use gatewayworker_client::wire::php::value::integer_key;
use gatewayworker_client::wire::php::{Key, Reader, Scalar, Token, writer};

use super::array::ArrayBuilder;
use super::array::entries;
use super::hash_table::Template;
use super::key::Key as ArrayKey;
use super::string::PhpString;
use super::{object, serializer, values};

/// How many keys are remembered.
const KEYS: usize = 64;
/// How deep arrays are compared with those before them.
const LEVELS: usize = 4;
/// Arrays with more keys than this are not compared.
const MOST_KEYS: usize = 32;
/// How often the shape of a level is replaced: where arrays differ all the time, it costs more than
/// it saves.
const MOST_SHAPES: u8 = 16;
/// More room than this is not made on the word of the data, since each of many nested arrays may
/// exaggerate.
const MOST_ROOM: usize = 256;
/// A longer array is not looked for in the next session.
const LONGEST_SHARED: usize = 256;

/// Builds values from serialized bytes. What the sessions of a list have in common is made once:
/// string keys, the whole hash of arrays with the same keys, and arrays that are equal under the
/// same key (they are shared until somebody changes one, as PHP's arrays are).
#[derive(Debug)]
pub struct Unserializer {
    keys: [Option<PhpString>; KEYS],
    levels: [Level; LEVELS],
}

/// The arrays at one depth.
#[derive(Debug, Default)]
struct Level {
    /// What the next one is compared with.
    shape: Option<Box<Shape>>,
    /// How many have been read that were not of the shape of the one before.
    different: u8,
}

/// What arrays with the same string keys in the same order have in common.
#[derive(Debug)]
struct Shape {
    /// Each key as it is serialized, `s:4:"name";`.
    keys: Vec<Box<[u8]>>,
    template: Template,
    /// For each key, the array that was last under it, as it is serialized and as a value.
    arrays: Vec<Option<(Box<[u8]>, Zval)>>,
}

impl Shape {
    /// That of an array. `None`: one that the next array is not compared with.
    fn of(array: &ArrayBuilder) -> Option<Box<Self>> {
        let table = array.as_table();
        if !(1..=MOST_KEYS).contains(&table.len()) {
            return None;
        }
        let mut keys = Vec::with_capacity(table.len());
        let mut strings = Vec::with_capacity(table.len());
        for (key, _) in entries(table) {
            let ArrayKey::Str(key) = key else { return None };
            let mut serialized = Vec::new();
            writer::write_string(&mut serialized, key);
            keys.push(serialized.into_boxed_slice());
            strings.push(PhpString::hashed(key));
        }
        let arrays = keys.iter().map(|_| None).collect();
        Some(Box::new(Self { keys, template: Template::new(strings), arrays }))
    }

    /// Whether an array of this length, whose first key stands at the reader, may be of this shape.
    #[inline]
    fn is_like(&self, len: usize, reader: &Reader<'_>) -> bool {
        self.keys.len() == len && self.keys.first().is_some_and(|key| reader.rest().starts_with(key))
    }
}

/// How far an array was read.
enum Progress {
    /// To its end.
    Done,
    /// Only the engine can build a value in it.
    Engine,
    /// To a key that the shape does not have.
    OtherShape,
}

impl Unserializer {
    /// One that has met nothing yet.
    pub fn new() -> Self {
        Self { keys: [const { None }; KEYS], levels: Default::default() }
    }

    /// The value of serialized bytes. What follows it is ignored, as PHP's unserializer ignores it.
    ///
    /// # Errors
    /// Where they are not serialized PHP data, or data that PHP's unserializer refuses; and where
    /// an object's own code threw, see [`object::exception_pending`].
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<Zval, ReplyError> {
        let mut reader = Reader::new(bytes);
        let mut value = Zval::new();
        match self.plain(&mut reader, 0, &mut value) {
            Ok(true) => {
                return Ok(value);
            }
            Ok(false) => {
                // Malformed data is found here, so that the engine has nothing to warn about.
                match Reader::new(bytes).skip() {
                    // Later versions of the engine warn of bytes behind the value.
                    Ok(value) => bytes = value,
                    // The engine goes deeper than our reader.
                    Err(ReadError::Depth { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(ReplyError::Read(ReadError::Depth { .. })) => {}
            Err(error) => return Err(error),
        }
        let value = serializer::unserialize(bytes);
        if object::exception_pending() {
            return Err(ReplyError::Shape("an object in it threw an exception"));
        }
        // A false among them is plain, and was built above. This one stands for a case that an enum
        // does not have, a reference to nothing and the like; the engine has warned of it.
        if value.is_false() {
            return Err(ReplyError::Shape("PHP's unserializer refuses an object or a reference in it"));
        }
        Ok(value)
    }

    /// The next value; false where only the engine can build it. The recursion is bounded by the
    /// reader's depth.
    #[inline]
    fn plain(&mut self, reader: &mut Reader<'_>, depth: usize, to: &mut Zval) -> Result<bool, ReplyError> {
        match reader.token()? {
            Token::Scalar(value) => drop(values::replace(to, scalar(value))),
            Token::Engine(_) => return Ok(false),
            Token::Array(len) => return self.array(reader, len, depth, to),
        }
        Ok(true)
    }

    /// As [`Unserializer::plain`], an array of which the start was read.
    fn array(
        &mut self,
        reader: &mut Reader<'_>,
        len: usize,
        depth: usize,
        to: &mut Zval,
    ) -> Result<bool, ReplyError> {
        let level = self.levels.get_mut(depth);
        let like = level.and_then(|level| level.shape.take_if(|shape| shape.is_like(len, reader)));
        if let Some(mut shape) = like {
            let mut ahead = reader.clone();
            let progress = self.of_shape(&mut shape, &mut ahead, depth, to);
            self.levels[depth].shape = Some(shape);
            match progress? {
                Progress::Done => {
                    *reader = ahead;
                    return Ok(true);
                }
                Progress::Engine => return Ok(false),
                Progress::OtherShape => {}
            }
        }
        self.elements(reader, len, depth, to)
    }

    /// As [`Unserializer::array`], one that is presumed to be of this shape.
    fn of_shape(
        &mut self,
        shape: &mut Shape,
        reader: &mut Reader<'_>,
        depth: usize,
        to: &mut Zval,
    ) -> Result<Progress, ReplyError> {
        let mut array = shape.template.copy();
        for (place, (key, last)) in shape.keys.iter().zip(&mut shape.arrays).enumerate() {
            if !reader.literal(key) {
                return Ok(Progress::OtherShape);
            }
            if let Some((bytes, value)) = last
                && reader.literal(bytes)
            {
                array.set(place, value.shallow_clone());
                continue;
            }
            let bytes = reader.rest();
            let mut value = Zval::new();
            if !self.plain(reader, depth + 1, &mut value)? {
                return Ok(Progress::Engine);
            }
            if value.is_array() {
                let bytes = &bytes[..bytes.len() - reader.rest().len()];
                *last = (bytes.len() <= LONGEST_SHARED).then(|| (bytes.into(), value.shallow_clone()));
            }
            array.set(place, value);
        }
        reader.end()?;
        drop(values::replace(to, array.into_zval()));
        Ok(Progress::Done)
    }

    /// As [`Unserializer::array`], one of any shape, which the next one is compared with.
    fn elements(
        &mut self,
        reader: &mut Reader<'_>,
        len: usize,
        depth: usize,
        to: &mut Zval,
    ) -> Result<bool, ReplyError> {
        let mut array = ArrayBuilder::with_capacity(len.min(MOST_ROOM));
        for _ in 0..len {
            let key = reader.key()?;
            let mut value = Zval::new();
            if !self.plain(reader, depth + 1, &mut value)? {
                return Ok(false);
            }
            match key {
                Key::Int(key) => array.set_int(key, value),
                Key::Str(key) => match integer_key(key) {
                    Some(key) => array.set_int(key, value),
                    None => array.set_str(self.key(key), value),
                },
            }
        }
        reader.end()?;
        if let Some(level) = self.levels.get_mut(depth)
            && level.different < MOST_SHAPES
        {
            // The first one may be the only one.
            if level.different > 0 {
                level.shape = Shape::of(&array);
            }
            level.different += 1;
        }
        drop(values::replace(to, array.into_zval()));
        Ok(true)
    }

    /// A key's string, the same one as the last time unless another took its place.
    #[inline]
    fn key(&mut self, key: &[u8]) -> &PhpString {
        let place = match key {
            [first, .., last] => usize::from(*first) + 5 * usize::from(*last) + 17 * key.len(),
            _ => key.len(),
        };
        let slot = &mut self.keys[place % KEYS];
        if slot.as_ref().is_some_and(|known| known.as_bytes() != key) {
            *slot = None;
        }
        slot.get_or_insert_with(|| PhpString::new(key))
    }
}

/// A scalar as a zval.
#[inline]
pub fn scalar(value: Scalar<'_>) -> Zval {
    let mut zval = Zval::new();
    match value {
        Scalar::Null => {}
        Scalar::Bool(flag) => zval.set_bool(flag),
        Scalar::Int(number) => zval.set_long(number),
        Scalar::Float(number) => zval.set_double(number),
        Scalar::Str(bytes) => return PhpString::new(bytes).into_zval(),
    }
    zval
}
