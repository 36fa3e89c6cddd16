//! Imports run downward only: every folder has its modules in an order, and a module imports from
//! those below it. The order stands here, from top to bottom; a module that is not listed fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of a crate's sources, as a module path, and its modules from top to bottom. Its own
/// `mod.rs` stands above them, or where the list says [`HEAD`].
type Folder = (&'static str, &'static [&'static str]);

/// The `mod.rs` of a folder, in its list.
const HEAD: &str = "self";

/// `crates/client/src/`: the core.
const CLIENT: &[Folder] = &[
    (
        "",
        &[
            "process",
            "status_file",
            "ended_file",
            "status",
            "cluster",
            "query",
            "gateway",
            "link",
            "pool",
            "register",
            "runtime",
            "receive",
            "settings",
            "address",
            "secret",
            "last_error",
            "error",
            "sys",
        ],
    ),
    (
        "cluster",
        &[
            "commands",
            "queries",
            "send",
            "round_trip",
            "addressed",
            "client_gateway",
            "self",
            "members",
            "gateway_list",
            "encode",
        ],
    ),
    ("query", &["receive", "unavailable", "in_flight", "replies", "parked"]),
    (
        "link",
        &[
            "driver",
            "backoff",
            "drain",
            "disconnect",
            "query",
            "shared",
            "state",
            "observer",
            "connection",
            "send_queue",
            "frame",
            "counters",
        ],
    ),
    ("link::send_queue", &["state", "chunk", "connection", "sync"]),
    ("pool", &["connection", "latency"]),
    ("receive", &["self", "buffers", "query_error"]),
    ("register", &["driver", "grace", "shared", "status"]),
    ("runtime", &["thread", "background", "events", "waker", "pace", "log"]),
    ("address", &["map", "resolve"]),
    ("sys", &["socket", "directory_lock", "fork", "descriptors", "signals", "lock"]),
];

/// `src/`: the extension.
const EXTENSION: &[Folder] = &[
    (
        "",
        &[
            "surface",
            "methods",
            "target",
            "arguments",
            "worker",
            "overrides",
            "context",
            "statics",
            "call",
            "classes",
            "phpinfo",
            "settings",
            "exceptions",
            "log",
            "recorder",
            "engine",
        ],
    ),
    (
        "methods",
        &[
            "send",
            "close",
            "session",
            "uid",
            "group",
            "presence",
            "process",
            "fake",
            "command",
            "select",
            "ids",
            "indirect",
            "protected",
        ],
    ),
    (
        "engine",
        &[
            "class",
            "autoload",
            "exec",
            "frame",
            "ini",
            "unserializer",
            "lists",
            "serializer",
            "array",
            "hash_table",
            "key",
            "names",
            "object",
            "globals",
            "values",
            "string",
        ],
    ),
];

/// `crates/devgateway/src`: gatewayd.
const DEVGATEWAY: &[Folder] = &[
    (
        "",
        &[
            "cli",
            "devgateway",
            "control",
            "register",
            "services",
            "clients",
            "internal",
            "registration",
            "node",
            "gateway",
            "client",
            "worker",
            "session",
            "payload",
            "php_json",
            "fault",
            "tasks",
            "listener",
            "lines",
            "log",
            "config",
        ],
    ),
    ("clients", &["text", "websocket", "handshake", "close"]),
    ("gateway", &["commands", "select", "queries", "state", "index"]),
];

/// `crates/wire/src`: the bytes.
const WIRE: &[Folder] = &[
    ("", &["reply", "register", "json", "php", "client_id", "frame", "command"]),
    ("php", &["value", "reader", "short", "writer"]),
];

#[test]
fn imports_of_the_core_run_downward() {
    assert_layers("crates/client/src", CLIENT);
}

#[test]
fn imports_of_gatewayd_run_downward() {
    assert_layers("crates/devgateway/src", DEVGATEWAY);
}

#[test]
fn imports_of_the_wire_crate_run_downward() {
    assert_layers("crates/wire/src", WIRE);
}

#[test]
fn imports_of_the_extension_run_downward() {
    assert_layers("src", EXTENSION);
}

#[test]
fn an_upward_import_is_found_in_every_form() {
    let folders: &[Folder] = &[("", &["top", "middle", "low"]), ("middle", &["a", "b"])];
    let found = |module: &str, source: &str| violations(module, source, folders, &modules_of(folders)).len();
    assert_eq!(found("low", "use crate::top::Thing;"), 1);
    assert_eq!(found("low", "use crate::{middle::{self, a::Thing}, top};"), 3);
    assert_eq!(found("low", "fn f() { crate::top::run(); }"), 1);
    assert_eq!(found("low", "use super::middle;"), 1);
    assert_eq!(found("middle::b", "use super::a::Thing;"), 1);
    assert_eq!(found("middle::b", "use super::Thing;"), 1, "from the folder's own mod.rs");
    assert_eq!(found("middle::b", "use super::super::top;"), 1);
    assert_eq!(found("middle::a", "use super::b; use crate::low::Thing;"), 0);
    assert_eq!(found("middle", "use a::Thing; use crate::low;"), 0);
    assert_eq!(found("low", "// use crate::top;\n#[cfg(test)]\nmod tests { use crate::top; }"), 0);
}

#[test]
fn a_mod_rs_may_stand_below_modules_of_its_folder() {
    let folders: &[Folder] = &[("", &["top", "low"]), ("low", &["a", HEAD, "b"])];
    let found = |module: &str, source: &str| violations(module, source, folders, &modules_of(folders)).len();
    assert_eq!(found("low::a", "use crate::low::Thing; use crate::low::b::Other;"), 0);
    assert_eq!(found("low", "use crate::low::b::Other;"), 0);
    assert_eq!(found("low", "use crate::low::a::Thing;"), 1);
    assert_eq!(found("low::b", "use crate::low::Thing;"), 1);
    assert_eq!(found("top", "use crate::low::a::Thing;"), 0);
}

fn modules_of(folders: &[Folder]) -> BTreeSet<String> {
    let modules = folders.iter().flat_map(|(folder, children)| {
        children.iter().filter(|child| **child != HEAD).map(|child| join(folder, child))
    });
    modules.collect()
}

fn join(folder: &str, child: &str) -> String {
    if folder.is_empty() { child.to_owned() } else { format!("{folder}::{child}") }
}

fn assert_layers(sources: &str, folders: &[Folder]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(sources);
    let mut files = BTreeMap::new();
    collect(&root, "", &mut files);
    let listed = modules_of(folders);
    let unlisted: Vec<&String> =
        files.keys().filter(|module| !module.is_empty() && !listed.contains(*module)).collect();
    let gone: Vec<&String> = listed.iter().filter(|module| !files.contains_key(*module)).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{sources}: not in the list {unlisted:?}, not there {gone:?}"
    );
    let found: Vec<String> = files
        .iter()
        .filter(|(module, _)| !module.is_empty())
        .flat_map(|(module, file)| {
            violations(module, &fs::read_to_string(file).expect("a readable file"), folders, &listed)
        })
        .collect();
    assert!(found.is_empty(), "{sources}: imports from above\n{}", found.join("\n"));
}

/// The source files under a folder, by module. The root of the crate is the module without a name.
fn collect(folder: &Path, module: &str, files: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, &join(module, &name), files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            match name.as_str() {
                // They import from the module that they test.
                "tests" | "loom_tests" => {}
                "lib" | "main" | "mod" => drop(files.insert(module.to_owned(), path)),
                name => drop(files.insert(join(module, name), path)),
            }
        }
    }
}

