//! The frame codec: the frames that are sent most, encoded and decoded.

// The macros of criterion make public functions.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatewayworker_wire::{Command, Frame, Head};

/// A frame that is sent often: its name, and what it is made of.
struct Sample {
    name: &'static str,
    head: Head,
    ext: Vec<u8>,
    body: Vec<u8>,
}

fn samples() -> [Sample; 5] {
    let sample = |name, command, connection, ext: &[u8], body: Vec<u8>| Sample {
        name,
        head: Head::new(command, connection),
        ext: ext.to_vec(),
        body,
    };
    let session = b"a:3:{s:3:\"uid\";i:1;s:4:\"name\";s:6:\"Name 1\";s:2:\"ok\";b:1;}";
    [
        sample("sendToUid", Command::SendToUid, 0, b"[\"user-1\"]", vec![b'm'; 32]),
        sample("sendToClient", Command::SendToOne, 1, b"", vec![b'm'; 32]),
        sample("setSession", Command::SetSession, 1, session, Vec::new()),
        sample("isOnline", Command::IsOnline, 1, b"", Vec::new()),
        sample("sendToAll, 16 KiB", Command::SendToAll, 0, b"", vec![b'm'; 16 << 10]),
    ]
}

/// The head alone, which is all that a caller with a buffer of its own needs.
fn encode_head(criterion: &mut Criterion) {
    let [sample, ..] = samples();
    criterion.bench_function("codec/encode head", |bencher| {
        bencher.iter(|| {
            black_box(&sample.head).encode(black_box(sample.ext.len()), black_box(sample.body.len()))
        });
    });
}

/// A whole frame, in a buffer of its own, which is allocated and freed.
fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/encode");
    for Sample { name, head, ext, body } in samples() {
        group.throughput(Throughput::Bytes((Head::LEN + ext.len() + body.len()) as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&head).frame(black_box(&ext), black_box(&body)));
        });
    }
    group.finish();
}

/// One frame at the start of a buffer. Extension data and body are borrowed, whatever their length.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/decode");
    for Sample { name, head, ext, body } in samples() {
        let frame = head.frame(&ext, &body).expect("it is far under 4 GiB");
        let whole = Frame::decode(&frame, 1 << 20).expect("a frame").expect("all of it");
        assert_eq!((whole.0.head, whole.0.ext, whole.0.body), (head, &ext[..], &body[..]));
        group.bench_function(name, |bencher| bencher.iter(|| Frame::decode(black_box(&frame), 1 << 20)));
    }
    group.finish();
}

/// A buffer as a receive leaves it: many frames, and the start of one more.
fn decode_stream(criterion: &mut Criterion) {
    let [Sample { head, ext, body, .. }, ..] = samples();
    let frame = head.frame(&ext, &body).expect("it is far under 4 GiB");
    let count = 1000;
    let mut stream = frame.repeat(count);
    stream.extend_from_slice(&frame[..frame.len() / 2]);
    let frames = |stream| {
        let (mut rest, mut frames): (&[u8], usize) = (stream, 0);
        while let Ok(Some((frame, length))) = Frame::decode(rest, 1 << 20) {
            black_box(frame);
            rest = &rest[length..];
            frames += 1;
        }
        frames
    };
    assert_eq!(frames(&stream), count);
    let mut group = criterion.benchmark_group("codec/decode");
    group.throughput(Throughput::Elements(count as u64));
    group
        .bench_function("a stream of 1,000 sendToUid", |bencher| bencher.iter(|| frames(black_box(&stream))));
    group.finish();
}

criterion_group!(benches, encode_head, encode, decode, decode_stream);
criterion_main!(benches);
