//! See `crates/fuzz-checks/src/query.rs`.

#![no_main]

use gatewayworker_fuzz_checks::query::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));
