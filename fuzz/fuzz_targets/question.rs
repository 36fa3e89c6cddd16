//! See `crates/fuzz-checks/src/question.rs`.

#![no_main]

use gatewayworker_fuzz_checks::question::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));
