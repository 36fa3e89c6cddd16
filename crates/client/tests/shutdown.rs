//! The end of the process. A test binary of its own, since the background of the whole process
//! ends.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{Error, Message, Process};
use support::*;

/// One test at a time: they all end the same background.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn what_is_queued_gets_out_before_the_end() {
    let _alone = alone();
    let (peer, register) = (Peer::listen(), Peer::listen());
    let cluster = worker("gets out", &[&peer]);
    for number in 1..=2000 {
        cluster.send_to_client(peer.id(number), Message::text(b"hi"), PATIENT).unwrap();
    }
    let subscribed = client("subscribed", "", &[&register.address]);
    let mut subscription = std::thread::scope(|scope| {
        let discovering = scope.spawn(|| subscribed.discover(false, PATIENT));
        let mut conn = register.accept();
        conn.send(b"{\"event\":\"broadcast_addresses\",\"addresses\":[\"127.0.0.1:2900\"]}\n");
        discovering.join().unwrap().unwrap();
        conn.line();
        conn
    });
    let ended = Process::shutdown(SAFETY_NET);
    assert_eq!(ended.undelivered, []);
    assert!(peer.accept().numbers(2000).into_iter().eq(1..=2000));
    assert!(subscription.is_closed());
    assert!(Process::existing().is_none());
}

#[test]
fn what_cannot_be_delivered_is_reported_by_gateway() {
    let _alone = alone();
    let (dead, alive) = (dead_address(), Peer::listen());
    let cluster = worker("undelivered", &[]);
    cluster.follow(&[&dead, &alive.address]);
    for _ in 0..3 {
        cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    }
    wait_until("the dead one to be tried", || link_state(cluster, &dead) == "failed");
    wait_until("the other one to have all", || status(cluster, &alive.address)["written"] == 3);
    let undelivered = process().flush(SHORT);
    let [one] = &undelivered[..] else { panic!("{undelivered:?}") };
    assert_eq!((&*one.gateway, one.frames), (&*dead, 3));
    let ended = Process::shutdown(SHORT);
    let [one] = &ended.undelivered[..] else { panic!("{ended:?}") };
    assert_eq!((&*one.gateway, one.frames), (&*dead, 3));
    let lost = format!("tcp://{dead} lost: Connection refused");
    assert!(ended.log.contains(&lost), "{ended:?}");
    assert_eq!(alive.accept().numbers(3), [0; 3]);
}

#[test]
fn a_gateway_that_does_not_read_does_not_hold_up_the_end() {
    let _alone = alone();
    let peer = Peer::listen();
    let cluster = worker("does not read", &[&peer]);
    let body = vec![b'x'; 60_000];
    let mut accepted = 0;
    loop {
        match cluster.send_to_all(Message::text(&body), PATIENT) {
            Ok(()) => accepted += 1,
            // Now the background has to catch up, until the kernel takes no more either.
            Err(Error::QueueFull { .. }) if is_stuck(cluster, &peer.address) => break,
            Err(Error::QueueFull { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let ended = Process::shutdown(SHORT);
    let [one] = &ended.undelivered[..] else { panic!("{ended:?}") };
    assert!(one.frames > 0 && one.frames < accepted, "{one:?} of {accepted}");
}

#[test]
fn a_flush_waits_until_all_is_written() {
    let _alone = alone();
    let peer = Peer::listen();
    let cluster = worker("flush", &[&peer]);
    let body = vec![b'x'; 24_000_000];
    cluster.send_to_all(Message::text(&body), PATIENT).unwrap();
    assert_eq!(process().flush(SHORT).len(), 1);
    std::thread::scope(|scope| {
        let flushing = scope.spawn(|| process().flush(SAFETY_NET));
        assert_eq!(peer.accept().expect(Command::SendToAll).body.len(), body.len());
        assert_eq!(flushing.join().unwrap(), []);
    });
    assert_eq!(status(cluster, &peer.address)["written"], 1);
    Process::shutdown(SAFETY_NET);
}

/// A new background starts after the end and ending none is nothing.
#[test]
fn background_can_start_again_after_shutdown() {
    let _alone = alone();
    let peer = Peer::listen();
    for number in 1..=3 {
        let cluster = worker("again", &[&peer]);
        cluster.send_to_client(peer.id(number), Message::text(b"hi"), PATIENT).unwrap();
        assert_eq!(Process::shutdown(SAFETY_NET).undelivered, []);
        assert_eq!(peer.accept().frame().connection, number);
        assert_eq!(Process::shutdown(Duration::ZERO).undelivered, []);
    }
}

/// A query without a background thread to wait for is still answered.
#[test]
fn query_gets_a_reply_without_a_background_to_wait_for() {
    // The calling thread asks by itself: the background takes part only where commands are
    // outstanding.
    let _alone = alone();
    let peer = Peer::listen();
    let cluster = worker("no background", &[&peer]);
    Process::shutdown(SAFETY_NET);
    std::thread::scope(|scope| {
        let options = PATIENT;
        let asking = scope.spawn(move || cluster.client_count(b"", options));
        let mut query = peer.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        assert_eq!(asking.join().unwrap().unwrap(), 1);
    });
}
