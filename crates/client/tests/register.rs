//! Discovery: the register's list is taken over, followed and kept; trouble with registers is
//! named.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Error, Message};
use gatewayworker_devgateway::{Config, Devgateway};
use serde_json::{Value as Json, json};
use support::proxy::{Flow, Proxy, Way};
use support::*;

/// What the register prints when it knows these gateways.
fn list(addresses: &[&str]) -> Vec<u8> {
    format!("{}\n", json!({"event": "broadcast_addresses", "addresses": addresses})).into_bytes()
}

/// Discovers from a register that replies as told.
fn discover(
    user: &'static str,
    options: CallOptions,
    reply: impl FnOnce(Conn),
) -> (Result<(), Error>, Vec<String>, String) {
    let register = Peer::listen();
    let cluster = client(user, "key", &[&register.address]);
    let result = std::thread::scope(|scope| {
        let discovering = scope.spawn(|| cluster.discover(false, options));
        reply(register.accept());
        discovering.join().unwrap()
    });
    (result, listed(cluster), register.address)
}

#[test]
fn a_subscription_introduces_itself_and_takes_over_the_list() {
    let mut kept = None;
    let (result, gateways, _) = discover("hello", PATIENT, |mut register| {
        let hello: Json = serde_json::from_str(&register.line()).unwrap();
        assert_eq!(hello, json!({"event": "worker_connect", "secret_key": "key"}));
        // An event that means nothing to us is no trouble.
        register.send(b"{\"event\":\"hello\"}\n");
        register.send(&list(&["127.0.0.1:2900", "127.0.0.1:2901"]));
        kept = Some(register);
    });
    result.unwrap();
    assert_eq!(gateways, ["127.0.0.1:2900", "127.0.0.1:2901"]);
}

#[test]
fn a_list_in_pieces_and_two_lists_at_once_are_read() {
    let mut kept = None;
    let (result, _, _) = discover("pieces", PATIENT, |mut register| {
        for byte in list(&["127.0.0.1:2900"]) {
            register.send(&[byte]);
        }
        kept = Some(register);
    });
    result.unwrap();
    let register = Peer::listen();
    let cluster = client("two lists", "", &[&register.address]);
    std::thread::scope(|scope| {
        let discovering = scope.spawn(|| cluster.discover(false, PATIENT));
        let mut conn = register.accept();
        conn.send(&[list(&["127.0.0.1:2900"]), list(&["127.0.0.1:2901"])].concat());
        discovering.join().unwrap().unwrap();
        wait_until("the second list", || listed(cluster) == ["127.0.0.1:2901"]);
    });
}

#[test]
fn addresses_can_be_an_object_where_php_left_gaps() {
    let mut kept = None;
    let (result, gateways, _) = discover("object", PATIENT, |mut register| {
        let addresses = json!({"10": "127.0.0.1:2902", "0": "127.0.0.1:2900", "2": "127.0.0.1:2901"});
        let line = json!({"event": "broadcast_addresses", "addresses": addresses});
        register.send(format!("{line}\n").as_bytes());
        kept = Some(register);
    });
    result.unwrap();
    assert_eq!(gateways, ["127.0.0.1:2900", "127.0.0.1:2901", "127.0.0.1:2902"]);
}

/// A register that closes without a list is named together with the key.
#[test]
fn register_that_closes_without_a_list_is_named_with_the_key() {
    let (result, _, address) = discover("closes", PATIENT, drop);
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::RegisterRejected { register } if *register == address), "{error}");
    assert!(error.to_string().contains("secret key"), "{error}");

    let started = Devgateway::start(Config { secret: "right".into(), ..Config::default() }).unwrap();
    let cluster = client("wrong key", "wrong", &[&register_address(&started)]);
    let error = cluster.discover(false, PATIENT).unwrap_err();
    assert!(matches!(&error, Error::RegisterRejected { .. }), "{error}");
}

#[test]
fn what_is_no_register_is_named() {
    for (user, garbage) in [
        ("http", &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]),
        ("nothing", b"{\"event\":\"broadcast_addresses\"}\n"),
        ("numbers", b"{\"event\":\"broadcast_addresses\",\"addresses\":[1]}\n"),
    ] {
        let (result, _, address) = discover(user, PATIENT, |mut register| {
            register.send(garbage);
            assert!(register.line().contains("worker_connect"));
            assert!(register.is_closed());
        });
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::RegisterGarbage { register, .. } if *register == address),
            "{user}: {error}"
        );
    }
}

#[test]
fn a_silent_register_is_an_error_after_the_time_out() {
    let mut kept = None;
    let impatient = CallOptions { connect_timeout: Duration::from_millis(250), ..PATIENT };
    let (result, _, address) = discover("silent", impatient, |register| kept = Some(register));
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::RegisterSilent { registers, .. } if *registers == address), "{error}");
}

