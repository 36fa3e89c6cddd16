#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gatewayworker_wire::{Command, Head};

use super::chunk::CHUNK;
use super::*;
use crate::link::frame::SHARED_FROM;
use crate::receive::query_error::QueryError;

/// A connection whose kernel takes as much as the test says.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    /// What the next direct sends answer: `None` is an error; without a script, all is taken.
    takes: VecDeque<Option<usize>>,
    written: Vec<u8>,
    /// How many replies have come that nobody has read, and how often somebody has looked.
    replies: usize,
    looks: usize,
    ended: bool,
}

impl Wire {
    fn scripted(takes: &[Option<usize>]) -> Self {
        let script = Script { takes: takes.iter().copied().collect(), ..Script::default() };
        Self(Arc::new(Mutex::new(script)))
    }

    fn written(&self) -> Vec<u8> {
        lock(&self.0).written.clone()
    }

    /// The frames that have arrived whole, by their numbers, barriers left out.
    fn numbers(&self) -> Vec<u32> {
        parse(&self.written()).0.into_iter().filter(|frame| !frame.query).map(|frame| frame.number).collect()
    }

    /// How many queries have arrived whole, barriers among them.
    fn queries(&self) -> usize {
        parse(&self.written()).0.iter().filter(|frame| frame.query).count()
    }

    fn reply(&self) {
        lock(&self.0).replies += 1;
    }
}

impl Connection for Wire {
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut script = lock(&self.0);
        let taken = match script.takes.pop_front() {
            Some(Some(most)) => most.min(bytes.len()),
            Some(None) => return Err(io::ErrorKind::BrokenPipe.into()),
            None => bytes.len(),
        };
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        script.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn send_vectored_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send_now(&slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>())
    }

    fn is_quiet(&self) -> bool {
        lock(&self.0).replies == 0
    }

    fn is_closed(&self) -> bool {
        lock(&self.0).ended
    }

    fn receive(&self, receiver: &mut Receiver, _: Duration) -> Result<(), QueryError> {
        let mut script = lock(&self.0);
        script.looks += 1;
        let come = script.replies.min(receiver.ahead());
        script.replies -= come;
        receiver.passed_over(come);
        if script.ended {
            return Err(QueryError::Closed { clean: true, error: io::ErrorKind::UnexpectedEof.into() });
        }
        Ok(())
    }

    fn shutdown(&self) {
        lock(&self.0).ended = true;
    }
}

struct Received {
    number: u32,
    query: bool,
}

/// The whole frames of a connection, and the bytes of the one that its end has cut.
fn parse(bytes: &[u8]) -> (Vec<Received>, Vec<u8>) {
    let (mut received, mut rest) = (Vec::new(), bytes);
    while let Some((frame, len)) = gatewayworker_wire::Frame::decode(rest, usize::MAX).unwrap() {
        let query = Command::try_from(frame.head.command).unwrap().is_query();
        assert!(
            frame.body.iter().all(|byte| *byte == frame.head.connection as u8),
            "the bytes of a frame belong together"
        );
        received.push(Received { number: frame.head.connection, query });
        rest = &rest[len..];
    }
    (received, rest.to_vec())
}

/// A frame that is known by its number.
fn frame(number: u32, body: usize) -> Vec<u8> {
    Head::new(Command::SendToOne, number).frame(b"", &vec![number as u8; body]).unwrap()
}

fn small(number: u32) -> Vec<u8> {
    frame(number, 4)
}

/// The length of [`small`].
const SMALL: usize = Head::LEN + 4;

fn copied(queue: &SendQueue<Wire>, number: u32) -> Pushed {
    queue.push(FrameBytes::Copied(&small(number)), &mut Turn::background())
}

/// A frame that its caller writes, wherever it may.
fn lone(queue: &SendQueue<Wire>, number: u32) -> Pushed {
    queue.push(FrameBytes::Copied(&small(number)), &mut Turn::caller())
}

/// A query of the link.
fn query(queue: &SendQueue<Wire>) -> Queried<Wire> {
    queue.query(&Head::new(Command::GetClientCountByGroup, 0).encode(0, 0).unwrap())
}

fn sent(queried: Queried<Wire>) -> (ReadTurn<Wire>, Pushed) {
    match queried {
        Queried::Sent(turn, pushed) => (turn, pushed),
        Queried::NotNeeded => panic!("nothing is outstanding"),
        Queried::Unavailable => panic!("the link does not carry it"),
        Queried::Broken(reason) => panic!("{reason}"),
    }
}

/// The gateway replies to the next query, and somebody reads it. False: none was due.
fn confirm(queue: &SendQueue<Wire>, wire: &Wire) -> bool {
    let due = lock(&queue.state).due.len();
    if due > 0 {
        wire.reply();
    }
    queue.read_now();
    lock(&queue.state).due.len() < due
}

fn outstanding(queue: &SendQueue<Wire>) -> bool {
    let state = lock(&queue.state);
    state.issued > state.confirmed
}

fn failure() -> Failure {
    Failure { reason: "lost".into(), rejected: false, at: Instant::now() }
}

const PLENTY: usize = 1 << 20;

/// A queue whose connection is there, and where it is the callers' turn.
fn online(limit: usize, wire: &Wire) -> SendQueue<Wire> {
    let queue = SendQueue::new(limit);
    assert!(queue.start());
    queue.online(wire.clone());
    assert!(!queue.take(&mut Batch::default()));
    queue
}

/// Writes `most` bytes of a batch, as the background does.
fn write(batch: &mut Batch, wire: &Wire, most: usize) -> usize {
    let bytes: Vec<u8> = batch.slices().iter().flat_map(|slice| slice.to_vec()).take(most).collect();
    lock(&wire.0).written.extend_from_slice(&bytes);
    batch.advance(bytes.len());
    bytes.len()
}

