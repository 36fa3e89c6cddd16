//! A query sees every command that was issued before it. Where commands are outstanding at its gateway it goes behind them,
//! on their connection; where that cannot carry it, a barrier goes first. And what comes back on that connection is never
//! taken for the reply to another query.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader};
use std::net::{Shutdown, TcpStream};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use gatewayworker_client::wire::{ClientId, Command};
use gatewayworker_client::{CallOptions, Cluster, Error, Message};
use gatewayworker_devgateway::{Config, Devgateway, Started};
use serde_json::json;
use support::proxy::{Flow, Proxy, Way};
use support::*;

/// Queries that are to time out wait this long.
const IMPATIENT: CallOptions = CallOptions { query_timeout: Duration::from_millis(50), ..PATIENT };

fn bind(cluster: &Cluster, peer: &Peer, number: u32) {
    cluster.bind_uid(peer.id(number), b"uid", PATIENT).unwrap();
}

/// Has all clients counted, on a thread of its own.
fn count<'s>(
    scope: &'s Scope<'s, '_>,
    cluster: &'s Cluster,
    options: CallOptions,
) -> ScopedJoinHandle<'s, Result<i64, Error>> {
    scope.spawn(move || cluster.client_count(b"", options))
}

/// A gateway whose link is there, with a command outstanding.
fn linked(user: &'static str) -> (Peer, &'static Cluster, Conn) {
    let peer = Peer::listen_at(&own_address());
    let cluster = worker(user, &[&peer]);
    bind(cluster, &peer, 1);
    let mut link = peer.accept();
    link.expect(Command::BindUid);
    (peer, cluster, link)
}

/// Has a link made once more, which is not there before the gateway replies to the one frame that has come on it.
fn link_to_be_verified(cluster: &Cluster, peer: &Peer) -> Conn {
    bind(cluster, peer, 1);
    let mut first = peer.accept();
    first.expect(Command::BindUid);
    drop(first);
    let mut link = peer.accept();
    assert!(link.frame().is_barrier(), "after a short connection the next one asks first");
    assert_eq!(link_state(cluster, &peer.address), "connecting");
    link
}

fn counter(cluster: &Cluster, peer: &Peer, name: &str) -> u64 {
    status(cluster, &peer.address)[name].as_u64().unwrap()
}

fn wait_for_barriers(cluster: &Cluster, peer: &Peer, number: u64) {
    wait_until("the barrier", || counter(cluster, peer, "barriers") == number);
}

fn reply_to_count(conn: &mut Conn, count: u32) {
    conn.expect(Command::GetClientCountByGroup);
    conn.reply(&format!("i:{count};"));
}

/// A reply as it is on the wire.
fn bytes_of(payload: &str) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_be_bytes(), payload.as_bytes()].concat()
}

fn assert_timed_out(result: Result<i64, Error>, peer: &Peer) {
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { gateway, .. } if **gateway == *peer.address), "{error}");
}

// ---- which way a query goes ----

#[test]
fn query_goes_behind_the_commands_in_one_round_trip() {
    let (peer, cluster, mut link) = linked("behind");
    bind(cluster, &peer, 2);
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        assert_eq!(link.expect(Command::BindUid).connection, 2);
        reply_to_count(&mut link, 7);
        assert_eq!(counting.join().unwrap().unwrap(), 7);
    });
    assert!(peer.pending().is_none(), "no other connection is made");
    let status = status(cluster, &peer.address);
    let counts = ["barriers", "queries", "queries_opened", "queries_failed"].map(|name| &status[name]);
    assert_eq!(counts, [&0, &1, &0, &0], "{status}");
}

