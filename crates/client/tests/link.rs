//! Command links: what callers send arrives in order, once, and trouble is noticed and named.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Cluster, Error, Message};
use gatewayworker_devgateway::{Config, Devgateway};
use serde_json::json;
use support::*;

/// Sends a small frame that is known by its number.
fn send(cluster: &Cluster, peer: &Peer, number: u32) {
    cluster.send_to_client(peer.id(number), Message::text(b"hi"), PATIENT).unwrap();
}

/// A gateway in worker mode whose link is there and has carried frame 1.
fn linked(user: &'static str) -> (Peer, &'static Cluster, Conn) {
    let peer = Peer::listen_at(&own_address());
    let cluster = worker(user, &[&peer]);
    send(cluster, &peer, 1);
    let mut link = peer.accept();
    assert_eq!(link.frame().connection, 1);
    (peer, cluster, link)
}

#[test]
fn a_link_authenticates_first_and_then_sends_in_order() {
    let peer = Peer::listen();
    let cluster = worker_with("auth", "s3cret", &[&peer]);
    for number in 1..=500 {
        send(cluster, &peer, number);
    }
    let mut link = peer.accept();
    link.expect_key("s3cret");
    assert!(link.numbers(500).into_iter().eq(1..=500));
    // And again while the connection is there, where lone frames take another way than those of a
    // burst.
    for number in 501..=1500 {
        send(cluster, &peer, number);
    }
    assert!(link.numbers(1000).into_iter().eq(501..=1500));
    assert!(peer.pending().is_none(), "one connection carries all of it");
}

/// Frames of a fan-out and frames to one client keep their order.
#[test]
fn fan_out_and_single_frames_keep_their_order() {
    let peer = Peer::listen();
    let cluster = worker("mixed", &[&peer]);
    let mut link = None;
    for number in 1..=300 {
        send(cluster, &peer, number);
        cluster.send_to_all(Message::text(number.to_string().as_bytes()), PATIENT).unwrap();
        cluster.bind_uid(peer.id(number), b"uid", PATIENT).unwrap();
        let link = link.get_or_insert_with(|| peer.accept());
        if number % 7 == 0 {
            // Now and then the queue is empty.
            let numbers: Vec<_> = (0..21).map(|_| link.frame()).collect();
            let first = number - 6;
            for (at, frames) in (first..).zip(numbers.chunks(3)) {
                assert_eq!((frames[0].command, frames[0].connection), (Command::SendToOne as u8, at));
                assert_eq!(frames[1].body, at.to_string().as_bytes());
                assert_eq!((frames[2].command, frames[2].connection), (Command::BindUid as u8, at));
            }
        }
    }
}

#[test]
fn without_a_key_there_is_no_introduction() {
    let peer = Peer::listen();
    let cluster = worker("no key", &[&peer]);
    send(cluster, &peer, 1);
    assert_eq!(peer.accept().expect(Command::SendToOne).connection, 1);
}

#[test]
fn a_large_frame_arrives_at_every_gateway() {
    let peers = [Peer::listen(), Peer::listen(), Peer::listen()];
    let cluster = worker("large", &[&peers[0], &peers[1], &peers[2]]);
    let body: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
    cluster.send_to_all(Message::text(b"before"), PATIENT).unwrap();
    cluster.send_to_all(Message::text(&body), PATIENT).unwrap();
    cluster.send_to_all(Message::text(b"behind"), PATIENT).unwrap();
    for peer in &peers {
        let mut link = peer.accept();
        assert_eq!(link.frame().body, b"before");
        assert!(link.frame().body == body);
        assert_eq!(link.frame().body, b"behind");
    }
}

