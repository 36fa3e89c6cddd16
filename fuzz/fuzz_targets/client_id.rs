//! See `crates/fuzz-checks/src/client_id.rs`.

#![no_main]

use gatewayworker_fuzz_checks::client_id::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));