#[test]
fn with_no_command_outstanding_queries_go_over_the_pool() {
    let peer = Peer::listen();
    let cluster = worker("none", &[&peer]);
    std::thread::scope(|scope| {
        // Before any command: no link is made at all.
        let counting = count(scope, cluster, PATIENT);
        let mut pooled = peer.accept();
        reply_to_count(&mut pooled, 1);
        assert_eq!(counting.join().unwrap().unwrap(), 1);
        assert!(peer.pending().is_none());
        assert_eq!(link_state(cluster, &peer.address), "unused");

        bind(cluster, &peer, 1);
        let mut link = peer.accept();
        link.expect(Command::BindUid);
        // One goes behind the command. Its reply has confirmed it, so that the others need not.
        for n in 2..5 {
            let counting = count(scope, cluster, PATIENT);
            reply_to_count(if n == 2 { &mut link } else { &mut pooled }, n);
            assert_eq!(counting.join().unwrap().unwrap(), i64::from(n));
        }
        bind(cluster, &peer, 2);
        link.expect(Command::BindUid);
        let counting = count(scope, cluster, PATIENT);
        reply_to_count(&mut link, 5);
        assert_eq!(counting.join().unwrap().unwrap(), 5);
    });
    assert_eq!(counter(cluster, &peer, "barriers"), 0);
}

#[test]
fn commands_at_other_gateways_are_not_waited_for() {
    let (busy, queried) = (Peer::listen(), Peer::listen());
    let cluster = worker("concerned", &[&busy, &queried]);
    bind(cluster, &busy, 1);
    std::thread::scope(|scope| {
        let querying = scope.spawn(|| cluster.is_online(queried.id(1), PATIENT));
        let mut pooled = queried.accept();
        pooled.expect(Command::IsOnline);
        pooled.reply("i:1;");
        assert_eq!(querying.join().unwrap().unwrap(), 1);
    });
    let mut link = busy.accept();
    link.expect(Command::BindUid);
    bind(cluster, &busy, 2);
    assert_eq!(link.frame().connection, 2, "nothing else was on the link");
}

#[test]
fn fan_out_has_all_its_queries_on_their_way_at_once() {
    let peers = [Peer::listen(), Peer::listen(), Peer::listen()];
    let cluster = worker("at once", &[&peers[0], &peers[1], &peers[2]]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    let mut links = peers.each_ref().map(Peer::accept);
    for link in &mut links {
        link.expect(Command::SendToAll);
    }
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        for link in &mut links {
            link.expect(Command::GetClientCountByGroup);
        }
        // The last one replies first.
        for (link, count) in links.iter_mut().zip([1, 10, 100]).rev() {
            link.reply(&format!("i:{count};"));
        }
        assert_eq!(counting.join().unwrap().unwrap(), 111);
    });
}

/// One is behind a command, one has none outstanding, and the link of one is not there yet.
#[test]
fn fan_out_goes_to_each_gateway_on_its_own_way() {
    let [behind, free, unlinked] = [(); 3].map(|()| Peer::listen());
    let cluster = worker("ways", &[&behind, &free, &unlinked]);
    let mut late = link_to_be_verified(cluster, &unlinked);
    bind(cluster, &behind, 1);
    let mut link = behind.accept();
    link.expect(Command::BindUid);
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        reply_to_count(&mut link, 1);
        wait_for_barriers(cluster, &unlinked, 1);
        assert!(unlinked.pending().is_none(), "it has to wait for the barrier");
        late.reply("i:0;");
        late.pass_barrier();
        reply_to_count(&mut unlinked.accept(), 100);
        reply_to_count(&mut free.accept(), 10);
        assert_eq!(counting.join().unwrap().unwrap(), 111);
    });
    assert!(behind.pending().is_none());
}

#[test]
fn before_the_link_is_there_a_barrier_goes_first() {
    let peer = Peer::listen();
    let cluster = worker("before", &[&peer]);
    let mut link = link_to_be_verified(cluster, &peer);
    bind(cluster, &peer, 2);
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        wait_for_barriers(cluster, &peer, 1);
        // Now it is there.
        link.reply("i:0;");
        assert_eq!(link.expect(Command::BindUid).connection, 2);
        assert!(link.frame().is_barrier());
        assert!(peer.pending().is_none(), "not even a connection is made before");
        link.reply("i:0;");
        reply_to_count(&mut peer.accept(), 3);
        assert_eq!(counting.join().unwrap().unwrap(), 3);
    });
    assert_eq!(counter(cluster, &peer, "barriers"), 1);
}

