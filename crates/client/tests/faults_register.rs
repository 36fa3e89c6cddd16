//! Registers that go away, restart, talk nonsense or change their mind: sends and queries go on.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use gatewayworker_client::wire::Command;
use gatewayworker_client::{CallOptions, Cluster, Error, Message};
use gatewayworker_devgateway::{Config, Devgateway, Started};
use serde_json::{Value as Json, json};
use support::program::{Gatewayd, numbered};
use support::proxy::{Flow, Proxy, Way};
use support::*;

/// What the register prints when it knows these gateways.
fn list(addresses: &[&str]) -> Vec<u8> {
    format!("{}\n", json!({"event": "broadcast_addresses", "addresses": addresses})).into_bytes()
}

fn subscribed_to(cluster: &Cluster) -> Option<String> {
    cluster.status().register.unwrap().connected
}

fn frames_of(gateways: &Started, command: Command) -> u64 {
    let stats = control(gateways, json!({"cmd": "stats"}));
    stats["gateways"][0]["frames"][(command as u8).to_string()].as_u64().unwrap_or_default()
}

/// Sends and asks, as if nothing were wrong.
fn use_it(cluster: &Cluster, gateways: &Started) {
    let before = frames_of(gateways, Command::SendToAll);
    cluster.discover(false, PATIENT).unwrap();
    cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0);
    assert_eq!(frames_of(gateways, Command::SendToAll), before + 1);
}

