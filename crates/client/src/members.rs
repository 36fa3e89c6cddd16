//! The gateways of a cluster, kept up to date.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gatewayworker_wire::ClientId;

use crate::address::{GatewayAddress, GatewayKey};
use crate::fork::lock;
use crate::gateway::Gateway;
use crate::runtime::Background;
use crate::secret::Secret;

/// More gateways that are no members than this are not kept: ids come from outside, and any of them names an address.
const MOST_STRAYS: usize = 256;
/// A name that was not found is looked up again after this.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(1);

/// The gateways of one cluster.
#[derive(Debug)]
pub(crate) struct Members {
    secret: Secret,
    background: Arc<Background>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// As listed, those with the same ip next to each other: the original's order of results.
    listed: Vec<Arc<Gateway>>,
    /// Listed with a name instead of an ip, and not looked up yet, or not found.
    named: Vec<String>,
    /// When names that were not found are looked up again, and why the last one was not.
    look_up_again: Option<(Instant, String)>,
    /// The list that was taken over last, to see at once that nothing has changed.
    followed: Vec<String>,
    /// Those to be asked, where the caller names others than those to be sent to.
    asked: Option<(Vec<String>, Vec<Arc<Gateway>>)>,
    /// Known from client ids only.
    strays: HashMap<GatewayKey, Arc<Gateway>>,
    /// Let go of, with frames that are still being sent: the end of the process waits for them too, and a gateway that is back
    /// before they are sent is taken from here.
    retiring: Vec<Arc<Gateway>>,
    /// The stray that was wanted last: scripts that only send to single clients need no list.
    last_stray: Option<Arc<Gateway>>,
}

impl Members {
    pub(crate) fn new(secret: Secret, background: Arc<Background>) -> Arc<Self> {
        Arc::new(Self { secret, background, state: Mutex::default() })
    }

    /// Runs `with` on the members, in their order. Names are looked up first, so this is for calling threads.
    #[inline]
    pub(crate) fn with<T>(&self, with: impl FnOnce(&[Arc<Gateway>]) -> T) -> T {
        let mut state = lock(&self.state);
        if !state.named.is_empty() {
            drop(state);
            self.look_up_listed();
            state = lock(&self.state);
        }
        with(&state.listed)
    }

    /// The members, in their order.
    pub(crate) fn all(&self) -> Vec<Arc<Gateway>> {
        self.with(<[_]>::to_vec)
    }

    /// Those to be asked, in their order.
    pub(crate) fn asked(&self) -> Vec<Arc<Gateway>> {
        if let Some((_, asked)) = &lock(&self.state).asked {
            return asked.clone();
        }
        self.all()
    }

    /// Members, strays, and those that have left and may still have frames to send.
    pub(crate) fn everybody(&self) -> Vec<Arc<Gateway>> {
        let state = lock(&self.state);
        let mut everybody = state.listed.clone();
        let asked = state.asked.iter().flat_map(|(_, asked)| asked);
        let retiring = state.retiring.iter().filter(|gateway| !gateway.link.is_over());
        for gateway in asked.chain(state.strays.values()).chain(retiring) {
            if !everybody.iter().any(|known| Arc::ptr_eq(known, gateway)) {
                everybody.push(Arc::clone(gateway));
            }
        }
        everybody
    }

    /// The gateway of a client, be it a member or not.
    #[inline]
    pub(crate) fn of_client(&self, id: ClientId) -> Arc<Gateway> {
        let key = GatewayKey::from(id);
        let state = lock(&self.state);
        if let Some(gateway) = state.listed.iter().find(|gateway| gateway.address.key() == key) {
            return Arc::clone(gateway);
        }
        if let Some(stray) = state.last_stray.as_ref().filter(|stray| stray.address.key() == key) {
            return Arc::clone(stray);
        }
        drop(state);
        self.stray(id)
    }