#[test]
fn while_another_thread_reads_a_barrier_goes_first() {
    let (peer, cluster, mut link) = linked("reads");
    std::thread::scope(|scope| {
        let first = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        bind(cluster, &peer, 2);
        let second = count(scope, cluster, PATIENT);
        link.expect(Command::BindUid);
        assert!(link.frame().is_barrier());
        assert!(peer.pending().is_none());
        link.reply("i:1;");
        assert_eq!(first.join().unwrap().unwrap(), 1);
        assert!(
            peer.pending().is_none(),
            "what was before the first one says nothing of the command behind it"
        );
        link.reply("i:0;");
        reply_to_count(&mut peer.accept(), 2);
        assert_eq!(second.join().unwrap().unwrap(), 2);
    });
}

/// The reply that another thread waits for proves as much as one to a barrier.
#[test]
fn no_barrier_where_the_reply_due_confirms_all_commands() {
    let (peer, cluster, mut link) = linked("proves");
    std::thread::scope(|scope| {
        let first = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        let others = [(); 3].map(|()| count(scope, cluster, PATIENT));
        wait_until("all to query", || counter(cluster, &peer, "queries") == 4);
        assert!(peer.pending().is_none());
        link.reply("i:1;");
        assert_eq!(first.join().unwrap().unwrap(), 1);
        let replying = scope.spawn(|| {
            // At most one connection each; fewer where one is done before another begins.
            let mut conns: Vec<Conn> = Vec::new();
            let mut replied = 0;
            wait_until("all to be replied to", || {
                conns.extend(peer.pending());
                for conn in &mut conns {
                    conn.0.set_nonblocking(true).unwrap();
                    let there = conn.0.peek(&mut [0]).is_ok_and(|peeked| peeked > 0);
                    conn.0.set_nonblocking(false).unwrap();
                    if there {
                        reply_to_count(conn, 2);
                        replied += 1;
                    }
                }
                replied == 3
            });
            conns
        });
        for other in others {
            assert_eq!(other.join().unwrap().unwrap(), 2);
        }
        replying.join().unwrap();
    });
    assert_eq!(counter(cluster, &peer, "barriers"), 0);
    bind(cluster, &peer, 2);
    link.expect(Command::BindUid);
}

#[test]
fn barrier_without_a_reply_in_time_is_an_error() {
    let peer = Peer::listen();
    let cluster = worker("no reply", &[&peer]);
    let mut link = link_to_be_verified(cluster, &peer);
    assert_timed_out(cluster.client_count(b"", IMPATIENT), &peer);
    // It was queued once, and its late reply is passed over.
    link.reply("i:0;");
    assert!(link.frame().is_barrier());
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        link.reply("i:0;");
        link.reply("i:9;");
        assert_eq!(counting.join().unwrap().unwrap(), 9);
    });
    assert_eq!(counter(cluster, &peer, "barriers"), 1);
    assert!(peer.pending().is_none());
}

#[test]
fn barrier_lost_with_its_link_is_an_error_and_sent_again() {
    let (peer, cluster, mut link) = linked("lost");
    // A gateway that has replied is not suspected of rejecting the key: nothing is asked first on the next connection.
    assert_eq!(count_behind_commands(cluster, &mut link), 1);
    bind(cluster, &peer, 2);
    link.expect(Command::BindUid);
    let address = peer.address.clone();
    std::thread::scope(|scope| {
        let first = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        bind(cluster, &peer, 3);
        let second = count(scope, cluster, PATIENT);
        link.expect(Command::BindUid);
        assert!(link.frame().is_barrier());
        // Nobody listens until there are the errors: a caller that is late, and did not see this connection end, would
        // wait for the next one.
        drop(peer);
        drop(link);
        for querying in [first, second] {
            let error = querying.join().unwrap().unwrap_err();
            assert!(matches!(&error, Error::Unreachable { gateway, .. } if **gateway == *address), "{error}");
        }
    });
    let peer = Peer::listen_at(&address);
    let mut link = peer.accept();
    assert!(link.frame().is_barrier());
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        link.reply("i:0;");
        link.reply("i:4;");
        assert_eq!(counting.join().unwrap().unwrap(), 4);
    });
}

