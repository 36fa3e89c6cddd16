//! Sessions: raw bytes to a gateway, but for one command, which merges two.

use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::Array;

/// Merges a serialized session into another one, as `array_replace_recursive` does.
///
/// Objects are replaced whole. `None` if one of the two is not an array (the original's process
/// dies then).
pub(crate) fn merge(session: &[u8], update: &[u8]) -> Option<Vec<u8>> {
    let (Ok(Value::Array(mut session)), Ok(Value::Array(update))) =
        (Value::read(session), Value::read(update))
    else {
        return None;
    };
    replace(&mut session, update);
    Some(Value::Array(session).to_bytes())
}

fn replace(into: &mut Array, from: Array) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Array(into)), Value::Array(from)) => replace(into, from),
            // An existing key keeps its place, a new one is appended.
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each result is what PHP 8.2 printed for `serialize(array_replace_recursive(…))`.
    #[test]
    fn merges_as_array_replace_recursive_does() {
        for (session, update, merged) in [
            (
                r#"a:2:{s:1:"a";a:2:{s:1:"x";i:1;s:1:"y";i:2;}s:1:"b";i:1;}"#,
                r#"a:2:{s:1:"c";i:3;s:1:"a";a:1:{s:1:"x";i:9;}}"#,
                r#"a:3:{s:1:"a";a:2:{s:1:"x";i:9;s:1:"y";i:2;}s:1:"b";i:1;s:1:"c";i:3;}"#,
            ),
            (
                r#"a:1:{s:1:"l";a:3:{i:0;i:1;i:1;i:2;i:2;i:3;}}"#,
                r#"a:1:{s:1:"l";a:1:{i:0;i:9;}}"#,
                r#"a:1:{s:1:"l";a:3:{i:0;i:9;i:1;i:2;i:2;i:3;}}"#,
            ),
            (
                r#"a:2:{s:1:"a";i:1;s:1:"b";a:1:{i:0;i:1;}}"#,
                r#"a:2:{s:1:"a";a:1:{i:0;i:1;}s:1:"b";N;}"#,
                r#"a:2:{s:1:"a";a:1:{i:0;i:1;}s:1:"b";N;}"#,
            ),
            (r#"a:1:{s:1:"a";a:1:{i:0;i:1;}}"#, r#"a:1:{s:1:"a";a:0:{}}"#, r#"a:1:{s:1:"a";a:1:{i:0;i:1;}}"#),
        ] {
            let result = merge(session.as_bytes(), update.as_bytes()).expect(session);
            assert_eq!(String::from_utf8_lossy(&result), merged);
        }
    }

    #[test]
    fn refuses_what_is_no_array() {
        assert_eq!(merge(b"a:0:{}", b"i:1;"), None);
        assert_eq!(merge(b"rubbish", b"a:0:{}"), None);
    }
}
