//! Which cluster a call is for: decided at every call from the statics of the called class, so that
//! code that switches `Gateway::$registerAddress` between calls talks to several clusters.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::time::Duration;

use ext_php_rs::types::Zval;
use gatewayworker_client::wire::{ClientId, register};
use gatewayworker_client::{CallOptions, Cluster, ClusterId, Discovery, Error, Process, Secret, fork};

use crate::call::{Call, Failure, Result};
use crate::classes::GatewayClass;
use crate::engine::object::StaticSlot;
use crate::engine::{Zv, array, values};
use crate::overrides::Overrides;
use crate::settings;
use crate::statics::Statics;
use crate::worker::Worker;

/// The cluster of a call.
pub struct Target {
    /// The cluster.
    pub cluster: &'static Cluster,
    /// How long this call may wait.
    pub options: CallOptions,
    /// The BusinessWorker, in worker mode.
    pub worker: Option<Worker>,
    /// Whether to query the register again.
    fresh: bool,
    /// What is queried instead of the cluster, where a subclass says which gateways there are.
    narrowed: Option<Box<Cluster>>,
}

/// The last decision, valid as long as the statics hold the very same values.
struct Last {
    gateway_class: GatewayClass,
    generation: u64,
    source: Source,
    secret: Zval,
    cluster: &'static Cluster,
}

/// Where the gateways are known from.
enum Source {
    /// The registers in this value of `$registerAddress`.
    Registers(Zval),
    /// The BusinessWorker of this number.
    Worker(u32),
}

impl Source {
    #[inline]
    fn is_same(&self, worker: Option<&Worker>, register: Option<StaticSlot>) -> bool {
        match (self, worker) {
            (Self::Registers(last), None) => is_still(register, last),
            (Self::Worker(last), Some(worker)) => *last == worker.number(),
            _ => false,
        }
    }
}

/// Whether a static property still holds the very value that it held.
#[inline]
fn is_still(slot: Option<StaticSlot>, last: &Zval) -> bool {
    slot.is_some_and(|slot| slot.is_very_same(last))
}