#[test]
fn query_behind_commands_that_cannot_get_out_is_an_error() {
    let dead = dead_address();
    let cluster = worker("dead", &[]);
    cluster.follow(&[&dead]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    let error = cluster.client_count(b"", PATIENT).unwrap_err();
    assert_eq!(error.to_string(), unreachable_text(&dead, "Connection refused"));
}

// ---- late replies ----

#[test]
fn late_reply_is_passed_over_and_the_link_goes_on() {
    let (peer, cluster, mut link) = linked("late");
    // It comes before the next query is sent, or behind it.
    for (round, before) in [(1, true), (2, false), (3, true)] {
        std::thread::scope(|scope| {
            assert_timed_out(cluster.client_count(b"", IMPATIENT), &peer);
            link.expect(Command::GetClientCountByGroup);
            if before {
                link.reply("i:111;");
            }
            bind(cluster, &peer, round);
            let counting = count(scope, cluster, PATIENT);
            assert_eq!(link.expect(Command::BindUid).connection, round);
            link.expect(Command::GetClientCountByGroup);
            if !before {
                link.reply("i:111;");
            }
            link.reply(&format!("i:{round};"));
            assert_eq!(counting.join().unwrap().unwrap(), i64::from(round));
        });
        bind(cluster, &peer, 7);
        link.expect(Command::BindUid);
    }
    assert!(peer.pending().is_none(), "one slow reply is no reason to give the link up");
    let status = status(cluster, &peer.address);
    let counts = ["reconnects", "queries_timed_out", "queries_failed", "barriers"].map(|name| &status[name]);
    assert_eq!(counts, [&0, &3, &3, &0], "{status}");
}

#[test]
fn several_late_replies_are_all_passed_over() {
    let (peer, cluster, mut link) = linked("owed");
    for _ in 0..3 {
        assert_timed_out(cluster.client_count(b"", IMPATIENT), &peer);
        link.expect(Command::GetClientCountByGroup);
    }
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        link.send(&["i:1;", "i:22;", "i:333;", "i:4444;"].map(bytes_of).concat());
        assert_eq!(counting.join().unwrap().unwrap(), 4444);
    });
    // All of them were confirmed: the next one need not go behind anything.
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        reply_to_count(&mut peer.accept(), 5);
        assert_eq!(counting.join().unwrap().unwrap(), 5);
    });
}

/// The caller that gave up has read a part of it, and the next one another part of it before it gives up too.
#[test]
#[cfg(target_os = "linux")]
fn late_reply_cut_at_any_byte_is_passed_over_whole() {
    let (peer, cluster, mut link) = linked("late, cut");
    let late = bytes_of("i:12345;");
    for cut in 1..late.len() {
        let also_by_the_next = cut % 2 == 0;
        std::thread::scope(|scope| {
            bind(cluster, &peer, 2);
            link.expect(Command::BindUid);
            let give_up = |link: &mut Conn, part: &[u8]| {
                let counting = count(scope, cluster, IMPATIENT);
                link.expect(Command::GetClientCountByGroup);
                link.send(part);
                assert_timed_out(counting.join().unwrap(), &peer);
                assert_eq!(unread(link), 0, "it has been read");
            };
            give_up(&mut link, &late[..cut]);
            let mut sent = cut;
            if also_by_the_next {
                sent += 1;
                give_up(&mut link, &late[cut..sent]);
            }
            let counting = count(scope, cluster, PATIENT);
            link.expect(Command::GetClientCountByGroup);
            link.send(&late[sent..]);
            if also_by_the_next {
                link.reply("i:67890;");
            }
            link.reply(&format!("i:{cut};"));
            assert_eq!(counting.join().unwrap().unwrap(), i64::try_from(cut).unwrap());
        });
    }
    assert!(peer.pending().is_none());
    assert_eq!(counter(cluster, &peer, "reconnects"), 0);
}

#[test]
fn reply_that_comes_byte_by_byte_is_put_together() {
    let (_peer, cluster, mut link) = linked("bytes");
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        for byte in bytes_of("i:12345;") {
            link.send(&[byte]);
        }
        assert_eq!(counting.join().unwrap().unwrap(), 12345);
    });
}

