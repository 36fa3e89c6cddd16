//! The replies of gateways, read in one pass into whatever the caller builds.
//!
//! Nothing here allocates: each function hands the parts of a reply to a closure as it meets them,
//! borrowed from the reply's bytes. A reply of another shape than the one that is due is an error,
//! never an empty result.

use crate::php::reader::ReadError;
use crate::php::{Key, Reader, Scalar, Token};

/// Why bytes are not the reply that is due.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Not PHP-serialized data.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Data of another shape.
    #[error("{0}")]
    Shape(&'static str),
}

type Result<T = ()> = std::result::Result<T, ReplyError>;

/// An integer: the reply to commands 11 and 24.
///
/// # Errors
/// Where the payload is something else.
pub fn int(payload: &[u8]) -> Result<i64> {
    let mut reader = Reader::new(payload);
    let Scalar::Int(value) = reader.scalar()? else {
        return Err(ReplyError::Shape("an integer is due"));
    };
    reader.finish()?;
    Ok(value)
}

/// A list of connection ids: the reply to command 15.
///
/// # Errors
/// Where the payload is something else.
pub fn connections(payload: &[u8], each: impl FnMut(u32)) -> Result {
    let mut reader = Reader::new(payload);
    connection_list(&mut reader, each)?;
    Ok(reader.finish()?)
}

/// How many elements the array of a reply announces; 0 if it is not an array. Never more than it
/// has bytes for.
#[must_use]
pub fn announced_len(payload: &[u8]) -> usize {
    // Most replies are a number, for which no reader is needed.
    if payload.starts_with(b"a:") { Reader::new(payload).array().unwrap_or(0) } else { 0 }
}

/// uid ⇒ list of connection ids: the reply to command 16. `each` gets the uid and a function that
/// passes its connections on.
///
/// # Errors
/// Where the payload is something else.
pub fn connections_by_uid<'a>(
    payload: &'a [u8],
    mut each: impl FnMut(Key<'a>, &mut dyn FnMut(&mut dyn FnMut(u32)) -> Result) -> Result,
) -> Result {
    let mut reader = Reader::new(payload);
    for _ in 0..reader.array()? {
        let uid = reader.key()?;
        let mut read = false;
        each(uid, &mut |connection| {
            read = true;
            connection_list(&mut reader, connection)
        })?;
        if !read {
            connection_list(&mut reader, |_| {})?;
        }
    }
    reader.end()?;
    Ok(reader.finish()?)
}

/// group ⇒ number of clients: the reply to command 28.
///
/// # Errors
/// Where the payload is something else.
pub fn counts<'a>(payload: &'a [u8], mut each: impl FnMut(Key<'a>, i64)) -> Result {
    let mut reader = Reader::new(payload);
    for _ in 0..reader.array()? {
        let group = reader.key()?;
        let Scalar::Int(count) = reader.scalar()? else {
            return Err(ReplyError::Shape("an integer is due for each group"));
        };
        each(group, count);
    }
    reader.end()?;
    Ok(reader.finish()?)
}

/// A list of group ids: the reply to command 26.
///
/// # Errors
/// Where the payload is something else, or where `each` fails.
pub fn group_ids<'a>(payload: &'a [u8], mut each: impl FnMut(Scalar<'a>) -> Result) -> Result {
    let mut reader = Reader::new(payload);
    for _ in 0..reader.array()? {
        reader.key()?;
        each(reader.scalar()?)?;
    }
    reader.end()?;
    Ok(reader.finish()?)
}

/// connection id ⇒ session, still serialized (empty: none): the reply to commands 10 and 23.
///
/// # Errors
/// Where the payload is something else, or where `each` fails.
pub fn sessions<'a>(payload: &'a [u8], mut each: impl FnMut(u32, &'a [u8]) -> Result) -> Result {
    let mut reader = Reader::new(payload);
    for _ in 0..reader.array()? {
        let connection = connection_key(&mut reader)?;
        let session = match reader.scalar()? {
            Scalar::Str(bytes) => bytes,
            Scalar::Null => b"",
            _ => return Err(ReplyError::Shape("a session is due for each client")),
        };
        each(connection, session)?;
    }
    reader.end()?;
    Ok(reader.finish()?)
}

/// The connection ids alone of a reply to command 25.
///
/// # Errors
/// Where the payload is something else.
pub fn selected_connections(payload: &[u8], mut each: impl FnMut(u32)) -> Result {
    selected(payload, |connection, _, _| {
        each(connection);
        Ok(())
    })
}

