//! The hand-over between the calling thread and the background, in every order in which they can meet. How to run
//! this: see [`crate::link::send_queue::sync`].

#![allow(clippy::unwrap_used)]

use std::io::{self, IoSlice};
use std::time::Duration;

use gatewayworker_wire::{Command, Head};
use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::receive::query_error::QueryError;

/// A connection. Its lock is loom's as well, so that a writer can be interrupted before it writes.
#[derive(Clone)]
struct Wire {
    pipe: Arc<(Mutex<Pipe>, Condvar)>,
    /// The most that a direct send takes.
    takes: usize,
}

#[derive(Default)]
struct Pipe {
    written: Vec<u8>,
    /// How many replies were read. The gateway has replied to each query that is written.
    read: usize,
}

impl Pipe {
    fn frames(&self) -> Vec<(u32, bool)> {
        let (mut frames, mut rest) = (Vec::new(), &self.written[..]);
        while let Some((frame, len)) = gatewayworker_wire::Frame::decode(rest, 1 << 10).unwrap() {
            let query = Command::try_from(frame.head.command).unwrap().is_query();
            frames.push((frame.head.connection, query));
            rest = &rest[len..];
        }
        frames
    }

    fn queries(&self) -> usize {
        self.frames().iter().filter(|(_, query)| *query).count()
    }
}

impl Wire {
    fn new(takes: usize) -> Self {
        Self { pipe: Arc::new((Mutex::new(Pipe::default()), Condvar::new())), takes }
    }

    fn write(&self, bytes: &[u8]) {
        lock(&self.pipe.0).written.extend_from_slice(bytes);
        self.pipe.1.notify_all();
    }

    /// The commands that have arrived.
    fn numbers(&self) -> Vec<u32> {
        lock(&self.pipe.0)
            .frames()
            .into_iter()
            .filter(|(_, query)| !query)
            .map(|(number, _)| number)
            .collect()
    }

    /// The numbers of all frames: 0 is a query.
    fn order(&self) -> Vec<u32> {
        lock(&self.pipe.0).frames().into_iter().map(|(number, _)| number).collect()
    }

    /// Waits for a reply.
    fn read(&self) {
        let mut pipe = lock(&self.pipe.0);
        while pipe.queries() == pipe.read {
            pipe = self.pipe.1.wait(pipe).unwrap();
        }
        pipe.read += 1;
    }
}

impl Connection for Wire {
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.takes.min(bytes.len());
        self.write(&bytes[..taken]);
        Ok(taken)
    }

    fn send_vectored_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send_now(&slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>())
    }

    fn is_quiet(&self) -> bool {
        let pipe = lock(&self.pipe.0);
        pipe.queries() == pipe.read
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn receive(&self, receiver: &mut Receiver, _: Duration) -> Result<(), QueryError> {
        self.read();
        receiver.passed_over(1);
        Ok(())
    }

    fn shutdown(&self) {}
}

/// What the caller tells the background.
#[derive(Default)]
struct Mail {
    work: bool,
    end: bool,
}

struct Both {
    queue: SendQueue<Wire>,
    mail: Mutex<Mail>,
    posted: Condvar,
}

impl Both {
    fn new(limit: usize, wire: &Wire) -> Arc<Self> {
        let queue = SendQueue::new(limit);
        queue.start();
        queue.online(wire.clone());
        queue.take(&mut Batch::default());
        Arc::new(Self { queue, mail: Mutex::new(Mail::default()), posted: Condvar::new() })
    }

    fn push(&self, number: u32, by_caller: bool) -> Pushed {
        let frame = frame(number);
        let mut turn = if by_caller { Turn::caller() } else { Turn::background() };
        let pushed = self.queue.push(FrameBytes::Copied(&frame), &mut turn);
        if pushed == Pushed::Announce {
            self.post(|mail| mail.work = true);
        }
        pushed
    }

    fn post(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut lock(&self.mail));
        self.posted.notify_one();
    }

    /// The background: does nothing but what it is told. A frame of which it is not told is stranded.
    fn background(&self, mut turn: impl FnMut()) {
        loop {
            let mut mail = lock(&self.mail);
            while !mail.work && !mail.end {
                mail = self.posted.wait(mail).unwrap();
            }
            if !std::mem::take(&mut mail.work) {
                return;
            }
            drop(mail);
            turn();
        }
    }
}

