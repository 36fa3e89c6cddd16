//! A cluster of gateways, as one caller sees it. Its operations, one per call of the PHP class, are in
//! [`crate::cluster::commands`] and [`crate::cluster::queries`]; this is what they are made of.

pub mod commands;
pub(crate) mod members;
pub mod queries;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewayworker_wire::client_id::ClientIdPrefix;
use gatewayworker_wire::frame::FrameTooLong;
use gatewayworker_wire::reply::ReplyError;
use gatewayworker_wire::{ClientId, Command, Head};

use crate::address::GatewayKey;
use crate::cluster::members::Members;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::link::frame::{Encoded, SHARED_FROM};
use crate::link::{Attempt, CommandLink, Refusal};
use crate::query::answers::Answers;
use crate::query::{self, Question};
use crate::register::Register;
use crate::runtime::background::Background;
use crate::secret::Secret;
use crate::settings::{Absent, Patience};

/// What makes two clusters different: each has its own connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterId {
    /// Who uses it: two PHP classes do not share connections.
    pub user: &'static str,
    /// Where its gateways are known from.
    pub discovery: Discovery,
    /// The shared key.
    pub secret: Secret,
}

/// Where the gateways of a cluster are known from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Discovery {
    /// The first of these registers that answers (client mode).
    Registers(Vec<String>),
    /// The caller of this number tells them with [`Cluster::follow`] (worker mode: the BusinessWorker knows them).
    Caller(u32),
}

/// A cluster of gateways.
#[derive(Debug)]
pub struct Cluster {
    id: ClusterId,
    pub(crate) members: Arc<Members>,
    pub(crate) register: Option<Register>,
    background: Arc<Background>,
}

thread_local! {
    /// Where frames are encoded: one buffer for all calls of a thread.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// When a call stops to wait: `$connectTimeout` after it first had to, for whatever and however many it waits for.
struct Deadline {
    patience: Duration,
    /// Calls that wait for nothing look at no clock.
    at: Option<Instant>,
}

impl Deadline {
    fn of(patience: Patience) -> Self {
        Self { patience: patience.connect, at: None }
    }

    fn get(&mut self) -> Instant {
        *self.at.get_or_insert_with(|| Instant::now() + self.patience)
    }
}

/// How many of several gateways are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Enough {
    One,
    All,
}

/// A scratch buffer that grew beyond this is given back.
const KEPT_SCRATCH: usize = 64 << 10;

impl Cluster {
    pub(crate) fn new(id: ClusterId, background: Arc<Background>) -> Self {
        let members = Members::new(id.secret.clone(), Arc::clone(&background));
        let register = match &id.discovery {
            Discovery::Registers(registers) => {
                let (registers, secret, members) =
                    (registers.clone(), id.secret.clone(), Arc::clone(&members));
                let on_list = Box::new(move |list: &[String]| members.follow(list));
                Some(Register::new(registers, secret, on_list, Arc::clone(&background)))
            }
            Discovery::Caller(_) => None,
        };
        Self { id, members, register, background }
    }

    /// What makes it different from others.
    #[must_use]
    pub fn id(&self) -> &ClusterId {
        &self.id
    }

    /// Takes over the caller's list of gateways (`ip:port`). For [`Discovery::Caller`].
    pub fn follow<T: AsRef<str>>(&self, addresses: &[T]) {
        self.members.follow(addresses);
    }

    /// Takes over the caller's list of the gateways to be asked, where it is another than that of those to be sent to.
    pub fn follow_for_questions<T: AsRef<str>>(&self, addresses: &[T]) {
        self.members.follow_asked(addresses);
    }

    /// Makes sure that the gateways are known; with `fresh`, asks the register anew
    /// (`Gateway::$addressesCacheDisable`).
    ///
    /// # Errors
    /// Where no register answers, or where it knows of no gateway.
    #[inline]
    pub fn discover(&self, fresh: bool, patience: Patience) -> Result<(), Error> {
        let Some(register) = &self.register else {
            return Ok(());
        };
        register.wait_listed(fresh, patience.connect)?;
        if self.members.with(<[_]>::is_empty) {
            if let Some((name, reason)) = self.members.not_found() {
                return Err(Error::Unreachable { gateway: name.into(), reason });
            }
            return Err(Error::NoGateways { registers: register.names() });
        }
        Ok(())
    }

    pub(crate) fn links(&self) -> Vec<CommandLink> {
        self.members.everybody().iter().map(|gateway| gateway.link.clone()).collect()
    }

    /// In client mode a caller waits for connections and for room; in worker mode nothing waits, since the event loop
    /// must not stand still.
    fn waits(&self) -> bool {
        self.register.is_some()
    }