    #[cold]
    fn stray(&self, id: ClientId) -> Arc<Gateway> {
        let mut state = lock(&self.state);
        let key = GatewayKey::from(id);
        if let Some((_, asked)) = &state.asked
            && let Some(gateway) = asked.iter().find(|gateway| gateway.address.key() == key)
        {
            return Arc::clone(gateway);
        }
        if state.strays.len() >= MOST_STRAYS && !state.strays.contains_key(&key) {
            state.last_stray = None;
            let strays: Vec<_> = state.strays.drain().map(|(_, gateway)| gateway).collect();
            state.retire(&strays);
        }
        let address = GatewayAddress::from_client_id(id, &self.background.settings.address_map);
        let stray = self.gateway(&mut state, address);
        state.strays.insert(key, Arc::clone(&stray));
        state.last_stray = Some(Arc::clone(&stray));
        stray
    }

    /// The gateway at an address that stands in no list: one that is known from client ids, one that has left and still has
    /// frames to send (new ones have to go behind them), or a new one.
    fn gateway(&self, state: &mut State, address: GatewayAddress) -> Arc<Gateway> {
        let key = address.key();
        let known = state.strays.remove(&key).or_else(|| state.take_back(key));
        known.unwrap_or_else(|| Gateway::new(address, &self.secret, &self.background))
    }

    /// Whether the gateway stands in a list, and is not known from a client id only.
    pub(crate) fn is_listed(&self, gateway: &Arc<Gateway>) -> bool {
        let state = lock(&self.state);
        let asked = state.asked.iter().flat_map(|(_, asked)| asked);
        state.listed.iter().chain(asked).any(|listed| Arc::ptr_eq(listed, gateway))
    }

    /// Lets go of those of these gateways that are known from a client id only and never were there. (One that was, and is
    /// not now, may have closed the connection for a wrong secret key, which its link is about to find out.)
    #[cold]
    pub(crate) fn forget_strays(&self, gateways: &[Arc<Gateway>]) {
        let mut state = lock(&self.state);
        state.last_stray = None;
        let gone = gateways.iter().filter(|gateway| !gateway.link.was_online());
        let strays: Vec<_> = gone.filter_map(|gateway| state.strays.remove(&gateway.address.key())).collect();
        state.retire(&strays);
    }

    /// Takes over a new list: added gateways are used from now on, removed ones send what they have queued and close.
    pub(crate) fn follow<T: AsRef<str>>(&self, addresses: &[T]) {
        let mut state = lock(&self.state);
        if is_same(&state.followed, addresses) {
            return;
        }
        let (listed, named) = self.gateways(&mut state, addresses);
        let gone = std::mem::replace(&mut state.listed, listed);
        state.named = named;
        state.look_up_again = None;
        state.followed = addresses.iter().map(|address| address.as_ref().to_owned()).collect();
        state.retire(&gone);
    }

    /// Takes over a list of those to be asked. Names in it are looked up, so this is for calling threads.
    pub(crate) fn follow_asked<T: AsRef<str>>(&self, addresses: &[T]) {
        let mut state = lock(&self.state);
        if state.asked.as_ref().is_some_and(|(followed, _)| is_same(followed, addresses)) {
            return;
        }
        let (mut asked, named) = self.gateways(&mut state, addresses);
        for name in named {
            if let Ok(address) = self.look_up(&name) {
                asked.push(self.gateway(&mut state, address));
            }
        }
        let followed = addresses.iter().map(|address| address.as_ref().to_owned()).collect();
        let gone = state.asked.replace((followed, grouped_by_ip(asked)));
        state.retire(&gone.map(|(_, asked)| asked).unwrap_or_default());
    }

