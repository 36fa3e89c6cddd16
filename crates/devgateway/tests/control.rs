//! The control protocol.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use gatewayworker_devgateway::Config;
use gatewayworker_wire::{Command, Head};
use serde_json::{Value as Json, json};
use support::{Cluster, Link, RegisterLink};

fn two() -> Cluster {
    let any = "127.0.0.1:0".parse().expect("an address");
    let other = "127.0.0.2:0".parse().expect("an address");
    Cluster::with(Config { gateways: vec![any, other], ..Config::default() })
}

#[test]
fn each_line_gets_a_line_in_reply() {
    let cluster = Cluster::start();
    let mut stream = BufReader::new(TcpStream::connect(cluster.0.addresses().control).expect("it listens"));
    let requests = [
        "{\"cmd\":\"stats\"}",
        "{\"cmd\":\"nonsense\"}",
        "rubbish",
        "{\"cmd\":\"stop_gateway\",\"gateway\":7}",
    ];
    stream.get_mut().write_all((requests.join("\n") + "\n").as_bytes()).expect("it reads");
    let replies: Vec<Json> = (0..4)
        .map(|_| {
            let mut line = String::new();
            stream.read_line(&mut line).expect("a line");
            serde_json::from_str(&line).expect("JSON")
        })
        .collect();
    assert_eq!(replies[0]["gateways"][0]["alive"], true);
    for reply in &replies[1..] {
        assert!(reply["error"].is_string(), "{reply}");
    }
}

#[test]
fn stats_count_connections_frames_bytes_and_clients() {
    let cluster = Cluster::start();
    let client = cluster.client();
    drop(cluster.link());
    let mut link = cluster.link();
    link.send(Command::SendToAll, 0, "", "hello");
    link.query(Command::IsOnline, client.id, "");
    link.query(Command::IsOnline, client.id, "");
    cluster.wait_for("the first link to go", |stats| stats["internal_open"] == 1);
    assert_eq!(
        cluster.stats(),
        json!({
            "address": cluster.gateway(0).internal, "alive": true, "internal_open": 1, "internal_total": 2,
            "authorized": 0, "unauthorized": 0, "clients": 1, "frames": {"6": 1, "11": 2}, "bytes_in": 28 * 3 + 5,
        })
    );
}

#[test]
fn recorded_frames_are_handed_out_raw_once() {
    let cluster = Cluster::start();
    let mut link = cluster.link();
    let mut other = cluster.link();
    link.fence();
    cluster.control(json!({"cmd": "frames", "gateway": 0, "on": true}));
    link.send(Command::BindUid, 1, "u", "");
    link.fence();
    other.fence();
    cluster.control(json!({"cmd": "frames", "gateway": 0, "on": false}));
    link.fence();
    let taken = cluster.control(json!({"cmd": "take_frames", "gateway": 0}));
    let frames = taken["frames"].as_array().expect("a list");
    let seen: Vec<_> = frames.iter().map(|frame| (&frame["connection"], &frame["command"])).collect();
    assert_eq!(seen, [(&json!(1), &json!(12)), (&json!(1), &json!(11)), (&json!(2), &json!(11))]);
    let sent = Head::new(Command::BindUid, 1).frame(b"u", b"").expect("it fits");
    let hex: String = sent.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(frames[0]["hex"], hex);
    assert!(frames[0]["us"].as_u64() > Some(1_600_000_000_000_000));
    assert!(frames[0]["us"].as_u64() <= frames[2]["us"].as_u64());
    assert_eq!(cluster.control(json!({"cmd": "take_frames", "gateway": 0})), json!({"frames": []}));
}

#[test]
fn a_gateway_that_is_stopped_is_gone_and_comes_back_empty() {
    let cluster = two();
    let (mut worker, _) = RegisterLink::worker(cluster.register());
    let (mut client, mut link) = (cluster.client(), cluster.link());
    link.send(Command::JoinGroup, client.id, "room", "");
    link.fence();
    cluster.control(json!({"cmd": "stop_gateway", "gateway": 0}));
    assert_eq!(worker.addresses(), json!([cluster.gateway(1).internal]));
    assert!(client.is_closed() && link.is_closed());
    assert_eq!((&cluster.stats()["alive"], &cluster.stats()["clients"]), (&json!(false), &json!(0)));
    for address in [cluster.gateway(0).internal, cluster.gateway(0).text, cluster.gateway(0).websocket] {
        assert!(TcpStream::connect(address).is_err());
    }
    cluster.control(json!({"cmd": "start_gateway", "gateway": 0}));
    assert_eq!(worker.addresses(), json!([cluster.gateway(1).internal, cluster.gateway(0).internal]));
    assert_eq!(cluster.client().id, 1);
    assert_eq!(cluster.link().query(Command::GetGroupIdList, 0, ""), "a:0:{}");
    // Both ways once more, and twice in a row: nothing is left behind, nothing is started twice.
    for command in ["stop_gateway", "stop_gateway", "start_gateway", "start_gateway"] {
        cluster.control(json!({"cmd": command, "gateway": 0}));
    }
    assert_eq!(cluster.client().id, 1);
}

