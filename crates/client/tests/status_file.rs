//! The status as a file for others. A test binary of its own, since the background of the whole
//! process ends.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatewayworker_client::{Message, Process, Settings};
use serde_json::Value as Json;
use support::{PATIENT, Peer, SAFETY_NET, wait_until, worker};

/// A directory of its own for one test at a time: they all end the same background.
struct Place {
    directory: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Place {
    fn new(name: &str) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = std::env::temp_dir().join(format!("gatewayworker-{name}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        Self { directory, _alone: alone }
    }

    fn file(&self) -> PathBuf {
        self.directory.join(format!("{}.json", std::process::id()))
    }

    fn beside(&self) -> PathBuf {
        self.directory.join(format!(".{}.json.new", std::process::id()))
    }

    /// All that is in the directory.
    fn entries(&self) -> usize {
        fs::read_dir(&self.directory).unwrap().count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        Process::shutdown(SAFETY_NET);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn publish_in(directory: &Path) -> &'static Process {
    let status_path = Some(directory.to_owned());
    Process::current(|| Settings { status_path, ..Settings::default() }).unwrap()
}

fn read(file: &Path) -> Option<Json> {
    // Whatever is at the place is whole.
    fs::read(file).ok().map(|text| serde_json::from_slice(&text).unwrap())
}

#[test]
fn the_file_is_there_from_the_first_use_to_the_end_and_follows() {
    let place = Place::new("follows");
    publish_in(&place.directory);
    wait_until("the file", || place.file().exists());
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let first = read(&place.file()).unwrap();
    assert_eq!(first["pid"], std::process::id());
    let peer = Peer::listen();
    let cluster = worker("published", &[&peer]);
    cluster.send_to_client(peer.id(1), Message::text(b"hi"), PATIENT).unwrap();
    wait_until("the file to follow", || {
        read(&place.file()).is_some_and(|now| now["clusters"][0]["gateways"][0]["accepted"] == 1)
    });
    let now = read(&place.file()).unwrap();
    assert!(now["time"].as_f64() > first["time"].as_f64(), "{now}");
    assert_eq!(now["clusters"][0], {
        // As the status is, but for what goes on.
        let mut told = serde_json::to_value(cluster.status()).unwrap();
        told["gateways"][0]["link"] = now["clusters"][0]["gateways"][0]["link"].clone();
        for name in ["written", "queued", "queued_bytes", "written_bytes", "batches", "direct"] {
            told["gateways"][0][name] = now["clusters"][0]["gateways"][0][name].clone();
        }
        told
    });
    drop(peer.accept());
    Process::shutdown(SAFETY_NET);
    assert_eq!(place.entries(), 0, "nothing is left behind");
}

#[test]
fn links_are_replaced_and_never_followed() {
    let place = Place::new("links");
    let victim = place.directory.join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, place.file()).unwrap();
    symlink(&victim, place.beside()).unwrap();
    publish_in(&place.directory);
    wait_until("the file", || fs::symlink_metadata(place.file()).unwrap().is_file());
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(fs::metadata(&victim).unwrap().nlink(), 1);
    Process::shutdown(SAFETY_NET);
    assert_eq!(place.entries(), 1, "the victim is none of ours");
}

#[test]
fn an_error_is_told_once_and_the_file_comes_when_it_can() {
    let place = Place::new("error");
    let missing = place.directory.join("missing");
    let process = publish_in(&missing);
    let mut lines = Vec::new();
    wait_until("the error", || {
        lines.extend(process.log().take());
        !lines.is_empty()
    });
    let file = missing.join(format!("{}.json", std::process::id()));
    let due =
        format!("gatewayworker.status_path is not written: {}: No such file or directory", file.display());
    // Until there was one more attempt: it puts the file beside first, so that this fails
    // otherwise.
    fs::create_dir(&missing).unwrap();
    fs::create_dir(&file).unwrap();
    wait_until("another error", || {
        lines.extend(process.log().take());
        lines.len() > 1
    });
    assert_eq!(lines[0], due);
    assert!(lines[1].ends_with("Is a directory"), "{lines:?}");
    assert_eq!(lines.len(), 2, "each error once: {lines:?}");
    fs::remove_dir(&file).unwrap();
    wait_until("the file", || file.is_file());
    assert_eq!(process.log().take(), Vec::<String>::new());
}

/// What is counted of ended processes.
fn ended(place: &Place) -> Json {
    read(&place.directory.join("ended.json")).unwrap()
}

/// Sends once to a peer, and waits until the file says so.
fn send_once(place: &Place, peer: &Peer) {
    let cluster = worker("counted", &[peer]);
    cluster.send_to_client(peer.id(1), Message::text(b"hi"), PATIENT).unwrap();
    wait_until("the file to follow", || {
        read(&place.file()).is_some_and(|now| now["clusters"][0]["gateways"][0]["accepted"] == 1)
    });
}

#[test]
fn the_counters_of_an_ended_process_are_kept_where_somebody_asked_for_them() {
    let place = Place::new("kept");
    fs::write(
        place.directory.join("ended.json"),
        r#"{"processes":7,"clusters":{"worker":{"accepted":100}}}"#,
    )
    .unwrap();
    publish_in(&place.directory);
    let peer = Peer::listen();
    send_once(&place, &peer);
    // After the file was written last.
    worker("counted", &[&peer]).send_to_client(peer.id(1), Message::text(b"ho"), PATIENT).unwrap();
    Process::shutdown(SAFETY_NET);
    assert_eq!(place.entries(), 1, "its own file is gone");
    assert_eq!(ended(&place)["processes"], 8);
    assert_eq!(ended(&place)["clusters"]["worker"]["accepted"], 102);
    assert_eq!(ended(&place)["clusters"]["worker"]["written"], 2);
    assert_eq!(fs::metadata(place.directory.join("ended.json")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_last_word_of_a_process_stays_where_it_cannot_be_counted() {
    let place = Place::new("stays");
    let broken = place.directory.join("ended.json");
    fs::write(&broken, "broken").unwrap();
    publish_in(&place.directory);
    let peer = Peer::listen();
    send_once(&place, &peer);
    let told = Process::shutdown(SAFETY_NET).log;
    assert_eq!(fs::read(&broken).unwrap(), b"broken");
    assert_eq!(read(&place.file()).unwrap()["clusters"][0]["gateways"][0]["written"], 1);
    assert_eq!(told.len(), 1, "{told:?}");
    let due = format!("gatewayworker.status_path does not count ended processes: {}: ", broken.display());
    assert!(told[0].starts_with(&due), "{told:?}");
}

#[test]
fn what_a_killed_process_of_our_number_left_is_counted_before_its_file_is_replaced() {
    let place = Place::new("number");
    fs::write(place.directory.join("ended.json"), "{}").unwrap();
    let left = r#"{"pid":1,"clusters":[{"register":{"registers":["r:1","r:2"]},"ended":{"dropped":1},
        "gateways":[{"dropped":3,"queries":5},{"dropped":4}]}]}"#;
    fs::write(place.file(), left).unwrap();
    publish_in(&place.directory);
    wait_until("a file of ours", || read(&place.file()).is_some_and(|now| now["pid"] != 1));
    assert_eq!(ended(&place)["processes"], 1);
    assert_eq!(ended(&place)["clusters"]["r:1,r:2"]["dropped"], 8);
    assert_eq!(ended(&place)["clusters"]["r:1,r:2"]["queries"], 5);
}

#[test]
fn a_link_in_the_place_of_the_totals_is_not_followed() {
    let place = Place::new("total-link");
    let victim = place.directory.join("victim");
    fs::write(&victim, "{}").unwrap();
    symlink(&victim, place.directory.join("ended.json")).unwrap();
    publish_in(&place.directory);
    wait_until("the file", || place.file().exists());
    Process::shutdown(SAFETY_NET);
    assert_eq!(fs::read(&victim).unwrap(), b"{}");
    assert!(!place.file().exists());
}
