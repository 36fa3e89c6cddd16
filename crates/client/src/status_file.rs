//! The status of this process as a file for others: `<directory>/<pid>.json`, written once a
//! second.
//!
//! It is a file rather than a socket: nothing listens, and a process that hangs still shows what it
//! did last. It is written under another name and renamed, so that no reader sees half of it. Only
//! its owner can read it, and the end of the process removes it. The file of a killed process
//! stays; readers recognise it by its pid and its time.
//!
//! Someone else who can write to the directory can keep us from writing and can forge files, but
//! cannot make us write elsewhere: the temporary file is created anew (`O_EXCL` follows no link),
//! and `rename` replaces a link instead of following it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::ended_file;
use crate::error::reason;
use crate::runtime::log::Log;
use crate::status::ProcessStatus;
use crate::sys::fork;

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(1);

/// What the file holds.
#[derive(Serialize)]
struct Published {
    #[serde(flatten)]
    status: ProcessStatus,
    /// When it was written: seconds since 1970.
    time: f64,
}

/// The file of this process.
struct StatusFile {
    path: PathBuf,
    beside: PathBuf,
}

impl StatusFile {
    fn new(directory: &Path) -> Self {
        let pid = std::process::id();
        Self {
            path: directory.join(format!("{pid}.json")),
            beside: directory.join(format!(".{pid}.json.new")),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let file = match self.create() {
            // A process with our pid was killed while it wrote.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&self.beside)?;
                self.create()?
            }
            created => created?,
        };
        let written = (&file).write_all(bytes);
        fork::close_file(file);
        let placed = written.and_then(|()| fs::rename(&self.beside, &self.path));
        if placed.is_err() {
            // The file is ours. The error before is the one to report.
            let _ = fs::remove_file(&self.beside);
        }
        placed
    }

    /// Creates the temporary file. A child forked meanwhile closes it, like all of our descriptors.
    fn create(&self) -> io::Result<File> {
        fork::open_file(|| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.beside))
    }
}

/// Writes what `status` returns, as long as the background runs. An error is logged once, until
/// writing works again or fails differently.
pub(crate) async fn run(status: impl Fn() -> ProcessStatus, log: Arc<Log>, directory: PathBuf) {
    let file = StatusFile::new(&directory);
    // What is there is of a process of our number that was killed, or of this one before it became another program.
    take_in(&directory, &file, &log);
    let mut told = None;
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match publish(&file, status()) {
            Ok(()) => told = None,
            Err(error) => {
                let error = reason(&error);
                if told.as_ref() != Some(&error) {
                    let what = format_args!("{}: {error}", file.path.display());
                    log.event("gatewayworker.status_path", "is not written", what);
                    told = Some(error);
                }
            }
        }
    }
}

fn publish(file: &StatusFile, status: ProcessStatus) -> io::Result<()> {
    let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
    let bytes = serde_json::to_vec(&Published { status, time })?;
    file.write(&bytes)
}

fn take_in(directory: &Path, file: &StatusFile, log: &Log) {
    if let Err((path, error)) = ended_file::take_in(directory, &file.path) {
        let what = format_args!("{}: {}", path.display(), reason(&error));
        log.event("gatewayworker.status_path", "does not count ended processes", what);
    }
}

/// Takes the file of this process away. The background has ended. Where somebody counts what ended processes have done, the
/// last word of this one is taken in first; its file stays where that does not work, and a reader takes it in.
pub(crate) fn end(directory: &Path, status: ProcessStatus, log: &Log) {
    let file = StatusFile::new(directory);
    if ended_file::is_wanted(directory) {
        if publish(&file, status).is_ok() {
            take_in(directory, &file, log);
        }
        return;
    }
    for path in [file.path, file.beside] {
        // It does not exist if it could not be written, which was logged.
        let _ = fs::remove_file(path);
    }
}