/// connection id ⇒ fields: the reply to command 25. `each` gets the uid and the groups.
///
/// # Errors
/// Where the payload is something else, or where `each` fails.
pub fn selected<'a>(
    payload: &'a [u8],
    mut each: impl FnMut(u32, &Uid<'a>, Groups<'_, 'a>) -> Result,
) -> Result {
    let mut reader = Reader::new(payload);
    for _ in 0..reader.array()? {
        let connection = connection_key(&mut reader)?;
        let mut uid = Uid::NONE;
        let fields = if reader.array_prefix(b"a:2:{s:3:\"uid\";") {
            uid = Uid::read(&mut reader)?;
            1
        } else if reader.array_prefix(b"a:1:{s:3:\"uid\";") {
            uid = Uid::read(&mut reader)?;
            0
        } else {
            reader.array()?
        };
        // The groups come last, as gateways send them: whoever wants them reads them where they
        // stand.
        let (count, end) = if fields == 0 {
            (None, None)
        } else if fields == 1 && reader.literal(b"s:6:\"groups\";") {
            (group_count(&mut reader)?, None)
        } else {
            let row = row_any_order(reader, fields, uid)?;
            (uid, reader) = (row.uid, row.groups);
            (row.count, Some(row.end))
        };
        let mut left = count.unwrap_or(0);
        each(connection, &uid, Groups { reader: &mut reader, left: &mut left })?;
        match end {
            Some(end) => reader = end,
            None if count.is_some() => pass_over(&mut reader, left)?,
            None => {}
        }
        reader.end()?;
    }
    reader.end()?;
    Ok(reader.finish()?)
}

/// A row whose fields are in another order, or others.
struct RowAnyOrder<'a> {
    uid: Uid<'a>,
    /// Where the groups start.
    groups: Reader<'a>,
    /// How many there are; `None` where there is no list of them.
    count: Option<usize>,
    /// Where the row ends.
    end: Reader<'a>,
}

/// As [`selected`], one row of this kind, in which the uid may have been read.
#[cold]
fn row_any_order<'a>(mut reader: Reader<'a>, fields: usize, mut uid: Uid<'a>) -> Result<RowAnyOrder<'a>> {
    let (mut groups, mut count) = (reader.clone(), None);
    for _ in 0..fields {
        match reader.key()? {
            Key::Str(b"uid") => uid = Uid::read(&mut reader)?,
            Key::Str(b"groups") => {
                count = group_count(&mut reader)?;
                groups = reader.clone();
                if let Some(count) = count {
                    pass_over(&mut reader, count)?;
                }
            }
            _ => drop(reader.skip()?),
        }
    }
    Ok(RowAnyOrder { uid, groups, count, end: reader })
}

/// The number of groups that follow; `None` where there is no list of them.
#[inline(always)]
fn group_count(reader: &mut Reader<'_>) -> Result<Option<usize>> {
    if reader.rest().starts_with(b"a") {
        return Ok(Some(reader.array()?));
    }
    match reader.token()? {
        Token::Scalar(Scalar::Null) => Ok(None),
        _ => Err(ReplyError::Shape("a list of groups is due")),
    }
}

/// Passes over the rest of a list of groups and its end. Ids are scalars, so this is cheaper than a
/// general skip().
#[inline(always)]
fn pass_over(reader: &mut Reader<'_>, left: usize) -> Result {
    for _ in 0..left {
        reader.key()?;
        reader.scalar()?;
    }
    Ok(reader.end()?)
}

/// The uid of a client.
///
/// Nearly always it is a text, and one of many thousand: that is kept apart, since it can stay in
/// registers where a [`Scalar`], which may be anything, is put together in memory and taken apart
/// again.
#[derive(Clone, Copy, Debug)]
pub struct Uid<'a> {
    text: Option<&'a [u8]>,
    /// What it is where it is no text.
    other: Scalar<'a>,
}

impl<'a> Uid<'a> {
    /// That of a client that has none.
    const NONE: Self = Self { text: None, other: Scalar::Null };

    #[inline(always)]
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        if let Some(text) = reader.short_string() {
            return Ok(Self { text: Some(text), other: Scalar::Null });
        }
        Ok(match reader.scalar()? {
            Scalar::Str(text) => Self { text: Some(text), other: Scalar::Null },
            other => Self { text: None, other },
        })
    }

    /// The uid, where it is a text.
    #[must_use]
    #[inline(always)]
    pub fn text(&self) -> Option<&'a [u8]> {
        self.text
    }

    /// The uid, whatever it is; null where the client has none.
    #[must_use]
    #[inline(always)]
    pub fn scalar(&self) -> Scalar<'a> {
        self.text.map_or(self.other, Scalar::Str)
    }
}

/// The groups of one client, not read yet.
#[derive(Debug)]
pub struct Groups<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: &'r mut usize,
}