/// Uids that no client has: each reply holds the uid that it is about. Each query is behind a command.
#[test]
fn reply_is_never_another_querys_whatever_its_link_goes_through() {
    let gateways = Devgateway::start(Config::default()).unwrap();
    let proxy = Proxy::to(&gateway_address(&gateways, 0));
    let cluster = worker("whatever", &[]);
    cluster.follow(&[&proxy.address]);
    let query = |number: u32, options: CallOptions| {
        cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
        let uid = format!("uid-{number}");
        let mut keys = Vec::new();
        let queried = cluster.clients_of_uids(format!("[\"{uid}\"]").as_bytes(), options, |key, _| {
            keys.push(format!("{key:?}"));
        });
        queried.map(|()| {
            let bytes = format!("{:?}", uid.as_bytes());
            assert!(keys.len() == 1 && keys[0].contains(bytes.trim_matches(['[', ']'])), "{uid}: {keys:?}");
        })
    };
    query(0, PATIENT).unwrap();
    let mut failed = 0;
    for number in 1..=60 {
        match number % 6 {
            // Later than the caller waits.
            0 => proxy.set(Way::Back, Flow::Pieces { len: 5, pause: IMPATIENT.query_timeout }),
            // Not at all, for now: it all comes when the next query is sent.
            1 => proxy.set(Way::Back, Flow::Hold),
            // A part of it.
            2 => proxy.set(Way::Back, Flow::CutAfter(1 + u64::from(number) % 9)),
            3 => proxy.cut(),
            _ => {}
        }
        failed += u32::from(query(number, IMPATIENT).is_err());
        proxy.heal();
    }
    assert!(failed >= 20, "{failed} of 60 faults were noticed");
    wait_until("a query to succeed", || query(61, PATIENT).is_ok());
}

// ---- the end of the link ----

/// It went down with the link, and nobody knows which commands did too.
#[test]
fn query_whose_link_ends_is_an_error_and_never_sent_again() {
    // Before the reply, or in the middle of it.
    for part in [&b""[..], b"\0\0", b"\0\0\0\x04i:"] {
        let (peer, cluster, mut link) = linked("ends");
        std::thread::scope(|scope| {
            let counting = count(scope, cluster, PATIENT);
            link.expect(Command::GetClientCountByGroup);
            link.send(part);
            drop(link);
            let error = counting.join().unwrap().unwrap_err();
            let Error::Unreachable { gateway, reason } = &error else { panic!("{error}") };
            assert_eq!((&**gateway, &**reason), (&*peer.address, "the gateway closed the connection"));
        });
        assert_eq!(counter(cluster, &peer, "queries_retried"), 0);
        let mut link = peer.accept();
        bind(cluster, &peer, 2);
        assert_eq!(link.command().connection, 2, "only the command is on the next connection");
        assert!(peer.pending().is_none());
        cluster.follow::<&str>(&[]);
        assert!(link.frames_until_closed().iter().all(Received::is_barrier));
    }
}

/// The gateway takes nothing more, so that the query waits among the commands when the connection ends.
#[test]
fn commands_around_a_query_that_is_lost_are_not_lost() {
    let (peer, cluster, link) = linked("around");
    let body = vec![b'x'; 60_000];
    let mut before = 0;
    while counter(cluster, &peer, "queued_bytes") < SEND_BUFFER as u64 / 2
        || !is_stuck(cluster, &peer.address)
    {
        cluster.send_to_client(peer.id(100 + before), Message::text(&body), PATIENT).unwrap();
        before += 1;
    }
    let written = u32::try_from(counter(cluster, &peer, "written")).unwrap() - 1;
    let waiting = counter(cluster, &peer, "queued_bytes");
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        wait_until("the query to be queued", || counter(cluster, &peer, "queued_bytes") > waiting);
        for number in 1..=3 {
            bind(cluster, &peer, number);
        }
        drop(link);
        let error = counting.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Unreachable { .. }), "{error}");
    });
    let mut link = peer.accept();
    for number in written..before {
        let frame = link.command();
        assert_eq!((frame.connection, frame.body.len()), (100 + number, body.len()));
    }
    for number in 1..=3 {
        let frame = link.command();
        assert!(frame.is(Command::BindUid), "the query is not sent again: {}", frame.command);
        assert_eq!(frame.connection, number);
    }
    wait_until("the queue to be empty", || counter(cluster, &peer, "queued_bytes") == 0);
    let status = status(cluster, &peer.address);
    assert_eq!((&status["accepted"], &status["dropped"]), (&status["written"], &0.into()), "{status}");
}

