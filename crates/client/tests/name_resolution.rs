//! Gateways that are listed by name: looked up on calling threads, again where that failed, and
//! never left out in silence.

#![allow(clippy::unwrap_used)]

mod support;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Cluster, Error, Message, OnUnavailable};
use gatewayworker_devgateway::{Config, Devgateway, Started};
use serde_json::json;
use support::*;

const LEAVING_OUT: CallOptions = CallOptions { on_unavailable: OnUnavailable::Skip, ..PATIENT };

fn gateway() -> Started {
    Devgateway::start(Config { register: None, ..Config::default() }).unwrap()
}

/// How often a gateway was asked how many clients it has.
fn counted(gateway: &Started) -> u64 {
    let stats = control(gateway, json!({"cmd": "stats"}));
    let command = (Command::GetClientCountByGroup as u8).to_string();
    stats["gateways"][0]["frames"][command].as_u64().unwrap_or_default()
}

/// The name that a query says is not found.
fn missed(cluster: &Cluster, options: CallOptions) -> String {
    let error = cluster.client_count(b"", options).unwrap_err();
    assert!(error.to_string().contains("Name or service not known"), "{error}");
    let Error::Unreachable { gateway, .. } = error else { panic!("{error}") };
    gateway.to_string()
}

/// In worker mode a name that is not found is an error and looked up again and told once.
#[test]
fn unresolved_name_is_an_error_retried_and_logged_once() {
    const NAME: &str = "gateway.late:2900";
    let (there, late) = (gateway(), gateway());
    let address = gateway_address(&there, 0);
    let cluster = worker("late name", &[]);
    cluster.follow(&[&address]);
    cluster.follow_for_queries(&[&*address, NAME]);
    assert_eq!(missed(cluster, PATIENT), NAME);
    assert_eq!(counted(&there), 0, "an answer would not be whole");
    assert_eq!(cluster.client_count(b"", LEAVING_OUT).unwrap(), 0);
    assert_eq!(counted(&there), 1);
    // Where there is nobody else, it is an error in any case.
    cluster.follow_for_queries(&[NAME]);
    assert_eq!(missed(cluster, LEAVING_OUT), NAME);
    cluster.follow_for_queries(&[&*address, NAME]);
    wait_until("another look-up", || {
        assert_eq!(missed(cluster, PATIENT), NAME);
        looked_up(NAME) >= 2
    });
    let lines = log_lines(NAME);
    assert_eq!(lines.len(), 1, "however often it is looked up: {lines:?}");
    assert!(lines[0].contains(" left out: "), "{lines:?}");
    name(NAME, Some(&gateway_address(&late, 0)));
    wait_until("it to be found", || cluster.client_count(b"", PATIENT).is_ok());
    assert_eq!(counted(&late), 1);
    assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0);
    assert_eq!(counted(&late), 2);
}

#[test]
fn while_the_resolver_takes_its_time_everybody_else_goes_on() {
    const NAME: &str = "gateway.slow:2900";
    let slow = gateway();
    let there = Peer::listen();
    let cluster = worker("slow resolver", &[&there]);
    name(NAME, Some(&gateway_address(&slow, 0)));
    let held = hold(NAME);
    std::thread::scope(|scope| {
        cluster.follow_for_queries(&[NAME]);
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        wait_until("the look-up", || looked_up(NAME) == 1);
        // What the background does each second where the status is published, and what every send
        // does.
        assert_eq!(listed(cluster), [&*there.address]);
        cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
        there.accept().expect(Command::SendToAll);
        assert!(!asking.is_finished());
        drop(held);
        assert_eq!(asking.join().unwrap().unwrap(), 0);
    });
}

#[test]
fn a_gateway_that_is_listed_under_several_names_is_one_gateway() {
    const NAMES: [&str; 2] = ["gateway.one:2900", "gateway.alias:2900"];
    let peer = Peer::listen();
    for name_of_it in NAMES {
        name(name_of_it, Some(&peer.address));
    }
    let cluster = worker("several names", &[]);
    for list in [&[NAMES[0], NAMES[1]][..], &[NAMES[1], &peer.address], &[&peer.address, &peer.address]] {
        cluster.follow(list);
        cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
        assert_eq!(listed(cluster).len(), 1, "{list:?}");
    }
    cluster.follow_for_queries(&[NAMES[0], &peer.address]);
    let mut link = peer.accept();
    for _ in 0..3 {
        link.expect(Command::SendToAll);
    }
    assert_eq!(count_behind_commands(cluster, &mut link), 1);
    assert!(peer.pending().is_none(), "one connection carries all of it");
}

#[test]
fn gateways_with_ipv6_are_told_apart_by_more_than_their_port() {
    let cluster = worker("ipv6", &[]);
    let [first, second] = ["[::1]:9", "[fe80::1]:9"];
    cluster.follow(&[first]);
    cluster.send_to_all(Message::text(b"for the first"), PATIENT).unwrap();
    cluster.follow::<&str>(&[]);
    cluster.follow(&[second]);
    assert_eq!(listed(cluster), [second, first], "the first one still has something to send");
}

#[test]
fn a_gateway_that_is_named_is_followed_to_its_new_address() {
    const NAME: &str = "gateway.moves:2900";
    let mut peer = Peer::listen();
    name(NAME, Some(&peer.address));
    let register = register_of(&[NAME]);
    let cluster = client("gateway moves", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    let mut link = peer.accept();
    link.expect(Command::SendToAll);
    // Its container is replaced by one with another ip; and once more, while the resolver is away
    // for a while.
    for round in 1..=2 {
        drop((peer, link));
        if round == 2 {
            let before = looked_up(NAME);
            name(NAME, None);
            wait_until("a look-up in vain", || {
                // It is no name that is not found: it is where it was.
                cluster.discover(false, PATIENT).unwrap();
                looked_up(NAME) > before
            });
        }
        peer = Peer::listen();
        name(NAME, Some(&peer.address));
        let mut accepted = None;
        wait_until("a link to the new address", || {
            cluster.discover(false, PATIENT).unwrap();
            // Until then nobody is there.
            let _ = cluster.send_to_all(Message::text(b"hi"), PATIENT);
            accepted = peer.pending();
            accepted.is_some()
        });
        link = accepted.unwrap();
        assert!(link.command().is(Command::SendToAll));
        assert_eq!(status(cluster, NAME)["reach"], peer.address);
    }
    assert_eq!(log_lines(NAME).iter().filter(|line| line.contains("left out")).count(), 0);
}

/// A gateway that is only asked is followed to its new address too.
#[test]
fn gateway_for_queries_only_is_followed_to_its_new_address() {
    const NAME: &str = "gateway.asked:2900";
    let before = gateway();
    name(NAME, Some(&gateway_address(&before, 0)));
    let cluster = worker("asked gateway moves", &[]);
    cluster.follow_for_queries(&[NAME]);
    cluster.client_count(b"", PATIENT).unwrap();
    before.stop();
    let after = gateway();
    name(NAME, Some(&gateway_address(&after, 0)));
    wait_until("an answer", || cluster.client_count(b"", PATIENT).is_ok());
    assert_eq!(counted(&after), 1);
}