fn frame(number: u32) -> [u8; Head::LEN] {
    Head::new(Command::SendToOne, number).encode(0, 0).unwrap()
}

fn write(batch: &mut Batch, wire: &Wire, most: usize) {
    let bytes: Vec<u8> = batch.slices().iter().flat_map(|slice| slice.to_vec()).take(most).collect();
    wire.write(&bytes);
    batch.advance(bytes.len());
}

fn drain(queue: &SendQueue<Wire>, wire: &Wire) {
    let mut batch = Batch::default();
    while queue.take(&mut batch) {
        write(&mut batch, wire, usize::MAX);
    }
}

/// The caller sends three frames, each lone or not, while the background writes what it is told of.
fn hand_over(lone: [bool; 3], takes: usize) {
    loom::model(move || {
        let wire = Wire::new(takes);
        let both = Both::new(1 << 10, &wire);
        let background = {
            let (both, wire) = (both.clone(), wire.clone());
            thread::spawn(move || both.background(|| drain(&both.queue, &wire)))
        };
        for (number, lone) in (1..).zip(lone) {
            both.push(number, lone);
        }
        both.post(|mail| mail.end = true);
        background.join().unwrap();
        assert_eq!(wire.numbers(), [1, 2, 3]);
        let counters = both.queue.counters();
        assert_eq!((counters.written, counters.queued_bytes), (3, 0));
        assert!(!lock(&both.queue.state).announced, "the turn is the caller's again");
    });
}

#[test]
fn no_frame_overtakes_another_or_is_stranded() {
    for lone in [[true, false, true], [false, true, true], [false, true, false], [false, false, false]] {
        hand_over(lone, usize::MAX);
    }
}

#[test]
fn the_rest_of_a_partial_direct_write_is_neither_overtaken_nor_stranded() {
    hand_over([true, true, true], 3);
    hand_over([true, false, true], 3);
}

#[test]
fn frames_pushed_while_a_connection_is_replaced_go_out_once_and_in_order() {
    loom::model(|| {
        let (first, second) = (Wire::new(usize::MAX), Wire::new(usize::MAX));
        let both = Both::new(1 << 10, &first);
        let background = {
            let (both, first, second) = (both.clone(), first.clone(), second.clone());
            thread::spawn(move || {
                // The end of the connection cuts what is just being written.
                let mut batch = Batch::default();
                if both.queue.take(&mut batch) {
                    write(&mut batch, &first, Head::LEN + 1);
                }
                let failure = Failure { reason: String::new(), rejected: false, at: Instant::now() };
                both.queue.failed(failure, &mut batch);
                both.queue.online(second.clone());
                drain(&both.queue, &second);
                both.background(|| drain(&both.queue, &second));
            })
        };
        for number in 1..=3 {
            both.push(number, number != 2);
        }
        both.post(|mail| mail.end = true);
        background.join().unwrap();
        assert_eq!([first.numbers(), second.numbers()].concat(), [1, 2, 3]);
        assert_eq!(both.queue.counters().written, 3);
    });
}

#[test]
fn a_caller_that_waits_for_room_is_woken() {
    loom::model(|| {
        let wire = Wire::new(usize::MAX);
        let both = Both::new(Head::LEN, &wire);
        let background = {
            let (both, wire) = (both.clone(), wire.clone());
            thread::spawn(move || both.background(|| drain(&both.queue, &wire)))
        };
        both.push(1, false);
        // loom's time-outs never come: without the wake-up this is a dead lock.
        let deadline = Instant::now() + Duration::from_secs(3600);
        while both.push(2, false) == Pushed::Full {
            assert!(both.queue.wait_room(Head::LEN, deadline));
        }
        assert!(both.queue.wait_written(deadline));
        both.post(|mail| mail.end = true);
        background.join().unwrap();
        assert_eq!(wire.numbers(), [1, 2]);
    });
}