thread_local! {
    /// Not dropped at the end of the thread: the engine's memory, which the values are in, has gone
    /// by then. What PHP code has left here behind the end of the last request (see [`abandon`])
    /// goes with that memory.
    static LAST: RefCell<ManuallyDrop<Option<Last>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Replaces the last decision and returns it. The cell is no longer borrowed when that one is
/// dropped.
fn replace(new: Option<Last>) -> Option<Last> {
    ManuallyDrop::into_inner(LAST.replace(ManuallyDrop::new(new)))
}

/// Lets go of what belongs to the request.
pub fn forget() {
    drop(replace(None));
}

/// At the start of a request: what PHP code has left here after the end of the last one (a session
/// handler that runs after us, say) points into memory that is gone. It must not be released, only
/// forgotten.
pub fn abandon() {
    if let Some(Last { source, secret, .. }) = replace(None) {
        std::mem::forget((source, secret));
    }
}

impl Target {
    /// The cluster that the statics of the called class name.
    ///
    /// # Errors
    /// Where the background cannot be started.
    #[inline(always)]
    pub fn of(call: &Call<'_>) -> Result<Self> {
        Self::with(call, Statics::of(call))
    }

    #[inline(always)]
    fn with(call: &Call<'_>, statics: Statics) -> Result<Self> {
        let worker = Worker::of(&statics);
        let connect = statics.connect_timeout.map_or(CallOptions::default().connect_timeout, connect_timeout);
        let fresh = statics.addresses_cache_disable.is_some_and(StaticSlot::truthy);
        let options = settings::call_options(connect);
        let cluster = cluster(call.class(), worker.as_ref().filter(|worker| worker.sends()), &statics)?;
        Ok(Self { cluster, options, worker, fresh, narrowed: None })
    }

    /// As [`Target::of`], by the register even inside of a BusinessWorker.
    ///
    /// # Errors
    /// As [`Target::of`].
    #[cold]
    pub fn by_register(call: &Call<'_>) -> Result<Self> {
        Self::with(call, Statics::of(call).without_worker())
    }

    /// Before a send to every gateway: makes sure that they are known.
    ///
    /// # Errors
    /// Where the register cannot tell.
    #[inline]
    pub fn ensure_known_for_send(&self) -> Result<()> {
        match self.sending_worker() {
            Some(worker) => self.cluster.follow(&worker.connected()),
            None => self.cluster.discover(self.fresh, self.options)?,
        }
        Ok(())
    }

    /// Before a query to every gateway: makes sure that they are known.
    ///
    /// # Errors
    /// Where the register, or the BusinessWorker, cannot tell.
    #[inline]
    pub fn ensure_known_for_query(&mut self, call: &Call<'_>) -> Result<()> {
        if Overrides::of(call).addresses {
            return self.narrow(call);
        }
        match &self.worker {
            Some(worker) => self.cluster.follow_for_queries(&worker.known()?),
            None => self.cluster.discover(self.fresh, self.options)?,
        }
        Ok(())
    }

    /// A subclass says which gateways there are.
    #[cold]
    fn narrow(&mut self, call: &Call<'_>) -> Result<()> {
        let addresses = call.call_static("getAllGatewayAddress", &[])?;
        let addresses: Vec<String> = match addresses.array() {
            Some(addresses) => array::entries(addresses)
                .map(|(_, address)| {
                    let address = address.deref_php().to_php_string().ok_or(Failure::Thrown)?;
                    Ok(String::from_utf8_lossy(address.as_bytes()).into_owned())
                })
                .collect::<Result<_>>()?,
            None => Vec::new(),
        };
        self.narrowed = Some(Box::new(self.cluster.narrowed(&addresses)?));
        Ok(())
    }

    /// The cluster, for a query to all gateways. [`Target::ensure_known_for_query`] goes before.
    #[inline]
    pub fn queried(&self) -> &Cluster {
        match &self.narrowed {
            None => self.cluster,
            Some(narrowed) => narrowed,
        }
    }

    /// What a send returns. In worker mode, where the event loop has to go on, a failure is false
    /// and a line in the log instead of an exception.
    ///
    /// # Errors
    /// In client mode, what went wrong.
    #[inline]
    pub fn accepted(&self, result: Result<(), Error>) -> Result<bool> {
        match result {
            Ok(()) => Ok(true),
            Err(Error::QueueFull { .. } | Error::Unreachable { .. } | Error::Left { .. })
                if self.sending_worker().is_some() =>
            {
                // The link tells the log when its queue fills, once; not for every frame.
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends something to the gateway of a client; whether it was taken.
    ///
    /// # Errors
    /// As [`Target::of`] and [`Target::accepted`].
    #[inline(always)]
    pub fn send_to(
        call: &Call<'_>,
        id: ClientId,
        send: impl FnOnce(&Cluster, CallOptions) -> Result<(), Error>,
    ) -> Result<bool> {
        let target = Self::of(call)?;
        if !target.reaches(id) {
            return Ok(false);
        }
        target.accepted(send(target.cluster, target.options))
    }

    /// The BusinessWorker, where sends go by its connections.
    #[inline]
    fn sending_worker(&self) -> Option<&Worker> {
        self.worker.as_ref().filter(|worker| worker.sends())
    }

    /// In worker mode, only gateways that the BusinessWorker is connected to are sent to.
    #[inline]
    pub fn reaches(&self, id: ClientId) -> bool {
        self.sending_worker().is_none_or(|worker| worker.is_connected_to(&id.gateway().to_string()))
    }

    /// As [`Target::reaches`], for the gateway at this address.
    pub fn reaches_address(&self, address: &str) -> bool {
        self.sending_worker().is_none_or(|worker| worker.is_connected_to(address))
    }

    /// As [`Target::reaches`], for a query.
    #[inline]
    pub fn reaches_for_query(&self, id: ClientId) -> bool {
        match &self.worker {
            Some(worker) => worker.is_connected_to(&id.gateway().to_string()),
            None => true,
        }
    }
}

/// The cluster of these statics: usually the same as for the last call.
#[inline]
fn cluster(
    gateway_class: GatewayClass,
    worker: Option<&Worker>,
    statics: &Statics,
) -> Result<&'static Cluster> {
    let known = LAST.with_borrow(|last| match &**last {
        Some(last)
            if last.gateway_class == gateway_class
                && last.generation == fork::generation()
                && is_still(statics.secret_key, &last.secret)
                && last.source.is_same(worker, statics.register_address) =>
        {
            Some(last.cluster)
        }
        _ => None,
    });
    match known {
        Some(cluster) => Ok(cluster),
        None => find(gateway_class, worker, statics),
    }
}

#[cold]
fn find(gateway_class: GatewayClass, worker: Option<&Worker>, statics: &Statics) -> Result<&'static Cluster> {
    // Both before a __toString() runs below, which may set the statics.
    let value = |slot: Option<StaticSlot>| slot.map(StaticSlot::value).unwrap_or_default();
    let (register, secret) = (value(statics.register_address), value(statics.secret_key));
    let key = secret.to_php_string().ok_or(Failure::Thrown)?;
    let id = ClusterId {
        user: match gateway_class {
            GatewayClass::Worker => "GatewayWorker\\Lib\\Gateway",
            GatewayClass::Client => "GatewayClient\\Gateway",
        },
        discovery: match worker {
            Some(worker) => Discovery::Caller(worker.number()),
            None => Discovery::Registers(registers(&register)?),
        },
        secret: Secret::new(key.as_bytes()),
    };
    let cluster = Process::current(settings::core)?.cluster(id);
    if worker.is_none() && !is_settled(&register) {
        return Ok(cluster);
    }
    // Copies of the very values: as long as we hold them, no other value can be at their place.
    let last = Last {
        gateway_class,
        generation: fork::generation(),
        source: match worker {
            Some(worker) => Source::Worker(worker.number()),
            None => Source::Registers(register),
        },
        secret,
        cluster,
    };
    drop(replace(Some(last)));
    Ok(cluster)
}

/// Whether a value stays what it is as long as it is the very same: not so a list with references
/// or objects in it, which change without it.
fn is_settled(register: &Zval) -> bool {
    register.array().is_none_or(|list| array::entries(list).all(|(_, value)| value.is_php_scalar()))
}

/// The addresses in `(array) static::$registerAddress`. What is no address is passed on too, where
/// another one is: it cannot be connected to, which the log and the status tell.
fn registers(value: &Zval) -> Result<Vec<String>> {
    let value = values::to_array(value);
    let mut registers = Vec::new();
    let mut invalid = None;
    for (_, value) in value.array().into_iter().flat_map(array::entries) {
        let text = value.deref_php().to_php_string().ok_or(Failure::Thrown)?;
        let text = String::from_utf8_lossy(text.as_bytes());
        match register::written_addresses(&text) {
            Ok(addresses) => registers.extend(addresses),
            Err(error) => {
                registers.push(text.into_owned());
                invalid.get_or_insert(error);
            }
        }
    }
    // Only now: of several a single one has to be right.
    match invalid {
        Some(error) if registers.len() == 1 => Err(Failure::Unreachable(
            format!("cannot connect to tcp://{}: Gateway::$registerAddress {error}", error.0).into(),
        )
        .into()),
        _ if registers.is_empty() => Err(Failure::Unreachable(
            "cannot connect to a register: Gateway::$registerAddress is empty (set it to the address of the Register)"
                .into(),
        )
        .into()),
        _ => Ok(registers),
    }
}

/// `$connectTimeout`, nearly always a small int.
#[inline]
fn connect_timeout(slot: StaticSlot) -> Duration {
    match slot.long() {
        Some(whole @ 0..=60) => Duration::from_secs(whole as u64),
        _ => seconds(slot.value().to_f64()),
    }
}

/// Seconds of PHP code as a time to wait: none where they are negative or no number, and a day at
/// the most.
pub fn seconds(value: f64) -> Duration {
    // A comparison with NaN is false.
    if value > 0.0 { Duration::from_secs_f64(value.min(86_400.0)) } else { Duration::ZERO }
}
