//! The hand-over between the calling thread and the background, in every order in which they can meet. How to run
//! this: see [`crate::link::send_queue::sync`].

#![allow(clippy::unwrap_used)]

use std::io;
use std::time::Duration;

use gatewayworker_wire::{Command, Head};
use loom::sync::Arc;
use loom::thread;

use super::*;

/// A connection. Its lock is loom's as well, so that a writer can be interrupted before it writes.
#[derive(Clone, Debug)]
struct Wire {
    written: Arc<Mutex<Vec<u8>>>,
    /// The most that a direct send takes.
    takes: usize,
}

impl Wire {
    fn new(takes: usize) -> Self {
        Self { written: Arc::new(Mutex::new(Vec::new())), takes }
    }

    fn numbers(&self) -> Vec<u32> {
        let written = lock(&self.written);
        let (mut numbers, mut rest) = (Vec::new(), &written[..]);
        while let Some((frame, len)) = gatewayworker_wire::Frame::decode(rest, 1 << 10).unwrap() {
            if frame.head.command != BARRIER as u8 {
                numbers.push(frame.head.connection);
            }
            rest = &rest[len..];
        }
        numbers
    }
}

impl Sink for Wire {
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.takes.min(bytes.len());
        lock(&self.written).extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
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

    fn push(&self, number: u32, lone_allowed: bool) -> Pushed {
        let frame = frame(number);
        let pushed = self.queue.push(FrameBytes::Copied(&frame), lone_allowed);
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
    lock(&wire.written).extend_from_slice(&bytes);
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

#[test]
fn a_caller_that_waits_for_a_barrier_is_woken() {
    loom::model(|| {
        let wire = Wire::new(usize::MAX);
        let both = Both::new(1 << 10, &wire);
        let background = {
            let (both, wire) = (both.clone(), wire.clone());
            thread::spawn(move || {
                both.background(|| {
                    drain(&both.queue, &wire);
                    if lock(&wire.written).len() == 2 * Head::LEN {
                        assert!(both.queue.confirm());
                    }
                });
            })
        };
        both.push(1, true);
        let (barrier, pushed) = both.queue.barrier().unwrap();
        if pushed == Pushed::Announce {
            both.post(|mail| mail.work = true);
        }
        let deadline = Instant::now() + Duration::from_secs(3600);
        assert!(both.queue.wait_confirmed(barrier, deadline).unwrap());
        both.post(|mail| mail.end = true);
        background.join().unwrap();
    });
}
