//! BusinessWorkers: who gets which event of which client.

mod support;

use std::time::Duration;

use gatewayworker_devgateway::Config;
use gatewayworker_wire::{Command, Head};
use support::{Cluster, Link, TextClient};

fn worker(cluster: &Cluster, name: &str) -> Link {
    let mut worker = cluster.link();
    worker.introduce_as_worker(name, "");
    worker.fence();
    worker
}

#[test]
fn a_worker_hears_of_a_client_from_its_connect_to_its_close() {
    let cluster = Cluster::start();
    let mut worker = worker(&cluster, "w:0");
    let mut client = cluster.client();
    let expected = |command, head: Head| {
        let internal = cluster.gateway(0).internal;
        Head {
            local_ip: internal.ip().to_bits(),
            local_port: internal.port(),
            client_ip: 0x7f00_0001,
            client_port: head.client_port,
            gateway_port: cluster.gateway(0).text.port(),
            ..Head::new(command, 1)
        }
    };
    let (head, session, body) = worker.event();
    assert_ne!(head.client_port, 0);
    assert_eq!((head, &session[..], &body[..]), (expected(Command::OnConnect, head), "", &b""[..]));
    worker.send(Command::SetSession, client.id, "a:0:{}", "");
    worker.send(Command::SendToOne, client.id, "", "set");
    assert_eq!(client.line(), "set");
    client.send(b"hello\r\n\nsec\xffond\n");
    for message in [&b"hello"[..], b"", b"sec\xffond"] {
        let (head, session, body) = worker.event();
        assert_eq!((head, &session[..], &body[..]), (expected(Command::OnMessage, head), "a:0:{}", message));
    }
    client.close();
    let (head, session, body) = worker.event();
    assert_eq!((head, &session[..], &body[..]), (expected(Command::OnClose, head), "a:0:{}", &b""[..]));
}

#[test]
fn a_kicked_or_destroyed_client_is_reported_closed() {
    let cluster = Cluster::start();
    let mut worker = worker(&cluster, "w:0");
    let (a, b) = (cluster.client(), cluster.client());
    worker.send(Command::Kick, a.id, "", "bye");
    worker.send(Command::Destroy, b.id, "", "");
    let events: Vec<_> =
        (0..4).map(|_| worker.event().0).map(|head| (head.command, head.connection)).collect();
    assert_eq!(events, [(1, a.id), (1, b.id), (4, a.id), (4, b.id)]);
}

#[test]
fn clients_are_spread_over_workers_and_stay_with_theirs() {
    let cluster = Cluster::start();
    let (mut first, mut second) = (worker(&cluster, "w:0"), worker(&cluster, "w:1"));
    let mut clients = [cluster.client(), cluster.client(), cluster.client(), cluster.client()];
    for round in 0..3 {
        for client in &mut clients {
            client.send(format!("{round}\n").as_bytes());
        }
    }
    for worker in [&mut first, &mut second] {
        let events: Vec<_> = (0..8).map(|_| worker.event().0).collect();
        let mut ids: Vec<u32> = events.iter().map(|head| head.connection).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2, "{events:?}");
    }
}

#[test]
fn the_clients_of_a_worker_that_goes_are_taken_over() {
    let cluster = Cluster::start();
    let mut first = worker(&cluster, "w:0");
    let mut client = cluster.client();
    assert_eq!(first.event().0.command, Command::OnConnect as u8);
    let mut second = worker(&cluster, "w:1");
    drop(first);
    cluster.wait_for("the worker to go", |stats| stats["internal_open"] == 1);
    client.send(b"still here\n");
    assert_eq!(second.event().2, b"still here");
}

#[test]
fn a_worker_of_the_same_name_takes_the_place_of_the_older_one() {
    let cluster = Cluster::start();
    let mut old = worker(&cluster, "w:0");
    let mut new = worker(&cluster, "w:0");
    assert!(old.is_closed());
    let _client = cluster.client();
    assert_eq!(new.event().0.command, Command::OnConnect as u8);
}

#[test]
fn workers_are_pinged() {
    let cluster = Cluster::with(Config { ping_interval: Duration::from_millis(20), ..Config::default() });
    let mut worker = worker(&cluster, "w:0");
    for _ in 0..2 {
        let (head, session, body) = worker.event();
        assert_eq!((head, &session[..], &body[..]), (Head::new(Command::Ping, 0), "", &b""[..]));
    }
}

#[test]
fn without_a_worker_a_client_is_kept() {
    let cluster = Cluster::start();
    let mut client = cluster.client();
    client.send(b"anybody?\n");
    let mut link = cluster.link();
    client.has_got(&mut link, &[]);
}

#[test]
fn without_a_worker_a_client_is_closed_where_strict() {
    let cluster = Cluster::with(Config { strict: true, ..Config::default() });
    let mut stream = std::net::TcpStream::connect(cluster.gateway(0).text).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert!(matches!(std::io::Read::read(&mut stream, &mut [0]), Ok(0) | Err(_)));
    let _worker = worker(&cluster, "w:0");
    let client = TextClient::connect(cluster.gateway(0).text);
    assert_eq!(client.id, 2);
}
