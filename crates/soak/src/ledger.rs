//! The ledger: what has arrived from whom, and whether that can be.
//!
//! Every message of `make soak` begins with a stamp: who sends it, and for each gateway two
//! numbers.
//!
//! ```text
//! @S 17;12,11;-;5,3;-;
//! ```
//!
//! Sender 17 sends its message number 12 to gateway 0 and its number 5 to gateway 2. Of those
//! before, it knows of number 11 and number 3 that they were accepted; what became of numbers 4, it
//! does not know (the call threw). So whoever reads the connections to gateway 2 must never see
//! number 5 behind number 2.

use std::collections::{BTreeMap, HashMap};

use gatewayworker_wire::Command;
use gatewayworker_wire::frame::Frame;
use serde::Serialize;

/// A longer frame is a lost place in the stream.
const MAX_FRAME: usize = 16 << 20;
/// How far into a body a stamp may begin: a message that is an array is serialized.
const STAMP_WITHIN: usize = 64;
/// Violations beyond this many are counted and not told.
const MOST_TOLD: usize = 200;

/// The numbers of one message for one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    /// Its own.
    number: u64,
    /// The last one before it that was accepted for sure.
    sure: u64,
}

/// A set of numbers that is mostly one range: first ⇒ last.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Takes a number in. False: it is there already.
    fn insert(&mut self, number: u64) -> bool {
        let before = self.0.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= number) {
            return false;
        }
        let first = match before {
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        let last = self.0.remove(&(number + 1)).unwrap_or(number);
        self.0.insert(first, last);
        true
    }

    fn last(&self) -> u64 {
        self.0.values().next_back().copied().unwrap_or_default()
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }
}

/// What has come from one process to one gateway.
#[derive(Debug, Default)]
struct Account {
    numbers: Ranges,
    frames: u64,
    connections: u64,
    broken: u64,
}

/// An account, as it is told.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The sender.
    sender: u32,
    /// The gateway.
    gateway: usize,
    /// Messages with a stamp.
    messages: u64,
    /// The highest number.
    last: u64,
    /// Frames that carry a command, with a stamp or without.
    frames: u64,
    /// Connections for commands.
    connections: u64,
    /// Those of them that were not ended by the sender.
    broken: u64,
}

/// All accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: HashMap<(u32, usize), Account>,
    /// Frames of connections that nobody can be named for, by gateway.
    nobody: BTreeMap<usize, u64>,
    violations: u64,
    told: Vec<String>,
}

impl Ledger {
    /// All accounts, in order.
    pub fn accounts(&self) -> Vec<Told> {
        let mut told: Vec<Told> = self
            .accounts
            .iter()
            .map(|(&(sender, gateway), account)| Told {
                sender,
                gateway,
                messages: account.numbers.count(),
                last: account.numbers.last(),
                frames: account.frames,
                connections: account.connections,
                broken: account.broken,
            })
            .collect();
        told.sort_by_key(|told| (told.sender, told.gateway));
        told
    }

    /// Frames of connections that nobody can be named for, by gateway.
    pub fn nobody(&self) -> &BTreeMap<usize, u64> {
        &self.nobody
    }

    /// How many violations there were, and the first of them in words.
    pub fn violations(&self) -> (u64, &[String]) {
        (self.violations, &self.told)
    }

    fn account(&mut self, sender: u32, gateway: usize) -> &mut Account {
        self.accounts.entry((sender, gateway)).or_default()
    }

    fn violation(&mut self, what: String) {
        self.violations += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(what);
        }
    }
}

/// One connection to one gateway, as the ledger reads it.
#[derive(Debug)]
pub struct Reader {
    gateway: usize,
    buffer: Vec<u8>,
    sender: Option<u32>,
    /// Frames before the sender was known.
    unnamed: u64,
    last: Option<u64>,
    lost: bool,
}

impl Reader {
    /// For a new connection to this gateway.
    pub fn new(gateway: usize) -> Self {
        Self { gateway, buffer: Vec::new(), sender: None, unnamed: 0, last: None, lost: false }
    }