#[test]
fn a_paused_gateway_reads_nothing_and_goes_on_where_it_was() {
    let cluster = two();
    let mut link = cluster.link();
    link.fence();
    cluster.control(json!({"cmd": "pause_gateway", "gateway": 0, "paused": true}));
    link.send(Command::IsOnline, 1, "", "");
    let mut late = cluster.link();
    late.send(Command::IsOnline, 1, "", "");
    // The other gateway and the clients of this one go on.
    Link::connect(cluster.gateway(1).internal).fence();
    let _client = cluster.client();
    let stats = cluster.stats();
    assert_eq!((&stats["frames"]["11"], &stats["internal_total"]), (&json!(1), &json!(1)));
    cluster.control(json!({"cmd": "pause_gateway", "gateway": 0, "paused": false}));
    assert_eq!((link.reply(), late.reply()), (b"i:1;".to_vec(), b"i:1;".to_vec()));
}

#[test]
fn a_muted_gateway_carries_out_commands_without_replies() {
    let cluster = Cluster::start();
    let mut client = cluster.client();
    let mut link = cluster.link();
    cluster.control(json!({"cmd": "mute_gateway", "gateway": 0, "muted": true}));
    link.send(Command::IsOnline, 99, "", "");
    link.send(Command::SendToAll, 0, "", "still delivered");
    assert_eq!(client.line(), "still delivered");
    cluster.control(json!({"cmd": "mute_gateway", "gateway": 0, "muted": false}));
    // The first reply is that of the second query.
    assert_eq!(link.query(Command::IsOnline, client.id, ""), "i:1;");
}

#[test]
fn internal_connections_can_be_cut_while_clients_stay() {
    let cluster = Cluster::start();
    let mut client = cluster.client();
    let mut links = [cluster.link(), cluster.link()];
    links.iter_mut().for_each(Link::fence);
    links[0].introduce_as_worker("w:0", "");
    links[0].fence();
    cluster.control(json!({"cmd": "disconnect_internal", "gateway": 0}));
    assert_eq!(cluster.stats()["internal_open"], 0);
    for link in &mut links {
        assert!(link.is_closed());
    }
    client.send(b"no worker any more\n");
    client.has_got(&mut cluster.link(), &[]);
}

#[test]
fn queries_can_get_given_bytes_or_an_end() {
    let cluster = Cluster::start();
    let reply = |hex: &str, times: u64| {
        cluster.control(json!({"cmd": "reply", "gateway": 0, "command": 24, "hex": hex, "times": times}));
    };
    let mut link = cluster.link();
    reply("00000003616263", 2);
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, ""), "abc");
    assert_eq!(link.query(Command::IsOnline, 1, ""), "i:0;");
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, ""), "abc");
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, ""), "i:0;");
    reply("00000003616263", 9);
    reply("", 0);
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, ""), "i:0;");
    reply("", 1);
    link.send(Command::IsOnline, 1, "", "");
    link.send(Command::GetClientCountByGroup, 0, "", "");
    assert_eq!(link.reply(), b"i:0;", "the earlier query still gets its reply");
    assert!(link.is_closed());
}

#[test]
fn the_registers_list_can_be_edited() {
    let cluster = two();
    let (a, b) = (cluster.gateway(0).internal, cluster.gateway(1).internal);
    let (mut worker, _) = RegisterLink::worker(cluster.register());
    cluster.control(json!({"cmd": "remove_address", "gateway": 0}));
    assert_eq!(worker.addresses(), json!([b]));
    cluster.control(json!({"cmd": "add_address", "gateway": 0}));
    assert_eq!(worker.addresses(), json!([b, a]));
    let reply = cluster.control(json!({"cmd": "add_address", "address": "127.0.0.9:9"}));
    assert_eq!(reply, json!({"addresses": [b, a, "127.0.0.9:9"]}));
    cluster.control(json!({"cmd": "remove_address", "address": "127.0.0.9:9"}));
    // The gateway itself was never touched.
    cluster.link().fence();
}

#[test]
fn a_register_that_is_stopped_comes_back_at_the_same_address() {
    let cluster = Cluster::start();
    let (mut worker, addresses) = RegisterLink::worker(cluster.register());
    cluster.control(json!({"cmd": "stop_register"}));
    assert!(worker.is_closed());
    assert!(TcpStream::connect(cluster.register()).is_err());
    cluster.control(json!({"cmd": "start_register"}));
    assert_eq!(RegisterLink::worker(cluster.register()).1, addresses);
}

#[test]
fn everything_is_closed_after_stop() {
    let cluster = Cluster::start();
    let mut client = cluster.client();
    let addresses = cluster.0.addresses().clone();
    cluster.0.stop();
    assert!(client.is_closed());
    for address in
        [addresses.control, addresses.register.expect("a register"), addresses.gateways[0].internal]
    {
        assert!(TcpStream::connect(address).is_err());
    }
}
