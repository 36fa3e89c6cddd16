//! The gateways of a cluster, kept up to date.

use std::collections::HashMap;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

use gatewayworker_wire::ClientId;

use crate::address::{self, GatewayAddress, GatewayKey, LookUpPause};
use crate::cluster::gateway_list::{List, UnresolvedName};
use crate::error::Error;
use crate::gateway::Gateway;
use crate::link::counters::EndedLinks;
use crate::link::observer::LinkObserver;
use crate::runtime::background::Background;
use crate::secret::Secret;
use crate::sys::lock::lock;

/// The most unlisted gateways that are kept. Client ids come from outside, and any of them names an
/// address.
const MAX_UNLISTED: usize = 256;

/// The gateways of one cluster.
#[derive(Debug)]
pub(crate) struct Members {
    /// For the links, which report to it.
    me: Weak<Self>,
    secret: Secret,
    /// Whether client ids only name gateways of the lists: nobody else is connected to.
    listed_only: bool,
    background: Arc<Background>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The gateways that commands go to.
    listed: List,
    /// The gateways that queries go to, if the caller gives another list for them.
    queried: Option<List>,
    look_ups: LookUpPause,
    /// Unlisted gateways. Client ids named them, or the application itself ([`Members::at`]).
    unlisted: HashMap<GatewayKey, Arc<Gateway>>,
    /// Gateways that have left and still send what is queued. The end of the process waits for
    /// them, and a gateway that returns in time is taken from here.
    retiring: Vec<Arc<Gateway>>,
    /// The totals of the links that have ended.
    ended: EndedLinks,
    /// Their frames that will never be known to have been processed.
    ended_unconfirmed: u64,
    /// The unlisted gateway that was used last: a script that only sends to single clients needs no
    /// list.
    last_unlisted: Option<Arc<Gateway>>,
}