/// What waits behind a gateway that does not read goes to its next connection: the commands, and not the query.
#[test]
fn query_that_waited_in_the_queue_is_not_sent_again() {
    let peer = Peer::listen();
    let cluster = worker("waited", &[&peer]);
    bind(cluster, &peer, 1);
    let mut link = peer.accept();
    link.expect(Command::BindUid);
    let text = vec![b'x'; 100_000];
    let mut sent = 0;
    while counter(cluster, &peer, "queued_bytes") == 0 {
        cluster.send_to_client(peer.id(1), Message::text(&text), PATIENT).unwrap();
        sent += 1;
    }
    std::thread::scope(|scope| {
        let before = counter(cluster, &peer, "queued_bytes");
        let counting = count(scope, cluster, PATIENT);
        wait_until("the query to be queued", || counter(cluster, &peer, "queued_bytes") > before);
        bind(cluster, &peer, 2);
        drop(link);
        let error = counting.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Unreachable { .. }), "{error}");
    });
    let mut link = peer.accept();
    loop {
        let frame = link.command();
        assert!(frame.is(Command::SendToOne) || frame.is(Command::BindUid), "{}", frame.command);
        if frame.is(Command::BindUid) {
            assert_eq!(frame.connection, 2);
            break;
        }
    }
    wait_until("the queue to be empty", || counter(cluster, &peer, "queued_bytes") == 0);
    let status = status(cluster, &peer.address);
    assert_eq!((&status["accepted"], &status["dropped"]), (&json!(sent + 2), &json!(0)), "{status}");
}

/// A long query would take the room of commands: it waits for a barrier, and goes over the pool.
#[test]
fn long_query_does_not_go_on_the_link() {
    let (peer, cluster, mut link) = linked("long query");
    let group = vec![b'g'; 100_000];
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| cluster.client_count(&group, PATIENT));
        link.pass_barrier();
        let mut query = peer.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        assert_eq!(counting.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn reply_that_came_before_the_end_counts() {
    let (peer, cluster, mut link) = linked("in time");
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        link.reply("i:3;");
        link.0.shutdown(Shutdown::Write).unwrap();
        assert_eq!(counting.join().unwrap().unwrap(), 3);
    });
    let mut next = peer.accept();
    bind(cluster, &peer, 2);
    assert_eq!(next.command().connection, 2);
}

/// Nobody reads: it is noticed without, also where something is there to be read.
#[test]
#[cfg(target_os = "linux")]
fn end_of_an_idle_link_is_noticed_at_once() {
    for (user, bytes, reset) in [
        ("half-closed", &b""[..], false),
        ("half-closed, unread", b"\0\0\0\x04i:0;", false),
        ("reset", b"", true),
        ("reset, unread", b"\0\0\0\x04i:0;", true),
    ] {
        let (peer, cluster, mut link) = linked(user);
        // The reply to it is what nobody reads.
        assert_timed_out(cluster.client_count(b"", IMPATIENT), &peer);
        link.expect(Command::GetClientCountByGroup);
        link.send(bytes);
        wait_until("it to come", || unread(&link) == bytes.len());
        let reason = if reset {
            socket2::SockRef::from(&link.0).set_linger(Some(Duration::ZERO)).unwrap();
            drop(link);
            "Connection reset by peer"
        } else {
            // The other direction stays open.
            link.0.shutdown(Shutdown::Write).unwrap();
            assert!(link.is_closed());
            "the gateway closed the connection"
        };
        let mut next = peer.accept();
        bind(cluster, &peer, 2);
        assert_eq!(next.command().connection, 2);
        let status = status(cluster, &peer.address);
        assert!(status["last_error"].as_str().unwrap().contains(reason), "{user}: {status}");
    }
}

/// A query may meet the end before the background does. What it is told must be the truth: a gateway that closes
/// connections is suspected of rejecting the key, one that sends nonsense is not.
#[test]
fn end_of_the_link_is_not_taken_for_an_unasked_reply() {
    for _ in 0..30 {
        let (peer, cluster, mut link) = linked("just ended");
        // All is read and replied to, so that the connection ends without a reset.
        assert_eq!(count_behind_commands(cluster, &mut link), 1);
        bind(cluster, &peer, 2);
        link.expect(Command::BindUid);
        drop(link);
        let address = peer.address.clone();
        drop(peer);
        let error = cluster.client_count(b"", PATIENT).unwrap_err();
        let Error::Unreachable { gateway, reason } = &error else { panic!("{error}") };
        assert_eq!(**gateway, *address);
        assert!(["the gateway closed the connection", "Connection refused"].contains(&&**reason), "{error}");
        let last = status(cluster, &address)["last_error"].as_str().unwrap_or_default().to_owned();
        assert!(!last.contains("nobody asked for"), "{last}");
        cluster.follow::<&str>(&[]);
    }
}

