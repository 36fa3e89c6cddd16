//! The settings `gatewayworker.*` of php.ini: validated when they are set, kept for the calls to
//! read at no cost.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use gatewayworker_client::{AddressMap, CallOptions, OnUnavailable, Settings};

use crate::engine::{globals, ini};

/// The values. Per thread, as the settings of a thread-safe PHP are.
#[derive(Clone, Debug)]
struct Values {
    enable: bool,
    gateway_client: bool,
    flush_timeout: f64,
    send_buffer: usize,
    max_reply: usize,
    defaults: Defaults,
    address_map: AddressMap,
    trust_client_ids: bool,
    status_path: Option<PathBuf>,
}

/// The settings that are defaults of static properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `gatewayworker.register_address`: the default of `$registerAddress`.
    pub register_address: String,
    /// `gatewayworker.secret_key`: the default of `$secretKey`.
    pub secret_key: String,
}

thread_local! {
    static VALUES: RefCell<Values> = const {
        RefCell::new(Values {
            enable: true,
            gateway_client: false,
            flush_timeout: 1.5,
            send_buffer: 10_240_000,
            max_reply: 256 << 20,
            defaults: Defaults { register_address: String::new(), secret_key: String::new() },
            address_map: AddressMap::EMPTY,
            trust_client_ids: false,
            status_path: None,
        })
    };
}

/// The settings that every call reads. Kept apart, so that a call has nothing to borrow.
#[derive(Clone, Copy)]
struct PerCall {
    query_timeout: Duration,
    on_unavailable: OnUnavailable,
}

thread_local! {
    static PER_CALL: Cell<PerCall> =
        const { Cell::new(PerCall { query_timeout: Duration::from_secs(5), on_unavailable: OnUnavailable::Fail }) };
    static LAST_FLUSH_TIMEOUT: Cell<Option<f64>> = const { Cell::new(None) };
}

static DECLARED: OnceLock<Defaults> = OnceLock::new();

/// When a setting can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changes {
    /// When PHP starts: php.ini, `-d`. It decides which classes there are.
    AtStart,
    /// By the server too: the pool of a php-fpm, an Apache host.
    ByServer,
    /// By scripts too: `ini_set()`.
    ByScript,
}

/// One setting.
struct Setting {
    name: &'static CStr,
    default: &'static CStr,
    /// When it can be changed.
    changes: Changes,
    /// Takes over a value; why not.
    set: fn(&mut Values, &str) -> Result<(), &'static str>,
}