    /// The gateways of a list, known ones and new ones, and the names that have to be looked up.
    fn gateways<T: AsRef<str>>(
        &self,
        state: &mut State,
        addresses: &[T],
    ) -> (Vec<Arc<Gateway>>, Vec<String>) {
        state.last_stray = None;
        let map = &self.background.settings.address_map;
        let mut named = Vec::new();
        let mut gateways: Vec<Arc<Gateway>> = Vec::with_capacity(addresses.len());
        for text in addresses.iter().map(AsRef::as_ref) {
            if gateways.iter().any(|gateway| &*gateway.address.text == text) {
                continue;
            }
            let asked = state.asked.iter().flat_map(|(_, asked)| asked);
            let known = state.listed.iter().chain(asked).find(|gateway| &*gateway.address.text == text);
            if let Some(known) = known {
                gateways.push(Arc::clone(known));
            } else if let Some(address) = GatewayAddress::from_literal(text, map) {
                gateways.push(self.gateway(state, address));
            } else {
                named.push(text.to_owned());
            }
        }
        (grouped_by_ip(gateways), named)
    }

    /// A listed gateway whose name has no address, and why: an answer without it would not be whole.
    pub(crate) fn not_found(&self) -> Option<(String, String)> {
        let state = lock(&self.state);
        let name = state.named.first()?.clone();
        Some((name, state.look_up_again.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default()))
    }

    #[cold]
    fn look_up_listed(&self) {
        let (named, followed) = {
            let state = lock(&self.state);
            if state.look_up_again.as_ref().is_some_and(|(again, _)| Instant::now() < *again) {
                return;
            }
            (state.named.clone(), state.followed.clone())
        };
        // Without the lock: the resolver may take its time.
        let found: Vec<_> = named.iter().map(|name| (name, self.look_up(name))).collect();
        let mut state = lock(&self.state);
        if state.followed != followed {
            // The list has changed meanwhile; the next call looks at it.
            return;
        }
        state.named.clear();
        state.look_up_again = None;
        let mut listed = std::mem::take(&mut state.listed);
        for (name, address) in found {
            match address {
                Ok(address) => listed.push(self.gateway(&mut state, address)),
                Err(reason) => {
                    state.named.push(name.clone());
                    state.look_up_again = Some((Instant::now() + LOOK_UP_AGAIN, reason));
                }
            }
        }
        state.listed = grouped_by_ip(listed);
    }

    fn look_up(&self, name: &str) -> Result<GatewayAddress, String> {
        let settings = &self.background.settings;
        GatewayAddress::resolve(name, settings.resolver, &settings.address_map).map_err(|error| {
            self.background.log.event(format_args!("tcp://{name}"), "left out", &error);
            error.to_string()
        })
    }
}

impl State {
    /// Lets go of those that stand in no list any more.
    fn retire(&mut self, gone: &[Arc<Gateway>]) {
        self.retiring.retain(|gateway| !gateway.link.is_over());
        for old in gone {
            let asked = self.asked.iter().flat_map(|(_, asked)| asked);
            if !self.listed.iter().chain(asked).any(|kept| Arc::ptr_eq(kept, old)) {
                old.link.retire();
                self.retiring.push(Arc::clone(old));
            }
        }
    }

    /// The gateway at this address that has left and is back before its queue has ended.
    fn take_back(&mut self, key: GatewayKey) -> Option<Arc<Gateway>> {
        let is_it = |gateway: &Arc<Gateway>| gateway.address.key() == key && gateway.link.take_back();
        let place = self.retiring.iter().position(is_it)?;
        Some(self.retiring.swap_remove(place))
    }
}

fn is_same<T: AsRef<str>>(followed: &[String], addresses: &[T]) -> bool {
    followed.len() == addresses.len() && followed.iter().zip(addresses).all(|(a, b)| a == b.as_ref())
}

/// Puts gateways with the same ip next to each other, in the order in which each ip stands first.
fn grouped_by_ip(gateways: Vec<Arc<Gateway>>) -> Vec<Arc<Gateway>> {
    let mut order: Vec<u32> = Vec::new();
    for gateway in &gateways {
        if !order.contains(&gateway.address.ip) {
            order.push(gateway.address.ip);
        }
    }
    let mut grouped = gateways;
    grouped.sort_by_key(|gateway| order.iter().position(|ip| *ip == gateway.address.ip));
    grouped
}
