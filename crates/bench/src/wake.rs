//! The cost of waking a sleeping thread: the least that a call pays if another thread writes its
//! message.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

const TIMES: usize = 500;
/// After this the thread sleeps, and its processor with it.
const PAUSE: Duration = Duration::from_millis(3);

/// The median time that the waking thread spends.
pub fn median() -> io::Result<Duration> {
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    let over = Arc::new(AtomicBool::new(false));
    let sleeper = thread::spawn({
        let over = Arc::clone(&over);
        move || -> io::Result<()> {
            let mut events = Events::with_capacity(1);
            while !over.load(Ordering::Acquire) {
                poll.poll(&mut events, None)?;
            }
            Ok(())
        }
    });
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        thread::sleep(PAUSE);
        let start = Instant::now();
        waker.wake()?;
        times.push(start.elapsed());
    }
    over.store(true, Ordering::Release);
    waker.wake()?;
    sleeper.join().map_err(|_| io::Error::other("the sleeper has panicked"))??;
    times.sort_unstable();
    Ok(times[TIMES / 2])
}
