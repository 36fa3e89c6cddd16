//! The status of this process as a file, for others to look at: `<directory>/<pid>.json`, written anew once a second.
//!
//! A file and not a socket: nothing listens, and a process that hangs still shows what it did last. It is written beside
//! its place and renamed, so that a reader never sees half of one; it is readable by its owner alone, and removed when the
//! process ends. That of a process that was killed stays: a reader tells by its number and its time.
//!
//! Somebody else who may write to the directory can keep us from publishing and can forge files, but cannot make us write
//! elsewhere: the file beside is made new (`O_EXCL` follows no link), and `rename` replaces a link instead of following it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

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
            // A process of our number was killed while it wrote.
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
            // It is ours. What went wrong before is what is told.
            let _ = fs::remove_file(&self.beside);
        }
        placed
    }

    /// Makes the file beside. A child that is forked meanwhile closes it, as it closes all of ours.
    fn create(&self) -> io::Result<File> {
        fork::open_file(|| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.beside))
    }
}

/// Publishes what `status` says as long as the background runs. An error is told once, until it works again or goes
/// wrong otherwise.
pub(crate) async fn run(status: impl Fn() -> ProcessStatus, log: Arc<Log>, directory: PathBuf) {
    let file = StatusFile::new(&directory);
    let mut bytes = Vec::new();
    let mut told = None;
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
        let published = Published { status: status(), time };
        bytes.clear();
        let written = serde_json::to_writer(&mut bytes, &published).map_err(io::Error::from);
        match written.and_then(|()| file.write(&bytes)) {
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

/// Takes the file of this process away. The background has ended.
pub(crate) fn remove(directory: &Path) {
    let file = StatusFile::new(directory);
    for path in [file.path, file.beside] {
        // It is not there where it could not be written, which was told.
        let _ = fs::remove_file(path);
    }
}