// ---- replies that are none ----

#[test]
#[cfg(target_os = "linux")]
fn unasked_bytes_on_the_link_break_it_at_the_next_query() {
    for (user, bytes) in
        [("unasked", &b"\0\0\0\x04i:0;"[..]), ("a part", b"\0"), ("http", b"HTTP/1.1 400 B\r\n")]
    {
        let (peer, cluster, mut link) = linked(user);
        link.send(bytes);
        wait_until("it to come", || unread(&link) == bytes.len());
        let error = cluster.client_count(b"", PATIENT).unwrap_err();
        let Error::Unreachable { gateway, reason } = &error else { panic!("{error}") };
        assert_eq!(**gateway, *peer.address);
        assert_eq!(&**reason, "the gateway sent something that nobody asked for");
        assert!(link.is_closed(), "the query was not sent on it");
        // All is well on the next one.
        let mut link = peer.accept();
        bind(cluster, &peer, 2);
        assert_eq!(link.command().connection, 2);
        assert_eq!(count_behind_commands(cluster, &mut link), 1);
        assert_eq!(counter(cluster, &peer, "reconnects"), 1);
    }
}

/// A long query goes over the pool, behind a barrier. What was there before is no reply to that either.
#[test]
#[cfg(target_os = "linux")]
fn unasked_reply_on_the_link_is_not_taken_for_a_barriers() {
    let (peer, cluster, mut link) = linked("unasked, barrier");
    link.reply("i:0;");
    wait_until("it to come", || unread(&link) > 0);
    let group = vec![b'g'; 100_000];
    let error = cluster.client_count(&group, IMPATIENT).unwrap_err();
    let Error::Unreachable { gateway, reason } = &error else { panic!("{error}") };
    assert_eq!(**gateway, *peer.address);
    assert_eq!(&**reason, "the gateway sent something that nobody asked for");
    assert!(link.is_closed(), "the barrier was not sent on it");
    assert_eq!(counter(cluster, &peer, "queries_opened"), 0);
}

#[test]
fn reply_over_the_limit_leaves_the_link_usable() {
    let (peer, cluster, mut link) = linked("too long");
    let long = "x".repeat(MAX_REPLY + 1);
    std::thread::scope(|scope| {
        let counting = count(scope, cluster, PATIENT);
        link.expect(Command::GetClientCountByGroup);
        // Most of it is not read before the next query passes over it.
        let replying = scope.spawn(move || {
            link.reply(&long);
            link
        });
        let error = counting.join().unwrap().unwrap_err();
        let Error::ReplyTooLong { gateway, len, max, .. } = &error else { panic!("{error}") };
        assert_eq!((&**gateway, *len, *max), (&*peer.address, MAX_REPLY + 1, MAX_REPLY));
        bind(cluster, &peer, 2);
        let counting = count(scope, cluster, PATIENT);
        let mut link = replying.join().unwrap();
        assert_eq!(link.expect(Command::BindUid).connection, 2);
        reply_to_count(&mut link, 8);
        assert_eq!(counting.join().unwrap().unwrap(), 8);
    });
    assert!(peer.pending().is_none());
    assert_eq!(counter(cluster, &peer, "reconnects"), 0);
}

#[test]
fn reply_as_long_as_the_limit_is_read_on_the_link() {
    let (peer, cluster, mut link) = linked("long");
    std::thread::scope(|scope| {
        let querying = scope.spawn(|| session_len(cluster, &peer));
        link.expect(Command::GetSessionByClientId);
        link.reply(&"x".repeat(MAX_REPLY));
        assert_eq!(querying.join().unwrap().unwrap(), MAX_REPLY);
    });
}

