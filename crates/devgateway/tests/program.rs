//! The program `gatewayd`.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

fn start(options: &[&str]) -> (Child, Json) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatewayd"))
        .args(options)
        .arg("--until-stdin-closes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    (child, serde_json::from_str(&line).expect("JSON"))
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().expect("an end").success());
}

#[test]
fn it_says_where_everything_listens_and_ends_with_its_stdin() {
    let (mut child, line) =
        start(&["--gateway", "127.0.0.1:0", "--gateway", "127.0.77.2:0", "--secret", "hush"]);
    assert_eq!(line["pid"], child.id());
    assert_eq!(line["secret"], true);
    assert!(!line.to_string().contains("hush"));
    let gateways = line["gateways"].as_array().expect("a list");
    assert_eq!(gateways.len(), 2);
    for address in [&line["control"], &line["register"]].into_iter().chain(
        gateways.iter().flat_map(|gateway| ["internal", "text", "websocket"].map(|name| &gateway[name])),
    ) {
        TcpStream::connect(address.as_str().expect("an address")).expect("it listens");
    }
    let mut stdout = child.stdout.take().expect("piped");
    end(child);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "one line is all");
}

/// The addresses at which a process listens, as `/proc/net/tcp` writes them.
#[cfg(target_os = "linux")]
fn listening(pid: u32) -> Vec<String> {
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("its descriptors")
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // Its own address, the state LISTEN, and the inode.
            if fields[3] == "0A" && inodes.iter().any(|inode| inode == fields[9]) {
                found.push(fields[1].to_owned());
            }
        }
    }
    found
}

#[test]
#[cfg(target_os = "linux")]
fn it_listens_on_the_loopback_interface_unless_told_otherwise() {
    let (child, _) = start(&["--text-port", "0"]);
    let listening = listening(child.id());
    assert_eq!(listening.len(), 5, "register, control, and a gateway's three: {listening:?}");
    for address in &listening {
        assert!(address.starts_with("0100007F:"), "{address} is not 127.0.0.1");
    }
    end(child);
}

#[test]
fn it_ends_on_sigterm_and_sigint() {
    for signal in ["-TERM", "-INT"] {
        let (mut child, _) = start(&[]);
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        assert!(child.wait().expect("an end").success());
    }
}

#[test]
fn it_runs_a_register_alone_or_none() {
    let (child, line) = start(&["--register-only"]);
    assert!(line["register"].is_string());
    assert_eq!(line["gateways"].as_array().map(Vec::len), Some(0));
    end(child);
    let (child, line) = start(&["--no-register", "--join", "127.0.0.1:1"]);
    assert!(line["register"].is_null());
    assert_eq!(line["gateways"].as_array().map(Vec::len), Some(1));
    end(child);
}

#[test]
fn it_refuses_an_address_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_gatewayd"))
        .args(["--gateway", &address])
        .output()
        .expect("the program");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
}

#[test]
fn its_help_says_what_it_is_not_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_gatewayd")).arg("--help").output().expect("the program");
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOT FOR PRODUCTION"));
}
