//! `Process::confirm`. A test binary of its own, since it is about all that the process has sent.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatewayworker_client::process::Confirmation;
use gatewayworker_client::wire::Command;
use gatewayworker_client::{Message, Process};
use support::*;

const SHORT: Duration = Duration::from_millis(50);

/// One test at a time; what the one before has sent is forgotten.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Process::shutdown(Duration::ZERO);
    alone
}

#[test]
fn confirms_once_every_gateway_has_processed_all() {
    let _alone = alone();
    let (first, second) = (Peer::listen(), Peer::listen());
    let cluster = worker("confirm", &[&first, &second]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    std::thread::scope(|scope| {
        let confirming = scope.spawn(|| process().confirm(SAFETY_NET));
        let (mut one, mut other) = (first.accept(), second.accept());
        one.expect(Command::SendToAll);
        one.pass_barrier();
        other.expect(Command::SendToAll);
        assert!(!confirming.is_finished(), "the second gateway has not confirmed");
        other.pass_barrier();
        assert_eq!(confirming.join().unwrap(), Confirmation::default());
        // Nothing is outstanding: nobody is asked.
        assert!(process().confirm(Duration::ZERO).is_complete());
        cluster.send_to_client(first.id(7), Message::text(b"hi"), PATIENT).unwrap();
        assert_eq!(one.expect(Command::SendToOne).connection, 7);
    });
}

#[test]
fn names_the_gateway_that_does_not_confirm() {
    let _alone = alone();
    let (slow, quick) = (Peer::listen(), Peer::listen());
    let cluster = worker("does not confirm", &[&slow, &quick]);
    cluster.send_to_client(slow.id(1), Message::text(b"hi"), PATIENT).unwrap();
    let mut conn = slow.accept();
    conn.expect(Command::SendToOne);
    let confirmation = process().confirm(SHORT);
    let [late] = &confirmation.late[..] else { panic!("{confirmation:?}") };
    assert_eq!(*late.gateway, *slow.address);
    // It does so later: nothing was lost.
    assert_eq!(confirmation.lost, 0);
    conn.pass_barrier();
    assert!(process().confirm(SAFETY_NET).is_complete());
}

#[test]
fn says_once_what_went_down_with_a_connection() {
    let _alone = alone();
    let peer = Peer::listen();
    let cluster = worker("went down", &[&peer]);
    for _ in 0..3 {
        cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    }
    let mut first = peer.accept();
    first.numbers(3);
    wait_until("all to be written", || status(cluster, &peer.address)["written"] == 3);
    drop(first);
    std::thread::scope(|scope| {
        let confirming = scope.spawn(|| peer.accept().frames_until_closed());
        wait_until("the new connection", || status(cluster, &peer.address)["reconnects"] == 1);
        let confirmation = process().confirm(SAFETY_NET);
        assert!(confirmation.late.is_empty(), "{confirmation:?}");
        assert_eq!(confirmation.lost, 3);
        assert!(process().confirm(SAFETY_NET).is_complete());
        cluster.follow::<&str>(&[]);
        confirming.join().unwrap();
    });
}

#[test]
fn counts_what_was_given_up_with_a_gateway_that_left() {
    let _alone = alone();
    let peer = Peer::listen();
    let cluster = worker("left", &[&peer]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    let mut conn = peer.accept();
    conn.expect(Command::SendToAll);
    cluster.follow::<&str>(&[]);
    drop((conn, peer));
    wait_until("the link to end", || listed(cluster).is_empty());
    assert_eq!(process().confirm(SAFETY_NET).lost, 1);
    assert!(process().confirm(SAFETY_NET).is_complete());
}