/// The background's turn, to its end.
fn drain(queue: &SendQueue<Wire>, wire: &Wire) {
    let mut batch = Batch::default();
    while queue.take(&mut batch) {
        write(&mut batch, wire, usize::MAX);
    }
}

fn assert_adds_up(counters: Counters) {
    assert_eq!(counters.accepted, counters.written + counters.queued + counters.dropped, "{counters:?}");
}

// ---- who writes ----

#[test]
fn a_lone_frame_goes_directly_and_nobody_is_told() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert_eq!(lone(&queue, 1), Pushed::Done);
    assert_eq!(lone(&queue, 2), Pushed::Done);
    assert_eq!(wire.numbers(), [1, 2]);
    let counters = queue.counters();
    assert_eq!((counters.direct, counters.written, counters.queued, counters.queued_bytes), (2, 2, 0, 0));
}

#[test]
fn frames_of_a_burst_announce_once_and_keep_their_order() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert_eq!(lone(&queue, 1), Pushed::Done);
    let pushed: Vec<_> = (2..=5).map(|n| copied(&queue, n)).collect();
    assert_eq!(pushed, [Pushed::Announce, Pushed::Done, Pushed::Done, Pushed::Done]);
    assert_eq!(wire.numbers(), [1], "those of the burst wait for the background");
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1, 2, 3, 4, 5]);
    assert_eq!(queue.counters().batches, 1);
}

#[test]
fn frame_for_the_background_never_goes_directly() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert_eq!(copied(&queue, 1), Pushed::Announce);
    assert!(wire.written().is_empty());
}

#[test]
fn no_lone_frame_overtakes_one_that_waits() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert_eq!(copied(&queue, 1), Pushed::Announce);
    assert_eq!(lone(&queue, 2), Pushed::Done);
    let mut batch = Batch::default();
    assert!(queue.take(&mut batch));
    // The queue itself is empty now, but the batch is not written.
    assert_eq!(lone(&queue, 3), Pushed::Done);
    assert!(wire.written().is_empty());
    write(&mut batch, &wire, usize::MAX);
    // Still the background's turn: it has not looked whether there is more.
    assert_eq!(lone(&queue, 4), Pushed::Done);
    assert_eq!(wire.numbers(), [1, 2]);
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1, 2, 3, 4]);
    assert_eq!(lone(&queue, 5), Pushed::Done);
    assert_eq!(wire.numbers(), [1, 2, 3, 4, 5]);
    assert_eq!(queue.counters().direct, 1);
}

#[test]
fn a_partial_direct_write_leaves_the_rest_to_the_background() {
    let wire = Wire::scripted(&[Some(10)]);
    let queue = online(PLENTY, &wire);
    assert_eq!(lone(&queue, 1), Pushed::Announce);
    assert_eq!(lone(&queue, 2), Pushed::Done, "it must not get between the two parts");
    let counters = queue.counters();
    assert_eq!((counters.queued, counters.queued_bytes, counters.written_bytes), (2, 2 * SMALL - 10, 10));
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1, 2]);
    let counters = queue.counters();
    assert_eq!((counters.written, counters.direct, counters.written_bytes), (2, 0, 2 * SMALL as u64));
    assert_eq!(counters.queued_bytes, 0);
}

#[test]
fn a_direct_write_that_fails_or_finds_no_room_leaves_the_frame_to_the_background() {
    for taken in [None, Some(0)] {
        let wire = Wire::scripted(&[taken]);
        let queue = online(PLENTY, &wire);
        assert_eq!(lone(&queue, 1), Pushed::Announce);
        assert!(wire.written().is_empty());
        drain(&queue, &wire);
        assert_eq!(wire.numbers(), [1]);
    }
}

#[test]
fn frames_from_before_the_connection_go_before_lone_ones() {
    let wire = Wire::default();
    let queue = SendQueue::new(PLENTY);
    assert_eq!(lone(&queue, 1), Pushed::Announce);
    assert!(queue.start() && !queue.start(), "one caller starts the link");
    queue.online(wire.clone());
    assert_eq!(lone(&queue, 2), Pushed::Done);
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1, 2]);
}

#[test]
fn a_large_frame_is_shared_and_not_copied() {
    let wire = Wire::default();
    let queues = [online(PLENTY, &wire), online(PLENTY, &wire)];
    let large = Bytes::from(frame(1, SHARED_FROM));
    for queue in &queues {
        assert_eq!(queue.push(FrameBytes::Shared(&large), &mut Turn::background()), Pushed::Announce);
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch));
        assert_eq!(batch.slices()[0].as_ptr(), large.as_ptr());
    }
}

#[test]
fn small_frames_are_joined_and_large_ones_stay_in_their_place() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    let large = Bytes::from(frame(3, SHARED_FROM));
    copied(&queue, 1);
    copied(&queue, 2);
    queue.push(FrameBytes::Shared(&large), &mut Turn::background());
    copied(&queue, 4);
    let mut batch = Batch::default();
    assert!(queue.take(&mut batch));
    let lengths: Vec<usize> = batch.slices().iter().map(|slice| slice.len()).collect();
    assert_eq!(lengths, [2 * SMALL, large.len(), SMALL]);
    write(&mut batch, &wire, usize::MAX);
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1, 2, 3, 4]);
}

// ---- bounds ----

