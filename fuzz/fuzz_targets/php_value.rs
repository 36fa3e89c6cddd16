//! See `crates/fuzz-checks/src/php_value.rs`.

#![no_main]

use gatewayworker_fuzz_checks::php_value::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));
