//! Gateways that die, return, stand still or lose connections: nothing is lost but what a dead
//! connection had, nothing comes twice, and the others do not notice.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gatewayworker_client::{CallOptions, Cluster, Error, Message};
use gatewayworker_devgateway::{Config, Devgateway, Started};
use serde_json::json;
use support::program::{Gatewayd, numbered};
use support::proxy::{Flow, Proxy, Way};
use support::*;

/// The numbers alone.
fn numbers(gateway: &mut Gatewayd) -> Vec<u32> {
    gateway.numbers().into_iter().map(|(number, _)| number).collect()
}

/// Takes what a gateway gets until the number `last` is there.
fn numbers_until(gateway: &mut Gatewayd, last: u32) -> Vec<u32> {
    let mut taken = Vec::new();
    wait_until("the last frame", || {
        taken.extend(numbers(gateway));
        taken.last() == Some(&last)
    });
    taken
}

fn counter(cluster: &Cluster, address: &str, name: &str) -> u64 {
    status(cluster, address)[name].as_u64().unwrap()
}

/// Sends steadily to three gateways, one of which is killed and started again this many times,
/// `apart` from each other. Prints how long after its start, which takes some milliseconds itself,
/// a returned gateway got its first frame; the longest of these times in µs.
fn kill_and_restart(user: &'static str, times: u32, apart: Duration) -> u64 {
    let mut others = [Gatewayd::gateway(&own_address()), Gatewayd::gateway(&own_address())];
    let mut victim = Gatewayd::gateway(&own_address());
    let address = victim.address();
    let register = register_of(&[&others[0].address(), &address, &others[1].address()]);
    let cluster = client(user, "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    let (stop, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut survived: [Vec<u32>; 2] = Default::default();
    let mut pauses = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let number = sent.load(Ordering::Relaxed) + 1;
                cluster.send_to_all(Message::text(&numbered(number, 100)), PATIENT).unwrap();
                sent.store(number, Ordering::Relaxed);
                // The rate; nothing is waited for.
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let _stop = StopAtEnd(&stop);
        let mut next = 1;
        for killed in 1..=times {
            // It gets what is due, without a gap.
            let alive = Instant::now();
            let mut taken = Vec::new();
            wait_until("frames after the return", || {
                taken.extend(victim.numbers());
                taken.len() >= 10 && alive.elapsed() >= apart
            });
            let (first, came) = taken[0];
            if killed > 1 {
                pauses.push(came.checked_sub(victim.started_at).expect("nothing comes before the start"));
            }
            assert_eq!(first, next, "what waited comes first, and nothing of it twice");
            assert!(
                taken.iter().map(|(number, _)| *number).eq(first..first + taken.len() as u32),
                "{taken:?}"
            );
            // What its connection has, the last few, goes down with it.
            victim.kill();
            wait_until("its end to be noticed", || link_state(cluster, &address) != "online");
            let written = counter(cluster, &address, "written");
            wait_until("frames to wait for it", || counter(cluster, &address, "queued") >= 20);
            assert_eq!(counter(cluster, &address, "written"), written, "to a dead gateway");
            next = u32::try_from(written).unwrap() + 1;
            for (survivor, taken) in others.iter_mut().zip(&mut survived) {
                taken.extend(numbers(survivor));
            }
            victim = Gatewayd::gateway(&address);
        }
        wait_until("the connection", || link_state(cluster, &address) == "online");
        stop.store(true, Ordering::Relaxed);
        let sent_in_all = || sent.load(Ordering::Relaxed);
        wait_until("all to be written", || {
            let status = status(cluster, &address);
            status["queued"] == 0 && status["accepted"] == sent_in_all()
        });
        let total = sent_in_all();
        assert!(numbers_until(&mut victim, total).into_iter().eq(next..=total));
        for (survivor, taken) in others.iter_mut().zip(&mut survived) {
            if taken.last() != Some(&total) {
                taken.extend(numbers_until(survivor, total));
            }
            assert!(taken.iter().copied().eq(1..=total), "the others get everything, in order, once");
            assert_eq!(log_lines(&survivor.address()), [""; 0]);
        }
        let lines = log_lines(&address);
        let events = |event: &str| lines.iter().filter(|line| line.contains(event)).count();
        assert_eq!(events("is back"), times as usize, "{lines:?}");
        // That the connection is lost, and then that another one is refused; not a line per frame
        // or attempt.
        assert!((1..=2 * times as usize).contains(&events("lost")), "{lines:?}");
    });
    let longest = pauses.iter().copied().max().unwrap_or_default();
    println!(
        "{user}: the first frame came at most {longest} µs after the start of the gateway, of {pauses:?}"
    );
    longest
}