    // ---- sending ----

    /// Sends a frame to the gateway of a client.
    #[inline]
    pub(crate) fn send_to(
        &self,
        id: ClientId,
        head: Head,
        ext: &[u8],
        body: &[u8],
        patience: Patience,
    ) -> Result<(), Error> {
        let frame = Single::new(head, ext, body)?;
        let frame = frame.encoded();
        let gateway = self.members.of_client(id);
        if gateway.link.is_online() || !self.waits() {
            let mut wake = false;
            let pushed = gateway.link.push(frame, true, &mut wake);
            if wake {
                gateway.link.wake();
            }
            if pushed.is_ok() {
                return Ok(());
            }
        }
        self.send_patiently(&gateway, frame, patience)
    }

    /// As [`Cluster::send_to`], where that was not possible at once.
    #[cold]
    fn send_patiently(
        &self,
        gateway: &Arc<Gateway>,
        frame: Encoded<'_>,
        patience: Patience,
    ) -> Result<(), Error> {
        let link = &gateway.link;
        let mut deadline = Deadline::of(patience);
        if self.waits() && !link.is_online() {
            let one = [Arc::clone(gateway)];
            self.wait_connected(&one, Enough::One, &mut deadline)
                .inspect_err(|_| self.members.forget_strays(&one))?;
        }
        let mut wake = false;
        let mut pushed = link.push(frame, true, &mut wake);
        if pushed == Err(Refusal::Full) {
            if self.waits() {
                pushed = wait_for_room(link, frame, deadline.get(), &mut wake);
            }
            if pushed.is_err() {
                link.refuse();
            }
        }
        if wake {
            link.wake();
        }
        pushed.map_err(|refusal| link.refusal(refusal))
    }

    /// Sends a frame to every gateway.
    #[inline]
    pub(crate) fn send_to_every(
        &self,
        head: Head,
        ext: &[u8],
        body: &[u8],
        patience: Patience,
    ) -> Result<(), Error> {
        let mut deadline = Deadline::of(patience);
        self.wait_for_fan_out(&mut deadline)?;
        let sent = encode(head, ext, body, |frame| {
            let fan_out = self.members.with(|gateways| {
                let mut fan_out = FanOut::new(gateways.len());
                for gateway in gateways {
                    fan_out.push(gateway, frame);
                }
                fan_out
            });
            self.finish(fan_out, &mut deadline)
        })?;
        sent.map_err(|error| *error)
    }

    /// Sends a frame to every gateway; to those of these clients with extension data of their own.
    pub(crate) fn send_to_each(
        &self,
        head: Head,
        ext: &[u8],
        special: &[(ClientId, Vec<u8>)],
        body: &[u8],
        patience: Patience,
    ) -> Result<(), Error> {
        let mut deadline = Deadline::of(patience);
        self.wait_for_fan_out(&mut deadline)?;
        let special = special
            .iter()
            .map(|(id, ext)| Ok((GatewayKey::from(*id), Single::new(head, ext, body)?)))
            .collect::<Result<Vec<_>, FrameTooLong>>()?;
        let sent = encode(head, ext, body, |frame| {
            let fan_out = self.members.with(|gateways| {
                let mut fan_out = FanOut::new(gateways.len());
                for gateway in gateways {
                    let key = gateway.address.key();
                    let own = special.iter().find(|(special, _)| *special == key);
                    fan_out.push(gateway, own.map_or(frame, |(_, frame)| frame.encoded()));
                }
                fan_out
            });
            self.finish(fan_out, &mut deadline)
        })?;
        sent.map_err(|error| *error)
    }

    /// Sends frames to the gateways of some clients, with extension data of its own for each. As in a fan-out one reachable
    /// gateway is enough; but a gateway that is no member (its address came with a client id) gets its frame only if
    /// it can be reached: nobody would ever take it otherwise.
    pub(crate) fn send_to_some(
        &self,
        head: Head,
        frames: &[(ClientId, Vec<u8>)],
        body: &[u8],
        patience: Patience,
    ) -> Result<(), Error> {
        let gateways: Vec<_> = frames.iter().map(|(id, _)| self.members.of_client(*id)).collect();
        let mut deadline = Deadline::of(patience);
        if self.waits() && gateways.iter().any(|gateway| !gateway.link.is_online()) {
            let outcome = self.wait_connected(&gateways, Enough::All, &mut deadline);
            let gone: Vec<_> = gateways.iter().filter(|gateway| !gateway.link.is_online()).cloned().collect();
            self.members.forget_strays(&gone);
            outcome?;
        }
        let frames: Vec<_> =
            frames.iter().map(|(_, ext)| Single::new(head, ext, body)).collect::<Result<_, _>>()?;
        let mut fan_out = FanOut::new(gateways.len());
        for (gateway, frame) in gateways.iter().zip(&frames) {
            if self.waits() && !gateway.link.is_online() && !self.members.is_listed(gateway) {
                gateway.link.log_unreachable();
                continue;
            }
            fan_out.push(gateway, frame.encoded());
        }
        self.finish(fan_out, &mut deadline).map_err(|error| *error)
    }

