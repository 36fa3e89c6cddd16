//! The body of a frame on its way to clients: what a client of each protocol gets to see of it.

use bytes::Bytes;
use gatewayworker_wire::frame::{Frame, Head};
use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A message a line.
    Text,
    /// RFC 6455.
    WebSocket,
}

/// One message. Cloning it for each client costs a reference count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// Valid UTF-8: a text frame to a WebSocket client.
    Text(Utf8Bytes),
    /// Anything else: a binary frame to a WebSocket client.
    Binary(Bytes),
}

impl Message {
    /// Looks once whether the bytes are UTF-8, however many clients get them.
    pub(crate) fn new(bytes: Bytes) -> Self {
        match Utf8Bytes::try_from(bytes.clone()) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Binary(bytes),
        }
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_str().as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// What waits to be sent to a client.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    /// A message, which its protocol wraps.
    Message(Message),
    /// Bytes that go out as they are.
    Raw(Message),
}

/// A body, read once for all clients that it goes to.
pub(crate) enum Body {
    /// `null`, which closes without a message where a client is kicked.
    Null,
    /// A scalar, as the string that PHP makes of it.
    Scalar(Message),
    /// An array or object: its JSON, where `json_encode` has one.
    Structure(Option<Message>),
    /// Bytes that are no serialized value.
    Broken,
}

impl Body {
    /// Reads a frame's body.
    pub(crate) fn read(frame: &Frame<'_>) -> Self {
        let scalar = |bytes: &[u8]| Self::Scalar(Message::new(Bytes::copy_from_slice(bytes)));
        if frame.head.flag & Head::SCALAR != 0 {
            return scalar(frame.body);
        }
        match Value::read(frame.body) {
            Ok(Value::Null) => Self::Null,
            Ok(Value::Str(bytes)) => scalar(&bytes),
            Ok(Value::Bool(value)) => scalar(if value { b"1" } else { b"" }),
            Ok(Value::Int(value)) => scalar(value.to_string().as_bytes()),
            Ok(value @ Value::Float(_)) => scalar(float(&value).as_bytes()),
            Ok(value) => {
                let json = json(&value);
                Self::Structure(json.map(|json| Message::Text(json.into())))
            }
            Err(_) => Self::Broken,
        }
    }

    /// What a client of this protocol gets; `None` where it gets nothing.
    ///
    /// Workerman's WebSocket encoder turns what is no scalar into JSON. Its text encoder and `$raw`
    /// end the gateway's process with a `TypeError` instead; here the message is dropped.
    pub(crate) fn outgoing(&self, protocol: Protocol, raw: bool) -> Option<Outgoing> {
        match (self, protocol) {
            (Self::Scalar(message), _) if raw => Some(Outgoing::Raw(message.clone())),
            (Self::Scalar(message), _) => Some(Outgoing::Message(message.clone())),
            (Self::Null, Protocol::WebSocket) if !raw => {
                Some(Outgoing::Message(Message::Text("null".into())))
            }
            (Self::Structure(json), Protocol::WebSocket) if !raw => json.clone().map(Outgoing::Message),
            _ => None,
        }
    }
}

/// `json_encode($value, JSON_UNESCAPED_UNICODE)`; `None` where it is false.
fn json(value: &Value) -> Option<String> {
    let mut json = String::new();
    write_json(&mut json, value)?;
    Some(json)
}

fn write_json(to: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => to.push_str(&value.to_string()),
        Value::Float(number) if !number.is_finite() => return None,
        Value::Float(_) => to.push_str(&float(value).to_lowercase()),
        Value::Str(bytes) => write_json_string(to, bytes)?,
        Value::Array(array) => {
            let is_list = array.keys().zip(0..).all(|(key, index)| *key == OwnedKey::Int(index));
            write_json_array(to, array, is_list)?;
        }
        Value::Engine(bytes) => write_json_array(to, &incomplete_object(bytes)?, false)?,
    }
    Some(())
}

fn write_json_array(to: &mut String, array: &Array, is_list: bool) -> Option<()> {
    to.push(if is_list { '[' } else { '{' });
    for (index, (key, value)) in array.iter().enumerate() {
        if index > 0 {
            to.push(',');
        }
        if !is_list {
            write_json_string(to, &key.to_bytes())?;
            to.push(':');
        }
        write_json(to, value)?;
    }
    to.push(if is_list { ']' } else { '}' });
    Some(())
}

fn write_json_string(to: &mut String, bytes: &[u8]) -> Option<()> {
    let json = serde_json::to_string(std::str::from_utf8(bytes).ok()?).ok()?;
    // All that serde leaves alone and json_encode does not.
    to.push_str(&json.replace('/', "\\/").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
    Some(())
}

/// The digits that PHP shows.
fn float(value: &Value) -> String {
    let serialized = String::from_utf8(value.to_bytes()).unwrap_or_default();
    serialized.trim_start_matches("d:").trim_end_matches(';').to_owned()
}

/// The public properties of a serialized object, which a gateway unserializes without its class.
fn incomplete_object(bytes: &[u8]) -> Option<Array> {
    let rest = bytes.strip_prefix(b"O:")?;
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let len: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
    let name = rest.get(colon + 2..colon + 2 + len)?;
    // What follows the name is written like an array.
    let Ok(Value::Array(properties)) = Value::read(&[b"a", rest.get(colon + 3 + len..)?].concat()) else {
        return None;
    };
    let class = (OwnedKey::Str(b"__PHP_Incomplete_Class_Name".to_vec()), Value::Str(name.to_vec()));
    let public = |key: &OwnedKey| !matches!(key, OwnedKey::Str(name) if name.first() == Some(&0));
    Some(std::iter::once(class).chain(properties.into_iter().filter(|(key, _)| public(key))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each right-hand side is what PHP 8.2 printed.
    #[test]
    fn writes_json_as_the_websocket_encoder_does() {
        for (serialized, expected) in [
            ("a:2:{i:0;i:1;i:1;b:1;}", "[1,true]"),
            ("a:1:{i:1;N;}", r#"{"1":null}"#),
            ("a:0:{}", "[]"),
            ("a:3:{i:0;d:1;i:1;d:1.0E+25;i:2;d:1.5E-7;}", "[1,1.0e+25,1.5e-7]"),
            ("a:1:{s:3:\"a/b\";s:11:\"é/\u{7f}\u{2028}😀\";}", "{\"a\\/b\":\"é\\/\u{7f}\\u2028😀\"}"),
            (r#"O:8:"stdClass":1:{s:1:"a";i:1;}"#, r#"{"__PHP_Incomplete_Class_Name":"stdClass","a":1}"#),
            (
                "O:3:\"Foo\":2:{s:4:\"\0*\0p\";i:1;s:1:\"q\";i:2;}",
                r#"{"__PHP_Incomplete_Class_Name":"Foo","q":2}"#,
            ),
        ] {
            let value = Value::read(serialized.as_bytes()).expect(serialized);
            assert_eq!(json(&value).as_deref(), Some(expected));
        }
    }

    #[test]
    fn has_no_json_for_what_json_encode_refuses() {
        for serialized in [&b"a:1:{i:0;s:1:\"\xff\";}"[..], b"a:1:{i:0;d:INF;}"] {
            assert_eq!(json(&Value::read(serialized).expect("a value")), None);
        }
    }
}