/// Whatever happens to the register the last list is used and changes are followed again
/// afterwards.
#[test]
fn last_list_survives_every_fault_of_the_register() {
    type Fault = fn(&Proxy);
    let faults: [(&str, Fault, bool); 6] = [
        ("cut", |proxy| proxy.cut(), true),
        (
            "refused",
            |proxy| {
                proxy.refuse();
                proxy.cut();
            },
            true,
        ),
        ("vanished", |proxy| proxy.vanish(), false),
        (
            "garbage",
            |proxy| {
                proxy.set(Way::Back, Flow::Instead(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
                proxy.cut();
            },
            true,
        ),
        (
            "half a list",
            |proxy| {
                proxy.set(Way::Back, Flow::CutAfter(40));
                proxy.cut();
            },
            true,
        ),
        (
            "byte by byte",
            |proxy| {
                proxy.set(Way::Back, Flow::Pieces { len: 1, pause: Duration::from_millis(1) });
                proxy.cut();
            },
            true,
        ),
    ];
    let gateways = Devgateway::start(Config::default()).unwrap();
    for (user, fault, noticed) in faults {
        let proxy = Proxy::to(&register_address(&gateways));
        let cluster = client(user, "", &[&proxy.address]);
        use_it(cluster, &gateways);
        let lines = log_lines(&proxy.address).len();
        fault(&proxy);
        if noticed {
            wait_until("the end of the subscription to be noticed", || {
                log_lines(&proxy.address).len() > lines
            });
        }
        for _ in 0..5 {
            use_it(cluster, &gateways);
        }
        proxy.heal();
        if user == "refused" {
            proxy.listen_again();
        }
        let another = "127.0.0.1:2999";
        control(&gateways, json!({"cmd": "add_address", "address": another}));
        wait_until("the added gateway", || listed(cluster).iter().any(|address| address == another));
        control(&gateways, json!({"cmd": "remove_address", "address": another}));
        wait_until("it to leave", || listed(cluster).len() == 1);
        let lines = log_lines(&proxy.address);
        assert!(lines.len() <= 4, "a line per event: {user}: {lines:?}");
    }
}

/// A restarted register that does not know its gateways yet takes none away.
///
/// A register that has just started knows nobody yet: gateways come back to it one after the other.
#[test]
fn restarted_register_takes_no_gateway_away() {
    let (first, second, register) = (Peer::listen(), Peer::listen(), Peer::listen());
    let both = [&*first.address, &*second.address];
    let cluster = client("restarted", "", &[&register.address]);
    let subscribe = |lists: &[&[&str]]| {
        let mut conn = register.accept();
        conn.line();
        lists.iter().for_each(|addresses| conn.send(&list(addresses)));
        conn
    };
    let mut conn = std::thread::scope(|scope| {
        let discovering = scope.spawn(|| cluster.discover(false, PATIENT));
        let conn = subscribe(&[&both]);
        discovering.join().unwrap().unwrap();
        conn
    });
    cluster.send_to_all(Message::text(b"0"), PATIENT).unwrap();
    let mut links = [first.accept(), second.accept()];
    for link in &mut links {
        link.expect(Command::SendToAll);
    }
    let lists = || cluster.status().register.unwrap().lists;
    for round in 1..=3 {
        // It ends in the middle of coming back, too.
        let before = lists();
        drop(conn);
        conn = subscribe(&[&[], &[both[1]]]);
        wait_until("the lists", || lists() == before + 2);
        cluster.discover(false, PATIENT).unwrap();
        let body = round.to_string();
        cluster.send_to_all(Message::text(body.as_bytes()), PATIENT).unwrap();
        for link in &mut links {
            assert_eq!(link.expect(Command::SendToAll).body, body.as_bytes(), "on the same connection");
        }
        assert_eq!(listed(cluster), both);
    }
    // It was restarted with one gateway less: that one goes, if later.
    conn.send(&list(&[both[1]]));
    links[0].pass_barrier();
    assert!(links[0].is_closed());
    wait_until("the list as it is", || listed(cluster) == [both[1]]);
    // From here on a list is followed at once again.
    conn.send(&list(&both));
    wait_until("the added one", || listed(cluster).len() == 2);
    conn.send(&list(&[both[1]]));
    let before = lists();
    wait_until("the list", || lists() > before || listed(cluster) == [both[1]]);
    wait_until("the removed one to go", || listed(cluster) == [both[1]]);
}

/// While the register is killed and started again every send arrives and every query is answered.
#[test]
fn nothing_is_lost_while_the_register_restarts() {
    let register = Gatewayd::start(&["--register-only", "--register", &own_address()]);
    let at = register.register();
    let gateway = || Gatewayd::start(&["--no-register", "--join", &at, "--record"]);
    let mut gateways = [gateway(), gateway()];
    let cluster = client("killed register", "", &[&at]);
    wait_until("both gateways", || {
        let known = cluster.discover(false, PATIENT);
        assert!(matches!(known, Ok(()) | Err(Error::NoGateways { .. })), "{known:?}");
        listed(cluster).len() == 2
    });
    let mut sent = 0;
    let mut go_on = || {
        sent += 1;
        cluster.discover(false, PATIENT).unwrap();
        cluster.send_to_all(Message::text(&numbered(sent, 0)), PATIENT).unwrap();
        assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0);
        sent
    };
    for _ in 0..10 {
        go_on();
    }
    register.kill();
    wait_until("the end to be noticed", || {
        go_on();
        subscribed_to(cluster).is_none()
    });
    let mut register = Gatewayd::start(&["--register-only", "--register", &at]);
    wait_until("the gateways to be registered again", || {
        go_on();
        // Every change is answered with the list, this one too, which changes nothing.
        let known = register.control(json!({"cmd": "remove_address", "address": "127.0.0.1:1"}));
        known["addresses"].as_array().unwrap().len() == 2
    });
    let total = go_on();
    for gateway in &mut gateways {
        let came: Vec<u32> = gateway.numbers().into_iter().map(|(number, _)| number).collect();
        assert!(came.iter().copied().eq(1..=total), "{came:?}");
    }
}

/// A list that changes under load costs the others nothing and added gateways are used at once.
#[test]
fn changing_list_under_load_costs_the_others_nothing() {
    const CHANGES: u32 = 40;
    let steady = Devgateway::start(Config { record: true, ..Config::default() }).unwrap();
    let changing = Peer::listen();
    let cluster = client("changing", "", &[&register_address(&steady)]);
    cluster.discover(false, PATIENT).unwrap();
    let (stop, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        let sending = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let number = sent.load(Ordering::Relaxed) + 1;
                cluster.send_to_all(Message::text(&numbered(number, 0)), PATIENT).unwrap();
                sent.store(number, Ordering::Relaxed);
                // The rate; nothing is waited for.
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let asking = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Of the steady one alone: the other one never replies.
                let id = id(&gateway_address(&steady, 0), 1);
                assert_eq!(cluster.is_online(id, PATIENT).unwrap(), 0);
            }
        });
        let (mut came_before, mut ended_before) = (0, 0);
        for change in 0..CHANGES {
            control(&steady, json!({"cmd": "add_address", "address": changing.address}));
            let link = changing.accept();
            wait_until("it to be used", || status(cluster, &changing.address)["written"].as_u64() > Some(0));
            if change % 10 == 0 {
                // It does not read: something waits in its queue when it leaves, and not only in
                // the kernel.
                let half_full = || {
                    let queued = status(cluster, &changing.address)["queued_bytes"].as_u64();
                    queued >= Some(SEND_BUFFER as u64 / 2)
                };
                // Also after the background has had its time.
                while !half_full() || process().flush(Duration::from_millis(50)).is_empty() || !half_full() {
                    if !half_full() {
                        let body = [b'x'; 60_000];
                        cluster.send_to_client(changing.id(1), Message::text(&body), PATIENT).unwrap();
                    }
                }
            }
            control(&steady, json!({"cmd": "remove_address", "address": changing.address}));
            wait_until("it to have left", || link_state(cluster, &changing.address) != "online");
            // What was queued is drained, and the connection closed.
            let frames = link.frames_until_closed();
            let numbers: Vec<u32> = frames
                .iter()
                .filter(|frame| frame.is(Command::SendToAll))
                .map(|frame| std::str::from_utf8(&frame.body).unwrap().parse().unwrap())
                .collect();
            assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
            // All that was accepted for it, to the end.
            wait_until("the link to end", || cluster.status().ended.links > ended_before);
            let ended = cluster.status().ended;
            ended_before = ended.links;
            came_before += frames.iter().filter(|frame| !frame.is_barrier()).count() as u64;
            assert_eq!(
                (ended.accepted, ended.dropped),
                (came_before, 0),
                "the last came was {:?}",
                numbers.last()
            );
        }
        stop.store(true, Ordering::Relaxed);
        sending.join().unwrap();
        asking.join().unwrap();
    });
    let total = sent.load(Ordering::Relaxed);
    let mut came: Vec<u32> = Vec::new();
    wait_until("the last frame", || {
        let taken = control(&steady, json!({"cmd": "take_frames", "gateway": 0}));
        let to_all = taken["frames"].as_array().unwrap().iter().filter(|frame| frame["command"] == 6);
        came.extend(to_all.map(|frame| number_in(frame["hex"].as_str().unwrap())));
        came.last() == Some(&total)
    });
    assert!(came.iter().copied().eq(1..=total), "the steady one gets everything, in order, once");
}

