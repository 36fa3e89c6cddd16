//! Queries: on connections of their own, asked concurrently, and answered truly or not at all.

#![allow(clippy::unwrap_used)]

mod support;

use std::thread::ScopedJoinHandle;
use std::time::Duration;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Cluster, Error, Fields, Message, OnUnavailable, ReplyError};
use gatewayworker_devgateway::{Config, Devgateway};
use support::*;

/// Asks all gateways for the number of clients, on a thread of its own.
fn count<'s>(
    scope: &'s std::thread::Scope<'s, '_>,
    cluster: &'s Cluster,
    options: CallOptions,
) -> ScopedJoinHandle<'s, Result<i64, Error>> {
    scope.spawn(move || cluster.client_count(b"", options))
}

const IMPATIENT: CallOptions = CallOptions { query_timeout: Duration::from_millis(500), ..PATIENT };

/// Runs a scripted reply to the one query; the error.
fn error_of(user: &'static str, options: CallOptions, reply: impl FnOnce(Conn)) -> (Error, Peer) {
    let peer = Peer::listen();
    let cluster = worker(user, &[&peer]);
    let error = std::thread::scope(|scope| {
        let asking = count(scope, cluster, options);
        let mut conn = peer.accept();
        conn.expect(Command::GetClientCountByGroup);
        reply(conn);
        asking.join().unwrap().unwrap_err()
    });
    let status = status(cluster, &peer.address);
    assert_eq!((&status["queries_failed"], &status["queries_idle"]), (&1.into(), &0.into()), "{status}");
    (error, peer)
}

/// Queries have connections of their own which authenticate once and are used again.
#[test]
fn queries_reuse_connections_that_authenticate_once() {
    let peer = Peer::listen();
    let cluster = worker_with("own", "key", &[&peer]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, PATIENT);
        let mut query = peer.accept();
        query.expect_key("key");
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:3;");
        assert_eq!(asking.join().unwrap().unwrap(), 3);

        cluster.send_to_client(peer.id(1), Message::text(b"hi"), PATIENT).unwrap();
        let mut link = peer.accept();
        link.expect_key("key");
        link.expect(Command::SendToOne);

        for n in 4..8 {
            let asking = count(scope, cluster, PATIENT);
            // The first one goes behind the command.
            let conn = if n == 4 { &mut link } else { &mut query };
            conn.expect(Command::GetClientCountByGroup);
            conn.reply(&format!("i:{n};"));
            assert_eq!(asking.join().unwrap().unwrap(), n);
        }
    });
    assert!(peer.pending().is_none());
    let status = status(cluster, &peer.address);
    assert_eq!((&status["queries"], &status["queries_opened"]), (&5.into(), &1.into()), "{status}");
}

#[test]
fn threads_that_ask_at_the_same_time_have_a_connection_each() {
    let peer = Peer::listen();
    let cluster = worker("threads", &[&peer]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| cluster.is_online(peer.id(1), PATIENT));
        let mut first_conn = peer.accept();
        let second = scope.spawn(|| cluster.is_online(peer.id(2), PATIENT));
        let mut second_conn = peer.accept();
        assert_eq!(second_conn.expect(Command::IsOnline).connection, 2);
        second_conn.reply("i:0;");
        assert_eq!(second.join().unwrap().unwrap(), 0);
        assert_eq!(first_conn.expect(Command::IsOnline).connection, 1);
        first_conn.reply("i:1;");
        assert_eq!(first.join().unwrap().unwrap(), 1);
    });
    assert_eq!(status(cluster, &peer.address)["queries_idle"], 2);
}