impl Members {
    pub(crate) fn new(secret: Secret, listed_only: bool, background: Arc<Background>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            secret,
            listed_only,
            background,
            state: Mutex::default(),
        })
    }

    /// Runs `with` on the members, in their order. It looks names up first, so only calling threads
    /// may use it.
    #[inline]
    pub(crate) fn with<T>(&self, with: impl FnOnce(&[Arc<Gateway>]) -> T) -> T {
        let mut state = lock(&self.state);
        if !state.listed.named.is_empty() {
            state = self.look_up(state);
        }
        with(&state.listed.gateways)
    }

    /// The members, in their order.
    pub(crate) fn all(&self) -> Vec<Arc<Gateway>> {
        self.with(<[_]>::to_vec)
    }

    /// The gateways that queries go to, in their order. Like [`Members::with`], for calling
    /// threads.
    pub(crate) fn to_query(&self) -> Vec<Arc<Gateway>> {
        let mut state = lock(&self.state);
        if !state.to_be_queried().named.is_empty() {
            state = self.look_up(state);
        }
        state.to_be_queried().gateways.clone()
    }

    /// Members, unlisted gateways, and those that have left and may still have frames to send.
    pub(crate) fn everybody(&self) -> Vec<Arc<Gateway>> {
        self.everybody_and_ended().0
    }

    /// Like [`Members::everybody`], with the totals of all other links there ever were. Each link
    /// counts in one of the two.
    pub(crate) fn everybody_and_ended(&self) -> (Vec<Arc<Gateway>>, EndedLinks) {
        let (everybody, ended, _) = self.snapshot();
        (everybody, ended)
    }

    /// Everybody, with the totals and the unconfirmed frames of all other links.
    fn snapshot(&self) -> (Vec<Arc<Gateway>>, EndedLinks, u64) {
        let mut state = lock(&self.state);
        let gone = state.take_ended();
        let mut everybody = Vec::new();
        for gateway in state.known().chain(state.unlisted.values()).chain(&state.retiring) {
            if !everybody.iter().any(|known| Arc::ptr_eq(known, gateway)) {
                everybody.push(Arc::clone(gateway));
            }
        }
        let (ended, unconfirmed) = (state.ended, state.ended_unconfirmed);
        drop(state);
        // As in link_ended().
        drop(gone);
        (everybody, ended, unconfirmed)
    }

    /// How many frames of this cluster will never be known to have been processed.
    pub(crate) fn unconfirmed(&self) -> u64 {
        let (everybody, _, ended) = self.snapshot();
        ended + everybody.iter().map(|gateway| gateway.link.unconfirmed()).sum::<u64>()
    }

    /// The gateway of a client; none if no list names it and client ids are not trusted.
    #[inline]
    pub(crate) fn of_client(&self, id: ClientId) -> Option<Arc<Gateway>> {
        let key = GatewayKey::from(id);
        let state = lock(&self.state);
        let mut known = state.listed.gateways.iter().chain(&state.last_unlisted);
        if let Some(gateway) = known.find(|gateway| gateway.address.key() == key) {
            return Some(Arc::clone(gateway));
        }
        self.found_late(state, id)
    }

    /// As [`Members::of_client`], for a client whose gateway is not in the list by its address.
    #[cold]
    fn found_late<'a>(&'a self, mut state: MutexGuard<'a, State>, id: ClientId) -> Option<Arc<Gateway>> {
        if !self.listed_only {
            return Some(self.unlisted(state, id));
        }
        if !state.listed.named.is_empty() {
            state = self.look_up(state);
        }
        let key = GatewayKey::from(id);
        let mut known = state.known().chain(state.unlisted.values());
        let by_address = known.find(|gateway| gateway.address.key() == key);
        by_address.or_else(|| (id.ip == 0).then(|| state.listed.by_name(id.port)).flatten()).cloned()
    }

    /// The addresses in the list, as they were given.
    pub(crate) fn addresses(&self) -> Vec<String> {
        lock(&self.state).listed.followed.clone()
    }

    /// The listed gateway of this name.
    pub(crate) fn by_text(&self, address: &str) -> Option<Arc<Gateway>> {
        lock(&self.state).known().find(|gateway| *gateway.address.text == *address).cloned()
    }

    /// The id of a client at an address, with the connection 0.
    ///
    /// # Errors
    /// Where its name cannot be looked up.
    pub(crate) fn id_at(&self, address: &str) -> Result<ClientId, Error> {
        let settings = &self.background.settings;
        let found = GatewayAddress::resolve(address, settings.resolver, &settings.address_map)
            .map_err(|error| Error::Unreachable { gateway: address.into(), reason: error.to_string() })?;
        Ok(ClientId { ip: found.ip, port: found.port, connection: 0 })
    }

    /// The gateway at an address that the application names, which may be none of the list.
    ///
    /// # Errors
    /// Where its name cannot be looked up.
    pub(crate) fn at(&self, address: &str) -> Result<Arc<Gateway>, Error> {
        if let Some(gateway) = self.by_text(address) {
            return Ok(gateway);
        }
        let id = self.id_at(address)?;
        if let Some(gateway) = self.of_client(id) {
            return Ok(gateway);
        }
        Ok(self.unlisted(lock(&self.state), id))
    }

    /// It keeps the lock: a list that arrived in between would create the same gateway twice.
    #[cold]
    fn unlisted(&self, mut state: MutexGuard<'_, State>, id: ClientId) -> Arc<Gateway> {
        let key = GatewayKey::from(id);
        if let Some(gateway) = state.known().find(|gateway| gateway.address.key() == key) {
            return Arc::clone(gateway);
        }
        if state.unlisted.len() >= MAX_UNLISTED && !state.unlisted.contains_key(&key) {
            state.last_unlisted = None;
            let unlisted: Vec<_> = state.unlisted.drain().map(|(_, gateway)| gateway).collect();
            state.retire(&unlisted);
        }
        let address = GatewayAddress::from_client_id(id, &self.background.settings.address_map);
        let unlisted = self.gateway(&mut state, address);
        state.unlisted.insert(key, Arc::clone(&unlisted));
        state.last_unlisted = Some(Arc::clone(&unlisted));
        unlisted
    }

    /// The gateway at an address: a listed one, an unlisted one, one that has left and still has
    /// frames to send (new ones must go behind them), or a new one.
    fn gateway(&self, state: &mut State, address: GatewayAddress) -> Arc<Gateway> {
        let known = state.known().find(|known| known.address.is_same(&address)).cloned();
        let known = known.or_else(|| state.take_unlisted(&address)).or_else(|| state.take_back(&address));
        known.unwrap_or_else(|| {
            let observer: Weak<dyn LinkObserver> = self.me.clone();
            Gateway::new(address, &self.secret, observer, &self.background)
        })
    }

    /// Whether a list names the gateway, not only a client id.
    pub(crate) fn is_listed(&self, gateway: &Arc<Gateway>) -> bool {
        lock(&self.state).known().any(|listed| Arc::ptr_eq(listed, gateway))
    }

    /// Forgets those of these gateways that are unlisted and never were connected. One that was
    /// connected may have closed the connection because of a wrong secret key; its link is about to
    /// find out.
    #[cold]
    pub(crate) fn forget_unlisted(&self, gateways: &[Arc<Gateway>]) {
        let mut state = lock(&self.state);
        state.last_unlisted = None;
        let gone = gateways.iter().filter(|gateway| !gateway.link.was_online());
        let unlisted: Vec<_> =
            gone.filter_map(|gateway| state.unlisted.remove(&gateway.address.key())).collect();
        state.retire(&unlisted);
    }

    /// Takes over a new list. Added gateways are used from now on; removed ones send what is queued
    /// and close.
    pub(crate) fn follow<T: AsRef<str>>(&self, addresses: &[T]) {
        let mut state = lock(&self.state);
        if state.listed.is_of(addresses) {
            return;
        }
        let list = self.list(&mut state, addresses);
        let gone = std::mem::replace(&mut state.listed, list);
        state.retire(&gone.gateways);
    }

    /// Takes over a list of the gateways that queries go to.
    pub(crate) fn follow_for_queries<T: AsRef<str>>(&self, addresses: &[T]) {
        let mut state = lock(&self.state);
        if state.queried.as_ref().is_some_and(|queried| queried.is_of(addresses)) {
            return;
        }
        let list = self.list(&mut state, addresses);
        let gone = state.queried.replace(list);
        state.retire(&gone.unwrap_or_default().gateways);
    }

    /// Builds a list of known gateways, new ones, and names that have to be looked up.
    fn list<T: AsRef<str>>(&self, state: &mut State, addresses: &[T]) -> List {
        state.last_unlisted = None;
        let map = &self.background.settings.address_map;
        let mut list = List {
            followed: addresses.iter().map(|address| address.as_ref().to_owned()).collect(),
            ..List::default()
        };
        for text in addresses.iter().map(AsRef::as_ref) {
            let is_it = |gateway: &&Arc<Gateway>| &*gateway.address.text == text;
            let known = state.known().chain(&list.gateways).find(is_it).cloned();
            if let Some(known) = known {
                list.add(&known);
            } else if let Some(address) = GatewayAddress::from_literal(text, map) {
                list.add(&self.gateway(state, address));
            } else if list.named(text).is_none() {
                // A name that was not found before was logged, and waits for its next look-up.
                let known = state.lists().find_map(|list| list.named(text)).cloned();
                list.named
                    .push(known.unwrap_or_else(|| UnresolvedName { name: text.to_owned(), trouble: None }));
            }
        }
        list.group_by_ip();
        list
    }

    /// Marks the names of unreachable gateways for a look-up by the next call: a container that was
    /// replaced has another address.
    #[cold]
    pub(crate) fn doubt_names(&self) {
        let mut state = lock(&self.state);
        for list in state.lists_mut() {
            for gateway in list.gateways.iter().filter(|gateway| !gateway.link.is_online()) {
                let name = &*gateway.address.text;
                if address::is_named(name) && list.named.iter().all(|named| named.name != name) {
                    let trouble = Some("it cannot be reached where it was".into());
                    list.named.push(UnresolvedName { name: name.to_owned(), trouble });
                }
            }
        }
    }

    /// A gateway to query whose name has no address, and the reason. A result without it would be
    /// incomplete.
    pub(crate) fn not_found(&self) -> Option<(String, String)> {
        let state = lock(&self.state);
        let queried = state.to_be_queried();
        let UnresolvedName { name, trouble } =
            queried.named.iter().find(|named| !queried.has(&named.name))?;
        Some((name.clone(), trouble.clone().unwrap_or_default()))
    }

    /// Looks up the names of both lists: new ones at once, others after a pause. It does not hold
    /// the lock meanwhile: the resolver may be slow, and the background needs the lock too.
    #[cold]
    fn look_up<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let again = state.look_ups.is_over();
        let mut names: Vec<String> = Vec::new();
        for named in state.lists().flat_map(|list| &list.named) {
            if (again || named.trouble.is_none()) && !names.contains(&named.name) {
                names.push(named.name.clone());
            }
        }
        if names.is_empty() {
            return state;
        }
        drop(state);
        let began = Instant::now();
        let settings = &self.background.settings;
        let resolve = |name: &str| GatewayAddress::resolve(name, settings.resolver, &settings.address_map);
        let found: Vec<_> = names.iter().map(|name| (name, resolve(name))).collect();
        let mut state = lock(&self.state);
        state.look_ups.begin(began);
        // The lists may have changed in the meantime.
        for (name, address) in found {
            match address {
                Ok(address) => self.found(&mut state, name, address),
                Err(error) => self.missed(&mut state, name, &error.to_string()),
            }
        }
        state
    }

    fn found(&self, state: &mut State, name: &str, address: GatewayAddress) {
        if state.lists().all(|list| list.named(name).is_none()) {
            return;
        }
        state.last_unlisted = None;
        let gateway = self.gateway(state, address);
        let mut gone = Vec::new();
        for list in state.lists_mut().filter(|list| list.named(name).is_some()) {
            list.named.retain(|named| named.name != name);
            // If another container has the name now, the gateway that had it is gone.
            let is_gone = |known: &mut Arc<Gateway>| {
                *known.address.text == *name && !known.address.is_same(&gateway.address)
            };
            gone.extend(list.gateways.extract_if(.., is_gone));
            list.add(&gateway);
            list.group_by_ip();
        }
        state.retire(&gone);
    }

    /// A name was not found. Logged once, until it is found or the reason changes.
    fn missed(&self, state: &mut State, name: &str, reason: &str) {
        for list in state.lists_mut().filter(|list| list.has(name)) {
            // It keeps the address that it had.
            list.named.retain(|named| named.name != name);
        }
        let mut told = true;
        for named in state.lists_mut().flat_map(|list| &mut list.named).filter(|named| named.name == name) {
            told &= named.trouble.as_deref() == Some(reason);
            named.trouble = Some(reason.to_owned());
        }
        if !told {
            self.background.log.event(format_args!("tcp://{name}"), "left out", reason);
        }
    }
}

