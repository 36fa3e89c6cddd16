//! See `crates/fuzz-checks/src/register_line.rs`.

#![no_main]

use gatewayworker_fuzz_checks::register_line::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));
