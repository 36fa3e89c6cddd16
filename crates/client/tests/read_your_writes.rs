//! A query sees every command that was issued before it, although it travels on another connection.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Cluster, Error, Message};
use gatewayworker_devgateway::{Config, Devgateway};
use serde_json::json;
use support::*;

fn bind(cluster: &Cluster, peer: &Peer, number: u32) {
    cluster.bind_uid(peer.id(number), b"uid", PATIENT).unwrap();
}

/// A query is asked after the gateway has answered the barrier.
#[test]
fn query_goes_out_after_the_reply_to_the_barrier() {
    let peer = Peer::listen();
    let cluster = worker("barrier", &[&peer]);
    bind(cluster, &peer, 1);
    bind(cluster, &peer, 2);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut link = peer.accept();
        assert_eq!([link.frame(), link.frame()].map(|frame| frame.connection), [1, 2]);
        assert!(link.frame().is_barrier());
        wait_until("the caller to wait for it", || status(cluster, &peer.address)["queued_bytes"] == 0);
        let asked = || status(cluster, &peer.address)["queries"].clone();
        assert_eq!(asked(), 0);
        assert!(peer.pending().is_none(), "not even a connection is made before");
        link.reply("i:0;");
        let mut query = peer.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        assert_eq!(asking.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn there_is_no_barrier_where_no_command_is_outstanding() {
    let peer = Peer::listen();
    let cluster = worker("none", &[&peer]);
    std::thread::scope(|scope| {
        // Before any command: no link is made at all.
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut query = peer.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        asking.join().unwrap().unwrap();
        assert!(peer.pending().is_none());
        assert_eq!(link_state(cluster, &peer.address), "unused");

        bind(cluster, &peer, 1);
        let mut link = peer.accept();
        link.expect(Command::BindUid);
        // One barrier for the command, and none for the queries that follow.
        for n in 0..3 {
            let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
            if n == 0 {
                link.pass_barrier();
            }
            query.expect(Command::GetClientCountByGroup);
            query.reply("i:1;");
            asking.join().unwrap().unwrap();
        }
        assert_eq!(status(cluster, &peer.address)["barriers"], 1);
        bind(cluster, &peer, 2);
        assert!(link.frame().is(Command::BindUid), "nothing else was on the link");
    });
}

#[test]
fn only_the_gateways_that_are_asked_are_waited_for() {
    let (busy, asked) = (Peer::listen(), Peer::listen());
    let cluster = worker("concerned", &[&busy, &asked]);
    bind(cluster, &busy, 1);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.is_online(asked.id(1), PATIENT));
        let mut query = asked.accept();
        query.expect(Command::IsOnline);
        query.reply("i:1;");
        assert_eq!(asking.join().unwrap().unwrap(), 1);
    });
    let mut link = busy.accept();
    link.expect(Command::BindUid);
    bind(cluster, &busy, 2);
    assert_eq!(link.frame().connection, 2, "no barrier was sent");
}

#[test]
fn a_fan_out_has_all_its_barriers_on_their_way_at_the_same_time() {
    let peers = [Peer::listen(), Peer::listen()];
    let cluster = worker("barriers", &[&peers[0], &peers[1]]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut links = [peers[0].accept(), peers[1].accept()];
        for link in &mut links {
            link.expect(Command::SendToAll);
        }
        for link in links.iter_mut().rev() {
            link.pass_barrier();
        }
        for peer in &peers {
            let mut query = peer.accept();
            query.expect(Command::GetClientCountByGroup);
            query.reply("i:2;");
        }
        assert_eq!(asking.join().unwrap().unwrap(), 4);
    });
}

#[test]
fn a_barrier_without_a_reply_in_time_is_an_error() {
    let peer = Peer::listen();
    let cluster = worker("unanswered", &[&peer]);
    bind(cluster, &peer, 1);
    let mut link = peer.accept();
    link.expect(Command::BindUid);
    let impatient = CallOptions { query_timeout: Duration::from_millis(50), ..PATIENT };
    let error = cluster.client_count(b"", impatient).unwrap_err();
    assert!(matches!(&error, Error::TimedOut { gateway, .. } if **gateway == *peer.address), "{error}");
    // It was asked once; its late reply serves the next query.
    assert_eq!(count_behind_barrier(cluster, &peer, &mut link), 1);
    assert_eq!(status(cluster, &peer.address)["barriers"], 1);
}

/// A barrier that went down with its connection is an error and asked again on the next one.
#[test]
fn lost_barrier_is_an_error_and_sent_again_on_the_next_link() {
    let peer = Peer::listen_at(&own_address());
    let cluster = worker("lost", &[&peer]);
    bind(cluster, &peer, 1);
    let mut link = peer.accept();
    link.expect(Command::BindUid);
    let address = peer.address.clone();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        assert!(link.frame().is_barrier());
        // Nobody listens until there is the error: a caller that is late, and did not see this
        // connection end, would wait for the next one.
        drop(peer);
        drop(link);
        let error = asking.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Unreachable { gateway, .. } if **gateway == *address), "{error}");
        let peer = Peer::listen_at(&address);

        // Where the connection was a short one another query comes first, to prove that the gateway
        // takes us.
        let link = peer.accept();
        let answering = scope.spawn(|| link.frames_until_closed());
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut query = peer.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        assert_eq!(asking.join().unwrap().unwrap(), 1);
        cluster.follow::<&str>(&[]);
        let frames = answering.join().unwrap();
        assert!(!frames.is_empty() && frames.iter().all(Received::is_barrier), "{frames:?}");
    });
}

/// A query about a gateway whose commands cannot get out is an error.
#[test]
fn query_behind_commands_that_cannot_be_sent_is_an_error() {
    let dead = dead_address();
    let cluster = worker("dead", &[]);
    cluster.follow(&[&dead]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    let error = cluster.client_count(b"", PATIENT).unwrap_err();
    assert_eq!(error.to_string(), unreachable_text(&dead, "Connection refused"));
}

#[test]
fn every_query_sees_the_command_before_it() {
    use std::io::{BufRead, BufReader};

    let gateways = Devgateway::start(Config { greet: true, ..Config::default() }).unwrap();
    let text = gateways.addresses().gateways[0].text;
    let mut client_connection = BufReader::new(std::net::TcpStream::connect(text).unwrap());
    let mut line = String::new();
    client_connection.read_line(&mut line).unwrap();
    let greeting: serde_json::Value = serde_json::from_str(&line).unwrap();
    let id = gatewayworker_client::wire::ClientId::parse(greeting["client_id"].as_str().unwrap().as_bytes())
        .unwrap();

    let cluster = client("sees", "", &[&register_address(&gateways)]);
    cluster.discover(false, PATIENT).unwrap();
    for n in 0..300 {
        let group = format!("group {n}");
        let group = if n % 2 == 0 { group } else { format!("group {}", n - 1) };
        if n % 2 == 0 {
            cluster.join_group(id, group.as_bytes(), PATIENT).unwrap();
        } else {
            cluster.leave_group(id, group.as_bytes(), PATIENT).unwrap();
        }
        assert_eq!(cluster.client_count(group.as_bytes(), PATIENT).unwrap(), i64::from(n % 2 == 0), "{n}");
    }
    let stats = control(&gateways, json!({"cmd": "stats"}));
    assert_eq!(stats["gateways"][0]["internal_total"], 2, "one link, and one connection for the questions");
}
