//! Client ids come from browsers. In client mode only gateways that the register lists are connected
//! to, whatever the ids say.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Instant;

use gatewayworker_client::commands::Message;
use gatewayworker_client::wire::{ClientId, Command};
use gatewayworker_client::{CallOptions, Cluster, Error};
use serde_json::json;
use support::*;

fn list(addresses: &[&str]) -> Vec<u8> {
    format!("{}\n", json!({"event": "broadcast_addresses", "addresses": addresses})).into_bytes()
}

fn send(cluster: &Cluster, id: ClientId) -> Result<(), Error> {
    cluster.send_to_client(id, Message::text(b"hi"), PATIENT)
}

fn assert_not_listed(result: Result<(), Error>, address: &str) {
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { gateway, .. } if **gateway == *address), "{error}");
    let text = error.to_string();
    assert!(text.contains("lists no such gateway") && text.contains("trust_client_ids"), "{text}");
}

/// What a call does with a client id.
type WithId = fn(&Cluster, ClientId) -> Result<(), Error>;

/// Nobody connects to the address in a made-up id, so that nobody there gets the key; each call says
/// so, and none says that the client is offline.
#[test]
fn a_made_up_id_leads_nowhere() {
    let (gateway, stranger) = (Peer::listen(), Peer::listen());
    let register = register_with("key", &[&gateway.address]);
    let cluster = client("made up", "key", &[&register_address(&register)]);
    let calls: [WithId; 6] = [
        send,
        |cluster, id| cluster.is_online(id, PATIENT).map(|_| ()),
        |cluster, id| cluster.session(id, PATIENT, |_| Ok(())),
        |cluster, id| cluster.uid_of_client(id, PATIENT, |_| ()),
        |cluster, id| cluster.bind_uid(id, b"uid", PATIENT),
        |cluster, id| cluster.destroy(id, PATIENT),
    ];
    for call in calls {
        assert_not_listed(call(cluster, stranger.id(1)), &stranger.address);
    }
    let frame = gatewayworker_client::wire::Head::new(Command::SendToOne, 1).frame(b"", b"hi").unwrap();
    assert_not_listed(cluster.send_frame(&stranger.address, &frame, PATIENT), &stranger.address);
    let query =
        cluster.query_frames(Command::IsOnline, &[(&stranger.address, frame)], PATIENT, |_, _, _| Ok(()));
    assert_not_listed(query, &stranger.address);

    send(cluster, gateway.id(1)).unwrap();
    let mut link = gateway.accept();
    link.expect_key("key");
    link.expect(Command::SendToOne);
    assert!(stranger.pending().is_none());
    assert_eq!(cluster.status().gateways.len(), 1);
}

/// Lists of ids and exclusions go on without the strangers, with one line in the log for each call.
#[test]
fn made_up_ids_are_left_out_of_lists() {
    let (gateway, strangers) = (Peer::listen(), [Peer::listen(), Peer::listen()]);
    let (cluster, _register) = client_of("left out", &[&gateway]);
    let ids = [strangers[0].id(1), gateway.id(7), strangers[1].id(1)];
    let message = Message::text(b"hi");
    cluster.send_to_clients(&ids, message, PATIENT).unwrap();
    let mut link = gateway.accept();
    assert_eq!(link.expect(Command::SendToAll).ext, br#"{"connections":{"7":7}}"#);
    cluster.send_to_all_except(&ids, message, PATIENT).unwrap();
    assert_eq!(link.expect(Command::SendToAll).ext, br#"{"exclude":{"7":7}}"#);
    cluster.send_to_groups(Some(b"[\"room\"]"), &ids, message, PATIENT).unwrap();
    assert_eq!(link.expect(Command::SendToGroup).ext, br#"{"group":["room"],"exclude":{"7":7}}"#);
    cluster.send_to_clients(&[strangers[0].id(1)], message, PATIENT).unwrap();
    let lines = log_lines(" left out: ");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[..3].iter().all(|line| line.contains("(and 1 more like it)")), "{lines:?}");
    assert!(strangers.iter().all(|stranger| stranger.pending().is_none()));
}

/// However many ids are made up, the register is asked once in a while.
#[test]
fn a_flood_of_made_up_ids_spares_the_register() {
    let (gateway, stranger) = (Peer::listen(), Peer::listen());
    let register = register_of(&[&gateway.address]);
    let cluster = client("flood", "", &[&register_address(&register)]);
    let began = Instant::now();
    let asked =
        || control(&register, json!({"cmd": "stats"}))["register"]["worker_connects"].as_u64().unwrap();
    let ip = std::net::Ipv4Addr::LOCALHOST.to_bits();
    // Until the list is old, and has been requested again.
    wait_until("a fresh look", || {
        for connection in 0..100 {
            let port = stranger.id(1).port;
            assert_not_listed(send(cluster, ClientId { ip, port, connection }), &stranger.address);
        }
        asked() > 1
    });
    for connection in 0..5_000 {
        assert_not_listed(send(cluster, stranger.id(connection)), &stranger.address);
    }
    let allowed = 2 + began.elapsed().as_secs() / 10;
    assert!(asked() <= allowed, "{} times, {allowed} are enough", asked());
    assert!(stranger.pending().is_none());
    send(cluster, gateway.id(1)).unwrap();
    gateway.accept().expect(Command::SendToOne);
}

/// A gateway that an old list lacks is found by a fresh look.
#[test]
fn an_id_of_a_gateway_that_an_old_list_lacks_has_it_looked_up() {
    let (old, new, register) = (Peer::listen(), Peer::listen(), Peer::listen());
    let cluster = client("added", "", &[&register.address]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| cluster.discover(false, PATIENT));
        let mut conn = register.accept();
        conn.send(&list(&[&old.address]));
        first.join().unwrap().unwrap();
        // It never pushes the new list by itself.
        let sent = scope.spawn(|| {
            wait_until("the new gateway", || send(cluster, new.id(1)).is_ok());
        });
        let mut fresh = register.accept();
        fresh.send(&list(&[&old.address, &new.address]));
        sent.join().unwrap();
        new.accept().expect(Command::SendToOne);
        drop((conn, fresh));
    });
}