    /// One reachable gateway is enough for a fan-out: the frames of the others wait in their queues.
    #[inline]
    fn wait_for_fan_out(&self, deadline: &mut Deadline) -> Result<(), Error> {
        if !self.waits() {
            return Ok(());
        }
        let any = self.members.with(|gateways| gateways.iter().any(|gateway| gateway.link.is_online()));
        if any { Ok(()) } else { self.wait_connected(&self.members.all(), Enough::One, deadline) }
    }

    /// Waits until one of these gateways is connected, or until each of them is or cannot be.
    ///
    /// # Errors
    /// Where none is: the first that is late, or else what kept the first from being connected.
    #[cold]
    fn wait_connected(
        &self,
        gateways: &[Arc<Gateway>],
        enough: Enough,
        deadline: &mut Deadline,
    ) -> Result<(), Error> {
        self.background.set_connect_timeout(deadline.patience);
        let attempts: Vec<(&CommandLink, Attempt)> =
            gateways.iter().map(|gateway| (&gateway.link, gateway.link.prepare())).collect();
        let outcomes = || attempts.iter().map(|(link, attempt)| (link, link.outcome(*attempt)));
        let is_connected = |outcome: &Option<Result<(), Error>>| matches!(outcome, Some(Ok(())));
        // Those that are late are found below.
        let _ = self.background.events.wait(deadline.get(), || {
            let one = enough == Enough::One && outcomes().any(|(_, outcome)| is_connected(&outcome));
            (one || outcomes().all(|(_, outcome)| outcome.is_some())).then_some(())
        });
        let outcomes: Vec<_> = outcomes().collect();
        if outcomes.is_empty() || outcomes.iter().any(|(_, outcome)| is_connected(outcome)) {
            return Ok(());
        }
        match outcomes.iter().find(|(_, outcome)| outcome.is_none()) {
            Some((late, _)) => Err(late.late()),
            None => outcomes.into_iter().find_map(|(_, outcome)| outcome).unwrap_or(Ok(())),
        }
    }

    /// Ends a fan-out. The error is boxed: nearly always there is none, which is then told in a register.
    #[inline]
    fn finish(&self, fan_out: FanOut<'_>, deadline: &mut Deadline) -> Result<(), Box<Error>> {
        if fan_out.wake {
            self.background.waker.wake();
        }
        if fan_out.refused.is_empty() { Ok(()) } else { self.settle_refused(fan_out.refused, deadline) }
    }