/// A gateway that is killed and returns misses only what its dead connection had.
#[test]
fn killed_gateway_misses_only_what_its_connection_held() {
    kill_and_restart("killed", 3, Duration::ZERO);
}

/// A minute of kills loses nothing and sending works again within 300 ms.
#[test]
#[ignore = "takes a minute, and measures: run it alone, with the release profile"]
fn minute_of_kills_loses_nothing_and_recovers_within_300_ms() {
    let longest = kill_and_restart("killed for a minute", 30, Duration::from_secs(2));
    assert!(longest <= 300_000, "{longest} µs");
}

/// What waits for a dead gateway is bounded and comes when it is back.
#[test]
fn queue_of_a_dead_gateway_is_bounded_and_sent_on_return() {
    let mut alive = Gatewayd::gateway(&own_address());
    let dead = dead_address();
    let register = register_of(&[&dead, &alive.address()]);
    let cluster = client("bounded", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    let impatient = CallOptions { connect_timeout: Duration::ZERO, ..PATIENT };
    cluster.send_to_all(Message::text(&numbered(1, 0)), PATIENT).unwrap();
    let mut accepted = vec![1];
    let mut refused = 0;
    for number in 2..=200 {
        // One after the other, so that only the dead one's queue is ever full.
        wait_until("room", || counter(cluster, &alive.address(), "queued_bytes") == 0);
        match cluster.send_to_all(Message::text(&numbered(number, 10_000)), impatient) {
            Ok(()) => accepted.push(number),
            Err(Error::QueueFull { gateway, .. }) => {
                assert_eq!(*gateway, *dead);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 50, "it is bounded");
    let now = status(cluster, &dead);
    assert_eq!((&now["refused"], &now["accepted"]), (&json!(refused), &json!(accepted.len())), "{now}");
    assert!(now["queued_bytes"].as_u64().unwrap() <= SEND_BUFFER as u64, "{now}");
    assert!(numbers_until(&mut alive, 200).into_iter().eq(1..=200), "the other one gets all of it");
    let lines = log_lines(&dead);
    let full: Vec<_> = lines.iter().filter(|line| line.contains("refuses frames")).collect();
    assert_eq!(full.len(), 1, "one line however many frames are refused: {lines:?}");
    assert!(full[0].contains("gatewayworker.send_buffer"), "{full:?}");
    let lost: Vec<_> = lines.iter().filter(|line| line.contains(" lost: ")).collect();
    assert_eq!(lost.len(), 1, "one line however many attempts fail: {lines:?}");
    let mut back = Gatewayd::gateway(&dead);
    assert_eq!(numbers_until(&mut back, *accepted.last().unwrap()), accepted);
}

/// A gateway that does not return is given up counted and told of once when it leaves the list.
#[test]
fn gateway_gone_for_good_is_dropped_counted_and_logged_once() {
    let (dead, alive) = (dead_address(), Peer::listen());
    let register = register_of(&[&dead, &alive.address]);
    let cluster = client("given up", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    for _ in 0..50 {
        cluster.send_to_all(Message::text(b"hi"), PATIENT).unwrap();
    }
    assert_eq!(counter(cluster, &dead, "queued"), 50);
    control(&register, json!({"cmd": "remove_address", "address": dead}));
    let dropped =
        || log_lines(&dead).into_iter().filter(|line| line.contains(" dropped: ")).collect::<Vec<_>>();
    wait_until("the line", || !dropped().is_empty());
    let lines = dropped();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("50 frames"), "{lines:?}");
    // The gateway itself has gone from the status, what it cost has not.
    assert_eq!(listed(cluster), [&*alive.address]);
    let ended = || {
        let ended = cluster.status().ended;
        (ended.links, ended.accepted, ended.written, ended.dropped)
    };
    assert_eq!(ended(), (1, 50, 0, 50));
    // Nor does it go when another one leaves, after the connection that it has read its frames from.
    wait_until("the frames", || counter(cluster, &alive.address, "written") == 50);
    let link = alive.accept();
    control(&register, json!({"cmd": "remove_address", "address": alive.address}));
    assert_eq!(link.frames_until_closed().iter().filter(|frame| !frame.is_barrier()).count(), 50);
    wait_until("the end of its link", || ended() == (2, 100, 50, 50));
}

/// A connection cut at any byte costs only what it had and no frame is torn.
#[test]
fn connection_cut_at_any_byte_tears_no_frame() {
    let frame = 28 + 100;
    // Between frames, in a length, in a head, in a body, in the last byte.
    for cut in [0, 1, 3, 4, 27, 28, 29, frame - 1, frame, frame + 2, 10 * frame + 64] {
        let cut_after = 5 * frame + cut;
        let gateway =
            Devgateway::start(Config { record: true, register: None, ..Config::default() }).unwrap();
        let proxy = Proxy::to(&gateway_address(&gateway, 0));
        proxy.set(Way::There, Flow::CutAfter(cut_after));
        let cluster = worker("cut anywhere", &[]);
        cluster.follow(&[&proxy.address]);
        let mut sent = 0;
        let mut send = || {
            sent += 1;
            cluster.send_to_all(Message::text(&numbered(sent, 100)), PATIENT).unwrap();
            sent
        };
        wait_until("the cut", || {
            send();
            proxy.has_cut(Way::There)
        });
        wait_until("another connection", || proxy.accepted() >= 2);
        let last = (0..50).map(|_| send()).next_back().unwrap();
        let mut bodies: Vec<(u64, u32)> = Vec::new();
        wait_until("the last frame", || {
            let taken = control(&gateway, json!({"cmd": "take_frames", "gateway": 0}));
            for frame in taken["frames"].as_array().unwrap().iter().filter(|frame| frame["command"] == 6) {
                let hex = frame["hex"].as_str().unwrap();
                assert_eq!(hex.len(), 2 * (28 + 100), "a frame comes whole");
                let digits: Vec<u8> = hex.as_bytes()[56..76].chunks(2).map(|pair| pair[1]).collect();
                let number = std::str::from_utf8(&digits).unwrap().parse().unwrap();
                bodies.push((frame["connection"].as_u64().unwrap(), number));
            }
            bodies.last().is_some_and(|(_, number)| *number == last)
        });
        let first: Vec<u32> = bodies.iter().filter(|(on, _)| *on == bodies[0].0).map(|(_, n)| *n).collect();
        let rest: Vec<u32> = bodies.iter().map(|(_, number)| *number).skip(first.len()).collect();
        assert!(
            first.iter().copied().eq(1..=u32::try_from(cut_after / frame).unwrap()),
            "cut {cut}: {first:?}"
        );
        assert!(rest[0] > *first.last().unwrap(), "nothing twice: cut {cut}: {bodies:?}");
        assert!(rest.iter().copied().eq(rest[0]..=last), "without a gap: cut {cut}: {rest:?}");
        cluster.follow::<&str>(&[]);
    }
}

/// A gateway that is killed while it does not read gets the frame that was cut and all behind it.
#[test]
fn gateway_killed_while_stalled_gets_the_cut_frame_and_the_rest() {
    const LEN: usize = 50_000;
    let mut gateway = Gatewayd::gateway(&own_address());
    let address = gateway.address();
    let cluster = worker("killed while full", &[]);
    cluster.follow(&[&address]);
    let mut sent = 0;
    let mut send = || {
        let sending = cluster.send_to_all(Message::text(&numbered(sent + 1, LEN)), PATIENT);
        sent += u32::from(sending.is_ok());
        sent
    };
    send();
    assert_eq!(numbers_until(&mut gateway, 1), [1]);
    gateway.stop();
    // Until the kernel takes no more: then the link is in the middle of a frame, and the queue
    // full.
    loop {
        let before = counter(cluster, &address, "accepted");
        send();
        if counter(cluster, &address, "accepted") == before && is_stuck(cluster, &address) {
            break;
        }
    }
    let waiting = counter(cluster, &address, "queued");
    gateway.kill();
    wait_until("its end to be noticed", || link_state(cluster, &address) != "online");
    let counters = status(cluster, &address);
    assert_eq!(counters["queued"], waiting, "what was not handed over goes on waiting: {counters}");
    let written = u32::try_from(counters["written"].as_u64().unwrap()).unwrap();
    assert!(written < sent, "{counters}");
    assert_eq!(
        counters["queued_bytes"],
        u64::from(sent - written) * (28 + LEN as u64),
        "whole frames: {counters}"
    );
    let mut gateway = Gatewayd::gateway(&address);
    assert!(numbers_until(&mut gateway, sent).into_iter().eq(written + 1..=sent));
}

/// A gateway that stands still for longer than any time-out loses nothing.
#[test]
#[ignore = "takes a minute"]
fn stalled_gateway_loses_nothing_beyond_any_time_out() {
    let mut gateway = Gatewayd::gateway(&own_address());
    let address = gateway.address();
    let cluster = worker("stands still", &[]);
    cluster.follow(&[&address]);
    let mut sent = 0;
    let mut send = || {
        let sending = cluster.send_to_all(Message::text(&numbered(sent + 1, 50_000)), PATIENT);
        sent += u32::from(sending.is_ok());
        sending.is_ok()
    };
    assert!(send());
    assert_eq!(numbers_until(&mut gateway, 1), [1]);
    gateway.stop();
    while send() || !is_stuck(cluster, &address) {}
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(60) {
        assert_eq!(link_state(cluster, &address), "online", "after {:?}", since.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    gateway.go_on();
    assert!(numbers_until(&mut gateway, sent).into_iter().eq(2..=sent));
    assert_eq!(log_lines(&address).iter().filter(|line| line.contains("lost")).count(), 0);
}

/// Two gateways that do their part, and one that is there but stands still.
struct Stopped {
    others: [Gatewayd; 2],
    stopped: Gatewayd,
}

impl Stopped {
    fn start() -> Self {
        let [first, second, stopped] = [(); 3].map(|()| Gatewayd::gateway(&own_address()));
        Self { others: [first, second], stopped }
    }

    fn addresses(&self) -> [String; 3] {
        [self.stopped.address(), self.others[0].address(), self.others[1].address()]
    }

    /// Connects to all and stops the one.
    fn stop(&mut self, cluster: &Cluster) {
        cluster.send_to_all(Message::text(&numbered(1, 0)), PATIENT).unwrap();
        let [first, second] = &mut self.others;
        for gateway in [&mut self.stopped, first, second] {
            assert_eq!(numbers_until(gateway, 1), [1]);
        }
        self.stopped.stop();
    }
}

/// In worker mode a stopped gateway delays nobody and what it misses is refused at once.
#[test]
fn in_worker_mode_a_stalled_gateway_delays_nobody() {
    let mut gateways = Stopped::start();
    let addresses = gateways.addresses();
    let cluster = worker("stopped", &[]);
    cluster.follow(&addresses);
    gateways.stop(cluster);
    // It is never waited for.
    let options = CallOptions {
        connect_timeout: Duration::from_secs(3600),
        query_timeout: Duration::from_secs(3600),
        ..PATIENT
    };
    let (mut number, mut refused, mut accepted) = (1, 0, Vec::new());
    while refused < 100 {
        number += 1;
        assert!(number < 2000, "there is an end to it");
        match cluster.send_to_all(Message::text(&numbered(number, 50_000)), options) {
            Ok(()) => accepted.push(number),
            Err(Error::QueueFull { gateway, .. }) => {
                assert_eq!(*gateway, *addresses[0]);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(counter(cluster, &addresses[0], "queued_bytes") <= SEND_BUFFER as u64);
        for other in &mut gateways.others {
            // Right now, while the one stands still.
            assert_eq!(numbers_until(other, number), [number]);
        }
    }
    assert_eq!(counter(cluster, &addresses[0], "refused"), refused);
    let lines = log_lines(&addresses[0]);
    assert_eq!(lines.len(), 1, "the log names who did not get it, once: {lines:?}");
    assert!(lines[0].contains("refuses frames"), "{lines:?}");
    for other in &addresses[1..] {
        assert_eq!(log_lines(other), [""; 0]);
        assert_eq!(counter(cluster, other, "refused"), 0);
    }
    gateways.stopped.go_on();
    assert_eq!(numbers_until(&mut gateways.stopped, *accepted.last().unwrap()), accepted);
}

/// In client mode a fan-out waits for a stopped gateway as long as told after the others have got
/// theirs.
#[test]
fn in_client_mode_a_fan_out_waits_for_a_stalled_gateway_last() {
    let mut gateways = Stopped::start();
    let addresses = gateways.addresses();
    let register = register_of(&addresses.each_ref().map(String::as_str));
    let cluster = client("stopped", "", &[&register_address(&register)]);
    cluster.discover(false, PATIENT).unwrap();
    gateways.stop(cluster);
    let options = CallOptions { connect_timeout: Duration::from_millis(200), ..PATIENT };
    let (mut number, mut accepted) = (1, Vec::new());
    loop {
        number += 1;
        assert!(number < 2000, "there is an end to it");
        let start = Instant::now();
        let sent = cluster.send_to_all(Message::text(&numbered(number, 50_000)), options);
        for other in &mut gateways.others {
            assert_eq!(numbers_until(other, number), [number], "whether it throws or not");
        }
        match sent {
            Ok(()) => accepted.push(number),
            Err(Error::QueueFull { gateway, .. }) => {
                assert_eq!(*gateway, *addresses[0]);
                assert!(start.elapsed() >= options.connect_timeout, "it has waited for room");
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(counter(cluster, &addresses[0], "refused"), 1);
    let lines = log_lines(&addresses[0]);
    assert!(lines.len() == 1 && lines[0].contains("refuses frames"), "{lines:?}");
    // A caller with more options gets its room.
    number += 1;
    accepted.push(number);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| cluster.send_to_all(Message::text(&numbered(number, 50_000)), PATIENT));
        assert_eq!(numbers_until(&mut gateways.others[0], number), [number]);
        assert!(!sending.is_finished());
        gateways.stopped.go_on();
        sending.join().unwrap().unwrap();
    });
    assert_eq!(numbers_until(&mut gateways.stopped, number), accepted);
}

#[test]
fn a_slow_gateway_gets_everything_in_order() {
    let gateway = Devgateway::start(Config { record: true, register: None, ..Config::default() }).unwrap();
    let proxy = Proxy::to(&gateway_address(&gateway, 0));
    // The smallest pieces that still are quick enough for a test; they tear each head.
    proxy.set(Way::There, Flow::Pieces { len: 19, pause: Duration::from_micros(20) });
    let cluster = worker("slow", &[]);
    cluster.follow(&[&proxy.address]);
    for number in 1..=300 {
        cluster.send_to_all(Message::text(&numbered(number, 0)), PATIENT).unwrap();
    }
    let mut frames = Vec::new();
    wait_until("all frames", || {
        let taken = control(&gateway, json!({"cmd": "take_frames", "gateway": 0}));
        frames.extend(taken["frames"].as_array().unwrap().clone());
        frames.len() == 300
    });
    for (frame, number) in frames.iter().zip(1..) {
        let body = hex_of(&numbered(number, 0));
        assert!(frame["hex"].as_str().unwrap().ends_with(&body), "{frame}");
    }
}

#[test]
fn a_slow_gateway_delays_no_other_one() {
    let gateways = [(); 2]
        .map(|()| Devgateway::start(Config { record: true, register: None, ..Config::default() }).unwrap());
    let [slow, other] = &gateways;
    let proxy = Proxy::to(&gateway_address(slow, 0));
    // A frame of 50 kB takes more than twice the safety net to come through.
    proxy.set(Way::There, Flow::Pieces { len: 19, pause: SAFETY_NET / 1000 });
    let cluster = worker("slow beside another", &[]);
    cluster.follow(&[&proxy.address, &gateway_address(other, 0)]);
    let take = |gateway: &Started| {
        let taken = control(gateway, json!({"cmd": "take_frames", "gateway": 0}));
        let frames = taken["frames"].as_array().unwrap().iter();
        frames.map(|frame| frame["hex"].as_str().unwrap()[56..].to_owned()).collect::<Vec<_>>()
    };
    let body = |number| hex_of(&numbered(number, 50_000));
    let mut sent = 0;
    // Until the kernel takes nothing more for it, and frames wait in the queue.
    while counter(cluster, &proxy.address, "queued_bytes") < SEND_BUFFER as u64 / 2 {
        sent += 1;
        cluster.send_to_all(Message::text(&numbered(sent, 50_000)), PATIENT).unwrap();
        let mut came = Vec::new();
        wait_until("the other one to get it while this one does not", || {
            came.extend(take(other));
            !came.is_empty()
        });
        assert!(came == [body(sent)], "frame {sent}");
        assert_eq!(take(slow), [""; 0]);
    }
    assert_eq!(counter(cluster, &proxy.address, "refused"), 0);
    proxy.set(Way::There, Flow::Pieces { len: 60_001, pause: Duration::from_micros(20) });
    let mut came = Vec::new();
    wait_until("the slow one to have all", || {
        came.extend(take(slow));
        came.len() == sent as usize
    });
    assert!(came.into_iter().eq((1..=sent).map(body)), "in order, each once");
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
