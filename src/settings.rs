//! The settings `gatewayworker.*` of php.ini: validated when they are set, kept for the calls to read at no cost.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::path::PathBuf;
use std::time::Duration;

use gatewayworker_client::{Absent, AddressMap, Patience, Settings};

use crate::engine::{globals, ini};

/// The values. Per thread, as the settings of a thread-safe PHP are.
#[derive(Clone, Debug)]
struct Values {
    enable: bool,
    gateway_client: bool,
    flush_timeout: f64,
    query_timeout: f64,
    partial_results: bool,
    send_buffer: usize,
    max_reply: usize,
    register_address: String,
    secret_key: String,
    address_map: AddressMap,
    status_path: Option<PathBuf>,
}

thread_local! {
    static VALUES: RefCell<Values> = const {
        RefCell::new(Values {
            enable: true,
            gateway_client: false,
            flush_timeout: 5.0,
            query_timeout: 5.0,
            partial_results: false,
            send_buffer: 10_240_000,
            max_reply: 256 << 20,
            register_address: String::new(),
            secret_key: String::new(),
            address_map: AddressMap::EMPTY,
            status_path: None,
        })
    };
}

thread_local! {
    static LAST_FLUSH_TIMEOUT: Cell<Option<f64>> = const { Cell::new(None) };
}

/// One setting.
struct Setting {
    name: &'static CStr,
    default: &'static CStr,
    /// Whether it can be changed while a script runs.
    changeable: bool,
    /// Takes over a value; why not.
    set: fn(&mut Values, &str) -> Result<(), &'static str>,
}

static SETTINGS: [Setting; 11] = [
    Setting {
        name: c"gatewayworker.enable",
        default: c"1",
        changeable: false,
        set: |values, text| {
            values.enable = flag(text)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.gateway_client",
        default: c"0",
        changeable: false,
        set: |values, text| {
            values.gateway_client = flag(text)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.flush_timeout",
        default: c"5",
        changeable: true,
        set: |values, text| {
            values.flush_timeout = seconds(text, 0.0)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.query_timeout",
        default: c"5",
        changeable: true,
        set: |values, text| {
            values.query_timeout = seconds(text, 0.001)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.partial_results",
        default: c"0",
        changeable: true,
        set: |values, text| {
            values.partial_results = flag(text)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.send_buffer",
        default: c"10240000",
        changeable: false,
        set: |values, text| {
            values.send_buffer = bytes(text, 1 << 10)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.max_reply",
        default: c"256M",
        changeable: false,
        set: |values, text| {
            values.max_reply = bytes(text, 1 << 10)?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.register_address",
        default: c"127.0.0.1:1236",
        changeable: false,
        set: |values, text| {
            if text.is_empty() {
                return Err("an address such as 127.0.0.1:1236 is due");
            }
            values.register_address = text.to_owned();
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.secret_key",
        default: c"",
        changeable: false,
        set: |values, text| {
            values.secret_key = text.to_owned();
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.address_map",
        default: c"",
        changeable: false,
        set: |values, text| {
            values.address_map = AddressMap::parse(text)
            .map_err(|_| "pairs of the form advertised-ip[:port]=reachable-ip[:port], with commas between, are due")?;
            Ok(())
        },
    },
    Setting {
        name: c"gatewayworker.status_path",
        default: c"",
        changeable: false,
        set: |values, text| {
            values.status_path = match text {
                "" => None,
                // A process may change its working directory at any time.
                text if text.starts_with('/') => Some(PathBuf::from(text)),
                _ => return Err("the absolute path of a directory is due"),
            };
            Ok(())
        },
    },
];

fn flag(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Ok(true),
        "0" | "" | "off" | "no" | "false" | "none" => Ok(false),
        _ => Err("on or off is due"),
    }
}

fn seconds(text: &str, least: f64) -> Result<f64, &'static str> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && (least..=86_400.0).contains(&value) => Ok(value),
        _ => Err("a number of seconds, up to a day, is due"),
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
        .ok_or("a number of bytes from 1K to below 4G is due")
}

impl ini::Setting for Setting {
    fn name(&self) -> &'static CStr {
        self.name
    }

    fn default(&self) -> &'static CStr {
        self.default
    }

    fn is_changeable(&self) -> bool {
        self.changeable
    }

    /// Takes over a value; one that does not fit is refused, with a line in the log that says what would.
    fn set(&self, text: &str) -> bool {
        match VALUES.with_borrow_mut(|values| (self.set)(values, text)) {
            Ok(()) => true,
            Err(due) => {
                // Not the value: it may be a secret that was put into the wrong line.
                globals::log(&self.name.to_string_lossy(), "is not set", due);
                false
            }
        }
    }

    /// A secret is shown as set or not set.
    fn shown(&self) -> Option<&'static str> {
        let text = || if secret_key().is_empty() { "not set" } else { "set, not shown" };
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

/// `gatewayworker.flush_timeout`: how long the end of the process waits for what is queued. As the last request had it:
/// the engine takes back what `ini_set()` has changed before modules end.
pub fn flush_timeout() -> Duration {
    let seconds = LAST_FLUSH_TIMEOUT.get().unwrap_or_else(|| get(|values| values.flush_timeout));
    Duration::from_secs_f64(seconds)
}

/// At the end of a request: what is left to be done at the end of the process goes by its settings.
pub fn keep_flush_timeout() {
    LAST_FLUSH_TIMEOUT.set(Some(get(|values| values.flush_timeout)));
}

/// How long a call may wait, and for whom: `gatewayworker.query_timeout` for a gateway to answer, `connect` for it to be
/// connected; and whether a question to all gateways does without absent ones, `gatewayworker.partial_results`.
pub fn patience(connect: Duration) -> Patience {
    get(|values| Patience {
        connect,
        reply: Duration::from_secs_f64(values.query_timeout),
        absent: if values.partial_results { Absent::LeaveOut } else { Absent::Fail },
    })
}

/// `gatewayworker.register_address`: the default of `$registerAddress`.
pub fn register_address() -> String {
    get(|values| values.register_address.clone())
}

/// `gatewayworker.secret_key`: the default of `$secretKey`.
pub fn secret_key() -> String {
    get(|values| values.secret_key.clone())
}

/// What the core has to know of them.
pub fn core() -> Settings {
    get(|values| Settings {
        send_buffer: values.send_buffer,
        max_reply: values.max_reply,
        address_map: values.address_map.clone(),
        status_path: values.status_path.clone(),
        ..Settings::default()
    })
}
