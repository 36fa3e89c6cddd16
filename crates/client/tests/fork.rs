//! What a fork leaves to the child: nothing. A test binary of its own, since children copy all that
//! is in the process.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{PipeReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatewayworker_client::wire::{Command, Frame};
use gatewayworker_client::{CallOptions, Message, Process, fork::generation};
use gatewayworker_devgateway::{Config, Devgateway};
use serde_json::json;
use support::*;

/// One test at a time: a child also copies the sockets of peers, and keeps them open.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A forked process. What it says is empty when all went well.
struct Child {
    pid: libc::pid_t,
    says: PipeReader,
}

impl Child {
    /// Forks; the child runs `work` and ends.
    fn fork(work: impl FnOnce()) -> Self {
        let (says, mut out) = std::io::pipe().unwrap();
        // SAFETY: the child runs code of this process that needs no other thread, and ends with
        // _exit().
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "{}", std::io::Error::last_os_error());
        if pid > 0 {
            return Self { pid, says };
        }
        // Whatever happens to the parent, no child stays behind.
        // SAFETY: a system call without any preconditions.
        unsafe { libc::alarm(60) };
        std::panic::set_hook(Box::new(|_| {}));
        let mut code = 0;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            let _ = out.write_all(text.as_bytes());
            code = 1;
        }
        // SAFETY: ends the process; nothing has to be cleaned up in the child.
        unsafe { libc::_exit(code) }
    }

    /// Waits for its end, which has to be a good one.
    fn wait(mut self) {
        let mut status = 0;
        let mut gone = false;
        let waited = catch_unwind(AssertUnwindSafe(|| {
            wait_until("a child's end", || {
                // SAFETY: the pid is that of a child of ours which was not waited for yet.
                gone = unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) } == self.pid;
                gone
            });
        }));
        if !gone {
            // SAFETY: as above: it is still our child.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
        let mut said = String::new();
        self.says.read_to_string(&mut said).unwrap();
        assert!(waited.is_ok(), "a child hangs");
        assert_eq!((status, &*said), (0, ""));
    }
}

/// Children use connections of their own and nothing is sent twice.
#[test]
fn children_use_their_own_connections_and_send_nothing_twice() {
    const CHILDREN: u32 = 20;
    let _alone = alone();
    let gateways = Devgateway::start(Config { secret: "key".into(), ..Config::default() }).unwrap();
    let (register, gateway) = (register_address(&gateways), gateway_address(&gateways, 0));
    control(&gateways, json!({"cmd": "frames", "gateway": 0, "on": true}));
    let cluster = client("own", "key", &[&register]);
    cluster.discover(false, PATIENT).unwrap();
    // A gateway that does not read yet: the parent's frames for it wait in its queue.
    let full = Peer::listen();
    let waiting = worker("full", &[&full]);
    let body = vec![b'x'; 60_000];
    let mut accepted = 0;
    while waiting.send_to_client(full.id(accepted + 1), Message::text(&body), PATIENT).is_ok() {
        accepted += 1;
    }
    let send = |cluster: &gatewayworker_client::Cluster, number| {
        cluster.send_to_client(id(&gateway, number), Message::text(b"hi"), PATIENT).unwrap();
    };
    for child in 1..=CHILDREN {
        // In the middle of a burst, with connections for queries open.
        for n in 0..50 {
            send(cluster, child * 1000 + n);
        }
        let parent_generation = generation();
        let forked = Child::fork(|| {
            assert_eq!(generation(), parent_generation + 1);
            assert!(Process::existing().is_none(), "the parent's state is not the child's");
            let cluster = client("own", "key", &[&register]);
            cluster.discover(false, PATIENT).unwrap();
            for n in 500..510 {
                send(cluster, child * 1000 + n);
            }
            // This one is answered when all of them have been processed.
            assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0);
            if child % 4 == 0 {
                let ended = Process::shutdown(SAFETY_NET);
                assert_eq!(ended.undelivered, []);
            }
        });
        assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0, "the parent goes on");
        forked.wait();
    }
    assert_eq!(cluster.client_count(b"", PATIENT).unwrap(), 0);

    let taken = control(&gateways, json!({"cmd": "take_frames", "gateway": 0}));
    let mut by_connection: std::collections::BTreeMap<u64, Vec<u32>> = Default::default();
    for frame in taken["frames"].as_array().unwrap() {
        if frame["command"] == Command::SendToOne as u8 {
            let hex = frame["hex"].as_str().unwrap();
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            let (frame_read, _) = Frame::decode(&bytes, usize::MAX).unwrap().unwrap();
            let connection = frame["connection"].as_u64().unwrap();
            by_connection.entry(connection).or_default().push(frame_read.head.connection);
        }
    }
    let mut sent: Vec<Vec<u32>> = by_connection.into_values().collect();
    sent.sort();
    let mut due: Vec<Vec<u32>> =
        (1..=CHILDREN).map(|child| (500..510).map(|n| child * 1000 + n).collect()).collect();
    due.push((1..=CHILDREN).flat_map(|child| (0..50).map(move |n| child * 1000 + n)).collect());
    due.sort();
    assert!(sent == due, "each process has one link, on which its frames are in order and once: {sent:?}");

    // What waited at the forks comes from the parent alone, on one connection.
    let mut link = full.accept();
    assert!(link.numbers(accepted as usize).into_iter().eq(1..=accepted));
    assert!(full.pending().is_none());
}