#[test]
fn the_queue_is_bounded_in_bytes_until_they_are_written() {
    let wire = Wire::default();
    let queue = online(3 * SMALL, &wire);
    for number in 1..=3 {
        assert_ne!(copied(&queue, number), Pushed::Full);
    }
    assert_eq!(copied(&queue, 4), Pushed::Full);
    let mut batch = Batch::default();
    assert!(queue.take(&mut batch));
    assert_eq!(copied(&queue, 4), Pushed::Full, "what is being written takes room as well");
    write(&mut batch, &wire, SMALL);
    queue.settle(&mut batch);
    assert_eq!(copied(&queue, 4), Pushed::Done);
    assert_eq!(copied(&queue, 5), Pushed::Full);
    write(&mut batch, &wire, usize::MAX);
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1, 2, 3, 4]);
    assert_eq!(queue.counters().accepted, 4, "a frame that found no room is not counted as accepted");
}

#[test]
fn a_frame_over_the_limit_is_taken_as_long_as_the_limit_is_not_reached() {
    let wire = Wire::default();
    let queue = online(100, &wire);
    let oversized = frame(1, 1000);
    assert_eq!(queue.push(FrameBytes::Copied(&oversized), &mut Turn::background()), Pushed::Announce);
    assert_eq!(queue.push(FrameBytes::Copied(&frame(2, 1000)), &mut Turn::background()), Pushed::Full);
    assert_eq!(copied(&queue, 3), Pushed::Full);
    drain(&queue, &wire);
    assert_eq!(copied(&queue, 4), Pushed::Announce);
    assert_eq!(queue.push(FrameBytes::Copied(&frame(5, 1000)), &mut Turn::background()), Pushed::Done);
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1, 4, 5]);
}

#[test]
fn refused_frames_are_worth_one_complaint_until_the_queue_was_empty() {
    let wire = Wire::default();
    let queue = online(SMALL, &wire);
    copied(&queue, 1);
    assert!(queue.refuse());
    assert!(!queue.refuse());
    drain(&queue, &wire);
    assert!(queue.refuse());
    assert_eq!(queue.counters().refused, 3);
}

#[test]
fn a_caller_gets_room_as_soon_as_something_is_written() {
    let wire = Wire::default();
    let queue = online(2 * SMALL, &wire);
    copied(&queue, 1);
    copied(&queue, 2);
    assert!(!queue.wait_room(SMALL, Instant::now()), "there is none yet");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.wait_room(SMALL, Instant::now() + SAFETY_NET));
        until(|| lock(&queue.state).sleepers == 1);
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch));
        write(&mut batch, &wire, SMALL);
        queue.settle(&mut batch);
        assert!(waiting.join().unwrap());
    });
}

/// Far more than anything here takes.
const SAFETY_NET: Duration = Duration::from_secs(60);

fn until(mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + SAFETY_NET;
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}

// ---- the end of a connection ----

#[test]
fn a_frame_that_was_cut_is_sent_again_whole_and_no_other_twice() {
    for cut in 0..3 * SMALL {
        let (first, second) = (Wire::default(), Wire::default());
        let queue = online(PLENTY, &first);
        for number in 1..=3 {
            copied(&queue, number);
        }
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch));
        write(&mut batch, &first, cut);
        copied(&queue, 4);
        queue.failed(failure(), &mut batch);
        assert!(batch.is_empty());
        let counters = queue.counters();
        assert_eq!(counters.written, (cut / SMALL) as u64);
        assert_eq!(counters.queued_bytes, (4 - cut / SMALL) * SMALL);
        assert_eq!(copied(&queue, 5), Pushed::Done, "the background comes by itself");
        queue.online(second.clone());
        drain(&queue, &second);
        assert_eq!([first.numbers(), second.numbers()].concat(), [1, 2, 3, 4, 5], "cut at {cut}");
        assert_eq!(queue.counters().written, 5);
    }
}

#[test]
fn a_frame_that_a_caller_wrote_in_part_is_sent_again_whole() {
    let (first, second) = (Wire::scripted(&[Some(10)]), Wire::default());
    let queue = online(PLENTY, &first);
    lone(&queue, 1);
    queue.failed(failure(), &mut Batch::default());
    assert_eq!(queue.counters().queued_bytes, SMALL);
    queue.online(second.clone());
    drain(&queue, &second);
    assert_eq!(second.numbers(), [1]);
    assert_adds_up(queue.counters());
}

#[test]
fn a_frame_is_counted_as_written_once_however_often_connecting_fails() {
    let (first, last) = (Wire::default(), Wire::default());
    let queue = online(PLENTY, &first);
    for number in 1..=3 {
        copied(&queue, number);
    }
    let mut batch = Batch::default();
    assert!(queue.take(&mut batch));
    write(&mut batch, &first, SMALL + 1);
    queue.failed(failure(), &mut batch);
    for _ in 0..5 {
        queue.connecting();
        queue.failed(failure(), &mut batch);
        let counters = queue.counters();
        assert_eq!((counters.written, counters.queued, counters.queued_bytes), (1, 2, 2 * SMALL));
    }
    assert!(!queue.wait_written(Instant::now()), "two frames still wait");
    queue.online(last.clone());
    drain(&queue, &last);
    assert_eq!(last.numbers(), [2, 3]);
    let counters = queue.counters();
    assert_eq!((counters.written, counters.queued, counters.queued_bytes), (3, 0, 0));
}

#[test]
fn no_frame_goes_directly_to_a_connection_that_has_ended() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    queue.failed(failure(), &mut Batch::default());
    assert_eq!(lone(&queue, 1), Pushed::Done);
    assert!(wire.written().is_empty());
}

#[test]
fn what_waits_can_be_given_up() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    for number in 1..=3 {
        copied(&queue, number);
    }
    let mut batch = Batch::default();
    assert!(queue.take(&mut batch));
    copied(&queue, 4);
    queue.barrier().unwrap();
    queue.retire();
    assert_eq!(queue.end(&mut batch), Some(4));
    let counters = queue.counters();
    assert_eq!((counters.written, counters.queued, counters.dropped, counters.queued_bytes), (0, 0, 4, 0));
    assert_adds_up(counters);
    assert!(batch.is_empty() && !queue.take(&mut batch));
    assert!(queue.wait_written(Instant::now()), "nobody waits for what was given up");
}