static SETTINGS: [Setting; 12] = [
    Setting {
        name: c"gatewayworker.enable",
        default: c"1",
        changes: Changes::AtStart,
        set: |values, text| {
            values.enable = flag(text)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.gateway_client",
        default: c"0",
        changes: Changes::AtStart,
        set: |values, text| {
            values.gateway_client = flag(text)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.flush_timeout",
        // Below Worker::$stopTimeout (2 s), when Workerman kills the process.
        default: c"1.5",
        changes: Changes::ByScript,
        set: |values, text| {
            values.flush_timeout = seconds(text, 0.0)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.query_timeout",
        default: c"5",
        changes: Changes::ByScript,
        set: |_, text| {
            let query_timeout = Duration::from_secs_f64(seconds(text, 0.001)?);
            PER_CALL.set(PerCall { query_timeout, ..PER_CALL.get() });
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.partial_results",
        default: c"0",
        changes: Changes::ByScript,
        set: |_, text| {
            let on_unavailable = if flag(text)? { OnUnavailable::Skip } else { OnUnavailable::Fail };
            PER_CALL.set(PerCall { on_unavailable, ..PER_CALL.get() });
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.send_buffer",
        default: c"10240000",
        changes: Changes::ByServer,
        set: |values, text| {
            values.send_buffer = bytes(text, 1 << 10)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.max_reply",
        default: c"256M",
        changes: Changes::ByServer,
        set: |values, text| {
            values.max_reply = bytes(text, 1 << 10)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.register_address",
        default: c"127.0.0.1:1236",
        changes: Changes::ByServer,
        set: |values, text| {
            if text.is_empty() {
                return Err("expected an address such as 127.0.0.1:1236");
            }
            values.defaults.register_address = text.to_owned();
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.secret_key",
        default: c"",
        changes: Changes::ByServer,
        set: |values, text| {
            values.defaults.secret_key = text.to_owned();
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.address_map",
        default: c"",
        changes: Changes::ByServer,
        set: |values, text| {
            values.address_map = AddressMap::parse(text)
            .map_err(|_| "expected pairs of the form advertised-ip[:port]=reachable-ip[:port], with commas between")?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.trust_client_ids",
        default: c"0",
        changes: Changes::ByServer,
        set: |values, text| {
            values.trust_client_ids = flag(text)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.status_path",
        default: c"",
        changes: Changes::ByServer,
        set: |values, text| {
            values.status_path = match text {
                "" => None,
                // A process may change its working directory at any time.
                text if text.starts_with('/') => Some(PathBuf::from(text)),
                _ => return Err("expected the absolute path of a directory"),
            };
            Ok(())
        },
    },
];

fn flag(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Ok(true),
        "0" | "" | "off" | "no" | "false" | "none" => Ok(false),
        _ => Err("expected on or off"),
    }
}

fn seconds(text: &str, least: f64) -> Result<f64, &'static str> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && (least..=86_400.0).contains(&value) => Ok(value),
        _ => Err("expected a number of seconds, up to a day"),
    }
}

/// Bytes, with PHP's K, M and G.
fn bytes(text: &str, least: usize) -> Result<usize, &'static str> {
    let text = text.trim();
    let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits
        .parse::<usize>()
        .ok()
        .and_then(|value| value.checked_mul(1 << shift))
        .filter(|value| *value >= least && *value <= u32::MAX as usize)
        .ok_or("expected a number of bytes from 1K to below 4G")
}

impl ini::Setting for Setting {
    fn name(&self) -> &'static CStr {
        self.name
    }

    fn default(&self) -> &'static CStr {
        self.default
    }

    fn is_for_scripts(&self) -> bool {
        self.changes == Changes::ByScript
    }

    /// Takes over a value; one that does not fit is ignored, with a line in the log that says what
    /// would.
    fn set(&self, text: &str, starting: bool) -> bool {
        let taken = if self.changes == Changes::AtStart && !starting {
            Err("it counts when PHP starts: set it in php.ini or with -d")
        } else {
            VALUES.with_borrow_mut(|values| (self.set)(values, text))
        };
        if let Err(expected) = taken {
            // Not the value: it may be a secret that was put into the wrong line.
            globals::log(&self.name.to_string_lossy(), "ignored", expected);
        }
        taken.is_ok()
    }

    /// A secret is shown as set or not set.
    fn shown(&self) -> Option<&'static str> {
        let text =
            || if get(|values| values.defaults.secret_key.is_empty()) { "not set" } else { "set, not shown" };
        (self.name == c"gatewayworker.secret_key").then(text)
    }
}

/// Registers the settings. Only while the module starts.
pub fn register(module: i32) {
    ini::register(&SETTINGS, module);
}

/// Takes the settings away. Only while the module ends.
pub fn unregister(module: i32) {
    ini::unregister(module);
}

fn get<T>(with: impl FnOnce(&Values) -> T) -> T {
    VALUES.with_borrow(with)
}

/// `gatewayworker.enable`: whether the classes exist at all.
pub fn enabled() -> bool {
    get(|values| values.enable)
}

/// `gatewayworker.gateway_client`: whether `GatewayClient\Gateway` exists too.
pub fn gateway_client() -> bool {
    get(|values| values.gateway_client)
}

/// `gatewayworker.flush_timeout`: how long the end of the process waits for what is queued. As the
/// last request had it: the engine takes back what `ini_set()` has changed before modules end.
pub fn flush_timeout() -> Duration {
    let seconds = LAST_FLUSH_TIMEOUT.get().unwrap_or_else(|| get(|values| values.flush_timeout));
    Duration::from_secs_f64(seconds)
}

/// At the end of a request: what is left to be done at the end of the process goes by its settings.
pub fn keep_flush_timeout() {
    LAST_FLUSH_TIMEOUT.set(Some(get(|values| values.flush_timeout)));
}

/// How long a call may wait: `gatewayworker.query_timeout` for replies, `connect` for connections.
/// And whether a query to all gateways skips unavailable ones (`gatewayworker.partial_results`).
#[inline]
pub fn call_options(connect_timeout: Duration) -> CallOptions {
    let PerCall { query_timeout, on_unavailable } = PER_CALL.get();
    CallOptions { connect_timeout, query_timeout, on_unavailable }
}

/// The defaults that the static properties are declared with: the settings as they were when the
/// module started.
pub fn declared() -> &'static Defaults {
    DECLARED.get_or_init(|| get(|values| values.defaults.clone()))
}

/// The defaults of static properties, where they are not those that were declared.
pub fn changed_defaults() -> Option<Defaults> {
    let declared = DECLARED.get()?;
    get(|values| (values.defaults != *declared).then(|| values.defaults.clone()))
}

/// What the core has to know of them.
pub fn core() -> Settings {
    get(|values| Settings {
        send_buffer: values.send_buffer,
        max_reply: values.max_reply,
        address_map: values.address_map.clone(),
        trust_client_ids: values.trust_client_ids,
        status_path: values.status_path.clone(),
        ..Settings::default()
    })
}