/// A connection ends when the parent ends it though a child lives on.
#[test]
fn connection_ends_with_the_parent_while_a_child_lives_on() {
    let _alone = alone();
    let (peer, register) = (Peer::listen(), Peer::listen());
    let cluster = worker("ends", &[&peer]);
    cluster.send_to_client(peer.id(1), Message::text(b"hi"), PATIENT).unwrap();
    let mut link = peer.accept();
    link.expect(Command::SendToOne);
    let list = b"{\"event\":\"broadcast_addresses\",\"addresses\":[\"127.0.0.1:2900\"]}\n";
    let subscribed = client("subscribed", "", &[&register.address]);
    let (hold, mut release) = std::io::pipe().unwrap();
    let impatient = CallOptions { query_timeout: Duration::from_millis(50), ..PATIENT };
    std::thread::scope(|scope| {
        let discovering = scope.spawn(|| subscribed.discover(false, PATIENT));
        let mut subscription = register.accept();
        subscription.line();
        subscription.send(list);
        discovering.join().unwrap().unwrap();

        // The first one goes behind the command, on the link.
        assert_eq!(count_behind_commands(cluster, &mut link), 1);
        let asking = scope.spawn(|| cluster.client_count(b"", PATIENT));
        let mut query = peer.accept();
        query.expect(Command::GetClientCountByGroup);
        query.reply("i:1;");
        asking.join().unwrap().unwrap();

        let child = Child::fork(|| {
            // It does nothing at all until it is released.
            let _ = (&hold).read(&mut [0]);
        });

        // A query that is not answered in time: its connection is given up.
        let asking = scope.spawn(|| cluster.client_count(b"", impatient));
        query.expect(Command::GetClientCountByGroup);
        assert!(asking.join().unwrap().is_err());
        assert!(query.is_closed());

        // The register is asked afresh, on a new connection.
        let discovering = scope.spawn(|| subscribed.discover(true, PATIENT));
        let mut fresh = register.accept();
        fresh.send(list);
        discovering.join().unwrap().unwrap();
        assert!(subscription.is_closed());

        // The gateway leaves the cluster. No barrier goes before the end: nothing is outstanding.
        cluster.follow::<&str>(&[]);
        assert!(link.is_closed());

        // And the subscription ends with the background.
        Process::shutdown(SAFETY_NET);
        fresh.line();
        assert!(fresh.is_closed());

        release.write_all(b"!").unwrap();
        child.wait();
    });
}

#[test]
fn a_child_of_a_child_has_connections_of_its_own_too() {
    let _alone = alone();
    let peer = Peer::listen();
    let id_of = |number| peer.id(number);
    let started = register_of(&[&peer.address]);
    let register = register_address(&started);
    let send = |number| {
        let cluster = client("nested", "", &[&register]);
        cluster.send_to_client(id_of(number), Message::text(b"hi"), PATIENT).unwrap();
    };
    send(1);
    let child = Child::fork(|| {
        send(2);
        Child::fork(|| {
            send(3);
            assert_eq!(Process::shutdown(SAFETY_NET).undelivered, []);
        })
        .wait();
        assert_eq!(Process::shutdown(SAFETY_NET).undelivered, []);
    });
    child.wait();
    assert_eq!(Process::shutdown(SAFETY_NET).undelivered, []);
    let mut links = [peer.accept(), peer.accept(), peer.accept()];
    let mut numbers = links.each_mut().map(|link| link.frame().connection);
    numbers.sort();
    assert_eq!(numbers, [1, 2, 3]);
}
