//! See `crates/fuzz-checks/src/reply.rs`.

#![no_main]

use gatewayworker_fuzz_checks::reply::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));
