//! The reply reader: the long answers of a gateway with 10,000 clients, read as the extension reads
//! them, without what is then built of them.

// The macros of criterion make public functions.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatewayworker_client::wire::php::value::OwnedKey;
use gatewayworker_client::wire::php::{Reader, Token, Value};
use gatewayworker_client::{ReplyError, reply};

const CLIENTS: i64 = 10_000;

fn key(text: &str) -> OwnedKey {
    OwnedKey::from_bytes(text.as_bytes())
}

fn text(text: String) -> Value {
    Value::Str(text.into_bytes())
}

/// connection ⇒ what `row` makes of it
fn by_connection(row: impl Fn(i64) -> Value) -> Vec<u8> {
    Value::Array((1..=CLIENTS).map(|id| (OwnedKey::Int(id), row(id))).collect()).to_bytes()
}

fn uid(id: i64) -> (OwnedKey, Value) {
    (key("uid"), text(format!("user-{id}")))
}

/// Two of twenty groups.
fn groups(id: i64) -> (OwnedKey, Value) {
    let names = [id % 20, (id + 7) % 20].map(|number| format!("room-{number}"));
    (key("groups"), Value::Array(names.into_iter().map(|name| (key(&name), text(name.clone()))).collect()))
}

fn session(id: i64) -> Value {
    let roles = Value::list([text("admin".into()), text("user".into())]);
    let score = Value::Float(id as f64 / 8.0);
    let name = (key("name"), text(format!("Name {id}")));
    Value::Array([(key("uid"), Value::Int(id)), name, (key("roles"), roles), (key("score"), score)].into())
}

/// The answer to command 15: the clients of one uid.
fn connections(criterion: &mut Criterion) {
    let payload = Value::list((1..=CLIENTS).map(Value::Int)).to_bytes();
    measure(criterion, "connections of a uid", CLIENTS, |rows| {
        reply::connections(&payload, |connection| {
            black_box(connection);
            *rows += 1;
        })
    });
}

/// The answer to command 25 for uids alone.
fn uids(criterion: &mut Criterion) {
    let payload = by_connection(|id| Value::Array([uid(id)].into()));
    measure(criterion, "uids", CLIENTS, |rows| {
        reply::selected(&payload, |connection, uid, _| {
            black_box((connection, uid));
            *rows += 1;
            Ok(())
        })
    });
}

/// The answer to command 25 for uids and groups.
fn uids_and_groups(criterion: &mut Criterion) {
    let payload = by_connection(|id| Value::Array([uid(id), groups(id)].into()));
    measure(criterion, "uids and groups", CLIENTS, |rows| {
        reply::selected(&payload, |connection, uid, groups| {
            black_box((connection, uid));
            *rows += 1;
            groups.each(|group| {
                black_box(group);
            })
        })
    });
}

/// The answer to command 26.
fn group_ids(criterion: &mut Criterion) {
    let payload = Value::list((1..=CLIENTS).map(|id| text(format!("room-{id}")))).to_bytes();
    measure(criterion, "group ids", CLIENTS, |rows| {
        reply::group_ids(&payload, |group| {
            black_box(group);
            *rows += 1;
            Ok(())
        })
    });
}

/// The answer to command 10, with every session read to its end.
fn sessions(criterion: &mut Criterion) {
    let payload = by_connection(|id| Value::Str(session(id).to_bytes()));
    measure(criterion, "sessions", CLIENTS, |rows| {
        reply::sessions(&payload, |connection, session| {
            black_box(connection);
            *rows += 1;
            let mut reader = Reader::new(session);
            read_value(&mut reader)?;
            Ok(reader.finish()?)
        })
    });
}

fn read_value(reader: &mut Reader<'_>) -> Result<(), ReplyError> {
    match black_box(reader.token()?) {
        Token::Scalar(_) | Token::Engine(_) => {}
        Token::Array(len) => {
            for _ in 0..len {
                black_box(reader.key()?);
                read_value(reader)?;
            }
            reader.end()?;
        }
    }
    Ok(())
}

/// Measures a reader that counts this many rows.
fn measure(
    criterion: &mut Criterion,
    name: &str,
    due: i64,
    read: impl Fn(&mut i64) -> Result<(), ReplyError>,
) {
    let rows = || {
        let mut rows = 0;
        read(&mut rows).map(|()| rows)
    };
    assert_eq!(rows().expect("a reply"), due, "{name}");
    let mut group = criterion.benchmark_group("replies");
    group.throughput(Throughput::Elements(due as u64));
    group.bench_function(name, |bencher| bencher.iter(rows));
    group.finish();
}

criterion_group!(benches, connections, uids, uids_and_groups, group_ids, sessions);
criterion_main!(benches);