/// A connection that died idle is replaced and the query asked once more.
#[test]
fn dead_idle_connection_is_replaced_and_the_query_repeated() {
    let peer = Peer::listen();
    let cluster = worker_with("died", "key", &[&peer]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, PATIENT);
        let mut conn = peer.accept();
        conn.expect_key("key");
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:1;");
        assert_eq!(asking.join().unwrap().unwrap(), 1);

        // It ends when the query is on its way.
        let asking = count(scope, cluster, PATIENT);
        conn.expect(Command::GetClientCountByGroup);
        drop(conn);
        let mut conn = peer.accept();
        conn.expect_key("key");
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:2;");
        assert_eq!(asking.join().unwrap().unwrap(), 2);
        assert_eq!(status(cluster, &peer.address)["queries_retried"], 1);

        // But only once: what closes a new connection too does not want to reply.
        let asking = count(scope, cluster, PATIENT);
        conn.expect(Command::GetClientCountByGroup);
        drop(conn);
        let mut conn = peer.accept();
        conn.expect_key("key");
        conn.expect(Command::GetClientCountByGroup);
        drop(conn);
        let error = asking.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Closed { gateway, .. } if **gateway == *peer.address), "{error}");
    });
    assert!(peer.pending().is_none());
    assert_eq!(status(cluster, &peer.address)["queries_retried"], 2);
}

/// Idle connections that have ended are replaced all at the same time.
#[test]
fn dead_idle_connections_are_replaced_in_parallel() {
    let peers = [Peer::listen(), Peer::listen(), Peer::listen()];
    let cluster = worker("ended", &[&peers[0], &peers[1], &peers[2]]);
    std::thread::scope(|scope| {
        // They end while they are idle, which is seen before the query; or when they have the
        // query.
        for has_question in [false, true] {
            let ask = || count(scope, cluster, PATIENT);
            let reply = |conns: &mut [Conn], asking: ScopedJoinHandle<'_, Result<i64, Error>>| {
                // All have the query before one of them replies.
                for conn in &mut *conns {
                    conn.expect(Command::GetClientCountByGroup);
                }
                for conn in conns {
                    conn.reply("i:1;");
                }
                assert_eq!(asking.join().unwrap().unwrap(), 3);
            };
            let asking = ask();
            let mut conns = peers.each_ref().map(Peer::accept);
            reply(&mut conns, asking);
            let asking = if has_question {
                let asking = ask();
                for conn in &mut conns {
                    conn.expect(Command::GetClientCountByGroup);
                }
                drop(conns);
                asking
            } else {
                drop(conns);
                ask()
            };
            let mut conns = peers.each_ref().map(Peer::accept);
            reply(&mut conns, asking);
            for peer in &peers {
                let retried = u64::from(has_question);
                assert_eq!(status(cluster, &peer.address)["queries_retried"], retried, "{has_question}");
            }
            drop(conns);
        }
    });
}

#[test]
fn a_restarted_gateway_replies_to_the_next_query() {
    let gateways = Devgateway::start(Config::default()).unwrap();
    let cluster = client("restarted", "", &[&register_address(&gateways)]);
    cluster.discover(false, PATIENT).unwrap();
    assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0);
    control(&gateways, serde_json::json!({"cmd": "disconnect_internal", "gateway": 0}));
    assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0);
}

#[test]
fn a_late_reply_is_never_taken_for_the_next_one() {
    let peer = Peer::listen();
    let cluster = worker("late", &[&peer]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, IMPATIENT);
        let mut late = peer.accept();
        late.expect(Command::GetClientCountByGroup);
        let error = asking.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        // It is closed already, or this one finds it closed.
        let _ = std::io::Write::write_all(&mut late.0, b"\0\0\0\x06i:111;");

        let asking = count(scope, cluster, PATIENT);
        let mut conn = peer.accept();
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:2;");
        assert_eq!(asking.join().unwrap().unwrap(), 2);
        assert!(late.is_closed());
    });
    let status = status(cluster, &peer.address);
    assert_eq!(
        (&status["queries_timed_out"], &status["queries_retried"]),
        (&1.into(), &0.into()),
        "{status}"
    );
}

#[test]
fn a_silent_gateway_is_an_error_that_names_it_and_the_query() {
    let mut kept = None;
    let (error, peer) = error_of("silent", IMPATIENT, |conn| kept = Some(conn));
    let Error::TimedOut { gateway, command, after } = &error else { panic!("{error}") };
    assert_eq!(
        (&**gateway, *command, *after),
        (&*peer.address, Command::GetClientCountByGroup, IMPATIENT.query_timeout)
    );
    assert!(error.to_string().contains(&peer.address) && error.to_string().contains("GetClientCountByGroup"));
}