/// A gateway that leaves while a fan-out waits for its queue is no error.
#[test]
fn gateway_that_leaves_during_a_fan_out_is_no_error() {
    let (leaving, staying) = (Peer::listen(), Peer::listen());
    let (cluster, register) = client_of("leaves while full", &[&leaving, &staying]);
    let body = vec![b'x'; 60_000];
    std::thread::scope(|scope| {
        let sending =
            scope.spawn(|| (0..200).try_for_each(|_| cluster.send_to_all(Message::text(&body), PATIENT)));
        let mut link = staying.accept();
        wait_until("the queue to be full", || {
            link.0.set_nonblocking(true).unwrap();
            let _ = std::io::Read::read(&mut link.0, &mut vec![0; 1 << 20]);
            status(cluster, &leaving.address)["queued_bytes"].as_u64().unwrap() + 60_028 > SEND_BUFFER as u64
        });
        control(&register, json!({"cmd": "remove_address", "address": leaving.address}));
        link.0.set_nonblocking(false).unwrap();
        let reading = scope.spawn(move || std::io::copy(&mut link.0, &mut std::io::sink()));
        sending.join().unwrap().unwrap();
        cluster.follow::<&str>(&[]);
        reading.join().unwrap().unwrap();
    });
}

/// The number with which the body of a frame begins, see [`numbered`].
fn number_in(hex: &str) -> u32 {
    let digits = hex.as_bytes()[56..76].chunks(2).map(|pair| char::from(pair[1]));
    digits.collect::<String>().parse().unwrap()
}

