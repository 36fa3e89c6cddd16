//! The fuzz targets on a stable compiler: each corpus, and some thousands of mutations of it that
//! are the same every time.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use fastrand::Rng;
use gatewayworker_fuzz_checks::{client_id, frame, php_value, query, register_line, reply};

const SEED: u64 = 0x0067_6174_6577_6179;
/// libFuzzer's own limit where no input of the corpus is longer.
const LONGEST: usize = 4096;

#[test]
fn client_ids() {
    smoke("client_id", 10_000, client_id::check);
}

#[test]
fn frames() {
    smoke("frame", 10_000, frame::check);
}

#[test]
fn php_values() {
    smoke("php_value", 4000, php_value::check);
}

#[test]
fn register_lines() {
    smoke("register_line", 10_000, register_line::check);
}

#[test]
fn replies() {
    smoke("reply", 10_000, reply::check);
}

#[test]
fn queries() {
    smoke("query", 5000, query::check);
}

fn smoke(target: &str, mutations: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty(), "{} is empty", folder.display());
    let corpus: Vec<Vec<u8>> = names.iter().map(|name| fs::read(name).unwrap()).collect();
    for (name, input) in names.iter().zip(&corpus) {
        run(check, input, || format!("{target}: {}", name.display()));
    }
    let mut random = Rng::with_seed(SEED);
    for number in 0..mutations {
        let input = mutate(&mut random, &corpus);
        run(check, &input, || format!("{target}: mutation {number} of seed {SEED:#x}"));
    }
}

fn run(check: fn(&[u8]), input: &[u8], which: impl Fn() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        eprintln!("{} fails; its bytes: {}", which(), input.escape_ascii());
        resume_unwind(panic);
    }
}

/// One input of the corpus, changed at a few places.
fn mutate(random: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    /// Bytes that mean something somewhere.
    const TELLING: &[u8] = b"\x00\x01\x7f\x80\xff\x1c09:;\"{}[]aisbdNOCErR-+.eE\n,";
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=6) {
        let at = random.usize(..=input.len());
        let end = at + random.usize(..=input.len() - at);
        match random.u8(..7) {
            0 => input.insert(at, random.u8(..)),
            1 => input.insert(at, TELLING[random.usize(..TELLING.len())]),
            2 => drop(input.drain(at..end)),
            3 => input.extend_from_within(at..end),
            4 if at < input.len() => input[at] = TELLING[random.usize(..TELLING.len())],
            5 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            _ => {
                let other = &corpus[random.usize(..corpus.len())];
                let from = random.usize(..=other.len());
                input.splice(at..end, other[from..].iter().copied());
            }
        }
    }
    input.truncate(LONGEST);
    input
}
