//! The example does what it says, against a development gateway.

#![allow(clippy::unwrap_used)]

// Its main() is not called: arguments and output are the test's.
#[allow(dead_code)]
#[path = "../examples/push.rs"]
mod push;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use gatewayworker_client::wire::{ClientId, Command, Head};
use gatewayworker_devgateway::{Config, Devgateway};

/// A client that speaks in lines, and its id.
fn client(address: SocketAddrV4) -> (BufReader<TcpStream>, ClientId) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reader = BufReader::new(stream);
    let greeting: serde_json::Value = serde_json::from_str(&line(&mut reader)).unwrap();
    let id = ClientId::parse(greeting["client_id"].as_str().unwrap().as_bytes()).unwrap();
    (reader, id)
}

fn line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Runs the example: what it prints, or why it failed.
fn run(arguments: &[&str], secret: &str) -> Result<String, String> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let mut out = Vec::new();
    match push::run(&arguments, secret, &mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(failure) => Err(failure.to_string()),
    }
}

// One test: the example ends the background thread of the process, which tests of one file share.
#[test]
fn the_example_sends_and_counts_and_says_why_it_cannot() {
    let any = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
    let config = Config { greet: true, secret: "key".into(), gateways: vec![any, any], ..Config::default() };
    let cluster = Devgateway::start(config).unwrap();
    let addresses = cluster.addresses();
    let register = addresses.register.unwrap().to_string();
    let (mut ann, id) = client(addresses.gateways[0].text);
    let (mut bob, _) = client(addresses.gateways[1].text);
    let everybody = "2 clients are connected\n";

    assert_eq!(run(&[&register, "all", "to all"], "key"), Ok(everybody.into()));
    bind(addresses.gateways[0].internal, id, "al\"ice\u{e9}");
    assert_eq!(run(&[&register, "uid", "al\"ice\u{e9}", "to alice"], "key"), Ok(everybody.into()));
    assert_eq!(run(&[&register, "all", "to all again"], "key"), Ok(everybody.into()));
    assert_eq!([line(&mut ann), line(&mut ann), line(&mut ann)], ["to all", "to alice", "to all again"]);
    assert_eq!([line(&mut bob), line(&mut bob)], ["to all", "to all again"]);

    let failure = run(&[&register, "all", "x"], "wrong").unwrap_err();
    assert!(failure.contains("when the secret key is wrong"), "{failure}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let failure = run(&[&nobody, "all", "x"], "").unwrap_err();
    assert!(failure.starts_with(&format!("cannot connect to tcp://{nobody}")), "{failure}");
    for wrong in [&[][..], &["all"], &[&register, "uid", "alice"], &[&register, "group", "g", "x"]] {
        assert!(run(wrong, "key").unwrap_err().starts_with("usage: "), "{wrong:?}");
    }
    cluster.stop();
}

/// Binds a uid as a program of its own would, with the bytes of the protocol.
fn bind(gateway: SocketAddrV4, id: ClientId, uid: &str) {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(gateway).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let frames = [
        Head::new(Command::GatewayClientConnect, 0).frame(b"", br#"{"secret_key":"key"}"#),
        Head::new(Command::BindUid, id.connection).frame(uid.as_bytes(), b""),
        Head::new(Command::IsOnline, id.connection).frame(b"", b""),
    ];
    for frame in frames {
        stream.write_all(&frame.unwrap()).unwrap();
    }
    // Its reply says that the gateway has done what came before.
    stream.read_exact(&mut [0; 8]).unwrap();
}
