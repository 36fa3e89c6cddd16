//! What peers can make this process allocate. A test binary of its own: its allocator counts, and
//! one test runs at a time.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Error, Message};
use peak_alloc::PeakAlloc;
use support::*;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many bytes more than at its start were allocated at any time while this ran.
fn peak<T>(run: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let result = run();
    (result, ALLOCATED.peak_usage().saturating_sub(before))
}

/// What everything else may take meanwhile: threads, the test's own buffers.
const ELSE: usize = 512 << 10;

/// What waits for gateways that stand still stays within `send_buffer` for each.
#[test]
fn queues_of_stalled_gateways_stay_within_send_buffer() {
    let _alone = alone();
    let sizes =
        [("tiny frames", 10), ("small frames", 5_000), ("more than half", 6_572), ("large frames", 100_000)];
    for (user, size) in sizes {
        // They accept, and read nothing.
        let peers = [Peer::listen(), Peer::listen(), Peer::listen(), Peer::listen()];
        let cluster = worker(user, &[&peers[0], &peers[1], &peers[2], &peers[3]]);
        cluster.send_to_all(Message::text(b"first"), PATIENT).unwrap();
        let _links = peers.each_ref().map(Peer::accept);
        let body = vec![b'x'; size];
        let ((), peak) = peak(|| {
            let mut refused = 0;
            while refused < 1000 {
                match cluster.send_to_all(Message::text(&body), PATIENT) {
                    Ok(()) => refused = 0,
                    Err(Error::QueueFull { .. }) => {
                        // Until the kernel takes no more either.
                        if refused == 0 {
                            process().flush(Duration::from_millis(20));
                        }
                        refused += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
        println!("{user}: {peak} bytes for {} x {SEND_BUFFER}", peers.len());
        for peer in &peers {
            assert!(status(cluster, &peer.address)["queued_bytes"].as_u64().unwrap() <= SEND_BUFFER as u64);
        }
        // Small frames are copied into chunks that grow by doubling: each may have room for as many
        // bytes as it has.
        assert!(peak <= peers.len() * 2 * SEND_BUFFER, "{user}: {peak} bytes");
        cluster.follow::<&str>(&[]);
    }
}

/// An announced length allocates nothing and one over the limit is refused.
#[test]
fn announced_length_allocates_nothing() {
    let _alone = alone();
    for (user, length, sent) in [
        ("4 GB", u32::MAX, 64),
        ("just over", MAX_REPLY as u32 + 1, 64),
        // Within the limit, but it never comes: memory grows with what has come.
        ("announced only", MAX_REPLY as u32, 64),
    ] {
        let peer = Peer::listen();
        let cluster = worker(user, &[&peer]);
        let options = CallOptions { query_timeout: Duration::from_millis(100), ..PATIENT };
        let (error, peak) = peak(|| {
            std::thread::scope(|scope| {
                let asking = scope.spawn(|| cluster.session(peer.id(1), options, |_| Ok(())).unwrap_err());
                let mut conn = peer.accept();
                conn.expect(Command::GetSessionByClientId);
                conn.send(&[&length.to_be_bytes()[..], &vec![b'x'; sent]].concat());
                let error = asking.join().unwrap();
                drop(conn);
                error
            })
        });
        println!("{user}: {peak} bytes");
        if length as usize > MAX_REPLY {
            assert!(matches!(error, Error::ReplyTooLong { .. }), "{error}");
        } else {
            assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        }
        assert!(peak < MAX_REPLY / 2, "{user}: {peak} bytes");
    }
}

/// A reply of the greatest length takes little more than its bytes which are given back.
#[test]
fn longest_reply_takes_little_more_than_its_bytes() {
    let _alone = alone();
    let peer = Peer::listen();
    let cluster = worker("greatest", &[&peer]);
    let payload = [&u32::try_from(MAX_REPLY).unwrap().to_be_bytes()[..], &vec![b'x'; MAX_REPLY]].concat();
    let before = ALLOCATED.current_usage();
    let (len, peak) = peak(|| {
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| session_len(cluster, &peer));
            let mut conn = peer.accept();
            conn.expect(Command::GetSessionByClientId);
            conn.send(&payload);
            asking.join().unwrap().unwrap()
        })
    });
    println!("{peak} bytes for a reply of {MAX_REPLY}");
    assert_eq!(len, MAX_REPLY);
    // The buffer never gets larger than the reply. While it grows, what has come may be there
    // twice.
    assert!(peak <= 2 * MAX_REPLY + (16 << 10), "{peak} bytes");
    let kept = ALLOCATED.current_usage().saturating_sub(before);
    assert!(kept < ELSE, "{kept} bytes are kept");
}

#[test]
fn a_long_reply_finds_the_memory_of_the_one_before() {
    let _alone = alone();
    let peer = Peer::listen();
    let cluster = worker("long ones", &[&peer]);
    let payload = "x".repeat(350 << 10);
    std::thread::scope(|scope| {
        let mut conn = None;
        let mut ask = || {
            let asking = scope.spawn(|| session_len(cluster, &peer));
            let conn = conn.get_or_insert_with(|| peer.accept());
            conn.expect(Command::GetSessionByClientId);
            // In pieces, so that the test allocates nothing itself.
            conn.send(&u32::try_from(payload.len()).unwrap().to_be_bytes());
            conn.send(payload.as_bytes());
            assert_eq!(asking.join().unwrap().unwrap(), payload.len());
        };
        ask();
        let ((), peak) = peak(ask);
        println!("{peak} bytes for the second one");
        assert!(peak < 128 << 10, "{peak} bytes for the second one");
    });
}

/// A register that never ends its line is left before it takes much.
#[test]
fn register_with_an_endless_line_is_left_early() {
    const LONGEST_LINE: usize = 4 << 20;
    let _alone = alone();
    let register = Peer::listen();
    let cluster = client("endless line", "", &[&register.address]);
    let (error, peak) = peak(|| {
        std::thread::scope(|scope| {
            let discovering = scope.spawn(|| cluster.discover(false, PATIENT));
            let mut conn = register.accept();
            let piece = vec![b'x'; 64 << 10];
            while std::io::Write::write_all(&mut conn.0, &piece).is_ok() {}
            drop(conn);
            discovering.join().unwrap().unwrap_err()
        })
    });
    println!("{peak} bytes: {error}");
    assert!(error.to_string().contains(&register.address), "{error}");
    assert!(peak <= 3 * LONGEST_LINE + ELSE, "{peak} bytes");
}