#[test]
fn an_incomplete_reply_is_an_error() {
    let (error, _) = error_of("half, closed", PATIENT, |mut conn| conn.send(b"\0\0\0\x04i:"));
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert!(error.to_string().contains("in the middle of the reply"), "{error}");
    let mut kept = None;
    let (error, _) = error_of("half, silent", IMPATIENT, |mut conn| {
        conn.send(b"\0\0\0\x04i:");
        kept = Some(conn);
    });
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    let (error, _) = error_of("half a length", PATIENT, |mut conn| conn.send(b"\0\0"));
    assert!(matches!(error, Error::Closed { .. }), "{error}");
}

#[test]
fn a_reply_in_pieces_is_put_together() {
    let peer = Peer::listen();
    let cluster = worker("pieces", &[&peer]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, PATIENT);
        let mut conn = peer.accept();
        conn.expect(Command::GetClientCountByGroup);
        for byte in b"\0\0\0\x08i:12345;" {
            conn.send(&[*byte]);
        }
        assert_eq!(asking.join().unwrap().unwrap(), 12345);
    });
}

/// A reply as long as the limit is read and a longer one refused before it comes.
#[test]
fn reply_over_the_limit_is_refused_before_it_arrives() {
    let peer = Peer::listen();
    let cluster = worker("long", &[&peer]);
    let session = "x".repeat(MAX_REPLY);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| session_len(cluster, &peer));
        let mut conn = peer.accept();
        conn.expect(Command::GetSessionByClientId);
        conn.reply(&session);
        assert_eq!(asking.join().unwrap().unwrap(), MAX_REPLY);
    });
    let (error, peer) = error_of("too long", PATIENT, |mut conn| {
        conn.send(&u32::try_from(MAX_REPLY + 1).unwrap().to_be_bytes());
        assert!(conn.is_closed());
    });
    let Error::ReplyTooLong { gateway, len, max, .. } = &error else { panic!("{error}") };
    assert_eq!((&**gateway, *len, *max), (&*peer.address, MAX_REPLY + 1, MAX_REPLY));
    let (error, _) = error_of("far too long", PATIENT, |mut conn| conn.send(b"HTTP/1.1"));
    assert!(matches!(error, Error::ReplyTooLong { .. }), "{error}");
}

#[test]
fn bytes_behind_a_reply_make_it_invalid() {
    let (error, _) = error_of("surplus", PATIENT, |mut conn| conn.send(b"\0\0\0\x04i:1;\0"));
    assert!(matches!(error, Error::BadReply { .. }), "{error}");
    assert!(error.to_string().contains("4 bytes were announced, more have come"), "{error}");
}

/// A reply of another kind is an error and its connection is not used again.
#[test]
fn reply_of_another_kind_is_an_error_and_ends_its_connection() {
    for (user, reply) in
        [("N", "N;"), ("s", "s:1:\"1\";"), ("a", "a:0:{}"), ("0", ""), ("cut", "i:1"), ("2", "i:1;i:2;")]
    {
        let (error, peer) = error_of(user, PATIENT, |mut conn| conn.reply(reply));
        let Error::BadReply { gateway, command, .. } = &error else { panic!("{reply}: {error}") };
        assert_eq!((&**gateway, *command), (&*peer.address, Command::GetClientCountByGroup));
    }
}

#[test]
fn a_query_goes_to_all_gateways_before_a_reply_is_read() {
    let peers = [Peer::listen(), Peer::listen(), Peer::listen()];
    let cluster = worker("concurrent", &[&peers[0], &peers[1], &peers[2]]);
    std::thread::scope(|scope| {
        let mut conns: Vec<Conn> = Vec::new();
        // First on new connections, then on idle ones.
        for _ in 0..2 {
            let asking = count(scope, cluster, PATIENT);
            if conns.is_empty() {
                conns = peers.iter().map(Peer::accept).collect();
            }
            for conn in &mut conns {
                conn.expect(Command::GetClientCountByGroup);
            }
            // The last one replies first.
            for (n, conn) in conns.iter_mut().enumerate().rev() {
                conn.reply(&format!("i:{};", 10i32.pow(u32::try_from(n).unwrap())));
            }
            assert_eq!(asking.join().unwrap().unwrap(), 111);
        }
    });
}

