//! The recorder for tests of applications: while it is on, calls are recorded instead of made. Off, it
//! costs one load per call.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};

use ext_php_rs::types::{ZendHashTable, Zval};

use crate::engine::ArrayBuilder;
use crate::engine::array::entries;
use crate::engine::key::Key;
use crate::engine::string::PhpString;

/// Whether any thread has ever switched its recorder on.
static ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// That of this thread. Not dropped at its end: the values are in the engine's memory.
    static RECORDER: RefCell<ManuallyDrop<Option<Recorder>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// What was recorded, and what calls return.
struct Recorder {
    /// By lower-case name of a method.
    returns: Vec<(String, Zval)>,
    calls: Vec<Recorded>,
}

struct Recorded {
    method: String,
    call: Zval,
}

/// What becomes of a call while the recorder is on.
#[derive(Debug)]
pub enum Outcome {
    /// It is made all the same.
    Made,
    /// It returns what the test has given, or what it would return for nobody.
    Returns(Zval),
}

/// Methods that are made all the same.
const MADE: [&str; 4] = ["fake", "sent", "status", "setBusinessWorker"];

/// Queries, by the first word of their names. All others are sends.
const QUERIES: [&str; 4] = ["is", "get", "batch", "select"];

/// Whether the recorder of some thread is on.
#[inline(always)]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

fn replace(new: Option<Recorder>) -> Option<Recorder> {
    ManuallyDrop::into_inner(RECORDER.replace(ManuallyDrop::new(new)))
}

/// Switches the recorder on, with nothing in it. `returns` has what methods return.
pub fn start(returns: &ZendHashTable) {
    let returns = entries(returns)
        .filter_map(|(key, value)| match key {
            Key::Str(name) => Some((
                String::from_utf8_lossy(name).to_ascii_lowercase(),
                value.dereference().shallow_clone(),
            )),
            Key::Int(_) => None,
        })
        .collect();
    drop(replace(Some(Recorder { returns, calls: Vec::new() })));
    ON.store(true, Ordering::Relaxed);
}

/// Switches the recorder off, and forgets what is in it. Also at the end of a request.
pub fn stop() {
    drop(replace(None));
}

/// At the start of a request: what is left here points into memory that is gone. It must not be
/// released, only forgotten.
pub fn abandon() {
    std::mem::forget(replace(None));
}

/// Records a call, with its arguments by name.
#[cold]
pub fn record(class: &str, method: &str, arguments: ArrayBuilder) -> Outcome {
    if MADE.contains(&method) {
        return Outcome::Made;
    }
    RECORDER.with_borrow_mut(|recorder| {
        let Some(recorder) = recorder.as_mut() else { return Outcome::Made };
        let mut call = ArrayBuilder::with_capacity(3);
        let text = |text: &str| PhpString::new(text.as_bytes()).into_zval();
        call.set_key(Key::Str(b"class"), text(class));
        call.set_key(Key::Str(b"method"), text(method));
        call.set_key(Key::Str(b"arguments"), arguments.into_zval());
        recorder.calls.push(Recorded { method: method.to_owned(), call: call.into_zval() });
        let name = method.to_ascii_lowercase();
        let given = recorder.returns.iter().find(|(method, _)| *method == name);
        Outcome::Returns(given.map_or_else(|| default(method), |(_, value)| value.shallow_clone()))
    })
}

/// The calls that were recorded: of one method, or all sends.
pub fn calls(method: Option<&str>) -> Zval {
    let is_wanted = |recorded: &Recorded| match method {
        Some(method) => recorded.method.eq_ignore_ascii_case(method),
        None => !QUERIES.iter().any(|query| recorded.method.starts_with(query)),
    };
    let mut calls = ArrayBuilder::with_capacity(8);
    RECORDER.with_borrow(|recorder| {
        for recorded in recorder.iter().flat_map(|recorder| &recorder.calls).filter(|call| is_wanted(call)) {
            calls.push(recorded.call.shallow_clone());
        }
    });
    calls.into_zval()
}

/// What a method returns where nobody is there, or for a send: that it was taken.
fn default(method: &str) -> Zval {
    let mut value = Zval::new();
    match method {
        "sendToClient"
        | "sendToCurrentClient"
        | "setSocketSession"
        | "flush"
        | "confirm"
        | "sendToGateway"
        | "sendBufferToGateway"
        | "sendCmdAndMessageToClient"
        | "isValidGroupId" => value.set_bool(true),
        "isUidsOnline" | "getClientIdByUids" => return ArrayBuilder::with_capacity(0).into_zval(),
        "getSession" | "getUidByClientId" => {}
        _ if method.starts_with("close") || method.starts_with("dest") || method.starts_with("kick") => {
            value.set_bool(true);
        }
        "getAllGroupUidCount" | "getAllGroupClientIdCount" | "batchGetClientIdCountByGroup" => {
            return ArrayBuilder::with_capacity(0).into_zval();
        }
        _ if method.starts_with("is") || method.contains("Count") => value.set_long(0),
        _ if QUERIES.iter().any(|query| method.starts_with(query)) => {
            return ArrayBuilder::with_capacity(0).into_zval();
        }
        _ => {}
    }
    value
}