#[test]
fn nothing_more_is_accepted_after_retirement_but_what_waits_is_still_written() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    copied(&queue, 1);
    queue.retire();
    assert_eq!(copied(&queue, 2), Pushed::Retired);
    assert_eq!(lone(&queue, 3), Pushed::Retired);
    drain(&queue, &wire);
    assert_eq!(wire.numbers(), [1]);
    // Neither a reconnect nor its failure takes it back.
    queue.failed(failure(), &mut Batch::default());
    queue.connecting();
    queue.online(wire.clone());
    assert_eq!(copied(&queue, 4), Pushed::Retired);
    assert_eq!(queue.counters().accepted, 1);
}

#[test]
fn only_an_empty_queue_that_failed_rests_and_the_next_frame_starts_it_again() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert!(!queue.rest(), "the connection is there");
    copied(&queue, 1);
    queue.failed(failure(), &mut Batch::default());
    assert!(!queue.rest(), "something waits");
    queue.online(wire.clone());
    drain(&queue, &wire);
    queue.failed(failure(), &mut Batch::default());
    assert!(queue.rest());
    assert!(matches!(queue.phase(), Phase::Unused));
    assert_eq!(copied(&queue, 2), Pushed::Announce);
    assert!(queue.start());
}

#[test]
fn the_outcome_of_an_attempt_is_that_of_one_that_ended_since() {
    let queue = SendQueue::<Wire>::new(PLENTY);
    queue.start();
    queue.failed(failure(), &mut Batch::default());
    let attempts = queue.attempts();
    assert!(queue.outcome_since(attempts).is_none(), "the failure from before says nothing");
    queue.connecting();
    assert!(queue.outcome_since(attempts).is_none());
    queue.failed(failure(), &mut Batch::default());
    assert!(queue.outcome_since(attempts).unwrap().is_err());
    queue.online(Wire::default());
    assert!(queue.outcome_since(attempts).unwrap().is_ok());
}

// ---- barriers ----

/// Queues a barrier: how many frames are before it.
fn barrier(queue: &SendQueue<Wire>) -> Option<(u64, Pushed)> {
    queue.barrier().map(|(barrier, pushed)| (barrier.issued, pushed))
}

#[test]
fn no_barrier_where_nothing_is_outstanding() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert!(!outstanding(&queue) && queue.barrier().is_none());
    copied(&queue, 1);
    assert!(outstanding(&queue));
    queue.barrier().unwrap();
    assert!(confirm(&queue, &wire));
    assert!(!outstanding(&queue) && queue.barrier().is_none());
    assert_eq!(queue.counters().barriers, 1);
}

#[test]
fn barrier_goes_behind_all_frames_and_counts_as_none() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    copied(&queue, 1);
    copied(&queue, 2);
    assert_eq!(barrier(&queue), Some((2, Pushed::Done)));
    copied(&queue, 3);
    drain(&queue, &wire);
    let order: Vec<u32> = parse(&wire.written()).0.iter().map(|frame| frame.number).collect();
    assert_eq!(order, [1, 2, 0, 3], "0 is the barrier");
    let counters = queue.counters();
    assert_eq!((counters.accepted, counters.written, counters.queued), (3, 3, 0));
}

#[test]
fn barrier_takes_along_what_waits() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    copied(&queue, 1);
    copied(&queue, 2);
    assert_eq!(barrier(&queue), Some((2, Pushed::Done)));
    assert_eq!((wire.numbers(), wire.queries()), (vec![1, 2], 1), "the caller has written all of it");
    assert_eq!(queue.counters().direct, 2);
}

#[test]
fn one_barrier_serves_all_that_wait_for_the_same_frames() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert_eq!(lone(&queue, 1), Pushed::Done);
    assert_eq!(barrier(&queue), Some((1, Pushed::Done)));
    assert_eq!(barrier(&queue), Some((1, Pushed::Done)), "the same one serves the next query");
    assert_eq!(wire.queries(), 1);
}

#[test]
fn barrier_waits_for_the_batch_of_the_background() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    copied(&queue, 1);
    let mut batch = Batch::default();
    assert!(queue.take(&mut batch));
    assert_eq!(barrier(&queue), Some((1, Pushed::Done)), "the background comes back for it");
    assert!(wire.written().is_empty());
    write(&mut batch, &wire, usize::MAX);
    drain(&queue, &wire);
    assert_eq!((wire.numbers(), wire.queries()), (vec![1], 1));
}

#[test]
fn replies_confirm_barriers_in_their_order() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    copied(&queue, 1);
    let (first, _) = queue.barrier().unwrap();
    copied(&queue, 2);
    let (second, _) = queue.barrier().unwrap();
    let now = Instant::now();
    assert!(!queue.wait_confirmed(first, now).unwrap());
    assert!(confirm(&queue, &wire));
    assert!(queue.wait_confirmed(first, now).unwrap());
    assert!(!queue.wait_confirmed(second, now).unwrap());
    assert!(outstanding(&queue));
    assert!(confirm(&queue, &wire));
    assert!(queue.wait_confirmed(second, now).unwrap());
    assert!(!confirm(&queue, &wire));
}

