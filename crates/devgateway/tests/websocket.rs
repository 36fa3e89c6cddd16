//! WebSocket clients.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use gatewayworker_wire::{ClientId, Command, Head};
use serde_json::Value as Json;
use support::Cluster;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

struct WebSocketClient {
    socket: WebSocket<TcpStream>,
    id: u32,
}

fn stream(cluster: &Cluster) -> TcpStream {
    let stream = TcpStream::connect(cluster.gateway(0).websocket).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

impl WebSocketClient {
    fn connect(cluster: &Cluster) -> Self {
        let (mut socket, _) =
            client("ws://gateway.test/chat?a=1&b[]=2", stream(cluster)).expect("a handshake");
        let greeting = socket.read().expect("a greeting").into_text().expect("text");
        let greeting: Json = serde_json::from_str(&greeting).expect("JSON");
        let id = greeting["client_id"].as_str().and_then(|id| ClientId::parse(id.as_bytes()).ok());
        Self { socket, id: id.expect("a client id").connection }
    }

    fn read(&mut self) -> Message {
        self.socket.read().expect("a message")
    }
}

#[test]
fn utf8_comes_as_text_and_other_bytes_as_binary() {
    let cluster = Cluster::start();
    let mut client = WebSocketClient::connect(&cluster);
    let mut link = cluster.link();
    let large = vec![0xff; 2 << 20];
    link.send(Command::SendToOne, client.id, "", "héllo");
    link.send(Command::SendToAll, 0, "", "");
    link.send(Command::SendToOne, client.id, "", b"\xff\x00");
    link.send(Command::SendToOne, client.id, "", &large);
    assert_eq!(client.read(), Message::text("héllo"));
    assert_eq!(client.read(), Message::text(""));
    assert_eq!(client.read(), Message::binary(&b"\xff\x00"[..]));
    assert_eq!(client.read(), Message::binary(large));
}

#[test]
fn what_is_no_scalar_comes_as_json() {
    let cluster = Cluster::start();
    let mut client = WebSocketClient::connect(&cluster);
    let mut link = cluster.link();
    let head = Head { flag: 0, ..Head::new(Command::SendToOne, client.id) };
    link.send_frame(head, b"", b"a:1:{s:1:\"a\";a:2:{i:0;d:1.5;i:1;s:3:\"/\xc3\xa9\";}}");
    link.send_frame(head, b"", b"N;");
    assert_eq!(client.read(), Message::text(r#"{"a":[1.5,"\/é"]}"#));
    assert_eq!(client.read(), Message::text("null"));
}

#[test]
fn raw_bytes_go_out_as_they_are() {
    let cluster = Cluster::start();
    let mut client = WebSocketClient::connect(&cluster);
    let mut link = cluster.link();
    let head = Head { flag: Head::SCALAR | Head::RAW, ..Head::new(Command::SendToOne, client.id) };
    link.send(Command::SendToOne, client.id, "", "before");
    // A whole frame, as a caller of $raw writes it.
    link.send_frame(head, b"", b"\x82\x03abc");
    link.send(Command::SendToOne, client.id, "", "after");
    assert_eq!(client.read(), Message::text("before"));
    assert_eq!(client.read(), Message::binary(&b"abc"[..]));
    assert_eq!(client.read(), Message::text("after"));
}

#[test]
fn messages_of_both_kinds_reach_the_worker_after_the_handshake() {
    let cluster = Cluster::start();
    let mut worker = cluster.link();
    worker.introduce_as_worker("w:0", "");
    worker.fence();
    let mut client = WebSocketClient::connect(&cluster);
    client.socket.send(Message::text("hello")).expect("sent");
    client.socket.send(Message::binary(&b"\xff"[..])).expect("sent");
    client.socket.close(None).expect("closed");
    let (connect, _, _) = worker.event();
    assert_eq!((connect.command, connect.gateway_port), (1, cluster.gateway(0).websocket.port()));
    let (handshake, _, body) = worker.event();
    assert_eq!((handshake.command, handshake.flag), (205, 0));
    let body = String::from_utf8(body).expect("UTF-8");
    for part in [
        r#"s:3:"get";a:2:{s:1:"a";s:1:"1";s:1:"b";a:1:{i:0;s:1:"2";}}"#,
        r#"s:12:"QUERY_STRING";s:9:"a=1&b[]=2";"#,
        r#"s:11:"REQUEST_URI";s:15:"/chat?a=1&b[]=2";"#,
        r#"s:9:"HTTP_HOST";s:12:"gateway.test";"#,
        r#"s:6:"cookie";a:0:{}"#,
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
    assert_eq!(worker.event().2, b"hello");
    assert_eq!(worker.event().2, b"\xff");
    assert_eq!(worker.event().0.command, 4);
}

#[test]
fn a_kicked_client_gets_its_message_and_the_end() {
    let cluster = Cluster::start();
    let mut client = WebSocketClient::connect(&cluster);
    cluster.link().send(Command::Kick, client.id, "", "bye");
    assert_eq!(client.read(), Message::text("bye"));
    assert!(client.socket.read().is_err());
}

#[test]
fn a_ping_gets_a_pong() {
    let cluster = Cluster::start();
    let mut client = WebSocketClient::connect(&cluster);
    client.socket.send(Message::Ping("are you there".into())).expect("sent");
    assert_eq!(client.read(), Message::Pong("are you there".into()));
}

#[test]
fn before_the_handshake_messages_wait_and_a_kick_closes() {
    let cluster = Cluster::start();
    let (first, mut second) = (stream(&cluster), stream(&cluster));
    cluster.wait_for("two clients", |stats| stats["clients"] == 2);
    let mut link = cluster.link();
    link.send(Command::SendToOne, 1, "", "early");
    link.send(Command::Kick, 2, "", "bye");
    assert!(matches!(second.read(&mut [0]), Ok(0) | Err(_)));
    let (mut socket, _) = client("ws://gateway.test/", first).expect("a handshake");
    socket.read().expect("the greeting");
    assert_eq!(socket.read().expect("a message"), Message::text("early"));
}

#[test]
fn what_is_no_handshake_is_closed() {
    let cluster = Cluster::start();
    let mut stream = stream(&cluster);
    stream.write_all(b"nonsense\r\n\r\n").expect("it reads");
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    cluster.wait_for("no client", |stats| stats["clients"] == 0);
}