    /// Takes bytes that have arrived.
    pub fn read(&mut self, bytes: &[u8], ledger: &mut Ledger) {
        if self.lost {
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        let mut start = 0;
        loop {
            match Frame::decode(&buffer[start..], MAX_FRAME) {
                Ok(Some((frame, len))) => {
                    self.frame(&frame, ledger);
                    start += len;
                }
                Ok(None) => break,
                Err(error) => {
                    let who = self.who();
                    ledger.violation(format!("{who}: bytes that are no frame: {error}"));
                    self.lost = true;
                    return;
                }
            }
        }
        buffer.drain(..start);
        self.buffer = buffer;
    }

    /// The connection has ended: by its sender or otherwise.
    pub fn end(self, by_sender: bool, ledger: &mut Ledger) {
        match self.sender {
            Some(sender) => {
                if !by_sender {
                    ledger.account(sender, self.gateway).broken += 1;
                } else if !self.buffer.is_empty() {
                    // It ends its connections at the end of the process, or of the gateway's
                    // membership; a frame that is cut there was given up after its time, which
                    // nobody is promised otherwise.
                    ledger.account(sender, self.gateway).broken += 1;
                }
            }
            None => *ledger.nobody.entry(self.gateway).or_default() += self.unnamed,
        }
    }

    fn who(&self) -> String {
        let sender = self.sender.map_or_else(|| "somebody".into(), |sender| format!("sender {sender}"));
        format!("{sender} to gateway {}", self.gateway)
    }

    fn frame(&mut self, frame: &Frame<'_>, ledger: &mut Ledger) {
        if !is_command(frame.head.command) {
            return;
        }
        let stamp = stamp(frame.body);
        let sender = stamp.as_ref().map(|(sender, _)| *sender).or_else(|| owner(frame));
        match (self.sender, sender) {
            (None, Some(sender)) => {
                self.sender = Some(sender);
                let account = ledger.account(sender, self.gateway);
                account.connections += 1;
                account.frames += self.unnamed + 1;
            }
            (None, None) => self.unnamed += 1,
            (Some(known), Some(other)) if known != other => {
                let who = self.who();
                ledger.violation(format!("{who}: a frame of sender {other} on the same connection"));
            }
            (Some(known), _) => ledger.account(known, self.gateway).frames += 1,
        }
        let Some((sender, numbers)) = stamp else { return };
        let Some(Some(Numbers { number, sure })) = numbers.get(self.gateway).copied() else {
            let who = self.who();
            return ledger.violation(format!("{who}: a message that is not for this gateway"));
        };
        if !ledger.account(sender, self.gateway).numbers.insert(number) {
            let who = self.who();
            ledger.violation(format!("{who}: number {number} has come twice"));
        }
        match self.last {
            Some(last) if number <= last => {
                let who = self.who();
                ledger.violation(format!("{who}: number {number} came behind {last}"));
            }
            Some(last) if sure > last => {
                let who = self.who();
                ledger.violation(format!(
                    "{who}: {} to {sure} are missing between {last} and {number}, on a living connection",
                    last + 1
                ));
            }
            _ => {}
        }
        self.last = Some(number);
    }
}

/// Whether senders count a frame: it is neither a query nor an introduction.
fn is_command(number: u8) -> bool {
    matches!(
        Command::try_from(number),
        Ok(Command::SendToOne
            | Command::SendToAll
            | Command::Kick
            | Command::Destroy
            | Command::UpdateSession
            | Command::BindUid
            | Command::UnbindUid
            | Command::SendToUid
            | Command::JoinGroup
            | Command::LeaveGroup
            | Command::SendToGroup
            | Command::Ungroup
            | Command::SetSession)
    )
}

/// The stamp at the start of a message.
fn stamp(body: &[u8]) -> Option<(u32, Vec<Option<Numbers>>)> {
    let start = find(&body[..body.len().min(STAMP_WITHIN)], b"@S ")? + 3;
    let mut fields = body[start..].split(|byte| *byte == b';');
    let sender = number(fields.next()?)?.try_into().ok()?;
    let mut numbers = Vec::new();
    for field in fields {
        let mut pair = field.splitn(2, |byte| *byte == b',');
        match (pair.next(), pair.next()) {
            (Some(b"-"), None) => numbers.push(None),
            (Some(own), Some(sure)) => match (number(own), number(sure)) {
                (Some(number), Some(sure)) => numbers.push(Some(Numbers { number, sure })),
                _ => break,
            },
            _ => break,
        }
    }
    Some((sender, numbers))
}

/// The sender of a frame without a message: its uid, group or session begins with the sender's
/// mark, `@U17-`.
fn owner(frame: &Frame<'_>) -> Option<u32> {
    // In a message to uids or groups these may be another sender's.
    if matches!(Command::try_from(frame.head.command), Ok(Command::SendToUid | Command::SendToGroup)) {
        return None;
    }
    let digits = &frame.ext[find(frame.ext, b"@U")? + 2..];
    let end = digits.iter().position(|byte| *byte == b'-')?;
    number(&digits[..end])?.try_into().ok()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    use gatewayworker_wire::Head;

    fn message(text: &str) -> Vec<u8> {
        Head::new(Command::SendToOne, 1).frame(b"", text.as_bytes()).expect("fits")
    }

    /// What the ledger says about these messages on one connection to gateway 0.
    fn violations_of(messages: &[&str]) -> Vec<String> {
        let (mut ledger, mut reader) = (Ledger::default(), Reader::new(0));
        for text in messages {
            reader.read(&message(text), &mut ledger);
        }
        reader.end(true, &mut ledger);
        ledger.told
    }

    #[test]
    fn finds_nothing_wrong_with_a_run_however_the_bytes_are_cut() {
        let bytes = [
            message("@S 7;1,0;"),
            Head::new(Command::BindUid, 1).frame(b"@U7-u", b"").expect("fits"),
            message("@S 7;2,1;and a text"),
        ]
        .concat();
        for cut in 0..bytes.len() {
            let (mut ledger, mut reader) = (Ledger::default(), Reader::new(0));
            reader.read(&bytes[..cut], &mut ledger);
            reader.read(&bytes[cut..], &mut ledger);
            reader.end(true, &mut ledger);
            assert_eq!(ledger.violations().0, 0);
            let account = &ledger.accounts()[0];
            assert_eq!((account.messages, account.last, account.frames, account.broken), (2, 2, 3, 0));
        }
    }

    #[test]
    fn sees_a_frame_that_is_missing_on_a_living_connection() {
        let told = violations_of(&["@S 7;1,0;", "@S 7;3,2;"]);
        assert_eq!(
            told,
            ["sender 7 to gateway 0: 2 to 2 are missing between 1 and 3, on a living connection"]
        );
    }

    #[test]
    fn asks_not_for_numbers_that_were_never_accepted_for_sure() {
        assert_eq!(violations_of(&["@S 7;1,0;", "@S 7;3,1;"]), Vec::<String>::new());
    }

    #[test]
    fn sees_a_frame_that_comes_twice_also_on_another_connection() {
        let told = violations_of(&["@S 7;1,0;", "@S 7;1,0;"]);
        assert_eq!(
            told,
            [
                "sender 7 to gateway 0: number 1 has come twice",
                "sender 7 to gateway 0: number 1 came behind 1"
            ]
        );
        let mut ledger = Ledger::default();
        for _ in 0..2 {
            let mut reader = Reader::new(0);
            reader.read(&message("@S 7;1,0;"), &mut ledger);
            reader.end(false, &mut ledger);
        }
        assert_eq!(ledger.told, ["sender 7 to gateway 0: number 1 has come twice"]);
        assert_eq!(ledger.accounts()[0].broken, 2);
    }

    #[test]
    fn sees_a_frame_that_overtakes_another() {
        let told = violations_of(&["@S 7;2,0;", "@S 7;1,0;"]);
        assert_eq!(told, ["sender 7 to gateway 0: number 1 came behind 2"]);
    }

    #[test]
    fn sees_the_frame_of_another_process() {
        let told = violations_of(&["@S 7;1,0;", "@S 8;1,0;"]);
        assert!(told[0].contains("a frame of sender 8 on the same connection"), "{told:?}");
    }

    #[test]
    fn sees_a_message_at_the_wrong_gateway() {
        assert!(violations_of(&["@S 7;-;1,0;"])[0].contains("not for this gateway"));
    }

    #[test]
    fn sees_bytes_that_are_no_frame() {
        let (mut ledger, mut reader) = (Ledger::default(), Reader::new(0));
        reader.read(&[0; 4], &mut ledger);
        assert_eq!(ledger.violations().0, 1);
    }

    #[test]
    fn allows_a_gap_where_a_connection_has_ended() {
        let mut ledger = Ledger::default();
        for text in ["@S 7;1,0;", "@S 7;9,8;"] {
            let mut reader = Reader::new(0);
            reader.read(&message(text), &mut ledger);
            reader.end(false, &mut ledger);
        }
        assert_eq!(ledger.violations().0, 0);
        let account = &ledger.accounts()[0];
        assert_eq!((account.messages, account.last), (2, 9));
    }

    #[test]
    fn reads_the_stamp_of_a_serialized_message() {
        let (sender, numbers) = stamp(b"a:1:{i:0;s:20:\"@S 7;4,3;-;2,2;rest\";}").expect("a stamp");
        assert_eq!(sender, 7);
        let expected = [Some(Numbers { number: 4, sure: 3 }), None, Some(Numbers { number: 2, sure: 2 })];
        assert_eq!(numbers, expected);
    }
}