#[test]
fn lost_barrier_is_queued_again() {
    let (first, second) = (Wire::default(), Wire::default());
    let queue = online(PLENTY, &first);
    copied(&queue, 1);
    let (barrier, _) = queue.barrier().unwrap();
    assert_eq!(first.queries(), 1);
    queue.failed(failure(), &mut Batch::default());
    assert!(outstanding(&queue), "the gateway may not have seen the frame");
    assert_adds_up(queue.counters());
    queue.online(second.clone());
    drain(&queue, &second);
    assert_eq!(second.queries(), 1);
    assert!(confirm(&queue, &second));
    assert!(queue.wait_confirmed(barrier, Instant::now()).unwrap());
    assert!(!confirm(&queue, &second));
}

#[test]
fn one_barrier_replaces_all_that_were_lost() {
    let (first, second) = (Wire::default(), Wire::default());
    let queue = online(PLENTY, &first);
    copied(&queue, 1);
    queue.barrier().unwrap();
    copied(&queue, 2);
    let (later, _) = queue.barrier().unwrap();
    copied(&queue, 3);
    queue.failed(failure(), &mut Batch::default());
    queue.online(second.clone());
    drain(&queue, &second);
    assert_eq!((second.numbers(), second.queries()), (vec![3], 1));
    assert!(confirm(&queue, &second));
    assert!(queue.wait_confirmed(later, Instant::now()).unwrap());
    assert!(!confirm(&queue, &second));
}

#[test]
fn barrier_that_was_cut_goes_out_once_and_counts_as_no_frame() {
    for cut in [SMALL, SMALL + 1, SMALL + Head::LEN - 1, SMALL + Head::LEN] {
        let (first, second) = (Wire::scripted(&[Some(0)]), Wire::default());
        let queue = online(PLENTY, &first);
        copied(&queue, 1);
        queue.barrier().unwrap();
        copied(&queue, 2);
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch));
        write(&mut batch, &first, cut);
        queue.failed(failure(), &mut batch);
        assert_eq!((queue.counters().written, queue.counters().queued), (1, 1));
        queue.online(second.clone());
        drain(&queue, &second);
        assert_eq!((second.numbers(), second.queries()), (vec![2], 1), "cut at {cut}");
        assert!(confirm(&queue, &second));
        assert!(!confirm(&queue, &second));
    }
}

#[test]
fn whoever_waits_for_a_barrier_learns_of_the_lost_connection() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    copied(&queue, 1);
    let (barrier, _) = queue.barrier().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.wait_confirmed(barrier, Instant::now() + SAFETY_NET));
        // It reads, finds the end, and leaves it to the background to find it too.
        until(|| lock(&wire.0).looks > 0);
        wire.shutdown();
        until(|| lock(&queue.state).sleepers == 1);
        queue.failed(failure(), &mut Batch::default());
        assert_eq!(waiting.join().unwrap().unwrap_err().reason, "lost");
    });
}

/// Also while the next connection is made.
#[test]
fn whoever_comes_late_to_a_lost_barrier_learns_of_it_too() {
    let queue = online(PLENTY, &Wire::default());
    copied(&queue, 1);
    let (barrier, _) = queue.barrier().unwrap();
    queue.failed(failure(), &mut Batch::default());
    let now = Instant::now();
    assert_eq!(queue.wait_confirmed(barrier, now).unwrap_err().reason, "lost");
    queue.connecting();
    assert_eq!(queue.wait_confirmed(barrier, now).unwrap_err().reason, "lost");
    // A barrier that is queued only now has gone through nothing yet: it is the next attempt that counts for it.
    copied(&queue, 2);
    let (later, _) = queue.barrier().unwrap();
    assert!(!queue.wait_confirmed(later, now).unwrap());
    // Where the connection is there again, so is the barrier that was lost.
    let second = Wire::default();
    queue.online(second.clone());
    assert!(!queue.wait_confirmed(barrier, now).unwrap());
    drain(&queue, &second);
    assert!(confirm(&queue, &second));
    assert!(queue.wait_confirmed(barrier, now).unwrap() && !queue.wait_confirmed(later, now).unwrap());
    assert!(confirm(&queue, &second));
    assert!(queue.wait_confirmed(later, now).unwrap());
}

#[test]
fn whoever_waits_for_writing_does_not_wait_for_a_barrier() {
    let wire = Wire::scripted(&[None, Some(0)]);
    let queue = online(PLENTY, &wire);
    lone(&queue, 1);
    drain(&queue, &wire);
    lock(&wire.0).takes = VecDeque::from([Some(0)]);
    queue.barrier().unwrap();
    assert!(queue.counters().queued_bytes > 0);
    assert!(queue.wait_written(Instant::now()));
}

// ---- queries behind commands ----

#[test]
fn query_without_outstanding_commands_does_not_need_the_link() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    assert!(matches!(query(&queue), Queried::NotNeeded));
    lone(&queue, 1);
    let (mut turn, _) = sent(query(&queue));
    turn.receiver.passed_over(0);
    // The reply of the query itself confirms what was before it.
    turn.receiver.pass_over(1);
    turn.receiver.passed_over(1);
    queue.give_back(turn, true);
    assert!(matches!(query(&queue), Queried::NotNeeded));
    assert!(wire.written().len() > SMALL);
}

#[test]
fn query_takes_along_what_waits() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    for number in 1..=3 {
        copied(&queue, number);
    }
    let (_turn, pushed) = sent(query(&queue));
    assert_eq!(pushed, Pushed::Done);
    assert_eq!((wire.numbers(), wire.queries()), (vec![1, 2, 3], 1));
    let counters = queue.counters();
    assert_eq!((counters.direct, counters.written, counters.queued_bytes), (3, 3, 0));
    // The background was told of the frames, and finds nothing.
    assert!(!queue.take(&mut Batch::default()));
    assert_eq!(lone(&queue, 4), Pushed::Done);
    assert_eq!(wire.numbers(), [1, 2, 3, 4]);
}