/// Each import of a module that is not from below it.
fn violations(module: &str, source: &str, folders: &[Folder], modules: &BTreeSet<String>) -> Vec<String> {
    let from: Vec<&str> = module.split("::").collect();
    imports(source)
        .into_iter()
        .filter_map(|path| {
            let target = resolve(&from, &path, modules)?;
            (!is_downward(&from, &target, folders)).then(|| format!("{module}: {}", path.join("::")))
        })
        .collect()
}

/// The module that a path leads into; `None` for one of another crate.
fn resolve(from: &[&str], path: &[String], modules: &BTreeSet<String>) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    let mut target: Vec<String> = match path[0].as_str() {
        "crate" => Vec::new(),
        "super" => from[..from.len().checked_sub(ups)?].iter().map(|&name| name.to_owned()).collect(),
        _ => return None,
    };
    for segment in &path[ups.max(1)..] {
        target.push(segment.clone());
        if !modules.contains(&target.join("::")) {
            target.pop();
            break;
        }
    }
    Some(target)
}

fn is_downward(from: &[&str], target: &[String], folders: &[Folder]) -> bool {
    let common = from.iter().zip(target).take_while(|(a, b)| **a == b.as_str()).count();
    if common == from.len() && common == target.len() {
        return true;
    }
    let folder = from[..common].join("::");
    let order = folders.iter().find(|(name, _)| *name == folder).map_or(&[][..], |(_, children)| children);
    let place = |name: &str| order.iter().position(|child| *child == name);
    let from = place(from.get(common).copied().unwrap_or(HEAD));
    let to = place(target.get(common).map_or(HEAD, String::as_str));
    // The head stands in front of the list unless it has a place in it.
    match (from, to) {
        (Some(from), Some(to)) => from < to,
        (None, to) => to.is_some(),
        (Some(_), None) => false,
    }
}

/// Every path that starts with `crate` or `super`, with braces expanded. Comments and the tests
/// at the end of a file have no part in it.
fn imports(source: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let is_tests = |pair: &[&str]| {
        pair[0].starts_with("#[cfg(") && pair[0].contains("test") && pair[1].starts_with("mod ")
    };
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    let code = lines[..end].join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(start) = ["crate::", "super::"].iter().filter_map(|word| rest.find(word)).min() {
        let mut tokens = Tokens(&rest[start..]);
        tree(&mut tokens, &mut Vec::new(), &mut found);
        rest = tokens.0;
    }
    found
}

struct Tokens<'a>(&'a str);

impl Tokens<'_> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start();
        let taken = rest.strip_prefix(token);
        self.0 = taken.unwrap_or(self.0);
        taken.is_some()
    }

    fn word(&mut self) -> String {
        let rest = self.0.trim_start();
        let end = rest
            .find(|char: char| !(char.is_alphanumeric() || char == '_' || char == '*'))
            .unwrap_or(rest.len());
        self.0 = &rest[end..];
        rest[..end].to_owned()
    }
}

/// Reads `a::b::{c, d::e}` and keeps a path for each leaf.
fn tree(tokens: &mut Tokens<'_>, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let depth = path.len();
    loop {
        if tokens.take("{") {
            while !tokens.take("}") {
                tree(tokens, path, found);
                if !tokens.take(",") && !tokens.0.trim_start().starts_with('}') {
                    break;
                }
            }
            break;
        }
        path.push(tokens.word());
        if !tokens.take("::") {
            if path.last().is_some_and(|word| word == "self") {
                path.pop();
            }
            found.push(path.clone());
            if tokens.take("as ") {
                tokens.word();
            }
            break;
        }
    }
    path.truncate(depth);
}
