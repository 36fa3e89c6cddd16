//! The log of the background. Only PHP's thread can write to PHP's log, so the background leaves
//! its lines here, and the next call takes them along.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::lock::lock;

/// Beyond this many lines, further ones are only counted.
const KEPT: usize = 256;

/// The lines that wait to be taken.
#[derive(Debug, Default)]
pub struct Log {
    waiting: AtomicBool,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    dropped: usize,
}

impl Log {
    /// Leaves a line: `<subject> <event>: <reason>`. The subject is a gateway or register
    /// (`tcp://ip:port`) or the name of a setting, without spaces. The event is a few words.
    pub(crate) fn event(&self, subject: impl fmt::Display, event: &str, reason: impl fmt::Display) {
        // Names of gateways come from a register: one with a space must not read as an event.
        let subject = subject.to_string().replace(char::is_whitespace, "_");
        let mut lines = lock(&self.lines);
        if lines.kept.len() < KEPT {
            lines.kept.push_back(format!("{subject} {event}: {reason}"));
        } else {
            lines.dropped += 1;
        }
        self.waiting.store(true, Ordering::Release);
    }

    /// Takes the waiting lines. Costs one load if there are none.
    #[inline]
    pub fn take(&self) -> Vec<String> {
        if !self.waiting.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.take_waiting()
    }

    #[cold]
    fn take_waiting(&self) -> Vec<String> {
        let mut lines = lock(&self.lines);
        self.waiting.store(false, Ordering::Release);
        let mut taken: Vec<String> = lines.kept.drain(..).collect();
        if lines.dropped > 0 {
            taken.push(format!("log full: {} more events were not kept", lines.dropped));
            lines.dropped = 0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_is_one_word() {
        let log = Log::default();
        log.event("tcp://no name:1 lost: forged\n:2", "left out", "it has no address");
        assert_eq!(log.take(), ["tcp://no_name:1_lost:_forged_:2 left out: it has no address"]);
    }

    #[test]
    fn counts_what_it_does_not_keep() {
        let log = Log::default();
        assert!(log.take().is_empty());
        for n in 0..KEPT + 3 {
            log.event("tcp://127.0.0.1:1", "lost", n);
        }
        let lines = log.take();
        assert_eq!(lines.len(), KEPT + 1);
        assert_eq!(lines[0], "tcp://127.0.0.1:1 lost: 0");
        assert_eq!(lines[KEPT], "log full: 3 more events were not kept");
        assert!(log.take().is_empty());
    }
}