#[test]
fn query_goes_behind_the_batch_of_the_background() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    copied(&queue, 1);
    let mut batch = Batch::default();
    assert!(queue.take(&mut batch));
    copied(&queue, 2);
    let (_turn, pushed) = sent(query(&queue));
    assert_eq!(pushed, Pushed::Done, "the background comes back for it");
    assert!(wire.written().is_empty());
    write(&mut batch, &wire, usize::MAX);
    drain(&queue, &wire);
    let order: Vec<u32> = parse(&wire.written()).0.iter().map(|frame| frame.number).collect();
    assert_eq!(order, [1, 2, 0], "0 is the query");
}

#[test]
fn query_that_the_kernel_takes_in_part_is_left_to_the_background() {
    for taken in [Some(0), Some(10), Some(SMALL + 5), None] {
        let wire = Wire::scripted(&[taken]);
        let queue = online(PLENTY, &wire);
        copied(&queue, 1);
        drain(&queue, &Wire::default());
        copied(&queue, 2);
        let (_turn, pushed) = sent(query(&queue));
        assert_eq!(pushed, Pushed::Done, "it was told of the frame");
        drain(&queue, &wire);
        assert_eq!((wire.numbers(), wire.queries()), (vec![2], 1), "{taken:?}");
        assert_adds_up(queue.counters());
    }
}

#[test]
fn one_caller_reads_at_a_time_and_others_need_a_barrier() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    lone(&queue, 1);
    let (turn, _) = sent(query(&queue));
    assert!(matches!(query(&queue), Queried::Unavailable));
    lone(&queue, 2);
    let (barrier, _) = queue.barrier().unwrap();
    assert!(!confirm(&queue, &wire), "nobody else may read");
    let now = Instant::now();
    assert!(!queue.wait_confirmed(barrier, now).unwrap());
    queue.give_back(turn, true);
    // The reply that nobody has read belongs to the query.
    queue.read_now();
    assert!(!queue.wait_confirmed(barrier, now).unwrap());
    assert!(confirm(&queue, &wire));
    assert!(queue.wait_confirmed(barrier, now).unwrap());
}

#[test]
fn late_reply_is_passed_over_by_the_next_query() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    lone(&queue, 1);
    let (turn, _) = sent(query(&queue));
    assert_eq!(turn.receiver.ahead(), 0);
    queue.give_back(turn, true);
    assert!(outstanding(&queue), "nothing has been replied");
    let (turn, _) = sent(query(&queue));
    assert_eq!(turn.receiver.ahead(), 1);
    drop(turn);
    assert_eq!(lock(&queue.state).due.len(), 2);
}

#[test]
fn reply_that_nobody_asked_for_ends_the_connection() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    lone(&queue, 1);
    wire.reply();
    assert!(matches!(query(&queue), Queried::Broken(_)));
    assert!(lock(&wire.0).ended && queue.broken().is_some());
    assert_eq!(wire.queries(), 0, "it would have been taken for the reply");
}

/// It would be taken for the reply to the barrier. That one is queued again on the next connection.
#[test]
fn reply_that_nobody_asked_for_ends_the_connection_of_a_barrier() {
    for retire in [false, true] {
        let (first, second) = (Wire::default(), Wire::default());
        let queue = online(PLENTY, &first);
        lone(&queue, 1);
        first.reply();
        if retire {
            queue.retire()
        } else {
            assert!(queue.barrier().is_some())
        }
        assert!(lock(&first.0).ended && queue.broken().is_some());
        queue.read_now();
        assert!(outstanding(&queue), "what came is no confirmation");
        queue.failed(failure(), &mut Batch::default());
        queue.online(second.clone());
        drain(&queue, &second);
        assert_eq!(second.queries(), 1);
        assert!(confirm(&queue, &second) && !outstanding(&queue));
    }
}

#[test]
fn nonsense_on_an_ended_connection_leaves_the_next_one_alone() {
    let (first, second) = (Wire::default(), Wire::default());
    let queue = online(PLENTY, &first);
    lone(&queue, 1);
    let (turn, _) = sent(query(&queue));
    let number = turn.number;
    queue.failed(failure(), &mut Batch::default());
    queue.online(second.clone());
    queue.distrust(number);
    assert!(!lock(&second.0).ended && queue.broken().is_none());
    queue.distrust(number + 1);
    assert!(lock(&second.0).ended && queue.broken().is_some());
}

#[test]
fn query_that_went_down_with_its_connection_is_not_sent_again() {
    for cut in [0, 10, SMALL, SMALL + 10, SMALL + Head::LEN] {
        let (first, second) = (Wire::scripted(&[Some(cut)]), Wire::default());
        let queue = online(PLENTY, &first);
        copied(&queue, 1);
        let (turn, _) = sent(query(&queue));
        copied(&queue, 2);
        queue.failed(failure(), &mut Batch::default());
        queue.online(second.clone());
        queue.give_back(turn, true);
        drain(&queue, &second);
        assert_eq!([first.numbers(), second.numbers()].concat(), [1, 2], "cut at {cut}");
        assert_eq!(second.queries(), 0, "nobody reads the reply");
        assert!(lock(&queue.state).due.is_empty() && outstanding(&queue));
        assert_adds_up(queue.counters());
    }
}

#[test]
fn turn_of_an_ended_connection_is_none_of_the_next_one() {
    let (first, second) = (Wire::default(), Wire::default());
    let queue = online(PLENTY, &first);
    lone(&queue, 1);
    let (mut turn, _) = sent(query(&queue));
    queue.failed(failure(), &mut Batch::default());
    queue.online(second.clone());
    drain(&queue, &second);
    let (barrier, _) = queue.barrier().unwrap();
    turn.receiver.pass_over(1);
    turn.receiver.passed_over(1);
    queue.give_back(turn, true);
    assert!(!queue.wait_confirmed(barrier, Instant::now()).unwrap(), "that was of another connection");
    assert!(confirm(&queue, &second));
}