impl LinkObserver for Members {
    fn link_down(&self, address: &GatewayAddress) {
        if address::is_named(&address.text) {
            self.doubt_names();
        }
    }

    /// The link has been down for long, and frames are queued. No list says when to drop an
    /// unlisted gateway, so it is dropped now.
    fn link_given_up(&self, address: &GatewayAddress) {
        let mut state = lock(&self.state);
        if let Some(unlisted) = state.take_unlisted(address) {
            state.last_unlisted = None;
            state.retire(&[unlisted]);
        }
    }

    /// The link of a gateway that has left has ended; its idle query connections end with it.
    fn link_ended(&self) {
        let ended = lock(&self.state).take_ended();
        // Close them without holding the lock.
        drop(ended);
    }
}

impl State {
    fn lists(&self) -> impl Iterator<Item = &List> {
        iter::once(&self.listed).chain(&self.queried)
    }

    fn lists_mut(&mut self) -> impl Iterator<Item = &mut List> {
        iter::once(&mut self.listed).chain(&mut self.queried)
    }

    /// The gateways of all lists; one that both lists name comes twice.
    fn known(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.lists().flat_map(|list| &list.gateways)
    }

    fn to_be_queried(&self) -> &List {
        self.queried.as_ref().unwrap_or(&self.listed)
    }