impl<'a> Groups<'_, 'a> {
    /// Passes on each group id.
    ///
    /// # Errors
    /// Where an id is not a scalar.
    #[inline(always)]
    pub fn each(self, mut each: impl FnMut(Scalar<'a>)) -> Result {
        while *self.left > 0 {
            // Two calls, for the usual one to be compiled for a text.
            match self.reader.repeated_string() {
                Some(text) => each(Scalar::Str(text)),
                None => {
                    self.reader.key()?;
                    each(self.reader.scalar()?);
                }
            }
            *self.left -= 1;
        }
        Ok(())
    }
}

/// What PHP's `empty()` says of a scalar.
#[must_use]
#[inline]
pub fn is_empty(scalar: Scalar<'_>) -> bool {
    match scalar {
        Scalar::Null => true,
        Scalar::Bool(value) => !value,
        Scalar::Int(value) => value == 0,
        Scalar::Float(value) => value == 0.0,
        Scalar::Str(bytes) => bytes.is_empty() || bytes == b"0",
    }
}

#[inline(always)]
fn connection_list(reader: &mut Reader<'_>, mut each: impl FnMut(u32)) -> Result {
    for _ in 0..reader.array()? {
        reader.key()?;
        match reader.scalar()? {
            Scalar::Int(value) => each(connection(value)?),
            _ => return Err(ReplyError::Shape("a list of connection ids is due")),
        }
    }
    Ok(reader.end()?)
}

#[inline(always)]
fn connection_key(reader: &mut Reader<'_>) -> Result<u32> {
    match reader.key()? {
        Key::Int(value) => connection(value),
        Key::Str(_) => Err(ReplyError::Shape("a connection id is due as the key")),
    }
}

#[inline(always)]
fn connection(value: i64) -> Result<u32> {
    u32::try_from(value).map_err(|_| ReplyError::Shape("a connection id is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_select_reply_with_missing_uids_and_groups() {
        let reply =
            b"a:3:{i:7;a:2:{s:3:\"uid\";s:2:\"u1\";s:6:\"groups\";a:2:{s:1:\"g\";s:1:\"g\";i:5;s:1:\"5\";}}\
            i:8;a:2:{s:3:\"uid\";N;s:6:\"groups\";N;}i:9;a:2:{s:6:\"groups\";a:0:{}s:3:\"uid\";i:4;}}";
        let mut rows = Vec::new();
        selected(reply, |connection, uid, groups| {
            let mut ids = Vec::new();
            groups.each(|id| ids.push(id))?;
            rows.push((connection, uid.scalar(), ids));
            Ok(())
        })
        .expect("a select reply");
        assert_eq!(
            rows,
            [
                (7, Scalar::Str(b"u1"), vec![Scalar::Str(b"g"), Scalar::Str(b"5")]),
                (8, Scalar::Null, vec![]),
                (9, Scalar::Int(4), vec![]),
            ]
        );
    }

    #[test]
    fn refuses_another_shape_than_the_one_that_is_due() {
        assert!(int(b"s:1:\"1\";").is_err());
        assert!(int(b"N;").is_err());
        assert!(connections(b"s:1:\"1\";", |_| {}).is_err());
        assert!(connections(b"a:1:{i:0;s:1:\"1\";}", |_| {}).is_err());
        assert!(connections(b"a:1:{i:0;i:-1;}", |_| {}).is_err());
        assert!(connections(b"a:1:{i:0;i:4294967296;}", |_| {}).is_err());
        assert!(sessions(b"a:1:{i:1;i:1;}", |_, _| Ok(())).is_err());
        assert!(sessions(b"b:0;", |_, _| Ok(())).is_err());
        assert!(selected_connections(b"a:1:{i:1;s:0:\"\";}", |_| {}).is_err());
        assert!(selected_connections(b"a:1:{s:1:\"x\";a:0:{}}", |_| {}).is_err());
        assert!(group_ids(b"a:1:{i:0;a:0:{}}", |_| Ok(())).is_err());
        assert!(counts(b"a:1:{i:0;N;}", |_, _| {}).is_err());
        assert!(connections(b"a:0:{}x", |_| {}).is_err());
    }

    #[test]
    fn finds_empty_what_php_finds_empty() {
        for scalar in [
            Scalar::Null,
            Scalar::Bool(false),
            Scalar::Int(0),
            Scalar::Float(0.0),
            Scalar::Str(b""),
            Scalar::Str(b"0"),
        ] {
            assert!(is_empty(scalar), "{scalar:?}");
        }
        for scalar in [Scalar::Bool(true), Scalar::Int(-1), Scalar::Str(b"00"), Scalar::Str(b" ")] {
            assert!(!is_empty(scalar), "{scalar:?}");
        }
    }
}