/// Whoever reads a reply is told how many rows all replies announce.
#[test]
fn reader_of_a_reply_learns_the_rows_of_all_replies() {
    let peers = [Peer::listen(), Peer::listen(), Peer::listen()];
    let cluster = worker("rows", &[&peers[0], &peers[1], &peers[2]]);
    type Ask = fn(&Cluster, &mut Vec<usize>) -> Result<(), Error>;
    let queries: [Ask; 3] = [
        |cluster, told| cluster.clients_of_uid(b"u", PATIENT, |_, _, rows| told_of(told, rows)),
        |cluster, told| cluster.session_lists(None, PATIENT, |_, _, rows| told_of(told, rows)),
        |cluster, told| cluster.select(Fields::Uid, None, PATIENT, |_, _, rows| told_of(told, rows)),
    ];
    for ask in queries {
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut told = Vec::new();
                ask(cluster, &mut told).map(|()| told)
            });
            // One has nobody, and one announces more than it has bytes for, which is none.
            let replies = ["a:3:{i:0;i:7;i:1;i:8;i:2;i:9;}", "a:0:{}", "a:999:{}"];
            for (peer, reply) in peers.iter().zip(replies) {
                let mut conn = peer.accept();
                conn.frame();
                conn.reply(reply);
            }
            assert_eq!(asking.join().unwrap().unwrap(), [3, 3, 3]);
        });
        // The next query is of other connections.
        cluster.follow::<&str>(&[]);
        cluster.follow(&peers.each_ref().map(|peer| &*peer.address));
    }
}

fn told_of(told: &mut Vec<usize>, rows: usize) -> Result<(), ReplyError> {
    told.push(rows);
    Ok(())
}

#[test]
fn reader_of_a_reply_may_query_meanwhile() {
    let peers = [Peer::listen(), Peer::listen()];
    let cluster = worker("nested", &[&peers[0], &peers[1]]);
    let list = |len| format!("a:1:{{i:0;s:{len}:\"{}\";}}", "x".repeat(len));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut lens = Vec::new();
            let inner = |lens: &mut Vec<usize>| {
                cluster.session_lists(None, PATIENT, |_, payload, _| {
                    lens.push(payload.len());
                    Ok(())
                })
            };
            let outer = cluster.session_lists(None, PATIENT, |_, payload, _| {
                let before = payload.to_vec();
                inner(&mut lens).unwrap();
                assert!(payload == before, "an answer changes while it is read");
                lens.push(payload.len());
                Ok(())
            });
            outer.map(|()| lens)
        });
        // One query from outside, and one while each of its two replies is read.
        let mut conns = peers.each_ref().map(Peer::accept);
        for round in 1..=3 {
            for (conn, len) in conns.iter_mut().zip([1, 2]) {
                conn.expect(Command::GetAllClientSessions);
                conn.reply(&list(len * 10_usize.pow(round)));
            }
        }
        let lens = |round: u32| [1, 2].map(|len| list(len * 10_usize.pow(round)).len());
        let ([a, b], [c, d], [e, f]) = (lens(1), lens(2), lens(3));
        assert_eq!(asking.join().unwrap().unwrap(), [c, d, a, e, f, b]);
    });
}

#[test]
fn a_fan_out_connects_to_all_at_the_same_time() {
    let (hanging, peer) = (Hanging::new(), Peer::listen());
    let cluster = worker("connects", &[]);
    cluster.follow(&[&hanging.address, &peer.address]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, CallOptions { connect_timeout: SAFETY_NET * 6, ..PATIENT });
        // The first gateway lets nobody in yet, but the second one is connected.
        let _conn = peer.accept();
        assert!(!asking.is_finished());
        let address = hanging.address.clone();
        drop(hanging);
        // The kernel tries once more after a second or two, and is refused.
        let error = asking.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Unreachable { gateway, .. } if **gateway == *address), "{error}");
    });
}