    /// Retires those that no list names any more.
    fn retire(&mut self, gone: &[Arc<Gateway>]) {
        for old in gone {
            if !self.known().any(|kept| Arc::ptr_eq(kept, old)) {
                old.link.retire();
                // One that was never needed, or not for long, has nothing to send.
                if old.link.is_over() {
                    self.add_ended(old);
                } else {
                    self.retiring.push(Arc::clone(old));
                }
            }
        }
    }

    /// Removes and returns the unlisted gateway at this address.
    fn take_unlisted(&mut self, address: &GatewayAddress) -> Option<Arc<Gateway>> {
        let key = address.key();
        let is_it = self.unlisted.get(&key).is_some_and(|unlisted| unlisted.address.is_same(address));
        if is_it { self.unlisted.remove(&key) } else { None }
    }

    /// Keeps the totals of a gateway whose link has ended.
    fn add_ended(&mut self, gateway: &Gateway) {
        gateway.count_as_ended(&mut self.ended);
        self.ended_unconfirmed += gateway.link.unconfirmed();
    }

    /// Removes and returns the gateways whose links have ended, and keeps their totals.
    fn take_ended(&mut self) -> Vec<Arc<Gateway>> {
        let gone: Vec<_> = self.retiring.extract_if(.., |gateway| gateway.link.is_over()).collect();
        gone.iter().for_each(|gateway| self.add_ended(gateway));
        gone
    }