    /// Frames of a fan-out that found no room: waits for it in client mode; says in the log who did not get theirs.
    #[cold]
    fn settle_refused(
        &self,
        refused: Vec<(CommandLink, Encoded<'_>)>,
        deadline: &mut Deadline,
    ) -> Result<(), Box<Error>> {
        let mut result = Ok(());
        for (link, frame) in refused {
            let mut wake = false;
            let pushed = if self.waits() {
                wait_for_room(&link, frame, deadline.get(), &mut wake)
            } else {
                link.push(frame, false, &mut wake)
            };
            if wake {
                link.wake();
            }
            // As in FanOut::push(): one that has left the cluster meanwhile has no clients to send to.
            if pushed == Err(Refusal::Full) {
                link.refuse();
                result = result.and(Err(Box::new(link.refusal(Refusal::Full))));
            }
        }
        result
    }

    // ---- asking ----

    /// Asks the gateway of a client.
    #[inline]
    pub(crate) fn ask_one(
        &self,
        id: ClientId,
        command: Command,
        patience: Patience,
        mut read: impl FnMut(&[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let answers = {
            let gateway = self.members.of_client(id);
            let frame = Head::new(command, id.connection).encode(0, 0)?;
            query::ask(command, &[Question { gateway: &gateway, frame: &frame }], patience)?
        };
        answers.read(|_, payload, _| read(payload))
    }

    /// Asks the gateway of a client with extension data, which is dropped before the answer is read, see [`Answers`].
    pub(crate) fn ask_one_with(
        &self,
        id: ClientId,
        command: Command,
        ext: Vec<u8>,
        patience: Patience,
        mut read: impl FnMut(&[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let answers = {
            let gateway = self.members.of_client(id);
            let frame = Head::new(command, 0).frame(&ext, b"")?;
            query::ask(command, &[Question { gateway: &gateway, frame: &frame }], patience)?
        };
        drop(ext);
        answers.read(|_, payload, _| read(payload))
    }

    /// Asks every gateway the same. `read` gets each answer, and how many rows all of them announce together. Extension data
    /// is dropped before, see [`Answers`].
    pub(crate) fn ask_every(
        &self,
        command: Command,
        ext: impl AsRef<[u8]>,
        patience: Patience,
        mut read: impl FnMut(ClientIdPrefix, &[u8], usize) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let answers = self.answers_of_every(command, ext.as_ref(), patience)?;
        drop(ext);
        answers.read(|(ip, port), payload, rows| read(ClientIdPrefix::new(ip, port), payload, rows))
    }

    fn answers_of_every(&self, command: Command, ext: &[u8], patience: Patience) -> Result<Answers, Error> {
        let gateways = self.members.asked();
        // The look-up has told the log already.
        if let Some((name, reason)) = self.members.not_found()
            && (patience.absent == Absent::Fail || gateways.is_empty())
        {
            return Err(Error::Unreachable { gateway: name.into(), reason });
        }
        let frame = Head::new(command, 0).frame(ext, b"")?;
        let questions: Vec<Question<'_>> =
            gateways.iter().map(|gateway| Question { gateway, frame: &frame }).collect();
        let answers = query::ask(command, &questions, patience);
        if answers.as_ref().map_or(0, Answers::len) < questions.len() {
            self.members.doubt_names();
        }
        answers
    }
}

/// Encodes a frame for several gateways and runs `with` on it.
#[inline]
fn encode<T>(
    head: Head,
    ext: &[u8],
    body: &[u8],
    with: impl FnOnce(Encoded<'_>) -> T,
) -> Result<T, FrameTooLong> {
    let single = Single::new(head, ext, body)?;
    if single.large.is_some() {
        return Ok(with(single.encoded()));
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        scratch.extend_from_slice(&single.head);
        scratch.extend_from_slice(ext);
        scratch.extend_from_slice(body);
        let result = with(Encoded::Copied(scratch));
        if scratch.capacity() > KEPT_SCRATCH {
            *scratch = Vec::new();
        }
        Ok(result)
    })
}

/// A frame for one gateway.
struct Single<'a> {
    head: [u8; Head::LEN],
    ext: &'a [u8],
    body: &'a [u8],
    /// The whole frame, where it is large.
    large: Option<Bytes>,
}

impl<'a> Single<'a> {
    #[inline]
    fn new(head: Head, ext: &'a [u8], body: &'a [u8]) -> Result<Self, FrameTooLong> {
        let head = head.encode(ext.len(), body.len())?;
        let len = head.len() + ext.len() + body.len();
        let large = (len >= SHARED_FROM).then(|| Bytes::from([&head, ext, body].concat()));
        Ok(Self { head, ext, body, large })
    }

    #[inline]
    fn encoded(&self) -> Encoded<'_> {
        match &self.large {
            Some(frame) => Encoded::Shared(frame),
            None => Encoded::Parts(&self.head, self.ext, self.body),
        }
    }
}

/// Frames going to several gateways: the background is woken once for all of them.
struct FanOut<'a> {
    lone_allowed: bool,
    wake: bool,
    /// The links that had no room for their frame.
    refused: Vec<(CommandLink, Encoded<'a>)>,
}

impl<'a> FanOut<'a> {
    fn new(gateways: usize) -> Self {
        // One system call to wake the background is cheaper than one per gateway to send.
        Self { lone_allowed: gateways == 1, wake: false, refused: Vec::new() }
    }

    #[inline]
    fn push(&mut self, gateway: &Gateway, frame: Encoded<'a>) {
        // Another error means that the gateway has left the cluster since the list was looked at: it has no clients to
        // send to.
        if gateway.link.push(frame, self.lone_allowed, &mut self.wake) == Err(Refusal::Full) {
            self.refused.push((gateway.link.clone(), frame));
        }
    }
}

fn wait_for_room(
    link: &CommandLink,
    frame: Encoded<'_>,
    deadline: Instant,
    wake: &mut bool,
) -> Result<(), Refusal> {
    loop {
        // The background has to know of what is queued, or no room will come.
        link.wake();
        let room = link.wait_room(frame.len(), deadline);
        match link.push(frame, false, wake) {
            Err(Refusal::Full) if room => {}
            pushed => return pushed,
        }
    }
}