#[test]
fn reply_of_another_kind_has_the_link_made_anew() {
    for nonsense in ["N;", "s:1:\"1\";", "a:0:{}", "", "i:1", "i:1;i:2;"] {
        let (peer, cluster, mut link) = linked("nonsense");
        std::thread::scope(|scope| {
            let counting = count(scope, cluster, PATIENT);
            link.expect(Command::GetClientCountByGroup);
            link.reply(nonsense);
            let error = counting.join().unwrap().unwrap_err();
            let Error::BadReply { gateway, command, .. } = &error else { panic!("{nonsense}: {error}") };
            assert_eq!((&**gateway, *command), (&*peer.address, Command::GetClientCountByGroup));
        });
        assert!(link.is_closed());
        let mut link = peer.accept();
        bind(cluster, &peer, 2);
        assert_eq!(link.command().connection, 2);
        assert_eq!(count_behind_commands(cluster, &mut link), 1);
        let status = status(cluster, &peer.address);
        assert_eq!(status["last_error"], "the gateway replied with something else than the reply");
    }
}

// ---- against gateways that do what they are told ----

/// A gateway with a client.
fn gateway_with_client() -> (Started, ClientId, BufReader<TcpStream>) {
    let gateways = Devgateway::start(Config { greet: true, ..Config::default() }).unwrap();
    let text = gateways.addresses().gateways[0].text;
    let mut connection = BufReader::new(TcpStream::connect(text).unwrap());
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    let greeting: serde_json::Value = serde_json::from_str(&line).unwrap();
    let id = ClientId::parse(greeting["client_id"].as_str().unwrap().as_bytes()).unwrap();
    (gateways, id, connection)
}

/// Has a client join and leave groups of its own again and again; each count sees it.
fn join_and_leave(cluster: &Cluster, id: ClientId, user: usize, rounds: usize) {
    for n in 0..rounds {
        let group = format!("group {user} {n}");
        cluster.join_group(id, group.as_bytes(), PATIENT).unwrap();
        assert_eq!(cluster.client_count(group.as_bytes(), PATIENT).unwrap(), 1, "{group}");
        cluster.leave_group(id, group.as_bytes(), PATIENT).unwrap();
        assert_eq!(cluster.client_count(group.as_bytes(), PATIENT).unwrap(), 0, "{group}");
    }
}

#[test]
fn every_query_sees_the_command_before_it() {
    let (gateways, id, _client) = gateway_with_client();
    let cluster = client("sees", "", &[&register_address(&gateways)]);
    cluster.discover(false, PATIENT).unwrap();
    join_and_leave(cluster, id, 0, 150);
    let stats = control(&gateways, json!({"cmd": "stats"}));
    assert_eq!(stats["gateways"][0]["internal_total"], 1, "the link carries all of it");
}

#[test]
fn queries_of_several_threads_each_see_the_command_before() {
    const THREADS: usize = 4;
    let (gateways, id, _client) = gateway_with_client();
    let cluster = worker("threads", &[]);
    cluster.follow(&[&gateway_address(&gateways, 0)]);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || join_and_leave(cluster, id, thread, 200));
        }
    });
    let status = status(cluster, &gateway_address(&gateways, 0));
    let queries = THREADS * 200 * 2;
    let counts = ["queries", "queries_failed", "reconnects", "dropped"].map(|name| &status[name]);
    assert_eq!(counts, [&json!(queries), &json!(0), &json!(0), &json!(0)], "{status}");
    assert!(status["queries_opened"].as_u64().unwrap() <= THREADS as u64, "{status}");
}

/// One that commands without pause keeps no other one from its reply.
#[test]
fn queries_are_replied_to_while_another_thread_only_commands() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let (gateways, id, _client) = gateway_with_client();
    let cluster = worker("commands", &[]);
    cluster.follow(&[&gateway_address(&gateways, 0)]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Where the queue is full it is not its turn.
                let _full = cluster.send_to_client(id, Message::text(b"hi"), PATIENT);
            }
        });
        join_and_leave_with_room(cluster, id, 50);
    });
}

/// As [`join_and_leave`], with commands that may find the queue full.
fn join_and_leave_with_room(cluster: &Cluster, id: ClientId, rounds: usize) {
    for n in 0..rounds {
        let group = format!("room {n}");
        wait_until("room", || cluster.join_group(id, group.as_bytes(), PATIENT).is_ok());
        assert_eq!(cluster.client_count(group.as_bytes(), PATIENT).unwrap(), 1, "{group}");
    }
}