/// A gateway that lets nobody in is an error after the time-out to connect.
#[test]
fn unreachable_gateway_is_an_error_after_the_connect_time_out() {
    let hanging = Hanging::new();
    let cluster = worker("hangs", &[]);
    cluster.follow(&[&hanging.address]);
    let options = CallOptions { connect_timeout: Duration::from_millis(100), ..PATIENT };
    let error = cluster.client_count(b"", options).unwrap_err();
    assert_eq!(error.to_string(), unreachable_text(&hanging.address, "Connection timed out"));
}

#[test]
fn connecting_takes_no_more_time_than_the_query_has() {
    let hanging = Hanging::new();
    let cluster = worker("hangs longer", &[]);
    cluster.follow(&[&hanging.address]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, CallOptions { connect_timeout: SAFETY_NET * 6, ..IMPATIENT });
        wait_until("the query to end", || asking.is_finished());
        assert_eq!(
            asking.join().unwrap().unwrap_err().to_string(),
            unreachable_text(&hanging.address, "Connection timed out")
        );
    });
}

/// Those who are connected are asked while another one lets nobody in.
#[test]
fn connected_gateways_are_queried_while_another_cannot_connect() {
    let (hanging, peer) = (Hanging::new(), Peer::listen());
    let cluster = worker("asked meanwhile", &[]);
    cluster.follow(&[&hanging.address, &peer.address]);
    let options =
        CallOptions { connect_timeout: SAFETY_NET * 6, on_unavailable: OnUnavailable::Skip, ..LONGER };
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, options);
        let mut conn = peer.accept();
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:7;");
        assert_eq!(asking.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn a_result_without_one_of_the_gateways_is_an_error() {
    let (alive, dead) = (Peer::listen(), dead_address());
    let cluster = worker("partial", &[]);
    cluster.follow(&[&alive.address, &dead]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, PATIENT);
        let mut conn = alive.accept();
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:1;");
        let error = asking.join().unwrap().unwrap_err();
        assert_eq!(error.to_string(), unreachable_text(&dead, "Connection refused"));
    });
}

/// With absent gateways left out the others reply and the log tells once who is missing and who is
/// back.
#[test]
fn skipped_gateways_are_logged_when_missing_and_when_back() {
    let [alive, silent, closing] = [(); 3].map(|()| Peer::listen());
    let dead = dead_address();
    let cluster = worker("left out", &[]);
    let addresses = [&*alive.address, &silent.address, &closing.address, &dead];
    let missing = &addresses[1..];
    cluster.follow(&addresses);
    let leave_out = CallOptions { on_unavailable: OnUnavailable::Skip, ..IMPATIENT };
    std::thread::scope(|scope| {
        let mut conn = None;
        for round in 1..=3 {
            let asking = count(scope, cluster, leave_out);
            let alive = conn.get_or_insert_with(|| alive.accept());
            alive.expect(Command::GetClientCountByGroup);
            alive.reply(&format!("i:{round};"));
            let mut unanswered = silent.accept();
            unanswered.expect(Command::GetClientCountByGroup);
            drop(closing.accept());
            assert_eq!(asking.join().unwrap().unwrap(), round);
            for address in missing {
                let lines = log_lines(address);
                assert!(lines.len() == 1 && lines[0].contains(" left out of results: "), "{lines:?}");
            }
        }
        // One of them is back, and nobody is silent.
        let asking = count(scope, cluster, CallOptions { query_timeout: PATIENT.query_timeout, ..leave_out });
        let alive = conn.as_mut().unwrap();
        alive.expect(Command::GetClientCountByGroup);
        alive.reply("i:1;");
        let mut back = silent.accept();
        back.expect(Command::GetClientCountByGroup);
        back.reply("i:10;");
        drop(closing.accept());
        assert_eq!(asking.join().unwrap().unwrap(), 11);
        let lines = log_lines(&silent.address);
        assert!(lines.len() == 2 && lines[1].contains(" answers again: "), "{lines:?}");
        assert_eq!(log_lines(&dead).len(), 1);
    });
}