/// A call that is in a hurry does not keep a slow register away from all others.
#[test]
fn short_time_out_does_not_lock_out_a_slow_register() {
    let register = register_of(&["127.0.0.1:2900"]);
    let proxy = Proxy::to(&register_address(&register));
    let cluster = client("slow", "", &[&proxy.address]);
    // Longer than its reply is waited for where somebody waits.
    proxy.set(Way::Back, Flow::Pieces { len: 1 << 16, pause: Duration::from_secs(1) });
    let impatient = CallOptions { connect_timeout: Duration::from_millis(20), ..PATIENT };
    cluster.discover(false, impatient).unwrap_err();
    wait_until("the list", || listed(cluster) == ["127.0.0.1:2900"]);
}

/// A register that is not there is an error and is tried again by the next call.
#[test]
fn unreachable_register_is_retried_by_the_next_call() {
    let address = dead_address();
    let cluster = client("not there", "", &[&address]);
    let error = cluster.discover(false, PATIENT).unwrap_err();
    let told = format!("cannot connect to tcp://{address}: Connection refused");
    assert!(error.to_string().starts_with(&told), "{error}");
    let register = Peer::listen_at(&address);
    std::thread::scope(|scope| {
        let discovering = scope.spawn(|| cluster.discover(false, PATIENT));
        let mut conn = register.accept();
        conn.send(&list(&["127.0.0.1:2900"]));
        discovering.join().unwrap().unwrap();
    });
}

#[test]
fn a_register_without_gateways_is_an_error_that_says_so() {
    let register = register_of(&[]);
    let address = register_address(&register);
    let cluster = client("empty", "", &[&address]);
    let error = cluster.discover(false, PATIENT).unwrap_err();
    assert!(matches!(&error, Error::NoGateways { registers } if *registers == address), "{error}");
    // It is a list all the same: the first gateway is followed.
    control(&register, json!({"cmd": "add_address", "address": "127.0.0.1:2900"}));
    wait_until("the gateway", || cluster.discover(false, PATIENT).is_ok());
}

#[test]
fn several_registers_are_tried_in_turn() {
    let (dead, rejecting, silent, alive) = (dead_address(), Peer::listen(), Peer::listen(), Peer::listen());
    let addresses = [&*dead, &*rejecting.address, &*silent.address, &*alive.address];
    let cluster = client("turn", "", &addresses);
    std::thread::scope(|scope| {
        // The silent one is left after its share of this.
        let options = CallOptions { connect_timeout: Duration::from_secs(12), ..PATIENT };
        let discovering = scope.spawn(move || (cluster.discover(false, options), cluster));
        drop(rejecting.accept());
        let _silent = silent.accept();
        let mut conn = alive.accept();
        conn.send(&list(&["127.0.0.1:2900"]));
        let (result, cluster) = discovering.join().unwrap();
        result.unwrap();
        assert_eq!(cluster.status().register.unwrap().connected.as_deref(), Some(&*alive.address));
    });
}

#[test]
fn changes_of_the_list_are_followed_without_a_call() {
    let (first, second) = (Peer::listen(), Peer::listen());
    let (cluster, register) = client_of("followed", &[&first]);
    control(&register, json!({"cmd": "add_address", "address": second.address}));
    wait_until("the new gateway", || listed(cluster).len() == 2);
    cluster.send_to_all(Message::text(b"both"), PATIENT).unwrap();
    let (mut first_link, mut second_link) = (first.accept(), second.accept());
    assert_eq!((first_link.frame().body, second_link.frame().body), (b"both".to_vec(), b"both".to_vec()));
    control(&register, json!({"cmd": "remove_address", "address": first.address}));
    first_link.pass_barrier();
    assert!(first_link.is_closed(), "it has left the cluster");
    cluster.send_to_all(Message::text(b"one"), PATIENT).unwrap();
    assert_eq!(second_link.frame().body, b"one", "its connection is the same");
}

/// The list is kept while the register is away and followed again when it is back.
#[test]
fn list_is_kept_while_the_register_is_away() {
    let (first, second) = (Peer::listen(), Peer::listen());
    let (cluster, register) = client_of("away", &[&first]);
    let connected = || cluster.status().register.unwrap().connected;
    control(&register, json!({"cmd": "stop_register"}));
    wait_until("the end to be noticed", || connected().is_none());
    cluster.discover(false, PATIENT).unwrap();
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    first.accept().expect(Command::SendToAll);
    control(&register, json!({"cmd": "start_register"}));
    wait_until("the subscription", || connected().is_some());
    control(&register, json!({"cmd": "add_address", "address": second.address}));
    wait_until("the new gateway", || listed(cluster).len() == 2);
}