/// Of several registers another one takes over when the subscribed one dies.
#[test]
fn another_register_takes_over_when_one_dies() {
    let gateway = Peer::listen();
    let registers = [register_of(&[&gateway.address]), register_of(&[&gateway.address])];
    let addresses = registers.each_ref().map(register_address);
    // One of them has never been there.
    let cluster = client("takes over", "", &[&dead_address(), &addresses[0], &addresses[1]]);
    cluster.discover(false, PATIENT).unwrap();
    assert_eq!(subscribed_to(cluster).as_ref(), Some(&addresses[0]));
    cluster.send_to_all(Message::text(b"1"), PATIENT).unwrap();
    let mut link = gateway.accept();
    assert_eq!(link.frame().body, b"1");
    let [first, second] = registers;
    first.stop();
    wait_until("the other register", || subscribed_to(cluster).as_ref() == Some(&addresses[1]));
    cluster.send_to_all(Message::text(b"2"), PATIENT).unwrap();
    assert_eq!(link.frame().body, b"2", "on the same connection");
    let added = Peer::listen();
    control(&second, json!({"cmd": "add_address", "address": added.address}));
    wait_until("its change to be followed", || listed(cluster).len() == 2);
    cluster.send_to_all(Message::text(b"3"), PATIENT).unwrap();
    assert_eq!(added.accept().frame().body, b"3");
}

/// What is said about a key: log, status of the register, status of gateways.
fn told(cluster: &Cluster, of: &str) -> [String; 2] {
    let status: Json = serde_json::to_value(cluster.status()).unwrap();
    [log_lines(of).join("\n"), status.to_string()]
}

/// A key that the register rejects is named as that in the exception the log and the status.
#[test]
fn key_rejected_by_the_register_is_reported_everywhere() {
    let register = register_with("right", &["127.0.0.1:2900"]);
    let address = register_address(&register);
    let cluster = client("register rejects", "Wrong-Key", &[&address]);
    let error = cluster.discover(false, PATIENT).unwrap_err();
    assert!(matches!(&error, Error::RegisterRejected { register } if *register == address), "{error}");
    for text in told(cluster, &address).into_iter().chain([error.to_string()]) {
        assert!(text.contains(&address) && text.contains("secret key is wrong"), "{text}");
        assert!(!text.contains("Wrong-Key"), "{text}");
    }
    let debug = format!("{cluster:?}");
    assert!(!debug.contains("Wrong-Key") && !format!("{error:?}").contains("Wrong-Key"), "{debug}");
}

/// A key that a gateway rejects is named as that in sends and in queries.
#[test]
fn key_rejected_by_a_gateway_is_reported_by_sends_and_queries() {
    let gateways = Devgateway::start(Config { secret: "right".into(), ..Config::default() }).unwrap();
    let address = gateway_address(&gateways, 0);
    let register = register_with("Wrong-Key", &[&address]);
    let cluster = client("gateway rejects", "Wrong-Key", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    let query = cluster.client_count(b"", PATIENT).unwrap_err();
    let mut send = None;
    wait_until("the rejection", || {
        send = cluster.send_to_all(Message::text(b"one"), PATIENT).err();
        matches!(&send, Some(Error::Rejected { .. }))
    });
    let errors = [query, send.unwrap()].map(|error| error.to_string());
    wait_until("the line", || told(cluster, &address)[0].contains("secret key"));
    for text in told(cluster, &address).into_iter().chain(errors) {
        assert!(text.contains(&address) && text.contains("secret key"), "{text}");
        assert!(!text.contains("Wrong-Key"), "{text}");
    }
}

/// A register that vanished costs a fresh list no more than the time to connect.
#[test]
fn vanished_register_costs_a_fresh_list_the_connect_time_out() {
    let register = register_of(&["127.0.0.1:2900"]);
    let proxy = Proxy::to(&register_address(&register));
    proxy.vanish();
    let cluster = client("vanished for good", "", &[&proxy.address]);
    let options = CallOptions { connect_timeout: Duration::from_millis(250), ..PATIENT };
    let error = cluster.discover(false, options).unwrap_err();
    assert!(matches!(error, Error::RegisterSilent { .. }), "{error}");
}