/// Long enough for peers to reply on a busy machine, short enough to be waited for.
const LONGER: CallOptions = CallOptions { query_timeout: Duration::from_secs(2), ..PATIENT };

#[test]
fn a_silent_gateway_hides_nobody_who_is_listed_after_it() {
    let [silent, short, long] = [(); 3].map(|()| Peer::listen());
    let cluster = worker("hides nobody", &[&silent, &short, &long]);
    let options = CallOptions { on_unavailable: OnUnavailable::Skip, ..LONGER };
    // Far more than the kernel keeps for one who does not read.
    let text = "x".repeat(MAX_REPLY - 64);
    let replies = ["a:1:{i:1;s:1:\"x\";}".to_owned(), format!("a:1:{{i:1;s:{}:\"{text}\";}}", text.len())];
    std::thread::scope(|scope| {
        let mut conns: Vec<Conn> = Vec::new();
        // On new connections, then on idle ones.
        for _ in 0..2 {
            let asking = scope.spawn(|| {
                let mut lens = Vec::new();
                let each = |_, session: &[u8]| {
                    lens.push(session.len());
                    Ok(())
                };
                cluster.sessions(None, options, each).map(|()| lens)
            });
            let mut unanswered = silent.accept();
            unanswered.expect(Command::GetAllClientSessions);
            if conns.is_empty() {
                conns = [&short, &long].map(Peer::accept).into();
            }
            for (conn, reply) in conns.iter_mut().zip(&replies) {
                conn.expect(Command::GetAllClientSessions);
                conn.reply(reply);
            }
            assert_eq!(asking.join().unwrap().unwrap(), [1, text.len()]);
        }
    });
    let lines = [&silent, &short, &long].map(|peer| log_lines(&peer.address).len());
    assert_eq!(lines, [1, 0, 0], "the one that was silent is named, and no other one");
}

/// A query that fails keeps the connections on which a reply has come.
#[test]
fn failed_query_keeps_the_connections_that_got_a_reply() {
    let [silent, prompt] = [(); 2].map(|()| Peer::listen());
    let cluster = worker("keeps", &[&silent, &prompt]);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, LONGER);
        let mut unanswered = silent.accept();
        unanswered.expect(Command::GetClientCountByGroup);
        let mut conn = prompt.accept();
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:1;");
        let error = asking.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::TimedOut { gateway, .. } if **gateway == *silent.address), "{error}");
        let (silent, prompt) = (status(cluster, &silent.address), status(cluster, &prompt.address));
        assert_eq!((&silent["queries_idle"], &silent["queries_failed"]), (&0.into(), &1.into()), "{silent}");
        assert_eq!((&prompt["queries_idle"], &prompt["queries_failed"]), (&1.into(), &0.into()), "{prompt}");
    });
}

/// A gateway that does not come to the end of its commands leaves the others time to reply.
#[test]
fn gateway_stuck_in_its_commands_leaves_the_others_time() {
    let [silent, alive] = [(); 2].map(|()| Peer::listen());
    let cluster = worker("leaves time", &[&silent, &alive]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    let mut stuck = silent.accept();
    stuck.expect(Command::SendToAll);
    let mut link = alive.accept();
    link.expect(Command::SendToAll);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, CallOptions { on_unavailable: OnUnavailable::Skip, ..LONGER });
        link.expect(Command::GetClientCountByGroup);
        // The other one has been waited for in vain when this one replies.
        stuck.expect(Command::GetClientCountByGroup);
        link.reply("i:2;");
        assert_eq!(asking.join().unwrap().unwrap(), 2);
        let lines = log_lines(&silent.address);
        assert!(lines.len() == 1 && lines[0].contains(" left out of results: "), "{lines:?}");
    });
}