    /// Removes and returns the gateway at this address that left and came back before its queue
    /// ended.
    fn take_back(&mut self, address: &GatewayAddress) -> Option<Arc<Gateway>> {
        let is_it = |gateway: &Arc<Gateway>| gateway.address.is_same(address) && gateway.link.take_back();
        let place = self.retiring.iter().position(is_it)?;
        Some(self.retiring.swap_remove(place))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use gatewayworker_wire::{Command, Head};

    use super::*;
    use crate::error::Error;
    use crate::link::frame::FrameBytes;
    use crate::process::Process;
    use crate::runtime::pace::Turn;
    use crate::settings::Settings;

    fn members() -> Arc<Members> {
        let process = Process::current(Settings::default).unwrap();
        Members::new(Secret::new(b""), false, Arc::clone(&process.background))
    }

    /// A gateway is one gateway however a list and an id of its clients meet.
    #[test]
    fn list_and_client_id_never_make_two_of_one_gateway() {
        let members = members();
        let id = ClientId { ip: 0x7f00_0001, port: 2900, connection: 1 };
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    members.of_client(id);
                }
            });
            let twice = (0..20_000).find(|_| {
                members.follow(&["127.0.0.1:2900"]);
                let known = members.everybody().len();
                members.follow::<&str>(&[]);
                known != 1
            });
            stop.store(true, Ordering::Relaxed);
            assert_eq!(twice, None, "there were two of it");
        });
    }

    fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !reached() {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A gateway that only client ids name is given up when it is long away with what waits for it.
    ///
    /// In tests of this crate an outage is long after 50 ms, see `LONG_OUTAGE`.
    #[test]
    fn unlisted_gateway_is_dropped_with_its_queue_after_an_outage() {
        let members = members();
        let frame = Head::new(Command::SendToOne, 1).frame(b"", b"hi").unwrap();
        for with_frames in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let link =
                members.of_client(ClientId { ip: 0x7f00_0001, port, connection: 1 }).unwrap().link.clone();
            let send = || {
                let mut wake = false;
                link.push(FrameBytes::Copied(&frame), &mut Turn::caller(), &mut wake).unwrap();
                link.wake();
            };
            send();
            let (mut conn, _) = listener.accept().unwrap();
            conn.read_exact(&mut vec![0; frame.len()]).unwrap();
            if with_frames {
                drop((listener, conn));
                wait_until("the end to be noticed", || !link.is_online());
                send();
            } else {
                // A query waits until the commands before it are confirmed.
                link.barrier(&mut false).unwrap();
                drop((listener, conn));
            }
            wait_until("it to be given up, and nothing of it to be kept", || {
                members.everybody().is_empty() && lock(&members.state).retiring.is_empty()
            });
            let lines = members.background.log.take();
            let dropped: Vec<_> = lines.iter().filter(|line| line.contains(" dropped: 1 frames")).collect();
            assert_eq!(dropped.len(), usize::from(with_frames), "{lines:?}");
        }
    }

    #[test]
    fn that_a_gateway_has_left_is_no_trouble_with_the_connection() {
        let members = members();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        members.follow(&[listener.local_addr().unwrap().to_string()]);
        let link = members.all()[0].link.clone();
        let frame = Head::new(Command::SendToOne, 1).frame(b"", b"hi").unwrap();
        let push = || {
            link.push(FrameBytes::Copied(&frame), &mut Turn::caller(), &mut false)
                .map_err(|refusal| link.refusal(refusal))
        };
        push().unwrap();
        let issued = link.barrier(&mut false).unwrap();
        link.wake_urgently();
        members.follow::<&str>(&[]);
        let waited = link.wait_barrier(issued, Instant::now() + Duration::from_secs(20));
        for error in [waited.unwrap_err(), push().unwrap_err()] {
            assert!(matches!(error, Error::Left { .. }), "{error}");
        }
    }
}
