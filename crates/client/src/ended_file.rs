//! What processes that are gone have counted: `<directory>/ended.json`, so that a total over all processes never goes back.
//!
//! Processes write it only where it is there already: `gatewayworker-top --openmetrics` makes it. The counters of a process
//! come in and its own file goes while the lock of the directory is held. Whoever reads all files under that lock counts
//! each process exactly once. The file of a process that could not do that stays, as that of a killed one, and is taken in
//! by the next reader.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::directory_lock::DirectoryLock;
use crate::sys::fork;

const NAME: &str = "ended.json";

/// How long to wait for the lock of the directory. Readers hold it for milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many clusters are told apart. Those beyond, which come from addresses made up at runtime, are one.
const CLUSTERS: usize = 32;
const OTHER: &str = "other";

/// The longest name of a cluster, in bytes.
const LONGEST_NAME: usize = 200;

/// No file of ours is as long as this, in bytes.
const LONGEST: u64 = 16 << 20;

/// What is counted.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(default)]
struct Totals {
    accepted: u64,
    written: u64,
    dropped: u64,
    reconnects: u64,
    queries: u64,
    queries_failed: u64,
    queries_timed_out: u64,
    queries_retried: u64,
}

impl Totals {
    fn add(&mut self, more: &Self) {
        self.accepted += more.accepted;
        self.written += more.written;
        self.dropped += more.dropped;
        self.reconnects += more.reconnects;
        self.queries += more.queries;
        self.queries_failed += more.queries_failed;
        self.queries_timed_out += more.queries_timed_out;
        self.queries_retried += more.queries_retried;
    }
}

/// The file.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Ended {
    processes: u64,
    clusters: BTreeMap<String, Totals>,
}

/// As much of a status file as counts here.
#[derive(Deserialize)]
struct Status {
    clusters: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    register: Option<Register>,
    ended: Totals,
    gateways: Vec<Totals>,
}

#[derive(Deserialize)]
struct Register {
    registers: Vec<String>,
}

impl Cluster {
    /// Its registers, or that its gateways are those of a BusinessWorker.
    fn name(&self) -> String {
        let Some(register) = &self.register else {
            return "worker".to_owned();
        };
        let mut name = register.registers.join(",");
        while name.len() > LONGEST_NAME {
            name.pop();
        }
        name
    }
}

impl Ended {
    fn add(&mut self, status: &Status) {
        self.processes += 1;
        for cluster in &status.clusters {
            let mut name = cluster.name();
            let others = usize::from(self.clusters.contains_key(OTHER));
            if !self.clusters.contains_key(&name) && self.clusters.len() - others >= CLUSTERS {
                OTHER.clone_into(&mut name);
            }
            let totals = self.clusters.entry(name).or_default();
            cluster.gateways.iter().chain([&cluster.ended]).for_each(|more| totals.add(more));
        }
    }
}

/// Whether anybody wants to know what ended processes have counted.
pub(crate) fn is_wanted(directory: &Path) -> bool {
    directory.join(NAME).symlink_metadata().is_ok_and(|found| found.is_file())
}

/// Takes in what the status file at `path` says, and removes it. Does nothing where nobody wants to know, where the file is
/// not there, or where the lock cannot be had; the file is left alone then.
///
/// # Errors
/// Where a file cannot be read or written; the path is that of it.
pub(crate) fn take_in(directory: &Path, path: &Path) -> Result<(), (PathBuf, io::Error)> {
    if !is_wanted(directory) || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let Some(_lock) = DirectoryLock::take(directory, PATIENCE) else {
        return Ok(());
    };
    // A reader may have taken it in meanwhile.
    if !is_wanted(directory) || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let ended = directory.join(NAME);
    let status: Status = read(path).map_err(|error| (path.to_owned(), error))?;
    let change = || {
        let mut total: Ended = read(&ended)?;
        total.add(&status);
        write(&directory.join(".ended.json.new"), &ended, &serde_json::to_vec(&total)?)
    };
    change().map_err(|error| (ended.clone(), error))?;
    fs::remove_file(path).map_err(|error| (path.to_owned(), error))
}

/// Reads a file that somebody else may have put there: no link is followed, and nothing is waited for.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<T> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = fork::open_file(|| OpenOptions::new().read(true).custom_flags(flags).open(path))?;
    let mut bytes = Vec::new();
    let result = (&file).take(LONGEST).read_to_end(&mut bytes);
    fork::close_file(file);
    result?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Replaces a file as a whole. The lock is held, so that what is beside it is left from a process that was killed.
fn write(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(beside);
    let file = fork::open_file(|| OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside))?;
    let written = (&file).write_all(bytes);
    fork::close_file(file);
    written.and_then(|()| fs::rename(beside, path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn status(registers: Option<&str>, accepted: u64) -> Status {
        let register = registers.map(|name| json!({"registers": [name]}));
        let clusters =
            json!([{"register": register, "ended": {"accepted": 1}, "gateways": [{"accepted": accepted}]}]);
        serde_json::from_value(json!({ "clusters": clusters })).unwrap()
    }

    #[test]
    fn clusters_beyond_the_bound_are_one_and_named_ones_keep_their_names() {
        let mut ended = Ended::default();
        for number in 0..40 {
            ended.add(&status(Some(&format!("r:{}", 100 - number)), 10));
        }
        ended.add(&status(Some("r:100"), 10));
        assert_eq!(ended.processes, 41);
        assert_eq!(ended.clusters.len(), CLUSTERS + 1);
        assert_eq!(ended.clusters["r:100"].accepted, 22);
        assert_eq!(ended.clusters[OTHER].accepted, 8 * 11);
    }

    #[test]
    fn the_gateways_of_a_worker_are_one_cluster() {
        let mut ended = Ended::default();
        ended.add(&status(None, 3));
        assert_eq!(ended.clusters["worker"].accepted, 4);
    }

    #[test]
    fn long_names_are_cut() {
        let mut ended = Ended::default();
        ended.add(&status(Some(&"é".repeat(300)), 1));
        assert_eq!(ended.clusters.keys().next().unwrap(), &"é".repeat(100));
    }
}