/// Its barrier is waited for before the query to the other one is sent over the pool.
#[test]
fn gateway_whose_link_is_not_there_leaves_the_others_time() {
    let [silent, alive] = [(); 2].map(|()| Peer::listen());
    let cluster = worker("leaves time for links", &[&silent, &alive]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    // Both close early, and are asked first on the next connection whether they reply.
    for peer in [&silent, &alive] {
        peer.accept().expect(Command::SendToAll);
    }
    let [mut stuck, mut link] = [&silent, &alive].map(|peer| {
        let mut link = peer.accept();
        assert!(link.frame().is_barrier());
        link
    });
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, CallOptions { on_unavailable: OnUnavailable::Skip, ..LONGER });
        wait_until("the barriers", || {
            [&silent, &alive].iter().all(|peer| status(cluster, &peer.address)["barriers"] == 1)
        });
        link.reply("i:0;");
        link.pass_barrier();
        let mut query = alive.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:2;");
        assert_eq!(asking.join().unwrap().unwrap(), 2);
        let lines = log_lines(&silent.address);
        assert!(lines.iter().any(|line| line.contains(" left out of results: ")), "{lines:?}");
        stuck.reply("i:0;");
    });
}

#[test]
fn gateway_with_unsent_commands_is_skipped_too() {
    let (alive, dead) = (Peer::listen(), dead_address());
    let cluster = worker("left out with commands", &[]);
    cluster.follow(&[&alive.address, &dead]);
    cluster.send_to_all(Message::text(b"waits"), PATIENT).unwrap();
    let mut link = alive.accept();
    link.expect(Command::SendToAll);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, CallOptions { on_unavailable: OnUnavailable::Skip, ..PATIENT });
        link.expect(Command::GetClientCountByGroup);
        link.reply("i:2;");
        assert_eq!(asking.join().unwrap().unwrap(), 2);
    });
    let status = status(cluster, &dead);
    let counts = ["queries", "queries_failed", "queries_timed_out"].map(|name| &status[name]);
    assert_eq!(counts, [&1, &1, &0], "{status}");
}

/// With absent gateways left out nobodys reply and nonsense are errors still.
#[test]
fn skipping_fails_without_any_reply_or_with_an_invalid_one() {
    let leave_out = CallOptions { on_unavailable: OnUnavailable::Skip, ..PATIENT };
    let dead = [dead_address(), dead_address()];
    let cluster = worker("nobody", &[]);
    cluster.follow(&dead);
    let error = cluster.client_count(b"", leave_out).unwrap_err();
    assert!(matches!(&error, Error::Unreachable { gateway, .. } if **gateway == *dead[0]), "{error}");

    let (error, _peer) = error_of("nonsense", leave_out, |mut conn| conn.reply("s:1:\"x\";"));
    assert!(matches!(error, Error::BadReply { .. }), "{error}");
}

#[test]
fn a_wrong_key_is_an_error_and_not_an_empty_result() {
    let gateways = Devgateway::start(Config { secret: "right".into(), ..Config::default() }).unwrap();
    let address = gateway_address(&gateways, 0);
    let cluster = worker_with("wrong key", "wrong", &[]);
    cluster.follow(&[&address]);
    for _ in 0..3 {
        let error = cluster.client_count(b"", PATIENT).unwrap_err();
        assert!(error.to_string().contains(&address) && error.to_string().contains("secret key"), "{error}");
        let error = cluster.is_online(id(&address, 1), PATIENT).unwrap_err();
        assert!(matches!(error, Error::Closed { .. } | Error::Rejected { .. }), "{error}");
    }
}

#[test]
fn those_to_be_asked_can_be_others_than_those_to_be_sent_to() {
    let (asked, sent_to) = (Peer::listen(), Peer::listen());
    let cluster = worker("asked", &[&sent_to]);
    cluster.follow_for_queries(&[&asked.address]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    sent_to.accept().expect(Command::SendToAll);
    std::thread::scope(|scope| {
        let asking = count(scope, cluster, PATIENT);
        let mut conn = asked.accept();
        conn.expect(Command::GetClientCountByGroup);
        conn.reply("i:5;");
        assert_eq!(asking.join().unwrap().unwrap(), 5);
    });
}
