//! The payloads of replies: each query's reader finds in any bytes what a general reader finds, or
//! refuses them.

use gatewayworker_client::reply;
use gatewayworker_client::wire::php::reader::ReadError;
use gatewayworker_client::wire::php::{Key, Reader, Scalar, Token};

use crate::memory::bounded;
use crate::php_value::SKIPPING;

/// Takes `data` as the reply to each of the queries.
pub fn check(data: &[u8]) {
    // A general reader, which builds everything before anything is looked at.
    let tree = Tree::read(data).ok();
    let tree = tree.as_ref();
    assert_eq!(reply::int(data).ok(), tree.and_then(int));
    assert_eq!(connections(data), tree.and_then(Tree::connections));
    assert_eq!(connections_by_uid(data), tree.and_then(Tree::connections_by_uid));
    assert_eq!(counts(data), tree.and_then(Tree::counts));
    assert_eq!(group_ids(data), tree.and_then(Tree::group_ids));
    assert_eq!(sessions(data), tree.and_then(Tree::sessions));
    assert_eq!(selected(data), tree.and_then(Tree::selected));
    hardly_anything_is_allocated(data);
    assert!(reply::announced_len(data) <= data.len() / 6, "no more than there are bytes for");
    if let Some(Tree::Array(elements)) = tree {
        assert_eq!(reply::announced_len(data), elements.len());
    }
}

/// Nothing is allocated, but where an object or the like has to be passed over.
fn hardly_anything_is_allocated(data: &[u8]) {
    let without = [
        bounded(SKIPPING, || reply::int(data).is_ok()),
        bounded(SKIPPING, || reply::connections(data, |_| {}).is_ok()),
        bounded(SKIPPING, || reply::connections_by_uid(data, |_, _| Ok(())).is_ok()),
        bounded(SKIPPING, || reply::counts(data, |_, _| {}).is_ok()),
        bounded(SKIPPING, || reply::group_ids(data, |_| Ok(())).is_ok()),
        bounded(SKIPPING, || reply::sessions(data, |_, _| Ok(())).is_ok()),
        bounded(SKIPPING, || reply::selected(data, |_, _, _| Ok(())).is_ok()),
        bounded(SKIPPING, || reply::selected_connections(data, |_| {}).is_ok()),
    ];
    let with = [
        reply::int(data).is_ok(),
        connections(data).is_some(),
        connections_by_uid(data).is_some(),
        counts(data).is_some(),
        group_ids(data).is_some(),
        sessions(data).is_some(),
        selected(data).is_some(),
        selected(data).is_some(),
    ];
    assert_eq!(without, with, "whether anybody looks at the parts makes no difference");
}

fn connections(data: &[u8]) -> Option<Vec<u32>> {
    let mut list = Vec::new();
    reply::connections(data, |connection| list.push(connection)).ok()?;
    Some(list)
}

type ByUid<'a> = Vec<(Key<'a>, Vec<u32>)>;

fn connections_by_uid(data: &[u8]) -> Option<ByUid<'_>> {
    let mut lists = Vec::new();
    reply::connections_by_uid(data, |uid, connections| {
        let mut list = Vec::new();
        connections(&mut |connection| list.push(connection))?;
        lists.push((uid, list));
        Ok(())
    })
    .ok()?;
    Some(lists)
}

fn counts(data: &[u8]) -> Option<Vec<(Key<'_>, i64)>> {
    let mut list = Vec::new();
    reply::counts(data, |group, count| list.push((group, count))).ok()?;
    Some(list)
}

fn group_ids(data: &[u8]) -> Option<Vec<Same<'_>>> {
    let mut list = Vec::new();
    reply::group_ids(data, |id| {
        list.push(Same(id));
        Ok(())
    })
    .ok()?;
    Some(list)
}

fn sessions(data: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let mut list = Vec::new();
    reply::sessions(data, |connection, session| {
        list.push((connection, session));
        Ok(())
    })
    .ok()?;
    Some(list)
}

/// The rows of a reply to a select: connection, uid, groups.
pub(crate) type Rows<'a> = Vec<(u32, Same<'a>, Vec<Same<'a>>)>;

