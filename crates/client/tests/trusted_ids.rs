//! Client ids that are trusted (`gatewayworker.trust_client_ids`): an id alone names a gateway.

#![allow(clippy::unwrap_used)]

mod support;

use gatewayworker_client::Error;
use gatewayworker_client::commands::Message;
use gatewayworker_client::wire::Command;
use gatewayworker_devgateway::{Config, Devgateway};
use serde_json::json;
use support::*;

/// A message to a client of a dead gateway is an error in client mode.
#[test]
fn in_client_mode_sending_to_a_dead_gateway_is_an_error() {
    trust_client_ids();
    let dead = dead_address();
    let cluster = client("dead", "", &["127.0.0.1:1"]);
    let error = cluster.send_to_client(id(&dead, 1), Message::text(b"one"), PATIENT).unwrap_err();
    assert_eq!(error.to_string(), unreachable_text(&dead, "Connection refused"));
    let error = cluster.send_to_clients(&[id(&dead, 1)], Message::text(b"one"), PATIENT).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

/// A wrong key is named for a gateway that only a client id tells of.
#[test]
fn wrong_key_is_named_for_an_unlisted_gateway() {
    trust_client_ids();
    let gateways = Devgateway::start(Config { secret: "right".into(), ..Config::default() }).unwrap();
    let address = gateway_address(&gateways, 0);
    let cluster = client("wrong key of a stray", "wrong", &["127.0.0.1:1"]);
    let mut error = None;
    wait_until("the rejection", || {
        error = cluster.send_to_client(id(&address, 1), Message::text(b"one"), PATIENT).err();
        matches!(&error, Some(Error::Rejected { .. }))
    });
    assert!(error.unwrap().to_string().contains(&address));
}

/// A gateway that is first known from a client id keeps its link when it is listed.
#[test]
fn unlisted_gateway_keeps_its_link_when_it_is_listed() {
    trust_client_ids();
    let peer = Peer::listen();
    let register = register_of(&[]);
    let cluster = client("stray", "", &[&register_address(&register)]);
    cluster.send_to_client(peer.id(1), Message::text(b"hi"), PATIENT).unwrap();
    let mut link = peer.accept();
    link.expect(Command::SendToOne);
    control(&register, json!({"cmd": "add_address", "address": peer.address}));
    cluster.discover(false, PATIENT).unwrap();
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    link.expect(Command::SendToAll);
}