/// Ids follow the list that the register pushes.
#[test]
fn an_id_counts_as_long_as_its_gateway_is_listed() {
    let (stays, comes) = (Peer::listen(), Peer::listen());
    let (cluster, register) = client_of("list change", &[&stays]);
    assert_not_listed(send(cluster, comes.id(1)), &comes.address);
    control(&register, json!({"cmd": "add_address", "address": comes.address}));
    wait_until("the list with it", || listed(cluster).len() == 2);
    send(cluster, comes.id(1)).unwrap();
    comes.accept().expect(Command::SendToOne);
    control(&register, json!({"cmd": "remove_address", "address": comes.address}));
    wait_until("the list without it", || listed(cluster).len() == 1);
    assert_not_listed(send(cluster, comes.id(2)), &comes.address);
}

/// The last list stays valid while the register is away; a stranger stays one.
#[test]
fn ids_of_the_last_list_stay_valid_without_a_register() {
    let (gateway, stranger) = (Peer::listen(), Peer::listen());
    let (cluster, register) = client_of("register lost", &[&gateway]);
    control(&register, json!({"cmd": "stop_register"}));
    wait_until("the loss to be noticed", || !log_lines("register lost").is_empty());
    send(cluster, gateway.id(1)).unwrap();
    gateway.accept().expect(Command::SendToOne);
    assert_not_listed(send(cluster, stranger.id(1)), &stranger.address);
    send(cluster, gateway.id(2)).unwrap();
    assert!(stranger.pending().is_none());
}

/// A fresh look for a made-up id does not cost gateways that a restarted register does not know yet.
#[test]
fn a_fresh_look_keeps_gateways_that_may_come_back() {
    let (gateway, stranger, register) = (Peer::listen(), Peer::listen(), Peer::listen());
    let cluster = client("restarted", "", &[&register.address]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| cluster.discover(false, PATIENT));
        let mut conn = register.accept();
        conn.send(&list(&[&gateway.address]));
        first.join().unwrap().unwrap();
        // It restarts, and knows of no gateway.
        drop(conn);
        let mut conn = register.accept();
        conn.send(&list(&[]));
        let flood = scope.spawn(|| {
            wait_until("a fresh look", || {
                assert_not_listed(send(cluster, stranger.id(1)), &stranger.address);
                cluster.status().register.unwrap().lists >= 3
            });
        });
        let mut fresh = register.accept();
        fresh.send(&list(&[]));
        flood.join().unwrap();
        send(cluster, gateway.id(1)).unwrap();
        gateway.accept().expect(Command::SendToOne);
        drop((conn, fresh));
    });
}

/// Without any list nobody can tell whose id it is: the error is the register's.
#[test]
fn an_id_before_any_list_is_an_error_of_the_register() {
    let (stranger, register) = (Peer::listen(), dead_address());
    let cluster = client("no list", "", &[&register]);
    let error = send(cluster, stranger.id(1)).unwrap_err();
    assert!(matches!(error, Error::RegisterUnreachable { .. }), "{error}");
    assert!(stranger.pending().is_none());
}

/// `lanIp = 'localhost'`: the original's ids have the ip 0, which it reaches as 0.0.0.0. Such an id
/// is one of the gateway that is listed by a name, in lists and exclusions too.
#[test]
fn ids_without_an_ip_are_those_of_the_gateway_with_a_name() {
    let gateway = Peer::listen();
    let port = gateway.id(1).port;
    let named = format!("localhost:{port}");
    name(&named, Some(&gateway.address));
    let register = register_of(&[&named]);
    let cluster = client("localhost", "", &[&register_address(&register)]);
    let id = ClientId { ip: 0, port, connection: 5 };
    send(cluster, id).unwrap();
    let mut link = gateway.accept();
    link.expect(Command::SendToOne);
    let ids = [id, gateway.id(6)];
    cluster.send_to_clients(&ids, Message::text(b"hi"), PATIENT).unwrap();
    assert_eq!(link.expect(Command::SendToAll).ext, br#"{"connections":{"5":5,"6":6}}"#);
    cluster.send_to_all_except(&ids, Message::text(b"hi"), PATIENT).unwrap();
    assert_eq!(link.expect(Command::SendToAll).ext, br#"{"exclude":{"5":5,"6":6}}"#);
    let other = ClientId { ip: 0, port: port ^ 1, connection: 5 };
    assert_not_listed(send(cluster, other), &format!("0.0.0.0:{}", port ^ 1));
}

/// In worker mode the BusinessWorker alone says which gateways there are, as ever.
#[test]
fn worker_mode_is_as_it_was() {
    let (listed, other) = (Peer::listen(), Peer::listen());
    let cluster = worker("worker", &[&listed]);
    let options = CallOptions { ..PATIENT };
    cluster.send_to_client(other.id(1), Message::text(b"hi"), options).unwrap();
    other.accept().expect(Command::SendToOne);
}