fn selected(data: &[u8]) -> Option<Rows<'_>> {
    let (mut rows, mut alone) = (Vec::new(), Vec::new());
    reply::selected(data, |connection, uid, groups| {
        let mut list = Vec::new();
        groups.each(|group| list.push(Same(group)))?;
        rows.push((connection, Same(uid.scalar()), list));
        Ok(())
    })
    .ok()?;
    reply::selected_connections(data, |connection| alone.push(connection)).unwrap();
    assert!(rows.iter().map(|row| row.0).eq(alone));
    Some(rows)
}

/// A scalar that equals another where NAN equals itself and -0 does not equal 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Same<'a>(pub(crate) Scalar<'a>);

impl PartialEq for Same<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Scalar::Float(a), Scalar::Float(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }
}

/// A value as it stands in the bytes: keys that come twice are there twice.
#[derive(Clone, Debug)]
pub(crate) enum Tree<'a> {
    Scalar(Scalar<'a>),
    Array(Vec<(Key<'a>, Tree<'a>)>),
    Engine,
}

impl<'a> Tree<'a> {
    /// Reads a value that is all of `data`.
    pub(crate) fn read(data: &'a [u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(data);
        let tree = Self::next(&mut reader)?;
        reader.finish()?;
        Ok(tree)
    }

    fn next(reader: &mut Reader<'a>) -> Result<Self, ReadError> {
        Ok(match reader.token()? {
            Token::Scalar(scalar) => Self::Scalar(scalar),
            Token::Engine(_) => Self::Engine,
            Token::Array(len) => {
                let mut elements = Vec::new();
                for _ in 0..len {
                    elements.push((reader.key()?, Self::next(reader)?));
                }
                reader.end()?;
                Self::Array(elements)
            }
        })
    }

    fn elements(&self) -> Option<&[(Key<'a>, Self)]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    fn scalar(&self) -> Option<Scalar<'a>> {
        if let Self::Scalar(scalar) = self { Some(*scalar) } else { None }
    }

    pub(crate) fn connections(&self) -> Option<Vec<u32>> {
        self.elements()?.iter().map(|(_, value)| u32::try_from(int(value)?).ok()).collect()
    }

    pub(crate) fn connections_by_uid(&self) -> Option<ByUid<'a>> {
        self.elements()?.iter().map(|(uid, list)| Some((*uid, list.connections()?))).collect()
    }

    pub(crate) fn counts(&self) -> Option<Vec<(Key<'a>, i64)>> {
        self.elements()?.iter().map(|(group, count)| Some((*group, int(count)?))).collect()
    }

    pub(crate) fn group_ids(&self) -> Option<Vec<Same<'a>>> {
        self.elements()?.iter().map(|(_, id)| id.scalar().map(Same)).collect()
    }

    pub(crate) fn sessions(&self) -> Option<Vec<(u32, &'a [u8])>> {
        let session = |value: &Self| match value.scalar()? {
            Scalar::Str(bytes) => Some(bytes),
            Scalar::Null => Some(&b""[..]),
            _ => None,
        };
        self.elements()?.iter().map(|(key, value)| Some((connection(*key)?, session(value)?))).collect()
    }

    pub(crate) fn selected(&self) -> Option<Rows<'a>> {
        let row = |fields: &Self| {
            let (mut uid, mut groups) = (Scalar::Null, Vec::new());
            for (name, value) in fields.elements()? {
                match name {
                    Key::Str(b"uid") => uid = value.scalar()?,
                    Key::Str(b"groups") => {
                        groups = match value {
                            Self::Scalar(Scalar::Null) => Vec::new(),
                            list => list.group_ids()?,
                        }
                    }
                    _ => {}
                }
            }
            Some((Same(uid), groups))
        };
        let row = |(key, fields): &(Key<'a>, Self)| {
            let (uid, groups) = row(fields)?;
            Some((connection(*key)?, uid, groups))
        };
        self.elements()?.iter().map(row).collect()
    }
}

pub(crate) fn int(tree: &Tree<'_>) -> Option<i64> {
    if let Tree::Scalar(Scalar::Int(value)) = tree { Some(*value) } else { None }
}

fn connection(key: Key<'_>) -> Option<u32> {
    if let Key::Int(value) = key { u32::try_from(value).ok() } else { None }
}
