//! For tests of applications: `fake` and `sent`.

use crate::arguments;
use crate::call::{Call, Failure, Result};
use crate::engine::ArrayBuilder;
use crate::engine::array::entries;
use crate::engine::key::Key;
use crate::recorder;

/// `fake($returns = []): void`: from now on calls are recorded and not made; null ends that
pub fn fake(call: &mut Call<'_>) -> Result {
    let Some(returns) = call.arg(0) else {
        let none = ArrayBuilder::with_capacity(0);
        recorder::start(none.as_table());
        return Ok(());
    };
    if returns.is_null() {
        recorder::stop();
        return Ok(());
    }
    let returns = returns.array().ok_or(Failure::Type(0, "?array"))?;
    for (key, _) in entries(returns) {
        let name = match key {
            Key::Str(name) => String::from_utf8_lossy(name).into_owned(),
            Key::Int(number) => number.to_string(),
        };
        if call.scope.static_method(&name.to_ascii_lowercase()).is_none() {
            let (method, class) = (call.name(), call.scope.name());
            return Err(Failure::Exception(format!("{method}(): {class} has no method {name}()")).into());
        }
    }
    recorder::start(returns);
    Ok(())
}

/// `sent($method = null): array`: the sends that were recorded, or all calls of one method
pub fn sent(call: &mut Call<'_>) -> Result {
    let method = match call.arg(0) {
        Some(method) if !method.is_null() => Some(arguments::string(0, method)?),
        _ => None,
    };
    let method = method.as_ref().map(|method| String::from_utf8_lossy(method.as_bytes()));
    *call.return_value = recorder::calls(method.as_deref());
    Ok(())
}