/// The caller waits for what the background writes, and reads the reply itself.
#[test]
fn caller_reads_the_reply_to_its_barrier() {
    loom::model(|| {
        let wire = Wire::new(usize::MAX);
        let both = Both::new(1 << 10, &wire);
        let background = {
            let (both, wire) = (both.clone(), wire.clone());
            thread::spawn(move || both.background(|| drain(&both.queue, &wire)))
        };
        both.push(1, false);
        let (barrier, pushed) = both.queue.barrier().unwrap();
        if pushed == Pushed::Announce {
            both.post(|mail| mail.work = true);
        }
        let deadline = Instant::now() + Duration::from_secs(3600);
        assert!(both.queue.wait_confirmed(barrier, deadline).unwrap());
        both.post(|mail| mail.end = true);
        background.join().unwrap();
        assert_eq!(wire.order(), [1, 0]);
    });
}

/// The caller of a query: sends it, reads the replies ahead and its own, and gives the turn back.
fn query(both: &Both, wire: &Wire) -> bool {
    let frame = Head::new(Command::GetClientCountByGroup, 0).encode(0, 0).unwrap();
    let Queried::Sent(mut turn, pushed) = both.queue.query(&frame) else { return false };
    if pushed == Pushed::Announce {
        both.post(|mail| mail.work = true);
    }
    // Its own comes behind those that are due already.
    turn.receiver.pass_over(turn.receiver.ahead() + 1);
    while turn.receiver.ahead() > 0 {
        turn.connection.receive(&mut turn.receiver, Duration::ZERO).unwrap();
    }
    assert!(!wire.numbers().is_empty());
    both.queue.give_back(turn, true);
    true
}

#[test]
fn query_is_behind_all_commands_whoever_writes() {
    for by_caller in [[true, false], [false, false], [false, true]] {
        loom::model(move || {
            let wire = Wire::new(usize::MAX);
            let both = Both::new(1 << 10, &wire);
            let background = {
                let (both, wire) = (both.clone(), wire.clone());
                thread::spawn(move || both.background(|| drain(&both.queue, &wire)))
            };
            both.push(1, by_caller[0]);
            both.push(2, by_caller[1]);
            assert!(query(&both, &wire));
            both.push(3, true);
            both.post(|mail| mail.end = true);
            background.join().unwrap();
            assert_eq!(wire.order(), [1, 2, 0, 3]);
            let state = lock(&both.queue.state);
            assert!(state.due.is_empty() && state.receiver.is_some() && state.confirmed == 2);
        });
    }
}

#[test]
fn cut_query_is_finished_by_the_background() {
    loom::model(|| {
        let wire = Wire::new(Head::LEN + 3);
        let both = Both::new(1 << 10, &wire);
        let background = {
            let (both, wire) = (both.clone(), wire.clone());
            thread::spawn(move || both.background(|| drain(&both.queue, &wire)))
        };
        both.push(1, false);
        assert!(query(&both, &wire));
        both.post(|mail| mail.end = true);
        background.join().unwrap();
        assert_eq!(wire.order(), [1, 0]);
    });
}

/// One has the turn to read; the other one waits for a barrier, and takes the turn when it is free.
#[test]
fn two_callers_with_queries_both_come_to_an_end() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let wire = Wire::new(usize::MAX);
        let both = Both::new(1 << 10, &wire);
        both.push(1, true);
        let other = {
            let (both, wire) = (both.clone(), wire.clone());
            thread::spawn(move || query_or_barrier(&both, &wire))
        };
        query_or_barrier(&both, &wire);
        other.join().unwrap();
        let state = lock(&both.queue.state);
        assert!(state.due.is_empty() && state.receiver.is_some() && state.confirmed == 1);
    });
}

fn query_or_barrier(both: &Both, wire: &Wire) {
    if query(both, wire) {
        return;
    }
    if let Some((barrier, pushed)) = both.queue.barrier() {
        assert_eq!(pushed, Pushed::Done, "nobody else writes");
        let deadline = Instant::now() + Duration::from_secs(3600);
        assert!(both.queue.wait_confirmed(barrier, deadline).unwrap());
    }
}
