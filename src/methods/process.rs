//! The process: `setBusinessWorker`, `flush`, `confirm`, `status`.

use std::time::Duration;

use ext_php_rs::types::Zval;
use gatewayworker_client::Process;
use gatewayworker_client::status::ProcessStatus;
use serde_json::Value;

use crate::call::{Call, Failure, Result};
use crate::engine::names::names;
use crate::engine::{ArrayBuilder, PhpString, Zv};
use crate::log;
use crate::target::seconds;

/// `setBusinessWorker($business_worker_instance): void`
pub fn set_business_worker(call: &mut Call<'_>) -> Result {
    call.scope.set_static_property(&names().business_worker, call.arg_or_null(0));
    Ok(())
}

/// `flush(float $timeout = 5.0): bool`: waits until everything accepted so far, by this process,
/// has been handed over
pub fn flush(call: &mut Call<'_>) -> Result {
    let timeout = timeout(call)?;
    let left = Process::existing().map(|process| process.flush(timeout)).unwrap_or_default();
    for left in &left {
        log::undelivered(left, timeout);
    }
    call.return_value.set_bool(left.is_empty());
    Ok(())
}

/// `confirm(float $timeout = 5.0): bool`: waits until every gateway has processed all that this
/// process has sent
pub fn confirm(call: &mut Call<'_>) -> Result {
    let timeout = timeout(call)?;
    let confirmation = Process::existing().map(|process| process.confirm(timeout)).unwrap_or_default();
    for unconfirmed in &confirmation.late {
        log::unconfirmed(unconfirmed);
    }
    if confirmation.lost > 0 {
        let reason =
            format!("frames that were given up or went down with a connection: {}", confirmation.lost);
        call.complain("not sure", &reason);
    }
    call.return_value.set_bool(confirmation.is_complete());
    Ok(())
}

/// The argument of `flush` and `confirm`.
fn timeout(call: &Call<'_>) -> Result<Duration> {
    let timeout = match call.arg(0) {
        None => 5.0,
        Some(value) => match value.zend_str() {
            Some(text) => text
                .as_str()
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .ok_or(Failure::Type(0, "float"))?,
            None if value.is_array() || value.is_object() => return Err(Failure::Type(0, "float").into()),
            None => value.to_f64(),
        },
    };
    Ok(seconds(timeout))
}

/// `status(): array`: the state of everything, see the stub for its shape
pub fn status(call: &mut Call<'_>) -> Result {
    let status = serde_json::to_value(ProcessStatus::now())
        .map_err(|error| Failure::Exception(format!("{}(): {error}", call.name())))?;
    *call.return_value = to_zval(&status);
    Ok(())
}

fn to_zval(value: &Value) -> Zval {
    let mut zval = Zval::new();
    match value {
        Value::Null => {}
        Value::Bool(flag) => zval.set_bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => zval.set_long(number),
            None => zval.set_double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => return PhpString::new(text.as_bytes()).into_zval(),
        Value::Array(list) => {
            let mut array = ArrayBuilder::with_capacity(list.len());
            for value in list {
                array.push(to_zval(value));
            }
            return array.into_zval();
        }
        Value::Object(map) => {
            let mut array = ArrayBuilder::with_capacity(map.len());
            for (key, value) in map {
                array.set_key(key.as_bytes().into(), to_zval(value));
            }
            return array.into_zval();
        }
    }
    zval
}
