//! What a worker is told about a WebSocket handshake: PHP's `$_GET`, `$_SERVER` and `$_COOKIE` of
//! it.

use std::net::SocketAddr;

use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};
use tokio_tungstenite::tungstenite::handshake::server::Request;

/// `['get' => …, 'server' => …, 'cookie' => …]`
pub(super) fn describe(request: &Request, peer: SocketAddr, local: SocketAddr) -> Value {
    let mut headers: Vec<(&str, Vec<u8>)> = Vec::new();
    for (name, value) in request.headers() {
        match headers.iter_mut().find(|(known, _)| *known == name.as_str()) {
            // A header that comes repeatedly is a list.
            Some((_, list)) => list.extend([b",", value.as_bytes()].concat()),
            None => headers.push((name.as_str(), value.as_bytes().to_vec())),
        }
    }
    let header =
        |wanted: &str| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
    let header_or_null = |wanted: &str| header(wanted).map_or(Value::Null, Value::Str);
    let text = |text: &str| Value::Str(text.as_bytes().to_vec());

    let query = request.uri().query().unwrap_or_default();
    let mut server = Array::new();
    let version = format!("{:?}", request.version());
    for (name, value) in [
        ("QUERY_STRING", text(query)),
        ("REQUEST_METHOD", text(request.method().as_str())),
        ("REQUEST_URI", text(&request.uri().to_string())),
        ("SERVER_PROTOCOL", text(&version)),
        ("SERVER_NAME", header_or_null("host")),
        ("CONTENT_TYPE", header_or_null("content-type")),
        ("REMOTE_ADDR", text(&peer.ip().to_string())),
        ("REMOTE_PORT", Value::Int(peer.port().into())),
        ("SERVER_PORT", Value::Int(local.port().into())),
    ] {
        server.insert(OwnedKey::from_bytes(name.as_bytes()), value);
    }
    for (name, value) in &headers {
        let name = format!("HTTP_{}", name.to_uppercase().replace('-', "_"));
        server.insert(OwnedKey::from_bytes(name.as_bytes()), Value::Str(value.clone()));
    }
    let parts = [
        ("get", Value::Array(parse_query(query.as_bytes()))),
        ("server", Value::Array(server)),
        ("cookie", Value::Array(parse_cookies(&header("cookie").unwrap_or_default()))),
    ];
    Value::Array(
        parts.into_iter().map(|(name, value)| (OwnedKey::from_bytes(name.as_bytes()), value)).collect(),
    )
}

/// Cookies as Workerman reads them: the values stay encoded.
fn parse_cookies(header: &[u8]) -> Array {
    header
        .split(|byte| *byte == b';')
        .filter_map(|cookie| {
            let equals = cookie.iter().position(|byte| *byte == b'=')?;
            let name = cookie[..equals].trim_ascii();
            Some((OwnedKey::from_bytes(name), Value::Str(cookie[equals + 1..].to_vec())))
        })
        .collect()
}

/// PHP's `parse_str`.
fn parse_query(query: &[u8]) -> Array {
    let mut variables = Array::new();
    for pair in query.split(|byte| *byte == b'&') {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &b""[..]),
        };
        set_variable(&mut variables, &url_decode(name), Value::Str(url_decode(value)));
    }
    variables
}

/// Puts a value where a name such as `a[b][]` says.
fn set_variable(variables: &mut Array, name: &[u8], value: Value) {
    let name = name.trim_ascii_start();
    let bracket = name.iter().position(|byte| *byte == b'[');
    let (base, mut rest) = name.split_at(bracket.unwrap_or(name.len()));
    if base.is_empty() {
        return;
    }
    // Bytes that a PHP variable cannot have in its name.
    let mut base: Vec<u8> =
        base.iter().map(|byte| if matches!(byte, b' ' | b'.') { b'_' } else { *byte }).collect();
    let mut path = Vec::new();
    while let Some(inner) = rest.strip_prefix(b"[") {
        let Some(end) = inner.iter().position(|byte| *byte == b']') else {
            if path.is_empty() {
                // A bracket that does not close belongs to the name.
                base.push(b'_');
                base.extend(inner.iter().map(|byte| if matches!(byte, b' ' | b'.') { b'_' } else { *byte }));
            }
            break;
        };
        path.push(&inner[..end]);
        rest = &inner[end + 1..];
    }
    let mut array = variables;
    let mut key = OwnedKey::from_bytes(&base);
    for index in path {
        let slot = array.entry(key).or_insert(Value::Null);
        if !matches!(slot, Value::Array(_)) {
            *slot = Value::Array(Array::new());
        }
        let Value::Array(inner) = slot else {
            return;
        };
        key = if index.is_empty() { next_key(inner) } else { OwnedKey::from_bytes(index) };
        array = inner;
    }
    array.insert(key, value);
}

/// The key of `$array[]`.
fn next_key(array: &Array) -> OwnedKey {
    let largest = array.keys().filter_map(|key| match key {
        OwnedKey::Int(number) => Some(*number),
        OwnedKey::Str(_) => None,
    });
    OwnedKey::Int(largest.max().map_or(0, |number| number.wrapping_add(1)))
}

/// PHP's `urldecode`.
fn url_decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match (*byte, digit(at), digit(at + 1)) {
            (b'+', _, _) => decoded.push(b' '),
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 2;
            }
            (byte, _, _) => decoded.push(byte),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expectation is what PHP 8.2 printed for `serialize()` after `parse_str()`.
    #[test]
    fn reads_a_query_as_parse_str_does() {
        let query =
            b"a=1&b[]=2&b[]=3&c[x][y]=4&d.e=5&f+g=6&h&=7&i[=8&j[k=9&k]=1&l[a]b=2&a=9&%61b=%zz&m[0]=1&m[]=2\
            &o%5B%5D=1&5=6&p[1.5]=2&[q]=1& r=2&s[][]=1&s[][]=2&u=%00x";
        let expected = concat!(
            r#"a:16:{s:1:"a";s:1:"9";s:1:"b";a:2:{i:0;s:1:"2";i:1;s:1:"3";}"#,
            r#"s:1:"c";a:1:{s:1:"x";a:1:{s:1:"y";s:1:"4";}}s:3:"d_e";s:1:"5";s:3:"f_g";s:1:"6";s:1:"h";s:0:"";"#,
            r#"s:2:"i_";s:1:"8";s:3:"j_k";s:1:"9";s:2:"k]";s:1:"1";s:1:"l";a:1:{s:1:"a";s:1:"2";}"#,
            r#"s:2:"ab";s:3:"%zz";s:1:"m";a:2:{i:0;s:1:"1";i:1;s:1:"2";}s:1:"o";a:1:{i:0;s:1:"1";}"#,
            r#"i:5;s:1:"6";s:1:"p";a:1:{s:3:"1.5";s:1:"2";}s:1:"r";s:1:"2";"#,
        );
        let read = Value::Array(parse_query(query)).to_bytes();
        let read = String::from_utf8_lossy(&read);
        assert!(read.starts_with(&expected.replace("a:16:", "a:18:")), "{read}");
    }

    #[test]
    fn reads_cookies_as_workerman_does() {
        let cookies = Value::Array(parse_cookies(b"a=1; b = x=y ;broken; 5=%20"));
        assert_eq!(cookies.to_bytes(), br#"a:3:{s:1:"a";s:1:"1";s:1:"b";s:5:" x=y ";i:5;s:3:"%20";}"#);
    }
}
