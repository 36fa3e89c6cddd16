//! The secret key.

mod support;

use gatewayworker_devgateway::Config;
use gatewayworker_wire::Command;
use serde_json::json;
use support::{Cluster, Link, RegisterLink};

fn secured() -> Cluster {
    Cluster::with(Config { secret: "key".into(), ..Config::default() })
}

#[test]
fn a_connection_that_introduces_itself_gets_replies() {
    let cluster = secured();
    let client = cluster.client();
    let mut link = cluster.link();
    link.introduce("key");
    assert_eq!(link.query(Command::IsOnline, client.id, ""), "i:1;");
    // Clients introduce themselves anew before every command.
    link.introduce("key");
    assert_eq!(link.query(Command::IsOnline, client.id, ""), "i:1;");
    let stats = cluster.stats();
    assert_eq!((&stats["authorized"], &stats["unauthorized"]), (&json!(1), &json!(0)));
}

#[test]
fn a_worker_may_ask_as_well() {
    let cluster = secured();
    let mut link = cluster.link();
    link.introduce_as_worker("w:0", "key");
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, ""), "i:0;");
}

#[test]
fn a_connection_without_introduction_is_closed() {
    let cluster = secured();
    for command in [Command::IsOnline, Command::SendToAll, Command::Ping] {
        let mut link = cluster.link();
        link.send(command, 1, "", "");
        assert!(link.is_closed());
    }
    assert_eq!(cluster.stats()["unauthorized"], 3);
}

#[test]
fn a_wrong_key_closes_the_connection_even_where_none_is_needed() {
    for cluster in [secured(), Cluster::start()] {
        let mut client = cluster.link();
        client.introduce("guess");
        assert!(client.is_closed());
        let mut worker = cluster.link();
        worker.introduce_as_worker("w:0", "guess");
        assert!(worker.is_closed());
        let mut nameless = cluster.link();
        nameless.send(Command::GatewayClientConnect, 0, "", "rubbish");
        assert!(nameless.is_closed());
        assert_eq!(cluster.stats()["unauthorized"], 3);
    }
}

#[test]
fn no_command_of_a_refused_connection_is_carried_out() {
    let cluster = secured();
    let mut client = cluster.client();
    let mut stranger = cluster.link();
    stranger.send(Command::SendToAll, 0, "", "spam");
    assert!(stranger.is_closed());
    let mut link = Link::connect(cluster.gateway(0).internal);
    link.introduce("key");
    client.has_got(&mut link, &[]);
}

#[test]
fn the_register_asks_for_the_key() {
    let cluster = secured();
    for line in [
        r#"{"event":"worker_connect","secret_key":"guess"}"#,
        r#"{"event":"worker_connect"}"#,
        r#"{"event":"gateway_connect","address":"127.0.0.1:1","secret_key":""}"#,
    ] {
        let mut link = RegisterLink::connect(cluster.register());
        link.send(line);
        assert!(link.is_closed());
    }
    let mut link = RegisterLink::connect(cluster.register());
    link.send(r#"{"event":"worker_connect","secret_key":"key"}"#);
    assert_eq!(link.addresses(), json!([cluster.gateway(0).internal]));
}