/// A frame that a lost connection cut is sent again whole and nothing twice.
#[test]
fn cut_frame_is_sent_again_whole_and_nothing_twice() {
    // More than the kernel takes on both sides.
    let body: Vec<u8> = (0..24_000_000u32).map(|n| (n >> 3) as u8).collect();
    for (user, cut) in [("cut 0", 0), ("cut 10", 10), ("cut 3e6", 3_000_000)] {
        let peer = Peer::listen();
        let cluster = worker(user, &[&peer]);
        for number in 1..=3 {
            send(cluster, &peer, number);
        }
        let mut first = peer.accept();
        assert_eq!(first.numbers(3), [1, 2, 3]);
        cluster.send_to_client(peer.id(4), Message::text(&body), PATIENT).unwrap();
        first.read(cut);
        drop(first);
        let mut second = peer.accept();
        let frame = second.command();
        assert_eq!(frame.connection, 4);
        assert!(frame.body == body);
        send(cluster, &peer, 5);
        assert_eq!(second.frame().connection, 5);
        wait_until("the queue to be empty", || status(cluster, &peer.address)["queued"] == 0);
        let status = status(cluster, &peer.address);
        assert_eq!((&status["accepted"], &status["written"]), (&json!(5), &json!(5)), "{status}");
    }
}

/// A gateway that goes is noticed without a call and one that returns gets what waited.
#[test]
fn lost_gateway_is_noticed_and_gets_its_queue_on_return() {
    let peer = Peer::listen_at(&own_address());
    let cluster = worker_with("returns", "key", &[&peer]);
    send(cluster, &peer, 1);
    let mut link = peer.accept();
    link.expect_key("key");
    assert_eq!(link.frame().connection, 1);
    wait_until("the connection", || link_state(cluster, &peer.address) == "online");
    let address = peer.address.clone();
    drop((peer, link));
    wait_until("the end to be noticed", || link_state(cluster, &address) == "failed");
    for number in 2..=4 {
        cluster.send_to_client(id(&address, number), Message::text(b"hi"), PATIENT).unwrap();
    }
    let status_now = status(cluster, &address);
    assert_eq!((&status_now["queued"], &status_now["written"]), (&json!(3), &json!(1)), "{status_now}");
    let peer = Peer::listen_at(&address);
    let mut link = peer.accept();
    link.expect_key("key");
    assert_eq!(link.command().connection, 2);
    assert_eq!(link.numbers(2), [3, 4]);
}

/// In worker mode a full queue is an error at once and loses nothing that was accepted.
#[test]
fn in_worker_mode_a_full_queue_is_an_error_at_once() {
    let peer = Peer::listen();
    let cluster = worker("full", &[&peer]);
    let body = vec![b'x'; 60_000];
    // It is never waited for.
    let options = CallOptions {
        connect_timeout: Duration::from_secs(3600),
        query_timeout: Duration::from_secs(3600),
        ..PATIENT
    };
    let mut accepted = 0;
    let error = loop {
        match cluster.send_to_client(peer.id(accepted + 1), Message::text(&body), options) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    let Error::QueueFull { gateway, limit } = error else { panic!("{error}") };
    assert_eq!((&*gateway, limit), (&*peer.address, SEND_BUFFER));
    let full = status(cluster, &peer.address);
    assert_eq!((&full["accepted"], &full["refused"]), (&json!(accepted), &json!(1)));
    assert!(full["queued_bytes"].as_u64().unwrap() <= SEND_BUFFER as u64);
    let mut link = peer.accept();
    assert!(link.numbers(accepted as usize).into_iter().eq(1..=accepted));
    wait_until("room", || status(cluster, &peer.address)["queued_bytes"] == 0);
    send(cluster, &peer, 77);
    assert_eq!(link.frame().connection, 77);
}

#[test]
fn in_client_mode_a_call_waits_for_room_in_a_full_queue() {
    const FRAMES: u32 = 500;
    let peer = Peer::listen();
    let (cluster, _register) = client_of("room", &[&peer]);
    let body = vec![b'x'; 60_000];
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for number in 1..=FRAMES {
                cluster.send_to_client(peer.id(number), Message::text(&body), PATIENT).unwrap();
            }
        });
        let mut link = peer.accept();
        wait_until("the queue to be full", || {
            status(cluster, &peer.address)["queued_bytes"].as_u64().unwrap() + 60_028 > SEND_BUFFER as u64
        });
        assert!(!sending.is_finished());
        assert!(link.numbers(FRAMES as usize).into_iter().eq(1..=FRAMES));
        sending.join().unwrap();
    });
    assert_eq!(status(cluster, &peer.address)["refused"], 0);
}