#[test]
fn retired_queue_takes_no_query() {
    let wire = Wire::default();
    let queue = online(PLENTY, &wire);
    lone(&queue, 1);
    queue.retire();
    assert!(matches!(query(&queue), Queried::Unavailable));
}

// ---- everything at once ----

/// A model of all that may happen to a queue, in any order. What the connections took must be the accepted frames in
/// their order, each once.
struct Model {
    random: fastrand::Rng,
    queue: SendQueue<Wire>,
    limit: usize,
    batch: Batch,
    /// All connections so far; the last one is up if `up`.
    wires: Vec<Wire>,
    up: bool,
    /// Whether the background has been told, and has not found the queue empty since.
    told: bool,
    accepted: Vec<u32>,
    /// The number of frames that were accepted before each barrier whose confirmation nobody has seen.
    awaited: Vec<Barrier>,
    /// How many queries of the present connection were replied to, barriers among them.
    replied: usize,
    /// Somebody who reads the reply to a query.
    reading: Option<ReadTurn<Wire>>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let limit = *random.choice(&[200, 5_000, 300_000, 10_000_000]).unwrap();
        Self {
            random,
            queue: SendQueue::new(limit),
            limit,
            batch: Batch::default(),
            wires: Vec::new(),
            up: false,
            told: false,
            accepted: Vec::new(),
            awaited: Vec::new(),
            replied: 0,
            reading: None,
        }
    }

    fn step(&mut self) {
        match self.random.u32(..100) {
            0..45 => self.push(),
            45..60 => self.take(),
            60..78 => self.write(),
            78..80 => self.queue.settle(&mut self.batch),
            80..85 => self.end_of_connection(),
            85..91 => self.connect(),
            91..93 => self.barrier(),
            93..95 => self.query(),
            95..99 => self.reply(),
            _ => self.rest(),
        }
        self.check();
    }

    fn push(&mut self) {
        let number = 1 + self.accepted.len() as u32;
        let body = match self.random.u32(..40) {
            0 => self.random.usize(..2 * CHUNK),
            1 => SHARED_FROM,
            2..5 => self.random.usize(..2000),
            _ => self.random.usize(..60),
        };
        let bytes = Bytes::from(frame(number, body));
        let alone = self.random.bool();
        let mut turn = if alone { Turn::caller() } else { Turn::background() };
        if let Some(wire) = self.wires.last() {
            let next = match self.random.u32(..6) {
                0 => Some(self.random.usize(..bytes.len())),
                1 => None,
                _ => Some(usize::MAX),
            };
            lock(&wire.0).takes = VecDeque::from([next]);
        }
        let queued = self.queue.counters().queued_bytes;
        let room = queued + bytes.len() <= self.limit || (bytes.len() > self.limit && queued < self.limit);
        let direct = self.queue.counters().direct;
        let shared = self.random.bool();
        let encoded = if shared { FrameBytes::Shared(&bytes) } else { FrameBytes::Copied(&bytes) };
        match self.queue.push(encoded, &mut turn) {
            Pushed::Full => {
                assert!(!room, "{queued} + {} of {}", bytes.len(), self.limit);
                return;
            }
            Pushed::Announce => {
                assert!(!self.told, "told twice");
                self.told = true;
            }
            Pushed::Done if !self.told => {
                assert_eq!(self.queue.counters().direct, direct + 1, "nobody knows of it");
                assert!(alone && self.up);
            }
            Pushed::Done => {}
            Pushed::Retired => panic!("it was not retired"),
        }
        assert!(room);
        self.accepted.push(number);
    }

    fn take(&mut self) {
        if self.up && self.told && self.batch.is_empty() {
            self.told = self.queue.take(&mut self.batch);
        }
    }

    fn write(&mut self) {
        if self.up && !self.batch.is_empty() {
            let most = match self.random.u32(..3) {
                0 => self.random.usize(..200),
                1 => self.random.usize(..100_000),
                _ => usize::MAX,
            };
            write(&mut self.batch, self.wires.last().unwrap(), most);
        }
    }

    /// An end, or an attempt to connect that has failed.
    fn end_of_connection(&mut self) {
        self.queue.failed(failure(), &mut self.batch);
        assert!(self.batch.is_empty());
        // It takes what waits when it comes online.
        self.told = true;
        self.up = false;
        let whole = self.received().len() as u64;
        assert_eq!(self.queue.counters().written, whole, "every frame that has got out is counted");
        if !self.awaited.is_empty() {
            assert!(!lock(&self.queue.state).due.is_empty(), "a lost barrier is queued again");
        }
        // Whoever reads has learned of it.
        if let Some(turn) = self.reading.take() {
            self.queue.give_back(turn, false);
        }
    }

    fn connect(&mut self) {
        if !self.up {
            self.queue.start();
            self.queue.connecting();
            self.wires.push(Wire::default());
            self.queue.online(self.wires.last().unwrap().clone());
            (self.up, self.told, self.replied) = (true, true, 0);
        }
    }

    /// What the kernel takes of what a caller writes.
    fn script(&mut self) {
        if let Some(wire) = self.wires.last() {
            let next = match self.random.u32(..4) {
                0 => Some(self.random.usize(..100)),
                1 => None,
                _ => Some(usize::MAX),
            };
            lock(&wire.0).takes = VecDeque::from([next]);
        }
    }

    fn barrier(&mut self) {
        let issued = self.accepted.len() as u64;
        let on_its_way = lock(&self.queue.state).due.back().is_some_and(|due| due.issued == issued);
        self.script();
        match self.queue.barrier() {
            Some((barrier, pushed)) => {
                assert_eq!(barrier.issued, issued);
                assert!(pushed != Pushed::Announce || !self.told && !on_its_way, "told if it was not");
                self.told |= pushed == Pushed::Announce;
                self.awaited.push(barrier);
            }
            None => assert!(!outstanding(&self.queue)),
        }
    }

    fn query(&mut self) {
        self.script();
        match query(&self.queue) {
            Queried::NotNeeded => assert!(!outstanding(&self.queue)),
            Queried::Unavailable => assert!(!self.up || self.reading.is_some()),
            Queried::Broken(reason) => panic!("{reason}"),
            Queried::Sent(turn, pushed) => {
                assert!(self.up && self.reading.is_none() && self.queue.broken().is_none());
                self.told |= pushed == Pushed::Announce;
                // It may give up at once.
                if self.random.bool() {
                    self.reading = Some(turn);
                } else {
                    self.queue.give_back(turn, true);
                }
            }
        }
    }

    /// The gateway replies to a query that it has received, and somebody reads.
    fn reply(&mut self) {
        if !self.up || self.wires.last().unwrap().queries() <= self.replied {
            return;
        }
        self.replied += 1;
        let wire = self.wires.last().unwrap().clone();
        wire.reply();
        if let Some(mut turn) = self.reading.take() {
            wire.receive(&mut turn.receiver, Duration::ZERO).unwrap();
            if turn.receiver.ahead() > 0 || wire.is_quiet() {
                self.reading = Some(turn);
                return;
            }
            // This one is its own.
            lock(&wire.0).replies -= 1;
            turn.receiver.pass_over(1);
            turn.receiver.passed_over(1);
            self.queue.give_back(turn, true);
        } else {
            self.queue.read_now();
        }
        let now = Instant::now();
        let received = self.received().len() as u64;
        self.awaited.retain(|barrier| {
            let confirmed = self.queue.wait_confirmed(*barrier, now).unwrap();
            assert!(!confirmed || received >= barrier.issued, "the gateway has not got all: {barrier:?}");
            !confirmed
        });
    }

    fn rest(&mut self) {
        let empty = self.queue.counters().queued_bytes == 0;
        let failed = matches!(self.queue.phase(), Phase::Failed(_));
        assert_eq!(self.queue.rest(), empty && failed);
        if empty && failed {
            self.told = false;
        }
    }

    fn received(&self) -> Vec<u32> {
        self.wires.iter().flat_map(Wire::numbers).collect()
    }

    fn check(&self) {
        assert_adds_up(self.queue.counters());
        let state = lock(&self.queue.state);
        assert_eq!(state.announced, self.told, "the background knows when it is its turn");
        let waiting: usize = state.waiting.iter().map(|chunk| chunk.unsent().len()).sum();
        let taken: usize = self.batch.chunks.iter().map(|chunk| chunk.unsent().len()).sum();
        assert_eq!(state.bytes, waiting + taken + self.batch.written_bytes);
        assert!(state.announced || state.bytes == 0, "something waits, and nobody knows of it");
    }

    /// Everything gets out in the end.
    fn finish(mut self) {
        self.connect();
        while self.told {
            self.take();
            self.write();
            self.check();
        }
        while self.wires.last().unwrap().queries() > self.replied {
            self.reply();
        }
        assert_eq!(self.awaited, [], "every barrier was replied to");
        assert!(self.reading.is_none() && lock(&self.queue.state).due.is_empty());
        assert_eq!(self.received(), self.accepted);
        for pair in self.wires.windows(2) {
            let (_, cut) = parse(&pair[0].written());
            let again = pair[1].written();
            let common = cut.len().min(again.len());
            let command = cut.get(4).and_then(|command| Command::try_from(*command).ok());
            let is_query = command.is_none_or(Command::is_query);
            assert!(is_query || cut[..common] == again[..common], "the cut frame comes first again");
        }
        let counters = self.queue.counters();
        assert_eq!((counters.queued, counters.queued_bytes), (0, 0));
        assert_eq!(counters.written, self.accepted.len() as u64);
        let bytes: usize = self.wires.iter().map(|wire| wire.written().len()).sum();
        assert_eq!(counters.written_bytes, bytes as u64);
    }
}

