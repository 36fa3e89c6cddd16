//! See `crates/fuzz-checks/src/frame.rs`.

#![no_main]

use gatewayworker_fuzz_checks::frame::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));