/// In client mode a queue that stays full is an error after the time-out.
#[test]
fn in_client_mode_a_full_queue_is_an_error_after_the_time_out() {
    let peer = Peer::listen();
    let (cluster, _register) = client_of("no room", &[&peer]);
    let body = vec![b'x'; 60_000];
    cluster.send_to_all(Message::text(&body), PATIENT).unwrap();
    let impatient = CallOptions { connect_timeout: Duration::from_millis(50), ..PATIENT };
    let error = loop {
        if let Err(error) = cluster.send_to_all(Message::text(&body), impatient) {
            break error;
        }
    };
    assert!(matches!(&error, Error::QueueFull { gateway, .. } if **gateway == *peer.address), "{error}");
}

#[test]
fn a_dead_gateway_does_not_keep_a_fan_out_from_the_others() {
    let (alive, dead) = (Peer::listen(), dead_address());
    let register = register_of(&[&dead, &alive.address]);
    let cluster = client("fan-out", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    cluster.send_to_all(Message::text(b"one"), PATIENT).unwrap();
    cluster.send_to_clients(&[id(&dead, 1), alive.id(2)], Message::text(b"two"), PATIENT).unwrap();
    cluster.send_to_all_except(&[id(&dead, 1)], Message::text(b"three"), PATIENT).unwrap();
    let mut link = alive.accept();
    assert_eq!(link.frame().body, b"one");
    assert_eq!(link.frame().body, b"two");
    assert_eq!(link.frame().body, b"three");
    // It is back: it gets what waited.
    let back = Peer::listen_at(&dead);
    assert_eq!(back.accept().frame().body, b"one");
}

/// A fan-out that reaches nobody is an error that names a gateway.
#[test]
fn fan_out_without_any_connection_names_a_gateway() {
    let dead = [dead_address(), dead_address()];
    let register = register_of(&[&dead[0], &dead[1]]);
    let cluster = client("nobody", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    let error = cluster.send_to_all(Message::text(b"one"), PATIENT).unwrap_err();
    assert!(matches!(&error, Error::Unreachable { gateway, .. } if **gateway == *dead[0]), "{error}");
    assert_eq!(status(cluster, &dead[0])["accepted"], 0, "nothing of it comes out later");
}

/// A fan-out that waited in vain names the gateway that did not reply.
#[test]
fn fan_out_that_times_out_names_the_silent_gateway() {
    let (dead, hanging) = (dead_address(), Hanging::new());
    let register = register_of(&[&dead, &hanging.address]);
    let cluster = client("in vain", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    let impatient = CallOptions { connect_timeout: Duration::from_millis(50), ..PATIENT };
    let to_some = [id(&dead, 1), id(&hanging.address, 1)];
    for error in [
        cluster.send_to_all(Message::text(b"one"), impatient).unwrap_err(),
        cluster.send_to_clients(&to_some, Message::text(b"one"), impatient).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains(&hanging.address) && text.contains("Connection timed out"), "{text}");
    }
}

/// A call that is in a hurry does not cut short the connection that all calls share.
#[test]
fn short_time_out_does_not_abort_the_shared_connection() {
    let hanging = Hanging::new();
    // In a list, so that its link is kept when the call gives up.
    let register = register_of(&[&hanging.address]);
    let cluster = client("in a hurry", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    let impatient = CallOptions { connect_timeout: Duration::from_millis(20), ..PATIENT };
    let error = cluster.send_to_all(Message::text(b"hi"), impatient).unwrap_err();
    assert!(error.to_string().contains("Connection timed out"), "{error}");
    let peer = hanging.let_in();
    let _link = peer.accept();
    assert_eq!(log_lines(&peer.address), [""; 0], "the first attempt was not given up");
}

#[test]
fn however_many_queues_are_full_a_call_waits_once() {
    const DEAD: usize = 60;
    let dead: Vec<Refusing> = (0..DEAD).map(|_| Refusing::new()).collect();
    let alive = Peer::listen();
    let listed: Vec<&str> = dead.iter().map(|dead| &*dead.address).chain([&*alive.address]).collect();
    let register = register_of(&listed);
    let cluster = client("many full", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    cluster.send_to_all(Message::text(&[b'x'; SEND_BUFFER]), PATIENT).unwrap();
    let mut link = alive.accept();
    link.frame();
    // For each of them it would be longer than anything may take.
    let options = CallOptions { connect_timeout: SAFETY_NET / 40, ..PATIENT };
    let to: Vec<_> = listed.iter().map(|address| id(address, 1)).collect();
    std::thread::scope(|scope| {
        let some = scope.spawn(|| cluster.send_to_clients(&to, Message::text(b"some"), options));
        assert_eq!(link.frame().body, b"some");
        let except = scope.spawn(|| cluster.send_to_all_except(&to, Message::text(b"except"), options));
        assert_eq!(link.frame().body, b"except");
        for call in [some, except] {
            let error = call.join().unwrap().unwrap_err();
            assert!(matches!(error, Error::QueueFull { .. }), "{error}");
        }
    });
    assert_eq!(status(cluster, &dead[DEAD - 1].address)["refused"], 2);
}

#[test]
fn a_wrong_key_is_named_once_the_gateway_has_closed_the_link() {
    let gateways = Devgateway::start(Config { secret: "right".into(), ..Config::default() }).unwrap();
    let address = gateway_address(&gateways, 0);
    let register = register_with("wrong", &[&address]);
    let cluster = client("wrong key", "wrong", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    // The first frames may get out before the gateway closes the connection, and one closed
    // connection is no proof.
    let mut error = None;
    wait_until("the rejection", || {
        error = cluster.send_to_all(Message::text(b"one"), PATIENT).err();
        matches!(&error, Some(Error::Rejected { .. }))
    });
    let error = error.unwrap();
    assert!(matches!(&error, Error::Rejected { gateway } if **gateway == *address), "{error}");
    assert!(error.to_string().contains("secret key"), "{error}");
    let error = cluster.send_to_client(id(&address, 1), Message::text(b"one"), PATIENT).unwrap_err();
    assert!(matches!(&error, Error::Rejected { .. }), "{error}");
}

/// A gateway that restarts at once is not taken for one that rejects the key.
#[test]
fn quick_restart_is_not_taken_for_a_rejected_key() {
    let peer = Peer::listen();
    let cluster = worker_with("restart", "key", &[&peer]);
    send(cluster, &peer, 1);
    let mut link = peer.accept();
    link.expect_key("key");
    assert_eq!(link.frame().connection, 1);
    drop(link);
    // It closed early, so it is asked whether it replies us, and gets nothing before.
    let mut link = peer.accept();
    link.expect_key("key");
    link.pass_barrier();
    send(cluster, &peer, 2);
    assert_eq!(link.frame().connection, 2);
    wait_until("the connection", || link_state(cluster, &peer.address) == "online");
}

/// A gateway that left the cluster gets what was queued and is closed.
#[test]
fn gateway_that_left_gets_its_queue_and_is_closed() {
    let (leaving, staying) = (Peer::listen(), Peer::listen());
    let cluster = worker("leaves", &[&leaving, &staying]);
    let body = vec![b'x'; 50_000];
    for _ in 0..10 {
        cluster.send_to_all(Message::text(&body), PATIENT).unwrap();
    }
    cluster.follow(&[&staying.address]);
    cluster.send_to_all(Message::text(b"later"), PATIENT).unwrap();
    let mut left = leaving.accept();
    (0..10).for_each(|_| assert!(left.frame().body == body));
    // Not closed before the gateway has said that it has processed them.
    left.pass_barrier();
    assert!(left.is_closed());
    let mut link = staying.accept();
    (0..10).for_each(|_| assert!(link.frame().body == body));
    assert_eq!(link.frame().body, b"later", "the others do not notice");
    wait_until("the end of its link", || listed(cluster) == [&*staying.address]);
}

/// Another thread reads the reply that confirms the end of the queue. A gateway that leaves at the same time and
/// confirms nothing is waited for; this one is not.
#[test]
fn link_closes_when_a_waiting_thread_reads_the_confirmation() {
    for _ in 0..20 {
        let (leaving, silent) = (Peer::listen(), Peer::listen());
        let cluster = worker("leaves, waited for", &[&leaving, &silent]);
        send(cluster, &silent, 1);
        let mut unconfirmed = silent.accept();
        assert_eq!(unconfirmed.frame().connection, 1);
        send(cluster, &leaving, 1);
        let mut link = leaving.accept();
        assert_eq!(link.frame().connection, 1);
        let id = leaving.id(1);
        std::thread::scope(|scope| {
            // It has the turn to read, so that the other one queues a barrier and reads next.
            let first = scope.spawn(move || cluster.is_online(id, PATIENT));
            link.expect(Command::IsOnline);
            send(cluster, &leaving, 2);
            assert_eq!(link.frame().connection, 2);
            let second = scope.spawn(move || cluster.is_online(id, PATIENT));
            assert!(link.frame().is_barrier());
            link.reply("i:1;");
            assert_eq!(first.join().unwrap().unwrap(), 1);
            cluster.follow::<&str>(&[]);
            assert!(unconfirmed.frame().is_barrier());
            link.reply("i:0;");
            assert!(link.is_closed());
            unconfirmed.0.set_nonblocking(true).unwrap();
            let still_open = unconfirmed.0.peek(&mut [0]).unwrap_err();
            assert_eq!(still_open.kind(), std::io::ErrorKind::WouldBlock);
            // What becomes of its query is another matter: its gateway has left, and takes no connection.
            drop(leaving);
            let _left = second.join().unwrap();
        });
    }
}

/// The query connections of a gateway that left the cluster are closed when its link ends.
#[test]
fn query_connections_close_when_the_link_of_a_gateway_ends() {
    let (peer, cluster, mut link) = linked("leaves with questions");
    let mut query = std::thread::scope(|scope| {
        // The first one goes behind the command, on the link.
        assert_eq!(count_behind_commands(cluster, &mut link), 1);
        let asking = scope.spawn(|| session_len(cluster, &peer));
        let mut query = peer.accept();
        query.expect(Command::GetSessionByClientId);
        query.reply("N;");
        asking.join().unwrap().unwrap();
        query
    });
    cluster.follow::<&str>(&[]);
    assert!(link.is_closed());
    assert!(query.is_closed());
    // One that is only asked has no link that could end.
    let asked = Peer::listen();
    cluster.follow_for_queries(&[&asked.address]);
    let mut query = std::thread::scope(|scope| {
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut query = asked.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        asking.join().unwrap().unwrap();
        query
    });
    cluster.follow_for_queries::<&str>(&[]);
    assert!(query.is_closed());
}

/// A gateway that is back in the list while frames wait gets new ones behind them on the same
/// connection.
#[test]
fn rejoining_gateway_keeps_frame_order() {
    let peer = Peer::listen();
    let cluster = worker("back", &[&peer]);
    // Until neither the kernel nor the queue takes any more, so that frames wait when the list
    // changes.
    let large = vec![b'x'; 60_000];
    let filling = std::iter::from_fn(|| cluster.send_to_all(Message::text(&large), PATIENT).ok()).count();
    let mut link = peer.accept();
    for round in 1..=3 {
        cluster.follow::<&str>(&[]);
        assert_eq!(link_state(cluster, &peer.address), "retired");
        if round == 2 {
            // Back as the gateway of a client, before it stands in the list again.
            send(cluster, &peer, 7);
        }
        cluster.follow(&[&peer.address]);
        cluster.send_to_all(Message::text(round.to_string().as_bytes()), PATIENT).unwrap();
    }
    (0..filling).for_each(|_| assert!(link.command().body == large));
    assert_eq!(link.command().body, b"1");
    assert_eq!(link.command().connection, 7);
    assert_eq!(link.command().body, b"2");
    assert_eq!(link.command().body, b"3");
    assert!(peer.pending().is_none(), "one connection carries all of it");
}

/// A gateway that is restarted and leaves the list meanwhile gets what waited for it.
#[test]
fn restarted_gateway_outside_the_list_gets_its_queue() {
    let (peer, cluster, link) = linked("restarted");
    let address = peer.address.clone();
    drop((peer, link));
    wait_until("the end to be noticed", || link_state(cluster, &address) == "failed");
    cluster.send_to_client(id(&address, 2), Message::text(b"hi"), PATIENT).unwrap();
    cluster.follow::<&str>(&[]);
    assert_eq!(status(cluster, &address)["queued"], 1);
    let peer = Peer::listen_at(&address);
    cluster.follow(&[&address]);
    cluster.send_to_client(peer.id(3), Message::text(b"hi"), PATIENT).unwrap();
    let mut link = peer.accept();
    assert_eq!(link.command().connection, 2);
    assert_eq!(link.command().connection, 3);
    assert_eq!(status(cluster, &address)["dropped"], 0);
}

/// The barrier of its retirement is on the link already, and its reply is passed over.
#[test]
fn query_sees_commands_from_before_a_gateway_left_and_came_back() {
    let (peer, cluster, mut link) = linked("back and queried");
    cluster.follow::<&str>(&[]);
    assert!(link.frame().is_barrier());
    cluster.follow(&[&peer.address]);
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    link.expect(Command::SendToAll);
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| cluster.client_count(b"", PATIENT));
        link.expect(Command::GetClientCountByGroup);
        link.reply("i:0;");
        link.reply("i:5;");
        assert_eq!(counting.join().unwrap().unwrap(), 5);
    });
    assert!(peer.pending().is_none());
}

#[test]
fn an_advertised_address_is_reached_where_the_map_says() {
    let peer = Peer::listen();
    let advertised = peer.address.replace("127.0.0.1", "10.77.0.1");
    let register = register_of(&[&advertised]);
    let cluster = client("map", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    cluster.send_to_client(id(&advertised, 7), Message::text(b"hi"), PATIENT).unwrap();
    cluster.send_to_all(Message::text(b"all"), PATIENT).unwrap();
    let mut link = peer.accept();
    assert_eq!(link.frame().connection, 7);
    assert_eq!(link.frame().body, b"all");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut ids = Vec::new();
            cluster.clients_of_uids(b"[\"u\"]", PATIENT, |_, client| ids.extend(client)).map(|()| ids)
        });
        link.expect(Command::BatchGetClientIdByUid);
        link.reply("a:1:{s:1:\"u\";a:1:{i:0;i:9;}}");
        let ids = asking.join().unwrap().unwrap();
        assert_eq!(ids, [id(&advertised, 9).to_hex()], "the ids keep the advertised address");
        // The pool's connections are made there, too.
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut query = peer.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        assert_eq!(asking.join().unwrap().unwrap(), 1);
    });
    let status = status(cluster, &advertised);
    assert_eq!(status["reach"], peer.address);
}