#[test]
fn frames_keep_their_order_and_go_out_once_whatever_happens() {
    for seed in 0..150 {
        let run = std::panic::catch_unwind(|| {
            let mut model = Model::new(seed);
            for _ in 0..model.random.usize(20..300) {
                model.step();
            }
            model.finish();
        });
        assert!(run.is_ok(), "with seed {seed}");
    }
}

#[test]
fn no_caller_waits_for_ever_while_another_thread_writes() {
    let wire = Wire::default();
    let queue = online(4 * SMALL, &wire);
    let (told, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    const FRAMES: u32 = 5_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while done.load(Ordering::SeqCst) == 0 || told.load(Ordering::SeqCst) > 0 {
                if told.swap(0, Ordering::SeqCst) > 0 {
                    drain(&queue, &wire);
                }
                std::thread::yield_now();
            }
        });
        for number in 1..=FRAMES {
            let deadline = Instant::now() + SAFETY_NET;
            let mut turn = if number % 3 == 0 { Turn::caller() } else { Turn::background() };
            loop {
                match queue.push(FrameBytes::Copied(&small(number)), &mut turn) {
                    Pushed::Full => assert!(queue.wait_room(SMALL, deadline)),
                    Pushed::Announce => {
                        told.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    _ => break,
                }
            }
        }
        assert!(queue.wait_written(Instant::now() + SAFETY_NET));
        done.store(1, Ordering::SeqCst);
    });
    assert!(wire.numbers().into_iter().eq(1..=FRAMES));
}
