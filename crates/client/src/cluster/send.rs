//! One frame to one gateway, to some or to all of them; waiting for connections and for room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewayworker_wire::frame::FrameTooLong;
use gatewayworker_wire::{ClientId, Head};

use crate::address::GatewayKey;
use crate::cluster::Cluster;
use crate::cluster::encode::{EncodedFrame, encode};
use crate::error::Error;
use crate::gateway::Gateway;
use crate::link::frame::FrameBytes;
use crate::link::{Attempt, CommandLink, Refusal};
use crate::runtime::pace::Turn;
use crate::settings::CallOptions;

/// When a call stops waiting: `$connectTimeout` after it first had to, for everything that it waits
/// for together.
struct Deadline {
    timeout: Duration,
    /// Unset until the call has to wait: most calls never read the clock.
    at: Option<Instant>,
}

impl Deadline {
    fn of(options: CallOptions) -> Self {
        Self { timeout: options.connect_timeout, at: None }
    }

    fn get(&mut self) -> Instant {
        *self.at.get_or_insert_with(|| Instant::now() + self.timeout)
    }
}

/// Which of several gateways a call waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitFor {
    AnyOne,
    All,
}

impl Cluster {
    /// Sends a frame to the gateway of a client.
    #[inline]
    pub(crate) fn send_to(
        &self,
        id: ClientId,
        head: Head,
        ext: &[u8],
        body: &[u8],
        options: CallOptions,
    ) -> Result<(), Error> {
        let frame = EncodedFrame::new(head, ext, body)?;
        let frame = frame.encoded();
        let gateway = self.gateway_of(id, options)?;
        if gateway.link.is_online() || !self.waits() {
            let (mut turn, mut wake) = (Turn::of(1), false);
            let pushed = gateway.link.push(frame, &mut turn, &mut wake);
            if wake {
                self.background.waker.wake(&turn);
            }
            if pushed.is_ok() {
                return Ok(());
            }
        }
        self.send_patiently(&gateway, frame, options)
    }

    /// Like [`Cluster::send_to`], for a frame that could not be sent at once.
    #[cold]
    pub(super) fn send_patiently(
        &self,
        gateway: &Arc<Gateway>,
        frame: FrameBytes<'_>,
        options: CallOptions,
    ) -> Result<(), Error> {
        let link = &gateway.link;
        let mut deadline = Deadline::of(options);
        if self.waits() && !link.is_online() {
            let one = [Arc::clone(gateway)];
            self.wait_connected(&one, WaitFor::AnyOne, &mut deadline)
                .inspect_err(|_| self.members.forget_unlisted(&one))?;
        }
        let (mut turn, mut wake) = (Turn::of(1), false);
        let mut pushed = link.push(frame, &mut turn, &mut wake);
        if pushed == Err(Refusal::Full) {
            if self.waits() {
                pushed = wait_for_room(link, frame, deadline.get(), &mut wake);
            }
            if pushed.is_err() {
                link.refuse();
            }
        }
        if wake {
            self.background.waker.wake(&turn);
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
        options: CallOptions,
    ) -> Result<(), Error> {
        let mut deadline = Deadline::of(options);
        self.wait_for_fan_out(&mut deadline)?;
        let sent = encode(head, ext, body, |frame| self.fan_out(|_| frame, &mut deadline))?;
        sent.map_err(|error| *error)
    }

    /// Sends a frame to every gateway, with different extension data for the gateways of these
    /// clients.
    pub(crate) fn send_to_each(
        &self,
        head: Head,
        ext: &[u8],
        special: &[(ClientId, Vec<u8>)],
        body: &[u8],
        options: CallOptions,
    ) -> Result<(), Error> {
        let mut deadline = Deadline::of(options);
        self.wait_for_fan_out(&mut deadline)?;
        if self.waits() {
            // For the log: there is nobody to exclude at a gateway that does not exist.
            self.gateways_of(special.iter().map(|(id, _)| *id), options)?;
        }
        let special = special
            .iter()
            .map(|(id, ext)| Ok((GatewayKey::from(*id), EncodedFrame::new(head, ext, body)?)))
            .collect::<Result<Vec<_>, FrameTooLong>>()?;
        let sent = encode(head, ext, body, |frame| {
            let frame_for = |gateway: &Gateway| {
                let key = gateway.address.key();
                let own = special.iter().find(|(special, _)| *special == key);
                own.map_or(frame, |(_, frame)| frame.encoded())
            };
            self.fan_out(frame_for, &mut deadline)
        })?;
        sent.map_err(|error| *error)
    }

    /// Pushes a frame to every gateway.
    #[inline]
    fn fan_out<'f>(
        &self,
        frame_for: impl Fn(&Gateway) -> FrameBytes<'f>,
        deadline: &mut Deadline,
    ) -> Result<(), Box<Error>> {
        let fan_out = self.members.with(|gateways| {
            let mut fan_out = self.start_fan_out(gateways.len());
            for gateway in gateways {
                fan_out.push(gateway, frame_for(gateway));
            }
            fan_out
        });
        self.finish(fan_out, deadline)
    }

