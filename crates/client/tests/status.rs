//! The status: what it says about links, queries and registers that have had trouble.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gatewayworker_client::status::{ProcessStatus, RegisterState};
use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Cluster, Message};
use serde_json::{Value as Json, json};
use support::*;

/// Asks one gateway, which replies after a while.
fn ask(cluster: &Cluster, conn: &mut Conn, after: Duration) {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        conn.expect(Command::GetClientCountByGroup);
        std::thread::sleep(after);
        conn.reply("i:1;");
        asking.join().unwrap().unwrap();
    });
}

/// Asks for the first time, and replies at once; the connection.
fn first_query(cluster: &Cluster, peer: &Peer) -> Conn {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut conn = peer.accept();
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:1;");
        asking.join().unwrap().unwrap();
        conn
    })
}

fn micros(status: &Json, name: &str) -> u64 {
    status[name].as_u64().unwrap_or_else(|| panic!("no {name}: {status}"))
}

#[test]
fn replies_are_timed_from_the_query_on() {
    const SLOW: Duration = Duration::from_millis(40);
    let peer = Peer::listen();
    let cluster = worker("timed", &[&peer]);
    assert_eq!(status(cluster, &peer.address)["latency_p50"], Json::Null, "nothing was asked");
    let mut conn = first_query(cluster, &peer);
    for _ in 0..3 {
        ask(cluster, &mut conn, SLOW);
    }
    let status = status(cluster, &peer.address);
    assert_eq!(status["latency_count"], 4);
    let (p50, p99) = (micros(&status, "latency_p50"), micros(&status, "latency_p99"));
    // Within the bound of the histogram.
    assert!(p50 >= 40_000 * 31 / 32 && p99 >= p50, "{status}");
}

#[test]
fn a_slow_gateway_does_not_make_others_look_slow() {
    let [slow, fast] = [Peer::listen(), Peer::listen()];
    let cluster = worker("blame", &[&slow, &fast]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut conns = [slow.accept(), fast.accept()];
        for conn in &mut conns {
            conn.expect(Command::GetClientCountByGroup);
        }
        conns[1].reply("i:1;");
        std::thread::sleep(Duration::from_millis(50));
        conns[0].reply("i:1;");
        assert_eq!(asking.join().unwrap().unwrap(), 2);
    });
    let (slow, fast) = (status(cluster, &slow.address), status(cluster, &fast.address));
    assert!(micros(&slow, "latency_p50") >= 50_000 * 31 / 32, "{slow}");
    assert_eq!(
        (&fast["queries"], &fast["latency_count"]),
        (&json!(1), &json!(0)),
        "nobody has seen it: {fast}"
    );
}

#[test]
fn query_connections_are_counted_while_they_are_open() {
    let peer = Peer::listen();
    let cluster = worker("open", &[&peer]);
    let open = || {
        let status = status(cluster, &peer.address);
        [micros(&status, "queries_open"), micros(&status, "queries_idle")]
    };
    assert_eq!(open(), [0, 0]);
    let mut conn = first_query(cluster, &peer);
    assert_eq!(open(), [1, 1]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        conn.expect(Command::GetClientCountByGroup);
        assert_eq!(open(), [1, 0], "it carries a question");
        conn.reply("b:1;");
        asking.join().unwrap().unwrap_err();
    });
    assert_eq!(open(), [0, 0], "who answers nonsense is not asked again");
}

#[test]
fn the_last_error_of_a_query_is_kept_with_its_age() {
    let peer = Peer::listen();
    let cluster = worker("failed question", &[&peer]);
    let mut conn = first_query(cluster, &peer);
    let before = status(cluster, &peer.address);
    assert_eq!(before["query_error"], Json::Null);
    let impatient = CallOptions { query_timeout: Duration::from_millis(20), ..PATIENT };
    let error = cluster.client_count(b"", impatient).unwrap_err().to_string();
    conn.expect(Command::GetClientCountByGroup);
    let after = status(cluster, &peer.address);
    assert_eq!(after["latency_count"], before["latency_count"], "a question without answer is none of them");
    first_query(cluster, &peer);
    let status = status(cluster, &peer.address);
    assert_eq!(status["query_error"], error, "all is well since");
    assert!(status["query_error_age"].as_f64().unwrap() >= 0.0);
    assert_eq!((&status["queries_failed"], &status["queries_timed_out"]), (&json!(1), &json!(1)));
}

#[test]
fn the_last_error_of_a_link_stays_and_its_returns_are_counted() {
    let peer = Peer::listen();
    let cluster = worker("lost link", &[&peer]);
    let send = |number| cluster.send_to_client(peer.id(number), Message::text(b"hi"), PATIENT).unwrap();
    send(1);
    let mut link = peer.accept();
    assert_eq!(link.frame().connection, 1);
    let before = status(cluster, &peer.address);
    assert_eq!((&before["reconnects"], &before["last_error"]), (&json!(0), &Json::Null));
    assert_eq!(before["last_error_age"], Json::Null);
    drop(link);
    wait_until("the end to be noticed", || status(cluster, &peer.address)["last_error"].is_string());
    let mut link = peer.accept();
    send(2);
    assert_eq!(link.command().connection, 2);
    wait_until("the return", || link_state(cluster, &peer.address) == "online");
    let after = status(cluster, &peer.address);
    assert_eq!(after["reconnects"], 1);
    assert_eq!(after["last_error"], "the gateway closed the connection");
    assert!(after["last_error_age"].as_f64().unwrap() >= 0.0, "{after}");
    log_lines(&peer.address);
}

#[test]
fn the_state_of_a_subscription_is_told() {
    let gateway = Peer::listen();
    let register = register_of(&[&gateway.address]);
    let cluster = client("states", "", &[&register_address(&register)]);
    let seen = || cluster.status().register.unwrap();
    assert_eq!(seen().state, RegisterState::Unused);
    cluster.discover(false, PATIENT).unwrap();
    assert_eq!((seen().state, seen().last_error), (RegisterState::Online, None));
    assert!(seen().list_age.is_some_and(|age| age >= 0.0));
    register.stop();
    wait_until("the loss to be noticed", || seen().state == RegisterState::Failed);
    let lost = seen();
    assert_eq!(lost.connected, None);
    assert!(lost.last_error.is_some() && lost.last_error_age.is_some_and(|age| age >= 0.0), "{lost:?}");
}

#[test]
fn a_register_without_an_address_has_failed() {
    let cluster = client("no address", "", &["no port"]);
    let error = cluster.discover(false, PATIENT).unwrap_err();
    let register = cluster.status().register.unwrap();
    assert_eq!((register.state, register.last_error), (RegisterState::Failed, Some(error.to_string())));
}

#[test]
fn a_register_that_says_nothing_yet_is_being_connected() {
    let peer = Peer::listen();
    let cluster = client("silent", "", &[&peer.address]);
    std::thread::scope(|scope| {
        let discovering = scope.spawn(|| cluster.discover(false, PATIENT));
        let mut conn = peer.accept();
        conn.line();
        assert_eq!(cluster.status().register.unwrap().state, RegisterState::Connecting);
        conn.send(b"{\"event\":\"broadcast_addresses\",\"addresses\":[\"127.0.0.1:2900\"]}\n");
        discovering.join().unwrap().unwrap();
    });
}

#[test]
fn the_process_is_told_with_all_its_clusters() {
    let peer = Peer::listen();
    worker("of the process", &[&peer]);
    let status = ProcessStatus::now();
    assert_eq!((status.pid, status.threads), (std::process::id(), 1));
    assert!(status.clusters.iter().any(|cluster| cluster.user == "of the process"));
}
