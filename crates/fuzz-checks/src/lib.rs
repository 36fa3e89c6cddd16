//! What must hold for any bytes: one module per fuzz target, each with a `check` that panics if it
//! does not.
//!
//! The libFuzzer targets in `fuzz/` and the smoke test in `tests/` run the same functions. See
//! `docs/fuzzing.md`.

// A failed check has to end the run.
#![allow(clippy::unwrap_used)]

pub mod client_id;
pub mod frame;
mod memory;
pub mod php_value;
pub mod query;
pub mod register_line;
pub mod reply;