/// A register that is named is followed to its new address and kept while the resolver is away.
#[test]
fn named_register_is_followed_and_kept_without_a_resolver() {
    const NAME: &str = "register.moves:1236";
    let mut register = Peer::listen();
    let cluster = client("moves", "", &[NAME]);
    let error = cluster.discover(false, PATIENT).unwrap_err();
    assert!(error.to_string().contains("Name or service not known"), "{error}");
    name(NAME, Some(&register.address));
    let mut conn = std::thread::scope(|scope| {
        let discovering = scope.spawn(|| cluster.discover(false, PATIENT));
        let mut conn = register.accept();
        conn.send(&list(&["127.0.0.1:2900"]));
        discovering.join().unwrap().unwrap();
        conn
    });
    // Each time its container is replaced by one with another ip, while calls go on.
    for round in 1..=2 {
        drop((register, conn));
        register = Peer::listen();
        name(NAME, Some(&register.address));
        let mut accepted = None;
        wait_until("a subscription at the new address", || {
            cluster.discover(false, PATIENT).unwrap();
            accepted = register.pending();
            accepted.is_some()
        });
        conn = accepted.unwrap();
        assert!(conn.line().contains("worker_connect"));
        let added = format!("127.0.0.1:{}", 2900 + round);
        conn.send(&list(&["127.0.0.1:2900", &added]));
        wait_until("its list", || listed(cluster).contains(&added));
    }
    // It is where it was, and only its name is not to be had.
    let address = register.address.clone();
    drop((register, conn));
    name(NAME, None);
    let before = looked_up(NAME);
    wait_until("a look-up in vain", || {
        cluster.discover(false, PATIENT).unwrap();
        looked_up(NAME) > before
    });
    Peer::listen_at(&address).accept();
}

#[test]
fn a_fresh_discovery_asks_the_register_anew() {
    let register = Peer::listen();
    let cluster = client("fresh", "", &[&register.address]);
    std::thread::scope(|scope| {
        let discovering = scope.spawn(|| cluster.discover(false, PATIENT));
        let mut conn = register.accept();
        conn.send(&list(&["127.0.0.1:2900"]));
        discovering.join().unwrap().unwrap();
        // Without `fresh` nobody is asked.
        cluster.discover(false, PATIENT).unwrap();
        assert!(register.pending().is_none());

        for port in 2901..2911 {
            let discovering = scope.spawn(|| cluster.discover(true, PATIENT));
            let mut fresh = register.accept();
            assert!(fresh.line().contains("worker_connect"));
            let address = format!("127.0.0.1:{port}");
            fresh.send(&list(&[&address]));
            discovering.join().unwrap().unwrap();
            assert_eq!(listed(cluster), [&*address]);
            conn = fresh;
        }
        drop(conn);
    });
}

#[test]
fn a_fresh_discovery_without_a_reply_is_an_error() {
    let (cluster, register) = client_of("not fresh", &[&Peer::listen()]);
    cluster.discover(true, PATIENT).unwrap();
    control(&register, json!({"cmd": "stop_register"}));
    let error = cluster.discover(true, PATIENT).unwrap_err();
    assert!(matches!(error, Error::RegisterUnreachable { .. } | Error::RegisterRejected { .. }), "{error}");
    cluster.discover(false, PATIENT).unwrap();
}

#[test]
fn several_clusters_are_talked_to_at_the_same_time() {
    let peers = [Peer::listen(), Peer::listen(), Peer::listen()];
    let registers = [register_of(&[&peers[0].address]), register_with("key", &[&peers[1].address])];
    let clusters = [
        client("several", "", &[&register_address(&registers[0])]),
        client("several", "key", &[&register_address(&registers[1])]),
        // The same register for another user: connections of its own.
        client("another", "", &[&register_address(&registers[0])]),
    ];
    let again = client("several", "", &[&register_address(&registers[0])]);
    assert!(std::ptr::eq(clusters[0], again));
    for round in 0..3 {
        for (cluster, name) in clusters.iter().zip(["first", "second", "third"]) {
            cluster.discover(false, PATIENT).unwrap();
            cluster.send_to_all(Message::text(format!("{name} {round}").as_bytes()), PATIENT).unwrap();
        }
    }
    let mut second = peers[1].accept();
    second.expect_key("key");
    let mut bodies = Vec::new();
    for mut link in [peers[0].accept(), peers[0].accept(), second] {
        let texts: Vec<String> = (0..3).map(|_| String::from_utf8(link.frame().body).unwrap()).collect();
        bodies.push(texts.join(", "));
    }
    bodies.sort();
    assert_eq!(
        bodies,
        ["first 0, first 1, first 2", "second 0, second 1, second 2", "third 0, third 1, third 2"]
    );
    assert!(peers[2].pending().is_none());
}