    /// Sends frames to the gateways of some clients, each with its own extension data. As in a
    /// fan-out, one reachable gateway is enough. But an unlisted gateway gets its frame only if it
    /// can be reached: otherwise nobody would ever take it. And where client ids are not trusted, it
    /// gets nothing.
    pub(crate) fn send_to_some(
        &self,
        head: Head,
        frames: &[(ClientId, Vec<u8>)],
        body: &[u8],
        options: CallOptions,
    ) -> Result<(), Error> {
        let known = self.gateways_of(frames.iter().map(|(id, _)| *id), options)?;
        let exts = known.iter().zip(frames).filter(|(gateway, _)| gateway.is_some()).map(|(_, (_, ext))| ext);
        let frames: Vec<_> =
            exts.map(|ext| EncodedFrame::new(head, ext, body)).collect::<Result<_, FrameTooLong>>()?;
        let gateways: Vec<_> = known.into_iter().flatten().collect();
        let mut deadline = Deadline::of(options);
        if self.waits() && gateways.iter().any(|gateway| !gateway.link.is_online()) {
            let outcome = self.wait_connected(&gateways, WaitFor::All, &mut deadline);
            let gone: Vec<_> = gateways.iter().filter(|gateway| !gateway.link.is_online()).cloned().collect();
            self.members.forget_unlisted(&gone);
            outcome?;
        }
        let mut fan_out = self.start_fan_out(gateways.len());
        for (gateway, frame) in gateways.iter().zip(&frames) {
            if self.waits() && !gateway.link.is_online() && !self.members.is_listed(gateway) {
                gateway.link.log_unreachable();
                continue;
            }
            fan_out.push(gateway, frame.encoded());
        }
        self.finish(fan_out, &mut deadline).map_err(|error| *error)
    }

    /// One reachable gateway is enough for a fan-out: the frames of the others wait in their
    /// queues.
    #[inline]
    fn wait_for_fan_out(&self, deadline: &mut Deadline) -> Result<(), Error> {
        if !self.waits() {
            return Ok(());
        }
        let any = self.members.with(|gateways| gateways.iter().any(|gateway| gateway.link.is_online()));
        if any { Ok(()) } else { self.wait_connected(&self.members.all(), WaitFor::AnyOne, deadline) }
    }

    /// Waits until one of these gateways is connected, or until each of them is or cannot be.
    ///
    /// # Errors
    /// When none is: the time-out of the first that is late, or else why the first could not
    /// connect.
    #[cold]
    fn wait_connected(
        &self,
        gateways: &[Arc<Gateway>],
        wait_for: WaitFor,
        deadline: &mut Deadline,
    ) -> Result<(), Error> {
        self.background.set_connect_timeout(deadline.timeout);
        let attempts: Vec<(&CommandLink, Attempt)> =
            gateways.iter().map(|gateway| (&gateway.link, gateway.link.prepare())).collect();
        let outcomes = || attempts.iter().map(|(link, attempt)| (link, link.outcome(*attempt)));
        let is_connected = |outcome: &Option<Result<(), Error>>| matches!(outcome, Some(Ok(())));
        // The late ones are found below.
        let _ = self.background.events.wait(deadline.get(), || {
            let one = wait_for == WaitFor::AnyOne && outcomes().any(|(_, outcome)| is_connected(&outcome));
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

    /// Starts a fan-out. When a callback of a BusinessWorker ends, its frames are at the gateways,
    /// as with the original. Elsewhere one system call that wakes the background costs less than
    /// one per gateway.
    fn start_fan_out<'a>(&self, gateways: usize) -> FanOut<'a> {
        let turn = if gateways > 1 && self.waits() { Turn::fan_out() } else { Turn::of(gateways) };
        FanOut { turn, wake: false, refused: Vec::new() }
    }

    /// Ends a fan-out. The error is boxed: there rarely is one, and the common result then fits a
    /// CPU register.
    #[inline]
    fn finish(&self, fan_out: FanOut<'_>, deadline: &mut Deadline) -> Result<(), Box<Error>> {
        if fan_out.wake {
            self.background.waker.wake(&fan_out.turn);
        }
        if fan_out.refused.is_empty() { Ok(()) } else { self.settle_refused(fan_out.refused, deadline) }
    }

    /// Handles frames of a fan-out that found no room: waits for it in client mode, and logs which
    /// gateways did not get theirs.
    #[cold]
    fn settle_refused(
        &self,
        refused: Vec<(CommandLink, FrameBytes<'_>)>,
        deadline: &mut Deadline,
    ) -> Result<(), Box<Error>> {
        let mut result = Ok(());
        for (link, frame) in refused {
            let mut wake = false;
            let pushed = if self.waits() {
                wait_for_room(&link, frame, deadline.get(), &mut wake)
            } else {
                link.push(frame, &mut Turn::background(), &mut wake)
            };
            if wake {
                link.wake();
            }
            // As in FanOut::push(): a gateway that has left the cluster has no clients to send to.
            if pushed == Err(Refusal::Full) {
                link.refuse();
                result = result.and(Err(Box::new(link.refusal(Refusal::Full))));
            }
        }
        result
    }
}

/// Frames going to several gateways: the background is woken once for all of them.
struct FanOut<'a> {
    turn: Turn,
    wake: bool,
    /// The links that had no room for their frame.
    refused: Vec<(CommandLink, FrameBytes<'a>)>,
}

impl<'a> FanOut<'a> {
    #[inline]
    fn push(&mut self, gateway: &Gateway, frame: FrameBytes<'a>) {
        // Any other refusal means that the gateway has left the cluster since: it has no clients to
        // send to.
        if gateway.link.push(frame, &mut self.turn, &mut self.wake) == Err(Refusal::Full) {
            self.refused.push((gateway.link.clone(), frame));
        }
    }
}

fn wait_for_room(
    link: &CommandLink,
    frame: FrameBytes<'_>,
    deadline: Instant,
    wake: &mut bool,
) -> Result<(), Refusal> {
    loop {
        // The background has to hear of the queued frames, or room will never come.
        link.wake();
        let room = link.wait_room(frame.len(), deadline);
        match link.push(frame, &mut Turn::background(), wake) {
            Err(Refusal::Full) if room => {}
            pushed => return pushed,
        }
    }
}
